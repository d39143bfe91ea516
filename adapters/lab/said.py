"""What a message of a laboratory wire says, whichever wire it came over: results, orders, questions.

Nothing is interpreted here: codes, units, flags and values stand as the sender wrote them, decoded to text. What they
mean is the business of the analyser's profile. Text is "" and the rest None where the sender says nothing.
`position` counts the results of a message from 0 in its order, so that a result can be found again in the original.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class Wire(StrEnum):
    HL7 = "hl7"
    ASTM = "astm"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """A code with its text and the name of its table: CE, CWE (HL7 v2.5.1 §2A.3), the universal test ID of LIS2-A2 §5.6.1."""

    code: str = ""
    text: str = ""
    system: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who sends: MSH-3 and MSH-4, or the components of H-5."""

    application: str = ""
    facility: str = ""
    manufacturer: str = ""
    model: str = ""
    serial_number: str = ""
    software: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedPatient:
    """Whose the message says it is; the name in the form that DICOM writes (PS3.5 §6.2.1)."""

    patient_id: str = ""
    issuer: str = ""
    name: str = ""
    sex: str = ""  # M, F or O
    birth_date: date | None = None
    national_id: str = ""  # 居民身份证, where a field is declared to hold one
    phone: str = ""
    visit_number: str = ""
    bed: str = ""
    department: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What an analyser says of control material: what it calls it, its lot and level."""

    material: str = ""
    lot: str = ""
    level: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedResult:
    """One result: an OBX segment, an R record, a line of a file."""

    position: int
    test: Coded
    alternate: Coded | None = None  # the same test in the sender's other table
    sub_id: str = ""
    value_type: str = ""  # NM, SN, ST, CE…; "" where the wire has none
    value: str  # numbers as written, comparators and all; repetitions joined by "~"
    coded: Coded | None = None  # the value where it is a code; `value` is then its text
    unit: str = ""
    reference_range: str = ""
    flags: tuple[str, ...] = ()
    status: str = ""  # P, F, C, X, D, I, R, U, W… (HL7 table 0085; LIS2-A2 §9.9)
    observed_at: datetime | None = None
    analysed_at: datetime | None = None
    operator: str = ""
    instrument: str = ""
    method: str = ""
    dilution: str = ""
    order_number: str = (
        ""  # the placer's number of this test, where each test of a specimen has its own (LAW: AWOS ID)
    )
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A picture or document in a message: OBX-5 of type ED. Its bytes stay in the original, at this result's position."""

    position: int
    test: Coded
    media_type: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedOrder:
    """What was ordered, by whom, for which specimen: ORC/OBR/SPM, an O record."""

    control: str = ""  # NW, CA, XO, RE… (HL7 table 0119); the action code of O-12
    placer_number: str = ""
    filler_number: str = ""
    panel: Coded | None = None
    tests: tuple[Coded, ...] = ()
    priority: str = ""  # S, A, R…
    clinical_information: str = ""
    diagnosis: str = ""
    requester: str = ""
    department: str = ""
    ordered_at: datetime | None = None
    collected_at: datetime | None = None
    received_at: datetime | None = None
    status: str = ""  # of its results together: F, P, C, X… (OBR-25, HL7 table 0123)


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """One specimen with what is said of it: its order, and its results if there are any."""

    barcode: str = ""
    rack: str = ""
    place: str = ""
    kind: Coded | None = None  # blood, urine…
    patient: StatedPatient | None = None
    order: StatedOrder | None = None
    control: Control | None = None  # control material and no patient's specimen
    results: tuple[StatedResult, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    comments: tuple[str, ...] = ()
    of_the_maker: tuple[str, ...] = ()  # M and S records (LIS2-A2 §14, §13), as they stand


class MessageKind(StrEnum):
    RESULTS = "results"
    ORDERS = "orders"
    QUERY = "query"
    OTHER = "other"  # understood as a message, but nothing of a laboratory: ADT, ACK, calibration…


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """An analyser asks what is to be done (QRY^Q02, QBP^Q11, a Q record): for these specimens, or for all that wait."""

    barcodes: tuple[str, ...] = ()
    racks: tuple[tuple[str, str], ...] = ()  # (rack, place) for those asked for by position
    everything: bool = False
    tag: str = ""  # of the question, to be said again in the answer
    cancelled: bool = False  # Q-13 "A": the analyser no longer wants to know


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message whole."""

    wire: Wire
    kind: MessageKind
    type: str = ""  # ORU^R01; for ASTM the letters of its records: HPORL
    version: str = ""
    control_id: str = ""
    processing_id: str = ""  # P, T, D; Q for a control run (LIS2-A2 §6.12)
    sender: Sender = Sender()
    receiver: Sender = Sender()
    sent_at: datetime | None = None
    character_set: str = ""  # how it was read, in Python's name of the codec
    text_in_doubt: bool = False  # the bytes contradict what was declared, or were guessed
    specimens: tuple[Specimen, ...] = ()
    query: Query | None = None
    warnings: tuple[str, ...] = ()  # what was odd and read all the same, in English

    @property
    def results(self) -> int:
        """How many results it carries, attachments among them."""
        return sum(len(one.results) + len(one.attachments) for one in self.specimens)
