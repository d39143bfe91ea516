"""Section 1 of SCP-ECG: patient, cart, moment and filters, in tags.

EN 1064 5.4.
"""

import struct
from datetime import date, datetime, timedelta, timezone

from adapters.ecg.recording import Caution, EcgDevice, EcgFilters, EcgPatient
from adapters.ecg.scp_sections import Record
from adapters.ecg.text import read_text

_SEXES = {1: "M", 2: "F"}
_AGE_YEARS = {1: 1.0, 2: 1 / 12, 3: 7 / 365.25, 4: 1 / 365.25, 5: 1 / 8766}
# Section 1 tag 14, byte 17: the set that text is written in, when its lowest bit is set.
_SETS = {0x03: "iso8859_2", 0x0B: "iso8859_4", 0x13: "iso8859_5", 0x1B: "iso8859_6", 0x23: "iso8859_7",
         0x2B: "iso8859_8", 0x33: "iso8859_11", 0x3B: "iso8859_15", 0x07: "utf-16-le", 0x0F: "shift_jis",
         0x17: "euc_jp", 0x1F: "euc_jp", 0x27: "gb18030", 0x2F: "cp949", 0x37: "utf-8"}  # fmt: skip
_MAKERS = ("", "Burdick", "Cambridge", "Compumed", "Datamed", "Fukuda", "Hewlett-Packard", "Marquette Electronics",
           "Mortara Instruments", "Nihon Kohden", "Okin", "Quinton", "Siemens", "Spacelabs", "Telemed", "Hellige",
           "ESA-OTE", "Schiller", "Picker-Schwarzer", "et medical devices", "Zwönitz")  # fmt: skip
# Sizes of tags that have one: some carts write another length and mean these.
_TAG_SIZES = {
    4: 3,
    5: 4,
    6: 3,
    7: 3,
    8: 1,
    9: 1,
    11: 2,
    12: 2,
    24: 1,
    25: 4,
    26: 3,
    27: 2,
    28: 2,
    29: 1,
    33: 2,
}
_LAST_TAG = 255


class Tags:
    """The tags of Section 1, and text as its language code says."""

    def __init__(self, tags: dict[int, bytes]) -> None:
        self._tags = tags
        machine = tags.get(14, b"")
        self._set = _SETS.get(machine[16], "") if len(machine) > 16 else ""

    def text(self, raw: bytes) -> str:
        if self._set == "utf-16-le":
            return raw.decode("utf-16-le", "replace").split("\0", 1)[0].strip()
        raw = raw.split(b"\0", 1)[0]
        if self._set and not raw.isascii():
            try:
                return raw.decode(self._set).strip()
            except UnicodeDecodeError:
                return read_text(raw)
        return read_text(raw)

    def _of(self, tag: int) -> str:
        return self.text(self._tags.get(tag, b""))

    def _numbers(self, tag: int, form: str) -> tuple[int, ...] | None:
        raw = self._tags.get(tag, b"")
        return struct.unpack_from(form, raw) if len(raw) >= struct.calcsize(form) else None

    def patient(self) -> EcgPatient:
        age, sex = self._numbers(4, "<HB"), self._numbers(8, "<B")
        years = age[0] * _AGE_YEARS[age[1]] if age and age[0] and age[1] in _AGE_YEARS else None
        family = " ".join(part for part in (self._of(0), self._of(3)) if part)
        return EcgPatient(
            patient_id=self._of(2),
            name="^".join(part for part in (family, self._of(1)) if part),
            sex=_SEXES.get(sex[0], "") if sex else "",
            birth_date=self._date(5),
            age_years=int(years) if years is not None and years <= 130 else None,
        )

    def _date(self, tag: int) -> date | None:
        found = self._numbers(tag, "<HBB")
        try:
            return date(*found) if found else None
        except ValueError:
            return None

    def started_at(self) -> datetime | None:
        day, clock, zone = self._date(25), self._numbers(26, "<3B"), self._numbers(34, "<h")
        if day is None or clock is None:
            return None
        minutes = zone[0] if zone else 0x7FFF
        known = timezone(timedelta(minutes=minutes)) if abs(minutes) <= 14 * 60 else None
        try:
            return datetime(day.year, day.month, day.day, clock[0], clock[1], clock[2], tzinfo=known)
        except ValueError:
            return None

    def device(self) -> EcgDevice:
        """Tag 14: numbers, then model at byte 8, then texts: analysis, serial number, system and SCP software, maker."""
        machine = self._tags.get(14, b"")
        if len(machine) < 36:
            return EcgDevice(institution=self._of(16))
        texts = [self.text(part) for part in machine[36:].split(b"\0")] + [""] * 5
        maker = texts[4] or (_MAKERS[machine[7]] if machine[7] < len(_MAKERS) else "")
        return EcgDevice(
            manufacturer=maker,
            model=self.text(machine[8:14]),
            serial_number=texts[1],
            software=texts[2],
            institution=self._of(16),
        )

    def filters(self) -> EcgFilters:
        high_pass, low_pass, notch = self._numbers(27, "<H"), self._numbers(28, "<H"), self._numbers(29, "<B")
        bits = notch[0] if notch else 0
        return EcgFilters(
            high_pass_hz=high_pass[0] / 100 or None if high_pass else None,
            low_pass_hz=float(low_pass[0]) or None if low_pass else None,
            notch_hz=60.0 if bits & 1 else 50.0 if bits & 2 else None,
        )


def read_tags(record: Record) -> Tags:
    body = record.sections.get(1, b"")
    tags = _split(body, fixed=False)
    if tags is None:
        tags = _split(body, fixed=True)
    if tags is None:
        record.cautions.append(Caution(code="patient_unreadable", about="SCP 1"))
    return Tags(tags or {})


def _split(body: bytes, *, fixed: bool) -> dict[int, bytes] | None:
    """None when the lengths lead out of the section."""
    tags: dict[int, bytes] = {}
    at = 0
    while at + 3 <= len(body):
        tag, length = struct.unpack_from("<BH", body, at)
        if tag == _LAST_TAG:
            break
        length = _TAG_SIZES.get(tag, length) if fixed else length
        at += 3
        if at + length > len(body):
            return None
        tags.setdefault(tag, body[at : at + length])
        at += length
    return tags
