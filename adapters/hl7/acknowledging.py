"""What a sender is answered: acknowledgement codes, conditions and where they are said (HL7 v2.5.1 §2.9, §2.15).

Original mode answers AA, AE or AR. Enhanced mode (one of table 0155 in MSH-15 or MSH-16) answers CA, CE or CR where
MSH-15 asks for it; an application acknowledgement is sent only where no accept acknowledgement was, since ours says
no more: the message is kept. What it leads to is decided later and seen on the pages.

An application acknowledgement of an order is the order's response message (§4.4; ORL^O22 to OML^O21), without its
optional RESPONSE group: whether each test can be done is not known when the message is taken.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from adapters.errors import Malformed, Refused, Unavailable
from adapters.hl7.errors import Condition, NotAccepted
from adapters.hl7.header import STANDARD, Header
from adapters.hl7.writing import Writer
from adapters.lab.ports import NotAdmitted


class Verdict(StrEnum):
    """The second letter of AA, AE, AR and of CA, CE, CR."""

    ACCEPT = "A"
    ERROR = "E"  # the sender must mend something first
    REJECT = "R"  # not this message, or not now: it may be sent again


# HL7 table 0357, with what is answered for each.
_CONDITIONS: dict[Condition, tuple[Verdict, str]] = {
    Condition.SEGMENT_SEQUENCE: (Verdict.ERROR, "Segment sequence error"),
    Condition.REQUIRED_FIELD: (Verdict.ERROR, "Required field missing"),
    Condition.DATA_TYPE: (Verdict.ERROR, "Data type error"),
    Condition.TABLE_VALUE: (Verdict.ERROR, "Table value not found"),
    Condition.MESSAGE_TYPE: (Verdict.REJECT, "Unsupported message type"),
    Condition.EVENT_CODE: (Verdict.REJECT, "Unsupported event code"),
    Condition.PROCESSING_ID: (Verdict.REJECT, "Unsupported processing id"),
    Condition.VERSION_ID: (Verdict.REJECT, "Unsupported version id"),
    Condition.UNKNOWN_KEY: (Verdict.REJECT, "Unknown key identifier"),
    Condition.DUPLICATE_KEY: (Verdict.ERROR, "Duplicate key identifier"),
    Condition.RECORD_LOCKED: (Verdict.REJECT, "Application record locked"),
    Condition.INTERNAL: (Verdict.REJECT, "Application internal error"),
}
# The response to each order message (HL7 v2.5.1 §4.4.2, §4.4.4, §4.4.6, §4.4.8; O39 from v2.7 on).
_RESPONSES = {
    "ORM^O01": ("ORR", "O02"),
    "ORM": ("ORR", "O02"),  # the only event that it has
    "OMG^O19": ("ORG", "O20"),
    "OML^O21": ("ORL", "O22"),
    "OML^O33": ("ORL", "O34"),
    "OML^O35": ("ORL", "O36"),
    "OML^O39": ("ORL", "O40"),
}
_LONGEST_ACKNOWLEDGEMENT = 65_536
_TRY_LATER = "cannot take it now, try again later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a message was not taken, in the protocol's terms."""

    verdict: Verdict
    condition: Condition
    explanation: str
    location: str = ""

    @property
    def words(self) -> str:
        """The condition's name in table 0357."""
        return _CONDITIONS[self.condition][1]


def refusal_of(error: Exception) -> Refusal:
    """The one table from errors to answers. What nobody foresaw is ours, and may be tried again."""
    if isinstance(error, NotAccepted):
        verdict, condition, location = _CONDITIONS[error.condition][0], error.condition, error.location
        if condition is Condition.INTERNAL:
            verdict = Verdict.ERROR  # of the message, not of ours: too large
        return Refusal(verdict=verdict, condition=condition, explanation=error.explanation, location=location)
    if isinstance(error, NotAdmitted):
        return _refusal(Condition.UNKNOWN_KEY, error.explanation, "MSH^1^3")
    if isinstance(error, Refused):
        return _refusal(Condition.UNKNOWN_KEY, str(error))
    if isinstance(error, Malformed):
        return _refusal(Condition.DATA_TYPE, str(error))
    if isinstance(error, Unavailable):
        return _refusal(Condition.INTERNAL, str(error) or _TRY_LATER)
    return _refusal(Condition.INTERNAL, _TRY_LATER)


def _refusal(condition: Condition, explanation: str, location: str = "") -> Refusal:
    return Refusal(
        verdict=_CONDITIONS[condition][0], condition=condition, explanation=explanation, location=location
    )


# Which verdicts each value of table 0155 asks to hear of.
_HEARS = {
    "AL": (Verdict.ACCEPT, Verdict.ERROR, Verdict.REJECT),
    "NE": (),
    "ER": (Verdict.ERROR, Verdict.REJECT),
    "SU": (Verdict.ACCEPT,),
    "": (),
}


def acknowledgement_code(header: Header, verdict: Verdict) -> str:
    """AA, AE, AR, CA, CE, CR; "" when the sender wants to hear nothing of it."""
    if not header.is_enhanced:
        return f"A{verdict}"
    if verdict in _HEARS[header.accept_acknowledgement]:
        return f"C{verdict}"
    # Nothing was to be said of keeping it, or this verdict was not asked for there.
    return f"A{verdict}" if verdict in _HEARS[header.application_acknowledgement] else ""


def accept_code(header: Header) -> str:
    """What is said of a question before its answer: CA where MSH-15 asks for it."""
    return "CA" if Verdict.ACCEPT in _HEARS[header.accept_acknowledgement] else ""


def write_acknowledgement(
    header: Header | None, code: str, now: datetime, *, refusal: Refusal | None = None
) -> bytes:
    """An ACK, or the response to an order; to a sender whose MSH could not be read with standard delimiters and an
    empty MSA-2."""
    header = header or _NOBODY
    writer = Writer(header)
    writer.header(acknowledgement_type(header, writer, code), now, echo=True)
    write_msa(writer, header, code, refusal)
    return writer.bytes()


def acknowledgement_type(header: Header, writer: Writer, code: str) -> str:
    """MSH-9: the trigger of what is acknowledged, and the structure from v2.4 on (HL7 v2.5.1 §2.14.1).

    An accept acknowledgement (CA, CE, CR) is always the general one (§2.9.3.1).
    """
    response = _RESPONSES.get(header.type) if code.startswith("A") else None
    if response is not None:
        return "^".join([*response, *(["_".join(response)] if writer.version >= (2, 4) else [])])
    parts = ["ACK", *([header.event] if header.event else [])]
    return "^".join([*parts, "ACK"] if len(parts) > 1 and writer.version >= (2, 4) else parts)


def write_msa(writer: Writer, header: Header, code: str, refusal: Refusal | None = None) -> None:
    """MSA, and ERR behind it for a refusal: in the form of v2.5 (§2.15.5), or the one before."""
    control_id = header.field(10)
    text = writer.text(refusal.explanation[:80] if refusal else "Message accepted")
    if writer.version >= (2, 7):  # MSA-3 was withdrawn
        text = ""
    if refusal is None:
        # Table 0357 has 0 for "message accepted" until MSA-6 gave way to ERR; Mindray's analysers look at it.
        writer.segment(
            "MSA", code, control_id, text, *(("", "", "0") if (2, 1) < writer.version < (2, 4) else ())
        )
        return
    number, words = str(int(refusal.condition)), refusal.words
    if writer.version >= (2, 5):
        writer.segment("MSA", code, control_id, text)
        writer.segment(
            "ERR", "", _location(writer, refusal.location), writer.join(number, words, "HL70357"), "E", "", "", "",
            writer.text(refusal.explanation[:250]),
        )  # fmt: skip
        return
    coded = writer.join(number, words, "HL70357")
    writer.segment("MSA", code, control_id, text, "", "", coded if writer.version > (2, 1) else "")
    component = writer.delimiters.component or " "
    places = [*refusal.location.split("^"), "", "", ""][:3]
    inner = (writer.delimiters.subcomponent or " ").join((number, writer.text(words), "HL70357"))
    writer.segment("ERR", component.join([*places, inner]))


def msa_code(header: Header, body: bytes) -> str:
    """MSA-1 of an acknowledgement that was received; "" when it has none."""
    mark = b"MSA" + header.delimiters.field.encode()
    for line in body[:_LONGEST_ACKNOWLEDGEMENT].replace(b"\n", b"\r").split(b"\r"):
        if line.startswith(mark):
            return line[len(mark) : len(mark) + 2].decode("ascii", "replace")
    return ""


def _location(writer: Writer, location: str) -> str:
    return writer.join(*location.split("^")) if location else ""


_NOBODY = Header(delimiters=STANDARD, fields=("MSH", "|", "^~\\&"))
