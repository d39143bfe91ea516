"""What a data set says about itself: its first kilobytes in, an InstanceHeader out.

One scan over the top level (structure.Walker), so that an index can be built from the head of a stored instance;
what the head does not reach is empty. pydicom reads the few sequences. What is missing or not valid becomes "" or
None and is named in `problems`; only bytes that are no data set at all raise Malformed.

Value representations: PS3.5 6.2. Text is decoded by `charset`; a device's character set overrides the data set's.
Where that makes no sense, `doubt` proposes another one; the text stays as declared until a person confirms it.
"""

import re
import zlib
from dataclasses import dataclass
from datetime import date, datetime, time
from io import BytesIO
from typing import Any

from pydicom.dataset import Dataset
from pydicom.filereader import read_sequence

from adapters.dicom.charset import decode
from adapters.dicom.doubt import propose_character_set
from adapters.dicom.structure import Walker
from adapters.dicom.transfer_syntaxes import ENCODINGS, Encoding
from adapters.errors import Malformed

HEAD_LIMIT = 1 << 18  # bytes of an inflated head that are looked at

_IDENTIFIERS = {  # PS3.6 Chapter 6
    "sop_class_uid": 0x00080016, "sop_instance_uid": 0x00080018,
    "study_instance_uid": 0x0020000D, "series_instance_uid": 0x0020000E,
}  # fmt: skip
_TEXTS = {
    "patient_id": 0x00100020, "issuer_of_patient_id": 0x00100021, "patient_name": 0x00100010,
    "accession_number": 0x00080050, "study_id": 0x00200010, "study_description": 0x00081030,
    "series_description": 0x0008103E, "protocol_name": 0x00181030, "institution_name": 0x00080080,
    "station_name": 0x00081010, "manufacturer": 0x00080070, "manufacturer_model_name": 0x00081090,
    "referring_physician_name": 0x00080090, "requested_procedure_description": 0x00321060,
}  # fmt: skip
# PS3.5 Table 6.2-1, in characters and not in bytes: SH 16, the others (LO, and PN in each component group) 64.
_SHORT_TEXTS, _SHORT_LIMIT, _TEXT_LIMIT = ("accession_number", "study_id", "station_name"), 16, 64
_NAMES = ("patient_name", "referring_physician_name")
_CODES = {"modality": 0x00080060, "body_part_examined": 0x00180015}
_INTEGERS = {
    "series_number": 0x00200011, "instance_number": 0x00200013, "number_of_frames": 0x00280008,
    "images_in_study": 0x00201208, "images_in_series": 0x00201209,
}  # fmt: skip
_SHORTS = {"rows": 0x00280010, "columns": 0x00280011}
_CHARACTER_SET, _OTHER_PATIENT_IDS, _OTHER_PATIENT_IDS_SEQUENCE = 0x00080005, 0x00101000, 0x00101002
_PATIENT_ID, _TELEPHONE = 0x00100020, 0x00102154
_BIRTH_DATE, _SEX, _AGE = 0x00100030, 0x00100040, 0x00101010
_LATERALITY, _IMAGE_LATERALITY = 0x00200060, 0x00200062
_STUDY_DATE, _STUDY_TIME, _ACQUISITION_DATETIME = 0x00080020, 0x00080030, 0x0008002A
# Where the moment of the examination is looked for, in this order.
_MOMENTS = (
    (_STUDY_DATE, _STUDY_TIME),
    (0x00080022, 0x00080032),
    (0x00080021, 0x00080031),
    (0x00080023, 0x00080033),
)
_PROCEDURE_CODES = (0x00321064, 0x00081032)  # requested, performed
_CODE_VALUES = (0x00080100, 0x00080119, 0x00080120)  # short, long, URN (PS3.3 8.1)

_WANTED = frozenset((
    *_IDENTIFIERS.values(), *_TEXTS.values(), *_CODES.values(), *_INTEGERS.values(), *_SHORTS.values(),
    _CHARACTER_SET, _OTHER_PATIENT_IDS, _OTHER_PATIENT_IDS_SEQUENCE, _TELEPHONE, _BIRTH_DATE, _SEX, _AGE,
    _LATERALITY, _IMAGE_LATERALITY, _ACQUISITION_DATETIME, *(tag for pair in _MOMENTS for tag in pair),
    *_PROCEDURE_CODES,
))  # fmt: skip

# What differs within a series; all else is read once for instances that say the same.
_OF_INSTANCE = (_IDENTIFIERS["sop_instance_uid"], _INTEGERS["instance_number"])
_LATER_MOMENTS = (_ACQUISITION_DATETIME, *(tag for pair in _MOMENTS[1:] for tag in pair))
_ALIKE_KEPT = 256
_alike: dict[tuple[object, ...], "InstanceHeader"] = {}

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_INTEGER_LIMIT = 1 << 31  # PS3.5 Table 6.2-1: an IS fits into 32 bits
_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})|(\d{4})\.(\d{2})\.(\d{2})")  # the second is ACR-NEMA's
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?)?")
_SEX_FORM = re.compile("[MFO]")
_AGE_FORM = re.compile(r"\d{3}[DWMY]")


@dataclass(frozen=True, kw_only=True)  # without slots: copied for each instance of a series, quickly
class InstanceHeader:
    """One instance, as its data set describes it. Text is "" and the rest None where nothing usable is said."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    patient_id: str
    issuer_of_patient_id: str
    patient_name: str  # as DICOM writes it: Wang^XiaoDong=王^小东
    patient_birth_date: date | None
    patient_sex: str  # M, F or O
    patient_age: str  # 045Y
    other_patient_ids: tuple[str, ...]  # whatever other numbers are said, not checked
    telephone: str  # as typed
    study_date: str  # as received, even when it is no date
    study_time: str
    studied_at_local: datetime | None  # by the device's clock, without a zone
    accession_number: str
    modality: str
    study_id: str
    study_description: str
    series_description: str
    protocol_name: str
    body_part_examined: str
    laterality: str
    institution_name: str
    station_name: str
    manufacturer: str
    manufacturer_model_name: str
    series_number: int | None
    instance_number: int | None
    rows: int | None
    columns: int | None
    number_of_frames: int | None
    referring_physician_name: str
    requested_procedure_description: str
    procedure_code: str
    specific_character_set: str
    images_in_study: int | None
    images_in_series: int | None
    proposed_character_set: str = ""  # when the text makes no sense as declared; see `doubt`
    proposed_patient_name: str = ""  # the name as that set reads it
    problems: tuple[str, ...] = ()


def read_header(head: bytes, *, transfer_syntax_uid: str, character_set: str | None = None) -> InstanceHeader:
    """Read the header from the first bytes of a data set (8 to 64 KB will do), without file meta."""
    encoding = ENCODINGS.get(transfer_syntax_uid)
    if encoding is None:
        raise Malformed(f"unknown transfer syntax {transfer_syntax_uid[:64]}")
    if encoding.deflated:
        head = _inflate(head)
    return _Reading(head, encoding, character_set).header()


class _Reading:
    """The values of one head on their way into a header, and the problems met."""

    def __init__(self, head: bytes, encoding: Encoding, character_set: str | None) -> None:
        self.problems: list[str] = []
        self._head, self._encoding, self._override = head, encoding, character_set
        walker = Walker(encoding, _WANTED)
        try:
            walker.feed(head)
        except Malformed as error:
            if not walker.values:
                raise
            self.problems.append(str(error))
        self._values, self._spans = walker.values, walker.spans
        if not walker.last_tag:
            raise Malformed("not a data set: it has no element")
        self._declared = self._plain(_CHARACTER_SET)

    def header(self) -> InstanceHeader:
        """Read, or for the most part taken over from an instance that said the same in all but its own name."""
        if self.problems:
            return self._read_all()
        key = self._key()
        alike = _alike.get(key)
        if alike is None:
            header = self._read_all()
            if not any(
                problem.startswith(("sop_instance_uid", "instance_number")) for problem in header.problems
            ):
                if len(_alike) >= _ALIKE_KEPT:
                    _alike.clear()
                _alike[key] = header
            return header
        uid, number = _OF_INSTANCE
        header = object.__new__(
            InstanceHeader
        )  # what `replace` does field by field takes as long as all the rest
        header.__dict__.update(
            alike.__dict__,
            sop_instance_uid=self._identifier(uid, "sop_instance_uid"),
            instance_number=self._integer(number, "instance_number"),
        )
        header.__dict__["problems"] = (*alike.problems, *self.problems)
        return header

    def _key(self) -> tuple[object, ...]:
        """What the header is read from, but for what is the instance's own."""
        values = {tag: value for tag, value in self._values.items() if tag not in _OF_INSTANCE}
        if _read_date(self._plain(_STUDY_DATE)) and _read_time(self._plain(_STUDY_TIME)):
            for tag in _LATER_MOMENTS:
                values.pop(tag, None)
        items = ((tag, self._head[start:end]) for tag, (start, end) in self._spans.items())
        return self._encoding, self._override, *values.items(), *items

    def _read_all(self) -> InstanceHeader:
        fields: dict[str, Any] = {
            **{name: self._identifier(tag, name) for name, tag in _IDENTIFIERS.items()},
            **{name: self._text(tag, name) for name, tag in _TEXTS.items()},
            **{name: self._plain(tag).upper() for name, tag in _CODES.items()},
            **{name: self._integer(tag, name) for name, tag in _INTEGERS.items()},
            **{name: self._short(tag) for name, tag in _SHORTS.items()},
        }
        for name in _NAMES:
            fields[name] = _without_empty_parts(fields[name])
        proposed = self._proposed_character_set()
        return InstanceHeader(
            **fields,
            patient_birth_date=self._date(_BIRTH_DATE, "patient_birth_date"),
            patient_sex=self._one_of(_SEX, "patient_sex", _SEX_FORM),
            patient_age=self._one_of(_AGE, "patient_age", _AGE_FORM),
            other_patient_ids=self._other_patient_ids(),
            telephone=self._plain(_TELEPHONE),
            study_date=self._plain(_STUDY_DATE),
            study_time=self._plain(_STUDY_TIME),
            studied_at_local=self._studied_at(),
            laterality=self._plain(_LATERALITY) or self._plain(_IMAGE_LATERALITY),
            procedure_code=self._procedure_code(),
            specific_character_set=self._declared,
            proposed_character_set=proposed,
            proposed_patient_name=self._name_as(proposed),
            problems=tuple(self.problems),
        )

    def _plain(self, tag: int) -> str:
        """A value of the default repertoire; the first one, except for character sets."""
        text = self._values.get(tag, b"").replace(b"\0", b"").strip().decode("latin_1")
        return text if tag == _CHARACTER_SET else text.split("\\")[0].strip()

    def _text(self, tag: int, name: str) -> str:
        decoded = decode(self._values.get(tag, b""), self._declared, override=self._override)
        if decoded.problem:
            self.problems.append(f"{name} {decoded.problem}")
        limit = _SHORT_LIMIT if name in _SHORT_TEXTS else _TEXT_LIMIT
        if any(len(group) > limit for group in decoded.text.split("=" if name in _NAMES else "\0")):
            self.problems.append(f"{name} longer than {limit} characters")
        # All of these have one value. A backslash in one of them is text that a device got wrong, and stays;
        # a zero byte is no text at all, and a database may refuse it.
        return decoded.text.replace("\0", "").strip(" ")

    def _proposed_character_set(self) -> str:
        texts = [self._values.get(tag, b"") for tag in _TEXTS.values()]
        if all(raw.isascii() for raw in texts):
            return ""
        return propose_character_set(texts, self._declared, override=self._override)

    def _name_as(self, term: str) -> str:
        """The patient's name as another character set reads it."""
        if not term:
            return ""
        decoded = decode(self._values.get(_TEXTS["patient_name"], b""), self._declared, override=term)
        return _without_empty_parts(decoded.text.replace("\0", "").strip(" "))

    def _identifier(self, tag: int, name: str) -> str:
        uid = self._plain(tag)
        if not uid:
            self.problems.append(f"{name} missing")
        elif len(uid) > 64 or not _UID.fullmatch(uid):
            self.problems.append(f"{name} malformed")
            return ""
        return uid

    def _integer(self, tag: int, name: str) -> int | None:
        text = self._plain(tag)
        if re.fullmatch(r"[+-]?\d{1,12}", text) and -_INTEGER_LIMIT <= int(text) < _INTEGER_LIMIT:
            return int(text)
        if text:
            self.problems.append(f"{name} invalid")
        return None

    def _short(self, tag: int) -> int | None:
        value = self._values.get(tag, b"")
        return (
            int.from_bytes(value[:2], "big" if self._encoding.big_endian else "little")
            if len(value) >= 2
            else None
        )

    def _one_of(self, tag: int, name: str, form: re.Pattern[str]) -> str:
        text = self._plain(tag).upper()
        if text and not form.fullmatch(text):
            self.problems.append(f"{name} invalid")
            return ""
        return text

    def _date(self, tag: int, name: str) -> date | None:
        text = self._plain(tag)
        found = _read_date(text)
        if text and found is None:
            self.problems.append(f"{name} invalid")
        return found

    def _studied_at(self) -> datetime | None:
        """The study's date and time; where the study has none, those of the acquisition, the series, the content."""
        study_date = self._date(_STUDY_DATE, "study_date")
        if self._plain(_STUDY_TIME) and _read_time(self._plain(_STUDY_TIME)) is None:
            self.problems.append("study_time invalid")
        day: date | None = None
        for date_tag, time_tag in _MOMENTS:
            day = day or _read_date(self._plain(date_tag))
            moment = _read_time(self._plain(time_tag))
            if moment and day and _read_date(self._plain(date_tag)) in (day, None):
                return datetime.combine(day, moment)
        stamp = self._plain(_ACQUISITION_DATETIME)
        stamp_day, stamp_time = _read_date(stamp[:8]), _read_time(re.split("[+-]", stamp[8:])[0])
        if stamp_day and stamp_time and (study_date or stamp_day) == stamp_day:
            return datetime.combine(stamp_day, stamp_time)
        return datetime.combine(day, time()) if day else None

    def _other_patient_ids(self) -> tuple[str, ...]:
        """Of the attribute that is retired and of the sequence that took its place (PS3.3 C.2.2)."""
        items = self._items(_OTHER_PATIENT_IDS_SEQUENCE, "other patient ids")
        ids = [str(item[_PATIENT_ID].value).strip() for item in items if _PATIENT_ID in item]
        return tuple(
            dict.fromkeys(value for value in [*self._plain_values(_OTHER_PATIENT_IDS), *ids] if value)
        )

    def _plain_values(self, tag: int) -> list[str]:
        text = self._values.get(tag, b"").decode("latin_1")
        return [value.strip("\0 ").upper() for value in text.split("\\")]

    def _procedure_code(self) -> str:
        for tag in _PROCEDURE_CODES:
            for item in self._items(tag, "procedure code")[:1]:
                codes = [str(item[value].value).strip() for value in _CODE_VALUES if value in item]
                if codes and codes[0]:
                    return codes[0]
        return ""

    def _items(self, tag: int, name: str) -> list[Dataset]:
        """The items of a sequence; none, and a problem, when it cannot be read."""
        start, end = self._spans.get(tag, (0, 0))
        raw = self._head[start:end] or self._values.get(tag, b"")
        if not raw:
            return []
        order = not self._encoding.big_endian
        try:
            items = list(read_sequence(BytesIO(raw), self._encoding.implicit_vr, order, len(raw), "iso8859"))
            for item in items:
                item.decode()
        except Exception:  # pydicom raises what it likes on a broken item; without it we lose nothing else
            self.problems.append(f"{name} unreadable")
            return []
        return items


def _without_empty_parts(name: str) -> str:
    """A person name without the delimiters that trail it (PS3.5 6.2.1.1)."""
    return "=".join(group.rstrip("^ ") for group in name.split("=")).rstrip("=")


def _inflate(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(head, HEAD_LIMIT)
    except zlib.error as error:
        raise Malformed("not a data set: it does not inflate") from error


def _read_date(text: str) -> date | None:
    form = _DATE.fullmatch(text)
    if not form:
        return None
    try:
        return date(*(int(part) for part in form.groups() if part is not None))
    except ValueError:
        return None


def _read_time(text: str) -> time | None:
    form = _TIME.fullmatch(text)
    if not form:
        return None
    hour, minute, second, fraction = form.groups()
    seconds = min(int(second or 0), 59)  # 60 is a leap second (PS3.5 6.2)
    try:
        return time(int(hour), int(minute or 0), seconds, int((fraction or "").ljust(6, "0")))
    except ValueError:
        return None
