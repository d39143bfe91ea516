"""A profile at work: what an analyser's message says, in the codes of the county's dictionary.

`AnalyserProfile.content` is described in `worklists.laboratory.profiles`; what it leaves open is as usual: the barcode
stands where barcodes stand, flags of HL7 table 0078 mean what they mean there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.lab.said import Coded, Control, Specimen, StatedResult
from worklists.laboratory.profiles import AnalyserProfile

# HL7 table 0078 and LIS2-A2 §9.7: against the analyser's own limits, which are not the county's. What is left are
# remarks of the instrument about the measurement itself.
_ABOUT_LIMITS = frozenset({"", "L", "H", "LL", "HH", "N", "A", "AA", "LOW", "HIGH", "NORMAL"})
_FALSE = frozenset({"", "F", "N", "0", "-", "NEGATIVE"})
_STRUCTURED = re.compile(r"\^")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Of the instrument, about a whole specimen; `items` it casts doubt on, empty for every one."""

    text: str
    items: frozenset[str] = frozenset()

    def concerns(self, item_code: str) -> bool:
        return not self.items or item_code in self.items


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What one version of a profile says."""

    version: int
    tests: Mapping[str, Mapping[str, Any]]
    units: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    empty: frozenset[str] = frozenset()
    barcode: str = "barcode"
    controls: tuple[Mapping[str, str], ...] = ()
    has_flags: bool = False  # some of its tests are remarks of the instrument
    items: frozenset[str] = frozenset()  # of the dictionary, which its tests are

    def item_code(self, result: StatedResult) -> str | None:
        """Of the dictionary; None when the profile does not know the test."""
        known = self._known(result)
        return str(known["item"]) if known is not None and known.get("item") else None

    def is_ignored(self, result: StatedResult) -> bool:
        """Of no interest to a report: the mode a test was run in, a histogram's discriminator, what was not measured."""
        known = self._known(result)
        if known is None:
            return False
        return bool(known.get("ignored") or known.get("flag")) or result.value.strip() in self.empty

    def why_left_out(self, result: StatedResult) -> str:
        """In which way it is of no interest: "ignored", "flag", "empty"; or it is only ordered, or in hand."""
        known = self._known(result) or {}
        if known.get("ignored") or known.get("flag"):
            return "ignored" if known.get("ignored") else "flag"
        return "empty" if result.value.strip() in self.empty else "no_result_yet"

    def specimen_flags(self, specimen: Specimen) -> tuple[Remark, ...]:
        """What the instrument remarks of the whole specimen, as results of their own: "Left Shift?" is true."""
        if not self.has_flags:
            return ()
        return tuple(
            Remark(text=result.test.text or result.test.code, items=items)
            for result in specimen.results
            # Some say it by the value, some by the flag beside an empty value.
            if (result.value.strip().upper() not in _FALSE or "A" in result.flags)
            and (items := self._flagged(result)) is not None
        )

    def _flagged(self, result: StatedResult) -> frozenset[str] | None:
        """The items that a flag is about, none for all of them; None for what is no flag."""
        flag = (self._known(result) or {}).get("flag")
        if not flag:
            return None
        return frozenset() if flag is True else frozenset(flag)

    def value(self, result: StatedResult) -> str:
        """As the dictionary words it; a structured number (HL7 SN) as people write it."""
        said = result.value.strip()
        if result.value_type == "SN":
            said = _STRUCTURED.sub("", said)
        return self.values.get(said, said)

    def unit(self, result: StatedResult) -> str:
        """In the dictionary's words: by what the unit means at this test, else at this analyser."""
        known, said = self._known(result) or {}, result.unit.strip()
        if not said:
            return str(known.get("unit", ""))
        return str(known.get("unit_means", {}).get(said) or self.units.get(said, said))

    def instrument_flags(self, result: StatedResult) -> tuple[str, ...]:
        """What the instrument remarks of the measurement itself; its opinion of the value is not asked."""
        if not result.flags:
            return ()
        said = (
            (flag, self.flags.get(flag, flag if flag.upper() in _ABOUT_LIMITS else "instrument"))
            for flag in result.flags
        )
        return tuple(flag for flag, meaning in said if meaning == "instrument")

    def barcode_of(self, specimen: Specimen) -> str:
        order, patient = specimen.order, specimen.patient
        found = {
            "barcode": specimen.barcode,
            "placer_number": order.placer_number if order else "",
            "filler_number": order.filler_number if order else "",
            "patient_id": patient.patient_id if patient else "",
        }[self.barcode]
        return found.strip()

    def control_of(self, specimen: Specimen) -> Control | None:
        """Control material, as the message says or as its barcode is known by."""
        if specimen.control is not None:
            return self._named(specimen) or specimen.control
        return self._named(specimen)

    def _named(self, specimen: Specimen) -> Control | None:
        barcode = self.barcode_of(specimen)
        for one in self.controls:
            if barcode and re.fullmatch(one["pattern"], barcode):
                return Control(material=barcode, lot=one.get("lot", ""), level=one.get("level", ""))
        return None

    def _known(self, result: StatedResult) -> Mapping[str, Any] | None:
        known = self.tests.get(result.test.code) if result.test.code else None
        if known is not None:  # nearly always
            return known
        for name in names_of(result):
            known = self.tests.get(name)
            if known is not None:
                return known
        return None


def names_of(result: StatedResult) -> list[str]:
    """How a profile may call a test, the likeliest first."""
    coded = [result.test, *([result.alternate] if result.alternate else [])]
    return [name for name in (*(one.code for one in coded), *(one.text for one in coded)) if name]


def read_profile(row: AnalyserProfile) -> Profile:
    return understand(row.version, row.content)


def understand(version: int, content: Mapping[str, Any]) -> Profile:
    """A profile's content, checked before it was kept."""
    tests = content.get("tests", {})
    return Profile(
        version=version,
        tests=tests,
        has_flags=any(one.get("flag") for one in tests.values()),
        items=frozenset(str(one["item"]) for one in tests.values() if one.get("item")),
        units=content.get("units", {}),
        flags=content.get("flags", {}),
        values=content.get("values", {}),
        empty=frozenset(content.get("empty", ())),
        barcode=content.get("barcode", "barcode"),
        controls=tuple(content.get("controls", ())),
    )


def shown_test(test: Coded) -> str:
    """A test as a person recognises it: its code, and its name where it says more."""
    return f"{test.code} {test.text}".strip() if test.text != test.code else test.code
