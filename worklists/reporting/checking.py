"""What makes a book of templates unusable: where in it → why (a key of the edge's words).

Its shape (types, lengths, words of the pick lists) was checked before.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from worklists.reporting.body_parts import body_parts
from worklists.reporting.matching import MODALITIES, same_modalities
from worklists.reporting.slots import SIDES, SlotType, has_stray_brace, slots_in
from worklists.scores import SCHEMES

Content = Mapping[str, Any]
Found = Iterator[tuple[str, str]]

_CHOSEN: Final = {SlotType.CHOICE, SlotType.MANY}
# Words that are said of one sex alone, by the sex that contradicts them.
_OF_THE_OTHER: Final = {
    "F": re.compile("前列腺(?!素)|精囊|睾丸|附睾|阴茎"),
    "M": re.compile("子宫(?!内膜异位)|卵巢|宫颈|阴道|妊娠|胎儿|早孕|宫内"),
}


def check_templates(content: Content) -> dict[str, str]:
    return dict(_check(content))


def _check(content: Content) -> Found:
    for part, texts in (("templates", ("findings", "impression")), ("phrases", ("text",))):
        rows = content[part]
        yield from _twice(part, rows)
        for place, row in enumerate(rows):
            yield from _row(f"{part}.{place}", row, texts)
    yield from _two_normal(content["templates"])
    for place, row in enumerate(content["templates"]):
        if row["score"] and row["score"] not in SCHEMES:
            yield f"templates.{place}.score", "unknown"


def _row(where: str, row: Content, texts: Sequence[str]) -> Found:
    if not set(row["modalities"]) <= MODALITIES:
        yield f"{where}.modalities", "unknown"
    if not set(row["body_parts"]) <= body_parts().keys():
        yield f"{where}.body_parts", "unknown"
    for name in texts:
        if has_stray_brace(row[name]):
            yield f"{where}.{name}", "stray_brace"
        contradicts = _OF_THE_OTHER.get(row["sex"])
        if contradicts and contradicts.search(row[name]):
            yield f"{where}.{name}", "other_sex"
    yield from _slots(where, row, [name for text in texts for name in slots_in(row[text])])


def _slots(where: str, row: Content, used: Sequence[str]) -> Found:
    """Every slot that the texts use is declared, and the other way round."""
    declared = [slot["name"] for slot in row["slots"]]
    for name in dict.fromkeys(used):
        if name not in declared:
            yield f"{where}.slots.{name}", "slot_not_declared"
    for place, slot in enumerate(row["slots"]):
        at = f"{where}.slots.{slot['name']}"
        if slot["name"] not in used:
            yield at, "slot_not_used"
        elif slot["name"] in declared[:place]:
            yield at, "twice"
        else:
            yield from _slot(at, slot)


def _slot(at: str, slot: Content) -> Found:
    kind, choices = SlotType(slot["type"]), slot["choices"]
    if (kind in _CHOSEN) is not bool(choices):
        yield f"{at}.choices", "required" if kind in _CHOSEN else "unusable"
    if len(set(choices)) != len(choices):
        yield f"{at}.choices", "twice"
    if kind is SlotType.NUMBER and None not in (slot["low"], slot["high"]) and slot["low"] > slot["high"]:
        yield f"{at}.high", "unusable"
    if slot["default"] and not _may_be(kind, slot):
        yield f"{at}.default", "unusable"


def _may_be(kind: SlotType, slot: Content) -> bool:
    """Whether a reader could have given the default."""
    default = slot["default"]
    if kind is SlotType.NUMBER:
        return bool(re.fullmatch(r"\d+(\.\d+)?", default)) and _within(float(default), slot)
    allowed = {SlotType.CHOICE: slot["choices"], SlotType.SIDE: SIDES, SlotType.MANY: slot["choices"]}.get(
        kind
    )
    return allowed is None or default in allowed


def _within(value: float, slot: Content) -> bool:
    low, high = slot["low"], slot["high"]
    return (low is None or low <= value) and (high is None or value <= high)


def _twice(part: str, rows: Sequence[Content]) -> Found:
    seen: set[str] = set()
    for place, row in enumerate(rows):
        if row["code"].lower() in seen:
            yield f"{part}.{place}.code", "twice"
        seen.add(row["code"].lower())


def _two_normal(rows: Sequence[Content]) -> Found:
    """Of one modality, part and sex one normal report is written by one key."""
    seen: set[tuple[str, frozenset[str], str]] = set()
    for place, row in enumerate(rows):
        keys = set(_keys(row)) if row["normal"] else set()
        if keys & seen:
            yield f"templates.{place}.normal", "two_normal"
        seen |= keys


def _keys(row: Content) -> Iterator[tuple[str, frozenset[str], str]]:
    """What it is the normal report of. One for either sex stands beside one for a sex: that one goes first."""
    for modality in same_modalities(row["modalities"]) or {""}:
        yield modality, frozenset(row["body_parts"]), row["sex"]
