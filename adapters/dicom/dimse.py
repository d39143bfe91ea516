"""Command sets (PS3.7 6.3 and Annex E): always implicit VR little endian, group 0000 only."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from adapters.errors import Malformed

C_STORE_RQ, C_ECHO_RQ, C_CANCEL_RQ, RESPONSE = 0x0001, 0x0030, 0x0FFF, 0x8000
NO_DATA_SET = 0x0101

_GROUP_LENGTH, _AFFECTED_CLASS, _REQUESTED_CLASS, _FIELD = 0x0000, 0x0002, 0x0003, 0x0100
_MESSAGE_ID, _RESPONDED_TO, _DATA_SET_TYPE, _STATUS = 0x0110, 0x0120, 0x0800, 0x0900
_OFFENDING, _COMMENT, _AFFECTED_INSTANCE = 0x0901, 0x0902, 0x1000

_HEADER = struct.Struct("<HHI")
_US_ELEMENTS = struct.Struct("<HHIHHHIHHHIHHHIH")  # four elements of VR US
_TAG = struct.Struct("<HH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A DIMSE request, as far as any service here needs it. UIDs are without their padding."""

    field: int
    message_id: int
    has_data_set: bool
    sop_class_uid: str  # affected, else requested
    sop_instance_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How a request ended (PS3.7 Annex C)."""

    code: int
    comment: str = ""
    offending: int | None = None  # a tag


SUCCESS = Status(code=0x0000)
UNRECOGNIZED_OPERATION = 0x0211


def read_request(data: bytes | bytearray) -> Request:
    """Read the command set of a request."""
    elements = _read_elements(data)
    return Request(
        field=_number(elements, _FIELD),
        # C-CANCEL-RQ has only the id of the message that it cancels.
        message_id=_number(elements, _MESSAGE_ID if _MESSAGE_ID in elements else _RESPONDED_TO),
        has_data_set=_number(elements, _DATA_SET_TYPE) != NO_DATA_SET,
        sop_class_uid=_uid(elements, _AFFECTED_CLASS) or _uid(elements, _REQUESTED_CLASS),
        sop_instance_uid=_uid(elements, _AFFECTED_INSTANCE),
    )


def write_response(request: Request, status: Status) -> bytes:
    """Write the command set that answers a request (PS3.7 9.3, 10.3)."""
    body = _element(_AFFECTED_CLASS, _even(request.sop_class_uid, b"\0")) if request.sop_class_uid else b""
    body += _US_ELEMENTS.pack(
        *(0, _FIELD, 2, request.field | RESPONSE),
        *(0, _RESPONDED_TO, 2, request.message_id),
        *(0, _DATA_SET_TYPE, 2, NO_DATA_SET),
        *(0, _STATUS, 2, status.code),
    )
    if status.offending is not None:
        body += _element(_OFFENDING, _TAG.pack(status.offending >> 16, status.offending & 0xFFFF))
    if status.comment:
        body += _element(_COMMENT, _even(status.comment[:64], b" "))  # LO: 64 characters
    if request.sop_instance_uid:
        body += _element(_AFFECTED_INSTANCE, _even(request.sop_instance_uid, b"\0"))
    return _element(_GROUP_LENGTH, len(body).to_bytes(4, "little")) + body


def _read_elements(data: bytes | bytearray) -> dict[int, bytes]:
    elements: dict[int, bytes] = {}
    position, end, data = 0, len(data), bytes(data)
    while position < end:
        if position + 8 > end:
            raise Malformed("the command set ends inside an element")
        group, element, length = _HEADER.unpack_from(data, position)
        start = position + 8
        position = start + length
        if group != 0 or position > end:
            raise Malformed(f"the command set holds ({group:04X},{element:04X}) or is cut short in it")
        elements[element] = data[start:position]
    return elements


def _number(elements: Mapping[int, bytes], element: int) -> int:
    value = elements.get(element, b"")
    if len(value) != 2:
        raise Malformed(f"the command set has no usable (0000,{element:04X})")
    return int.from_bytes(value, "little")


def _uid(elements: Mapping[int, bytes], element: int) -> str:
    return elements.get(element, b"").rstrip(b"\0 ").decode("latin-1")


def _element(element: int, value: bytes) -> bytes:
    return _HEADER.pack(0, element, len(value)) + value


def _even(text: str, pad: bytes) -> bytes:
    value = text.encode("latin-1", "replace")
    return value + pad if len(value) % 2 else value
