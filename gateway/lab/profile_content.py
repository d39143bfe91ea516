"""What a profile may say, checked before it is kept: where → why, as `worklists.laboratory.contents` answers.

Patterns are regular expressions that people write, and run over every specimen of an analyser: they are short, and
hold nothing that can take exponential time.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from adapters.errors import Malformed
from adapters.lab.csv_mapping import read_mapping
from adapters.lab.dialect import read_dialect
from adapters.lab.document_files import check_pattern
from worklists.laboratory.dictionary import LabItem
from worklists.laboratory.interpretation import same_unit

Reasons = dict[str, str]

BARCODES = ("barcode", "placer_number", "filler_number", "patient_id")
FLAG_MEANINGS = ("L", "H", "LL", "HH", "A", "N", "instrument")
_KEYS = frozenset({"tests", "units", "flags", "values", "empty", "barcode", "controls", "dialect", "file"})
_MOST = 2000  # entries of a map
_LONGEST = 200  # characters of a name
_LONGEST_PATTERN = 80
# A repeated group that itself repeats, a back reference, a look around: what makes matching slow.
_SLOW = re.compile(r"[*+}]\)|\)[*+{]|\\[1-9]|\(\?[^:]|\(\?P=")


def check_profile(content: Mapping[str, Any], items: Mapping[str, LabItem]) -> Reasons:
    """Every part that cannot be used."""
    if not isinstance(content, Mapping) or not set(content) <= _KEYS:
        return {"content": "unknown"}
    units = _units_of(items.values())
    return {
        **_check_tests(content.get("tests", {}), items),
        **_check_words(content, "units", units),
        **_check_words(content, "flags", FLAG_MEANINGS),
        **_check_words(content, "values", None),
        **_check_empty(content.get("empty", [])),
        **({} if content.get("barcode", "barcode") in BARCODES else {"barcode": "unknown"}),
        **_check_controls(content.get("controls", [])),
        **_check_dialect(content.get("dialect", {})),
        **_check_file(content.get("file", {})),
    }


def _check_tests(tests: Any, items: Mapping[str, LabItem]) -> Reasons:
    if not isinstance(tests, Mapping) or len(tests) > _MOST:
        return {"tests": "unusable"}
    found: Reasons = {}
    for name, meaning in tests.items():
        why = _check_test(name, meaning, items)
        if why:
            found[f"tests.{name[:40]}"] = why
    return found


def _check_test(name: Any, meaning: Any, items: Mapping[str, LabItem]) -> str | None:
    if not _is_text(name) or not isinstance(meaning, Mapping):
        return "unusable"
    said = [key for key in ("item", "ignored", "flag") if meaning.get(key)]
    if len(said) != 1 or not set(meaning) <= {"item", "ignored", "flag", "unit", "unit_means"}:
        return "one_meaning"
    if said == ["item"]:
        item = items.get(str(meaning["item"]))
        if item is None:
            return "unknown"
        means = meaning.get("unit_means", {})
        if not isinstance(means, Mapping):
            return "unusable"
        wanted = [meaning.get("unit", ""), *means.values()]
        if not all(isinstance(unit, str) and (not unit or _leads_to(item, unit)) for unit in wanted):
            return "unit"
    return _check_flag(meaning["flag"], items) if said == ["flag"] else None


def _check_flag(flag: Any, items: Mapping[str, LabItem]) -> str | None:
    """True for every item, or the items that it is about."""
    if flag is True:
        return None
    if not isinstance(flag, list) or not all(isinstance(code, str) for code in flag):
        return "unusable"
    return None if set(flag) <= set(items) else "unknown"


def _check_words(content: Mapping[str, Any], name: str, allowed: Collection[str] | None) -> Reasons:
    words = content.get(name, {})
    if not isinstance(words, Mapping) or len(words) > _MOST:
        return {name: "unusable"}
    found: Reasons = {}
    for said, meaning in words.items():
        if not _is_text(said) or not isinstance(meaning, str) or len(meaning) > _LONGEST:
            found[f"{name}.{str(said)[:40]}"] = "unusable"
        elif allowed is not None and not _is_allowed(meaning, allowed, units=name == "units"):
            found[f"{name}.{said[:40]}"] = "unit" if name == "units" else "unknown"
    return found


def _check_empty(empty: Any) -> Reasons:
    if not isinstance(empty, Sequence) or isinstance(empty, str) or len(empty) > 50:
        return {"empty": "unusable"}
    return (
        {} if all(isinstance(one, str) and len(one) <= _LONGEST for one in empty) else {"empty": "unusable"}
    )


def _check_controls(controls: Any) -> Reasons:
    if not isinstance(controls, Sequence) or isinstance(controls, str) or len(controls) > 100:
        return {"controls": "unusable"}
    found: Reasons = {}
    for place, one in enumerate(controls):
        why = _check_control(one)
        if why:
            found[f"controls.{place}"] = why
    return found


def _check_dialect(dialect: Any) -> Reasons:
    if not isinstance(dialect, Mapping):
        return {"dialect": "unusable"}
    found: Reasons = {}
    for name, value in dialect.items():
        try:
            read_dialect({name: value})
        except Malformed:
            found[f"dialect.{str(name)[:40]}"] = "unusable"
    return found


def _check_control(one: Any) -> str | None:
    if not isinstance(one, Mapping) or not set(one) <= {"pattern", "level", "lot"}:
        return "unusable"
    if not all(isinstance(value, str) and len(value) <= _LONGEST for value in one.values()):
        return "unusable"
    pattern = one.get("pattern", "")
    if not pattern or not one.get("level"):
        return "required"
    if len(pattern) > _LONGEST_PATTERN or _SLOW.search(pattern):
        return "pattern"
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return "pattern"
    return "pattern" if compiled.fullmatch("") else None


def _check_file(stated: Any) -> Reasons:
    if not isinstance(stated, Mapping) or not set(stated) <= {"table", "document"}:
        return {"file": "unusable"}
    found: Reasons = {}
    checks: Mapping[str, Callable[[Any], object]] = {"table": read_mapping, "document": check_pattern}
    for way, check in checks.items():
        try:
            if stated.get(way):
                check(stated[way])
        except (Malformed, TypeError, AttributeError):
            found[f"file.{way}"] = "unusable"
    return found


def _units_of(items: Collection[LabItem]) -> list[str]:
    return list(dict.fromkeys(unit for item in items for unit in _ways(item)))


def _ways(item: LabItem) -> list[str]:
    return [item.unit, *(str(one["unit"]) for one in item.units)]


def _leads_to(item: LabItem, unit: str) -> bool:
    return any(same_unit(unit, known) for known in _ways(item))


def _is_allowed(meaning: str, allowed: Collection[str], *, units: bool) -> bool:
    if units:
        return not meaning or any(same_unit(meaning, known) for known in allowed)
    return meaning in allowed


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST
