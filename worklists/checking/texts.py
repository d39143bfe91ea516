"""A report's text in sentences and clauses, and which of its words are denied.

Chinese reports deny before the word (未见, 无, 未探及), and a denial reaches to the end of its clause, also over a list
that goes on behind a comma without a verb of its own (未见骨折，脱位).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_SENTENCE = re.compile(r"[^。；;！？!?\n]+")
_CLAUSE = re.compile(r"[^，,：:]+")
# 不除外 and 不能排除 leave it open, which is not a denial; 无回声 is a finding.
_DENIAL = re.compile(
    r"(?:未|没有|不)(?:见|发现|探及|显示|提示|检出|触及|伴)|未及|没有|无(?!回声|功能|名|痛|症状|强化)|否认|"
    r"(?<!不能)(?<!未)(?<!难以)(?<!不)(?:排除|除外)|阴性"
)
_OPEN = re.compile(r"(?:不|未|不能|难以|尚不能|暂不能)(?:除外|排除)")
_GOES_ON = re.compile(r"[见示呈伴有为约考符提系]|左|右|双")
_DENIED_BEHIND = re.compile(r"(?:已|可|予以?)?(?:排除|除外)$|(?:未见|未显示|阴性|消失|已吸收)$")


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece between commas. `begin` counts from the beginning of the section."""

    begin: int
    text: str
    denied_before: bool = False  # a denial of the clause before goes on here

    def denies(self, place: int) -> bool:
        """Whether the word at `place`, from the clause's beginning, is said not to be there."""
        if self.denied_before or _DENIED_BEHIND.search(self.text):
            return True
        denials = [one.start() for one in _DENIAL.finditer(self.text) if one.start() < place]
        opened = [one.start() for one in _OPEN.finditer(self.text) if one.start() < place]
        return bool(denials) and max(denials) > max(opened, default=-1)

    def asserted(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """Where it says that the thing is there."""
        return (one for one in pattern.finditer(self.text) if not self.denies(one.start()))


def sentences(text: str) -> Iterator[Sequence[Clause]]:
    for one in _SENTENCE.finditer(text):
        yield tuple(_clauses(one.start(), one.group()))


def clauses(text: str) -> Iterator[Clause]:
    for one in sentences(text):
        yield from one


def _clauses(begin: int, sentence: str) -> Iterator[Clause]:
    before: Clause | None = None
    for one in _CLAUSE.finditer(sentence):
        text = one.group()
        goes_on = before is not None and before.denies(len(before.text)) and not _GOES_ON.search(text)
        before = Clause(begin + one.start(), text, goes_on)
        yield before


def any_of(words: Sequence[str]) -> re.Pattern[str]:
    """The longest first, so that the whole word is quoted."""
    return re.compile("|".join(re.escape(one) for one in sorted(words, key=len, reverse=True)) or r"(?!)")
