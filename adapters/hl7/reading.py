"""HL7 v2 messages in, what they say of specimens out: results, orders, questions.

Results: ORU^R01 and its kin, OUL^R21 to R24. Orders: ORM^O01, OML^O21/O33/O35, OMG^O19. Questions: QRY^Q02,
QBP^Q11, and ORM^O01 with ORC-1 RF and no OBR (Mindray's haematology analysers). Calibration and everything else that
is a message is OTHER; whatever observations it has are read all the same, so that every OBX of every message is
counted. In an order OBX are what the requester states with it.

Barcode, in this order: SPM-2 (placer's, else filler's part), SAC-3, OBR-2, OBR-3, ORC-2, ORC-3. Where SPM or SAC
stand before the orders of their specimen (OUL^R22, OML^O33) they hold for all up to the next one; behind an order
(ORU^R01, OML^O21) they are that order's. Orders of one specimen, or of one number, are one specimen here.

Control material: MSH-16 "2" or MSH-11 "Q" (Mindray), OBR-4 00003 to 00008 of 99MRC (Mindray's L-J, X-bar and X-R
programs), SPM-11 "Q" or "E" (HL7 table 0369: LAW), "Q" in OBR-11. Calibrators: MSH-16 "1", SPM-11 "C".
"""

from datetime import tzinfo

from adapters.errors import Malformed
from adapters.hl7.accepting import ORDERS, QUESTIONS, RESULTS
from adapters.hl7.asking import read_query
from adapters.hl7.attachments import content_of, is_attachment
from adapters.hl7.character_sets import decode
from adapters.hl7.header import Header, read_header, split_header
from adapters.hl7.message import Segment, split_segments
from adapters.hl7.specimens import is_calibration, read_specimens
from adapters.hl7.values import read_time
from adapters.hl7.writing import COUNTY_TIME
from adapters.lab.said import Message, MessageKind, Sender, Wire


def read_message(body: bytes, *, character_set: str | None = None, zone: tzinfo = COUNTY_TIME) -> Message:
    """Read one message without its framing bytes. Raises NotAccepted when it is none.

    `character_set` is what its device is known to write, in any spelling; times without a zone are in `zone`.
    """
    header, segments, codec, in_doubt, warnings = _open(body, character_set)
    query = read_query(header, segments)
    return Message(
        wire=Wire.HL7,
        kind=_kind_of(header, segments, asks=query is not None),
        type=header.type,
        version=header.version,
        control_id=header.control_id,
        processing_id=header.processing_id,
        sender=header.sender,
        receiver=Sender(application=header.component(5), facility=header.component(6)),
        sent_at=read_time(header.component(7), zone),
        character_set=codec,
        text_in_doubt=in_doubt,
        specimens=() if query is not None else read_specimens(header, segments, zone),
        query=query,
        warnings=tuple(warnings),
    )


def read_attachment(body: bytes, position: int, *, character_set: str | None = None) -> bytes:
    """The bytes of the attachment at this position. Raises Malformed when there is none, or it cannot be decoded."""
    _, segments, _, _, _ = _open(body, character_set)
    found = [segment for segment in segments if segment.name == "OBX"]
    if not 0 <= position < len(found) or not is_attachment(found[position]):
        raise Malformed(f"there is no attachment at position {position}")
    return content_of(found[position])


def _open(body: bytes, character_set: str | None) -> tuple[Header, list[Segment], str, bool, list[str]]:
    declared = read_header(body, character_set=character_set)
    text = decode(
        body,
        declared=declared.declared,
        device=character_set,
        repetition=declared.delimiters.repetition or "~",
    )
    segments, warnings = split_segments(text.text.lstrip(), declared, text.codec)
    header = split_header(segments[0].line) if segments else declared
    return header, segments, text.codec, text.in_doubt, warnings


def _kind_of(header: Header, segments: list[Segment], *, asks: bool) -> MessageKind:
    kind = header.message_type
    if asks or kind in QUESTIONS:
        return MessageKind.QUERY
    if kind in RESULTS:
        return MessageKind.OTHER if is_calibration(header, segments) else MessageKind.RESULTS
    return MessageKind.ORDERS if kind in ORDERS else MessageKind.OTHER
