"""Answers to what analysers ask: what is to be done with a specimen, or that there is nothing.

QRY^Q02 is answered as Mindray's chemistry analysers (and others after their manual) expect: QCK^Q02 says whether
there is something, then one DSR^Q03 for each specimen, the next when the analyser has acknowledged the one before
(ACK^Q03). ORM^O01 with RF is answered with ORR^O02, as its haematology analysers expect. QBP^Q11 is answered with
RSP^K11, and each order follows as OML^O33, the next when the one before is acknowledged (IHE LAW, LAB-27, LAB-28).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from adapters.hl7.acknowledging import accept_code, write_acknowledgement, write_msa
from adapters.hl7.character_sets import decode
from adapters.hl7.header import Header
from adapters.hl7.message import Segment, named, split_segments
from adapters.hl7.orders import write_haematology_order, write_order
from adapters.hl7.values_out import birth_time, display_name, name_components
from adapters.hl7.writing import Writer
from adapters.lab.said import Message, Specimen

FOUND, NOTHING = "OK", "NF"  # HL7 table 0208
_FIRST_TEST = 29  # the line of DSP with which tests begin


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What is sent at once, and what follows one by one."""

    now: tuple[bytes, ...]
    then: tuple[bytes, ...] = ()


def write_answers(
    header: Header,
    body: bytes,
    message: Message,
    specimens: Sequence[Specimen],
    now: datetime,
    *,
    character_set: str | None,
    zone: tzinfo,
) -> Answers:
    """Everything that answers one question."""
    to = _To(header, body, message, now, character_set, zone)
    if header.message_type == "QBP":
        return _answer_qbp(to, specimens)
    return _answer_qry(to, specimens) if header.message_type == "QRY" else _answer_orm(to, specimens)


@dataclass(frozen=True, slots=True)
class _To:
    header: Header
    body: bytes
    message: Message
    now: datetime
    character_set: str | None
    zone: tzinfo

    def writer(self) -> Writer:
        return Writer(self.header, character_set=self.character_set, zone=self.zone)

    def segment(self, name: str) -> Segment | None:
        """A segment of the question, to be said again."""
        text = decode(self.body, declared=self.header.declared, device=self.character_set)
        return named(split_segments(text.text.lstrip(), self.header, text.codec)[0], name)


def _answer_qbp(to: _To, specimens: Sequence[Specimen]) -> Answers:
    writer, qpd = to.writer(), to.segment("QPD")
    writer.header("RSP^K11^RSP_K11", to.now, profile=to.header.field(21))
    write_msa(writer, to.header, "AA")
    name = qpd.field(1) if qpd else ""
    status = NOTHING if not specimens else FOUND
    writer.segment("QAK", qpd.field(2) if qpd else "", status, name)
    if qpd is not None:
        writer.raw(qpd.line)
    accept = accept_code(to.header)
    first = (write_acknowledgement(to.header, accept, to.now),) if accept else ()
    orders = tuple(
        write_order(to.header, one, to.now, character_set=to.character_set, zone=to.zone) for one in specimens
    )
    return Answers(now=(*first, writer.bytes()), then=orders)


def _answer_qry(to: _To, specimens: Sequence[Specimen]) -> Answers:
    check = to.writer()
    check.header("QCK^Q02", to.now, echo=True)
    _write_found(check, to, FOUND if specimens else NOTHING)
    displays = tuple(
        _write_display(to, one, place, last=place == len(specimens))
        for place, one in enumerate(specimens, start=1)
    )
    return Answers(now=(check.bytes(),), then=displays)


def _write_found(writer: Writer, to: _To, status: str) -> None:
    write_msa(writer, to.header, "AA")
    writer.padded("ERR", "0", "")
    writer.padded("QAK", "SR", status, "")


def _write_display(to: _To, specimen: Specimen, place: int, *, last: bool) -> bytes:
    writer = to.writer()
    writer.header("DSR^Q03", to.now)
    _write_found(writer, to, FOUND)
    for name in ("QRD", "QRF"):
        asked = to.segment(name)
        if asked is not None:
            writer.raw(asked.line)
    for number, value in _display_lines(specimen, writer):
        writer.padded("DSP", str(number), "", value, "", "", "")
    # Empty when nothing follows.
    writer.padded("DSC", "" if last else str(place), "")
    return writer.bytes()


def _display_lines(specimen: Specimen, writer: Writer) -> list[tuple[int, str]]:
    """The 28 lines of a specimen and those of its tests, as Mindray's host interface manuals number them."""
    patient, order, kind = specimen.patient, specimen.order, specimen.kind
    said = {
        1: (patient.visit_number or patient.patient_id) if patient else "",
        2: patient.bed if patient else "",
        3: display_name(patient.name) if patient else "",
        4: birth_time(patient.birth_date) if patient else "",
        5: patient.sex if patient else "",
        16: patient.patient_id if patient else "",
        21: specimen.barcode,
        23: writer.time(order.collected_at) if order and order.collected_at else "",
        24: "Y" if order and order.priority in ("S", "A") else "N",
        26: (kind.text or kind.code) if kind else "",
        27: order.requester if order else "",
        28: (order.department if order else "") or (patient.department if patient else ""),
    }
    lines = [(number, writer.text(said.get(number, ""))) for number in range(1, _FIRST_TEST)]
    tests = order.tests if order else ()
    component = writer.delimiters.component or " "
    for number, test in enumerate(tests, start=_FIRST_TEST):
        lines.append((number, component.join((writer.text(test.code), writer.text(test.text), "", ""))))
    return lines


def _answer_orm(to: _To, specimens: Sequence[Specimen]) -> Answers:
    writer = to.writer()
    writer.header("ORR^O02", to.now, echo=True)
    if not specimens:
        writer.segment("MSA", "AR", to.header.field(10))
        return Answers(now=(writer.bytes(),))
    write_msa(writer, to.header, "AA")
    write_haematology_order(writer, specimens[0], name_components)
    return Answers(now=(writer.bytes(),))
