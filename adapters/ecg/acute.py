"""Does the cart itself say that this is an acute myocardial infarction? A table, read top-down for each clause.

What a cart holds possible is raised as well ("possible", "consider", "cannot rule out", 不除外): a person looks
within minutes and no harm is done. What it denies, calls old or of undetermined age is not raised. Denials count in
the clause they stand in, before the words or after them.
"""

import re
from collections.abc import Iterable

_WALLS = r"(?:[a-z]+(?:[ -/]+[a-z]+){0,4}[ -/]+)?"
_NAMES = (
    rf"acute {_WALLS}(?:mi|ami|infarct\w*|myocardial infarct\w*)\b",
    r"infarct\w*[ ,:;-]+(?:\w+ ){0,2}acute\b",
    r"\bacute (?:coronary|stemi|st.elevation)",
    r"\bn?stemi\b",
    r"\bst[ -]elevation (?:mi|myocardial infarct\w*)\b",
    r"\bst[ -]elevation\b.{0,40}\b(?:acute infarct\w*|acute injury)",
    r"急性[^，。；,;]{0,12}心肌?梗[死塞]?",
    r"急性[^，。；,;]{0,12}梗[死塞]",
    r"st段抬高(?:型|性)?(?:急性)?心肌?梗",
    r"心肌?梗[死塞]?[^，。；,;]{0,6}急性",
    r"超急性期",
)
# What makes a denial no denial stands before what denies.
_DOUBTS = (
    r"(?:cannot|can not|can't|could not|not) (?:be )?(?:rule[ds]?|exclude[ds]?)(?: out)?",
    r"(?:不|未|待|不能|不可|难以|尚不能)(?:完全)?(?:除外|排除)",
)
_DENIALS_BEFORE = (
    r"\bno\b(?: \w+){0,4} *$",
    r"\bnot\b(?: \w+){0,3} *$",
    r"\bwithout\b(?: \w+){0,4} *$",
    r"\bnegative for\b(?: \w+){0,2} *$",
    r"\b(?:ruled out|excluded?|denies)\b[: ]*(?:\w+ ){0,2}$",
    r"(?:无|未见|未提示|未发现|没有|不支持|不考虑|除外|排除|否认|并非)[^，。；,;]{0,8}$",
    r"非(?:st段抬高型?)?$",
    r"\b(?:old|previous|prior|history of)\b(?: \w+){0,2} *$",
)
_DENIALS_AFTER = (
    r"^[ ,:]*(?:is |are |was |has been )?(?:ruled out|excluded|unlikely|not (?:seen|present|likely|suggested))",
    r"^[^，。；,;]{0,4}(?:已除外|已排除|可除外|可排除|可能性小|证据不足|不支持)",
    r"^[ ,:]*criteria not met",
)
_CLAUSE = re.compile(r"[.;。；\n]|\bbut\b|但")
_FOUND = re.compile("|".join(_NAMES))
_DOUBT, _BEFORE, _AFTER = (
    re.compile("|".join(table)) for table in (_DOUBTS, _DENIALS_BEFORE, _DENIALS_AFTER)
)


def says_acute(statements: Iterable[str]) -> bool:
    """Whether one of the statements says so, or holds it possible."""
    return any(_in_clause(clause) for line in statements for clause in _CLAUSE.split(_plain(line)))


def _plain(line: str) -> str:
    return re.sub(r"\s+", " ", line.replace("*", " ").replace("，", ",").lower())


def _in_clause(clause: str) -> bool:
    return any(not _denied(clause, found) for found in _FOUND.finditer(clause))


def _denied(clause: str, found: re.Match[str]) -> bool:
    before, after = clause[: found.start()], clause[found.end() :]
    if _DOUBT.search(before) or _DOUBT.search(after):
        return False
    return bool(_BEFORE.search(before) or _AFTER.search(after))
