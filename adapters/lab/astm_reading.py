"""A LIS2-A2 message: the text of its records in, a Message out.

Reads H P O R C Q S M L. One message may hold several patients and specimens, and results without an O record.
Where a record leaves things open, the usual places are tried: the barcode in O-3, else O-4, with rack and place
behind it or in the other of the two; the test's code in the fourth component of the universal test ID, else in the
fifth (Sysmex), else in the first. A `Dialect` says it for analysers that keep them elsewhere.
"""

import re
from dataclasses import dataclass, field, replace

from adapters.errors import Malformed
from adapters.lab.astm_places import PLAIN, Tube, find_tube, read_query, read_test
from adapters.lab.dialect import Dialect
from adapters.lab.records import Record, read_records
from adapters.lab.said import (
    Coded,
    Control,
    Message,
    MessageKind,
    Query,
    Sender,
    Specimen,
    StatedOrder,
    StatedPatient,
    StatedResult,
    Wire,
)
from adapters.lab.stated import read_date, read_sex, read_time, write_name
from adapters.lab.text import Text, read_text

_VERSION = re.compile(r"[vV]?\d{1,3}([.\-]\d+)+[a-z]?")
_SERIAL = re.compile(r"[A-Z]{0,4}[-]?\d{4,}[A-Z0-9-]*", re.IGNORECASE)
_CONTROL_NAME = re.compile(r"(QC|CTRL|CONTROL)(?![A-Z])[-_ ]?|质控", re.IGNORECASE)


def read_message(body: bytes, *, character_set: str | None = None, dialect: Dialect = PLAIN) -> Message:
    """One message, as the journal keeps it. Raises Malformed."""
    text = read_text(body, character_set)
    reading = _Reading(dialect)
    for record in read_records(text.text, text.codec):
        reading.take(record)
    return reading.message(text)


def read_sender(header: bytes) -> Sender:
    """Who sends, of an H record alone; empty where it says nothing or cannot be read."""
    try:
        text = read_text(header)
        return sender_of(next(read_records(text.text, text.codec)))
    except Malformed:
        return Sender()


def read_control_id(header: bytes) -> str:
    """H-3, as the origin says it."""
    fields = header.split(header[1:2]) if len(header) > 1 else []
    return fields[2][:64].decode("ascii", "replace") if len(fields) > 2 else ""


def sender_of(header: Record) -> Sender:
    """H-5. The standard leaves its components open: name^maker^model^software^…^serial number, with gaps, is usual."""
    name, *rest = header.components(5) or ("",)
    software = next((one for one in rest if _VERSION.fullmatch(one)), "")
    others = [one for one in rest if one and one != software]
    serial = next((one for one in others if _SERIAL.fullmatch(one)), "")
    words = [one for one in rest[:2] if one and one not in (software, serial) and not one.isdigit()]
    return Sender(
        application=name,
        facility=header.text(6),
        manufacturer=words[0] if words else "",
        model=words[1] if len(words) > 1 else "",
        serial_number=serial,
        software=software,
    )


@dataclass(slots=True)
class _OpenResult:
    result: StatedResult
    comments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _OpenSpecimen:
    specimen: Specimen
    results: list[_OpenResult] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    of_the_maker: list[str] = field(default_factory=list)


class _Reading:
    """What the records said so far: each belongs to the last one of the level above it (LIS2-A2 §5.2)."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._header: Record | None = None
        self._patient: StatedPatient | None = None
        self._patient_record: Record | None = None
        self._specimens: list[_OpenSpecimen] = []
        self._open: _OpenSpecimen | None = None
        self._comments: list[str] = []  # of the patient: they are said of each of the specimens
        self._of_the_maker: list[str] = []  # before there is a specimen
        self._query: Query | None = None
        self._letters: dict[str, None] = {}
        self._positions = 0
        self._termination: str | None = None
        self._warnings: dict[str, None] = {}

    def take(self, record: Record) -> None:
        self._letters[record.letter] = None
        if self._termination is not None and record.letter not in "HL":
            self._warnings["records follow the L record"] = None
        match record.letter:
            case "H":
                self._take_header(record)
            case "P":
                self._patient, self._patient_record = _read_patient(record), record
                self._open, self._comments = None, []
            case "O":
                self._begin(_read_specimen(record, self._dialect, self._patient, self._patient_record))
            case "R":
                self._take_result(record)
            case "C":
                self._take_comment(record)
            case "Q":
                self._query = _merge(self._query, read_query(record, self._dialect))
            case "L":
                self._termination = record.text(3).upper()[:1] or "N"
            case _:
                kept = self._open.of_the_maker if self._open else self._of_the_maker
                kept.append(record.delimiters.field.join((record.letter, *record.fields[1:])))

    def message(self, text: Text) -> Message:
        header = self._header
        assert header is not None  # read_records begins with one
        self._warn_of_the_end()
        specimens = tuple(self._finish(one, header.text(12)) for one in self._specimens)
        return Message(
            wire=Wire.ASTM,
            kind=self._kind(),
            type="".join(self._letters),
            version=header.text(13),
            control_id=header.text(3),
            processing_id=header.text(12),
            sender=sender_of(header),
            receiver=Sender(application=header.text(10)),
            sent_at=read_time(header.text(14)),
            character_set=text.codec,
            text_in_doubt=text.in_doubt,
            specimens=specimens,
            query=self._query,
            warnings=tuple(self._warnings),
        )

    def _take_header(self, record: Record) -> None:
        if self._header is None:
            self._header = record
            return
        self._warnings["several H records"] = None
        self._patient = self._patient_record = self._open = None
        self._comments = []

    def _begin(self, specimen: Specimen) -> _OpenSpecimen:
        self._open = _OpenSpecimen(specimen, comments=list(self._comments))
        self._specimens.append(self._open)
        return self._open

    def _take_result(self, record: Record) -> None:
        opened = self._open
        if opened is None:
            self._warnings["results without an O record"] = None
            opened = self._begin(Specimen(patient=self._patient))
        order = opened.specimen.order
        result = _read_result(record, self._positions, self._dialect)
        if order is not None and order.collected_at is not None:
            result = replace(result, observed_at=order.collected_at)
        if result.analysed_at is None and (record.raw(12).strip() or record.raw(13).strip()):
            self._warnings["a time that no calendar has"] = None
        opened.results.append(_OpenResult(result))
        self._positions += 1

    def _take_comment(self, record: Record) -> None:
        text = record.text(4)
        if not text:
            return
        if self._open is None:
            if self._patient is not None:
                self._comments.append(text)
        elif self._open.results:
            self._open.results[-1].comments.append(text)
        else:
            self._open.comments.append(text)

    def _kind(self) -> MessageKind:
        if self._positions:
            return MessageKind.RESULTS
        if self._query is not None:
            return MessageKind.QUERY
        return MessageKind.ORDERS if "O" in self._letters else MessageKind.OTHER

    def _warn_of_the_end(self) -> None:
        if self._termination is None:
            self._warnings["the message has no L record: it may not be whole"] = None
        elif self._termination in "TRE":
            self._warnings[f"the sender broke it off (L-3 {self._termination})"] = None

    def _finish(self, opened: _OpenSpecimen, processing_id: str) -> Specimen:
        specimen = opened.specimen
        if processing_id.upper() == "Q" and specimen.control is None:
            specimen = replace(specimen, control=Control(material=specimen.barcode))
        first = opened is self._specimens[0]
        return replace(
            specimen,
            results=tuple(replace(one.result, comments=tuple(one.comments)) for one in opened.results),
            comments=tuple(opened.comments),
            of_the_maker=(*self._of_the_maker, *opened.of_the_maker) if first else tuple(opened.of_the_maker),
        )


def _read_patient(record: Record) -> StatedPatient | None:
    """P (LIS2-A2 §7); None for one that says nothing but that there is one."""
    location = record.components(26)
    found = StatedPatient(
        patient_id=record.text(3) or record.text(4) or record.text(5),
        name=write_name(record.components(6)),
        sex=read_sex(record.text(9)),
        birth_date=read_date(record.component(8, 1)),
        phone=record.text(13),
        department=location[0] if location else "",
        bed=location[1] if len(location) > 1 else "",
    )
    return found if found != StatedPatient() else None


def _read_specimen(
    record: Record, dialect: Dialect, patient: StatedPatient | None, patient_record: Record | None
) -> Specimen:
    """O (LIS2-A2 §8)."""
    tube = find_tube(record, dialect)
    kind = record.components(16)
    is_control = record.text(12).upper() == "Q" or bool(_CONTROL_NAME.match(tube.barcode))
    tests = (read_test(one, dialect) for one in record.repeats(5))
    order = StatedOrder(
        control=record.text(12),
        tests=tuple(one.test for one in tests if one.test != Coded()),
        priority=record.text(6),
        clinical_information=record.text(14),
        diagnosis=patient_record.text(19) if patient_record else "",
        requester=record.text(17) or (patient_record.text(14) if patient_record else ""),
        department=record.text(28) or (patient.department if patient else ""),
        ordered_at=read_time(record.text(7)),
        collected_at=read_time(record.text(8)),
        received_at=read_time(record.text(15)),
    )
    return Specimen(
        barcode=tube.barcode,
        rack=tube.rack,
        place=tube.place,
        kind=Coded(code=kind[0], text=kind[1] if len(kind) > 1 else "") if kind and any(kind[:2]) else None,
        patient=patient,
        order=order,
        control=_read_control(record, tube) if is_control else None,
    )


def _read_control(record: Record, tube: Tube) -> Control:
    said = [*record.components(3), "", "", ""]
    if said[0] != tube.barcode:
        return Control(material=tube.barcode)
    return Control(material=said[0], lot=said[1], level=said[2])


def _read_result(record: Record, position: int, dialect: Dialect) -> StatedResult:
    """R (LIS2-A2 §9)."""
    test = read_test(record.components(3), dialect)
    later = 1 if dialect.dilution_field else 0
    return StatedResult(
        position=position,
        test=test.test,
        alternate=test.alternate,
        value=record.component(4, 1) if later else record.text(4),
        unit=record.text(5),
        reference_range=record.text(6 + later),
        flags=(
            *(record.component(4, 2).upper() if later else ""),
            *(flag for one in record.repeats(7 + later) for flag in one if flag),
        ),
        status=record.text(9 + later),
        analysed_at=read_time(record.component(13 + later, 1)) or read_time(record.component(12 + later, 1)),
        operator=record.text(11 + later),
        instrument=record.text(14 + later),
        dilution=test.dilution or (record.text(6) if later else ""),
    )


def _merge(before: Query | None, now: Query) -> Query:
    """Several Q records in one message ask one question."""
    if before is None:
        return now
    return Query(
        barcodes=tuple(dict.fromkeys((*before.barcodes, *now.barcodes))),
        racks=tuple(dict.fromkeys((*before.racks, *now.racks))),
        everything=before.everything or now.everything,
        cancelled=before.cancelled or now.cancelled,
    )
