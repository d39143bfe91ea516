"""Whether a message can be accepted: what its header and the names of its segments say, and nothing deeper.

Tolerant of versions and of what a sender leaves out; what its text means is found out where messages are filed.
"""

import re
from functools import lru_cache

from adapters.hl7.errors import Condition, NotAccepted
from adapters.hl7.header import Header

RESULTS = ("ORU", "OUL")
ORDERS = ("ORM", "OML", "OMG")
# Messages of HL7 table 0076 that are no business of a laboratory: understood, kept, and nothing is done with them.
KEPT = (
    "ACK", "ADR", "ADT", "BAR", "BPS", "BTS", "CRM", "CSU", "DFT", "DOC", "DSR", "EAC", "EAN", "EAR", "EDR", "ESR",
    "ESU", "INR", "INU", "LSR", "LSU", "MCF", "MDM", "MFD", "MFK", "MFN", "MFR", "NMD", "NMR", "OMB", "OMD", "OMI",
    "OMN", "OMP", "OMS", "OPL", "OPR", "OPU", "ORA", "ORB", "ORD", "ORF", "ORG", "ORI", "ORL", "ORN", "ORP", "ORR",
    "ORS", "ORX", "OSM", "OSU", "OUD", "PEX", "PGL", "PMU", "PPG", "PPP", "PPR", "PPT", "PPV", "PRR", "PTR", "QCK",
    "QCN", "RAR", "RAS", "RCI", "RCL", "RDE", "RDR", "RDS", "RDY", "REF", "RER", "RGR", "RGV", "ROR", "RPA", "RPI",
    "RPL", "RPR", "RQA", "RQC", "RQI", "RQP", "RRA", "RRD", "RRE", "RRG", "RRI", "RSP", "RTB", "SCN", "SDN", "SDR",
    "SIU", "SLN", "SLR", "SMD", "SQM", "SQR", "SRM", "SRR", "SSR", "SSU", "STC", "STI", "SUR", "TBR", "TCR", "TCU",
    "UDM", "VXR", "VXU", "VXX",
)  # fmt: skip
QUESTIONS = {"QRY": ("Q02", ""), "QBP": ("Q11",)}
ANSWERS = ("ACK", "ORR", "ORL", "ORG", "RSP", "QCK", "MCF")  # of these nobody expects an answer
_PROCESSING_IDS = (
    "P",
    "T",
    "D",
    "Q",
    "",
)  # HL7 table 0103; Q: control runs of Mindray's haematology analysers
_LONGEST_SEARCHED = 1 << 18
_PIECE = 1 << 20
_VERSION = re.compile(r"2(\.\d{1,2}){0,3}[A-Za-z]{0,2}")


def check(header: Header, body: bytes) -> None:
    """Raise NotAccepted for what can never be taken, however often it is sent."""
    kind = header.message_type
    if not kind:
        raise NotAccepted(Condition.REQUIRED_FIELD, "MSH-9 is empty: what message is this?", "MSH^1^9")
    _check_type(kind, header.event)
    if not header.control_id:
        raise NotAccepted(
            Condition.REQUIRED_FIELD, "MSH-10 is empty: the message has no control ID", "MSH^1^10"
        )
    if header.processing_id not in _PROCESSING_IDS:
        raise NotAccepted(
            Condition.PROCESSING_ID, f"processing ID {header.processing_id[:8]} is none", "MSH^1^11"
        )
    if header.version and not _VERSION.fullmatch(header.version):
        raise NotAccepted(
            Condition.VERSION_ID, f"version {header.version[:8]} is none of 2.1 to 2.8", "MSH^1^12"
        )
    _check_segments(kind, header, body)
    _check_alone(header, body)


def is_question(header: Header, body: bytes) -> bool:
    """Whether the sender waits for more than an acknowledgement."""
    kind = header.message_type
    return kind in QUESTIONS or (kind == "ORM" and asks_by_order(header, body))


def asks_by_order(header: Header, body: bytes) -> bool:
    """Mindray's haematology analysers ask for a specimen by an order of control code RF without an OBR."""
    separator = header.delimiters.field
    if len(body) > _LONGEST_SEARCHED:
        return False
    return bool(_segment(separator, "ORC", "RF").search(body)) and not _segment(separator, "OBR").search(body)


def _check_type(kind: str, event: str) -> None:
    if kind in QUESTIONS:
        if event not in QUESTIONS[kind]:
            raise NotAccepted(
                Condition.EVENT_CODE, f"{kind}^{event[:8]} is a question that is not answered here", "MSH^1^9"
            )
    elif kind not in RESULTS and kind not in ORDERS and kind not in KEPT:
        raise NotAccepted(Condition.MESSAGE_TYPE, f"message type {kind[:8]} is not known", "MSH^1^9")


def _check_segments(kind: str, header: Header, body: bytes) -> None:
    separator = header.delimiters.field
    if kind in RESULTS and not _one_of(separator, body, "OBR", "OBX", "SPM"):
        raise NotAccepted(
            Condition.SEGMENT_SEQUENCE, f"{kind} without OBR, OBX or SPM: no result is in it", "OBR^1"
        )
    if kind in ORDERS and not _one_of(separator, body, "ORC", "OBR"):
        raise NotAccepted(
            Condition.SEGMENT_SEQUENCE, f"{kind} without ORC or OBR: no order is in it", "ORC^1"
        )
    if kind == "QRY" and not _one_of(separator, body, "QRD"):
        raise NotAccepted(Condition.SEGMENT_SEQUENCE, "QRY without QRD: nothing is asked", "QRD^1")
    if kind == "QBP" and not _one_of(separator, body, "QPD"):
        raise NotAccepted(Condition.SEGMENT_SEQUENCE, "QBP without QPD: nothing is asked", "QPD^1")


def _check_alone(header: Header, body: bytes) -> None:
    if _begins(header.delimiters.field, "MSH", body):
        raise NotAccepted(
            Condition.SEGMENT_SEQUENCE, "a second MSH: each message needs its own frame", "MSH^2"
        )


def _one_of(separator: str, body: bytes, *names: str) -> bool:
    if any(_begins(separator, name, body) for name in names):
        return True
    # Blanks before a segment are passed over; not in megabytes, which this would take too long for.
    return len(body) <= _LONGEST_SEARCHED and any(_segment(separator, name).search(body) for name in names)


def _begins(separator: str, name: str, body: bytes) -> bool:
    start = name.encode() + separator.encode("utf-8")
    # Piece by piece: whoever waits for the interpreter meanwhile gets it between two.
    for at in range(0, len(body), _PIECE):
        piece = body[at : at + _PIECE + len(start)] if len(body) > _PIECE else body
        if start in piece and (b"\r" + start in piece or b"\n" + start in piece):
            return True
    return False


@lru_cache(maxsize=256)
def _segment(separator: str, name: str, first: str = "") -> re.Pattern[bytes]:
    mark = re.escape(separator.encode("utf-8"))
    begin = (
        rb"[\r\n][ \t]*" + name.encode() + (mark if not first else mark + first.encode() + rb"(?![A-Za-z])")
    )
    return re.compile(begin)
