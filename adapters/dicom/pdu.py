"""Protocol data units of PS3.8 9.3: bytes in, values out, and back.

P-DATA-TF is not a value here: its fragments are too many, `Association` hands them on as views.
Items and sub-items of unknown type are skipped (PS3.8 9.3.1); pynetdicom's decoder raises on them,
which is why the A-ASSOCIATE items are read here.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from adapters.errors import Malformed


class PduType(IntEnum):
    """PS3.8 9.3.2 to 9.3.8."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    P_DATA = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class AbortReason(IntEnum):
    """PS3.8 Table 9-26, when the source is the provider."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = 6


HEADER = struct.Struct(">BxI")  # PDU type, length of what follows
PDV_HEADER = struct.Struct(">IBB")  # length, presentation context, message control header
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"  # PS3.7 Annex A
FIXED_FIELDS = 68  # of A-ASSOCIATE-RQ and -AC, between the PDU header and the first item

_ITEM = struct.Struct(">BxH")
_P_DATA = int(PduType.P_DATA)
_COMMAND, _LAST_OF_COMMAND = 0x01, 0x03  # message control header, PS3.8 Annex E
_APPLICATION_CONTEXT, _CONTEXT_RQ, _CONTEXT_AC = 0x10, 0x20, 0x21
_ABSTRACT_SYNTAX, _TRANSFER_SYNTAX, _USER_INFORMATION = 0x30, 0x40, 0x50
_MAXIMUM_LENGTH, _IMPLEMENTATION_CLASS, _ROLE, _IMPLEMENTATION_VERSION = 0x51, 0x52, 0x54, 0x55


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedContext:
    """A presentation context as the requestor proposes it."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """Which roles the requestor proposes, or we accept, for one SOP class (PS3.7 D.3.3.4)."""

    sop_class_uid: str
    scu: bool
    scp: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociateRequest:
    """A-ASSOCIATE-RQ."""

    protocol_version: int
    called_ae_title: bytes
    calling_ae_title: bytes
    application_context: str
    contexts: tuple[ProposedContext, ...]
    roles: tuple[Role, ...]
    maximum_length: int  # of the variable field of the P-DATA-TF that the peer takes; 0 is no limit
    implementation_version_name: str
    fixed_fields: bytes  # as received: A-ASSOCIATE-AC returns the AE titles unchanged


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextResult:
    """The answer to one proposed context (PS3.8 Table 9-18)."""

    context_id: int
    result: int
    transfer_syntax: str


def read_associate_request(body: bytes) -> AssociateRequest:
    """Read an A-ASSOCIATE-RQ without its 6-byte header (PS3.8 Table 9-11)."""
    if len(body) < FIXED_FIELDS:
        raise Malformed("A-ASSOCIATE-RQ is shorter than its fixed fields")
    items = list(_items(body[FIXED_FIELDS:]))
    user = [sub for kind, value in items if kind == _USER_INFORMATION for sub in _items(value)]
    names = [_text(value) for kind, value in items if kind == _APPLICATION_CONTEXT]
    lengths = [value for kind, value in user if kind == _MAXIMUM_LENGTH]
    if lengths and len(lengths[0]) != 4:
        raise Malformed("maximum length sub-item is not 4 bytes long")
    contexts = tuple(_read_context(value) for kind, value in items if kind == _CONTEXT_RQ)
    ids = [context.context_id for context in contexts]
    if len(set(ids)) != len(ids) or any(number % 2 == 0 for number in ids):  # PS3.8 Table 9-13
        raise Malformed("presentation context ids are not odd and different")
    return AssociateRequest(
        protocol_version=int.from_bytes(body[:2], "big"),
        called_ae_title=body[4:20],
        calling_ae_title=body[20:36],
        application_context=names[0] if names else "",
        contexts=contexts,
        roles=tuple(_read_role(value) for kind, value in user if kind == _ROLE),
        maximum_length=int.from_bytes(lengths[0], "big") if lengths else 0,
        implementation_version_name=next((_text(v) for k, v in user if k == _IMPLEMENTATION_VERSION), ""),
        fixed_fields=body[:FIXED_FIELDS],
    )


def write_associate_accept(
    request: AssociateRequest,
    results: Iterable[ContextResult],
    roles: Iterable[Role],
    *,
    maximum_length: int,
    implementation_class_uid: str,
    implementation_version_name: str,
) -> bytes:
    """Write an A-ASSOCIATE-AC (PS3.8 Table 9-17). There is never an asynchronous operations window in it."""
    contexts = b"".join(
        _item(
            _CONTEXT_AC,
            bytes((one.context_id, 0, one.result, 0)) + _uid(_TRANSFER_SYNTAX, one.transfer_syntax),
        )
        for one in results
    )
    user = (
        _item(_MAXIMUM_LENGTH, maximum_length.to_bytes(4, "big"))
        + _uid(_IMPLEMENTATION_CLASS, implementation_class_uid)
        + b"".join(_write_role(role) for role in roles)
        + _uid(_IMPLEMENTATION_VERSION, implementation_version_name)
    )
    body = b"\0\1" + request.fixed_fields[2:] + _uid(_APPLICATION_CONTEXT, APPLICATION_CONTEXT)
    body += contexts + _item(_USER_INFORMATION, user)
    return HEADER.pack(PduType.ASSOCIATE_AC, len(body)) + body


def write_associate_reject(result: int, source: int, reason: int) -> bytes:
    """Write an A-ASSOCIATE-RJ (PS3.8 Table 9-21)."""
    return HEADER.pack(PduType.ASSOCIATE_RJ, 4) + bytes((0, result, source, reason))


def write_release_request() -> bytes:
    """Write an A-RELEASE-RQ."""
    return HEADER.pack(PduType.RELEASE_RQ, 4) + bytes(4)


def write_release_reply() -> bytes:
    """Write an A-RELEASE-RP."""
    return HEADER.pack(PduType.RELEASE_RP, 4) + bytes(4)


def write_abort(reason: AbortReason | None) -> bytes:
    """Write an A-ABORT: by the provider for a reason, by the user (us, the application) without one."""
    source, why = (0, 0) if reason is None else (2, reason)
    return HEADER.pack(PduType.ABORT, 4) + bytes((0, 0, source, why))


def write_command(context_id: int, command: bytes, maximum_length: int) -> bytes:
    """Write a command set as P-DATA-TF PDUs, none with a variable field over the peer's maximum length."""
    step = maximum_length - PDV_HEADER.size if maximum_length else len(command)
    if len(command) <= step:
        length = len(command) + PDV_HEADER.size
        return (
            HEADER.pack(_P_DATA, length) + PDV_HEADER.pack(length - 4, context_id, _LAST_OF_COMMAND) + command
        )
    out = bytearray()
    for start in range(0, len(command), step):
        part = command[start : start + step]
        control = _LAST_OF_COMMAND if start + step >= len(command) else _COMMAND
        out += HEADER.pack(PduType.P_DATA, len(part) + PDV_HEADER.size)
        out += PDV_HEADER.pack(len(part) + 2, context_id, control) + part
    return bytes(out)


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(data):
        if position + _ITEM.size > len(data):
            raise Malformed("an item ends inside its header")
        kind, length = _ITEM.unpack_from(data, position)
        position += _ITEM.size
        if position + length > len(data):
            raise Malformed(f"item {kind:02X}H is longer than what holds it")
        yield kind, data[position : position + length]
        position += length


def _read_context(value: bytes) -> ProposedContext:
    if len(value) < 4:
        raise Malformed("presentation context item is too short")
    syntaxes = [(kind, _text(name)) for kind, name in _items(value[4:])]
    abstract = [name for kind, name in syntaxes if kind == _ABSTRACT_SYNTAX]
    if len(abstract) != 1:
        raise Malformed("presentation context without exactly one abstract syntax")
    transfer = tuple(name for kind, name in syntaxes if kind == _TRANSFER_SYNTAX)
    return ProposedContext(context_id=value[0], abstract_syntax=abstract[0], transfer_syntaxes=transfer)


def _read_role(value: bytes) -> Role:
    length = int.from_bytes(value[:2], "big")
    if len(value) < length + 4:
        raise Malformed("role selection sub-item is too short")
    return Role(
        sop_class_uid=_text(value[2 : 2 + length]), scu=value[2 + length] == 1, scp=value[3 + length] == 1
    )


def _write_role(role: Role) -> bytes:
    uid = role.sop_class_uid.encode("ascii")
    return _item(_ROLE, len(uid).to_bytes(2, "big") + uid + bytes((role.scu, role.scp)))


def _item(kind: int, value: bytes) -> bytes:
    return _ITEM.pack(kind, len(value)) + value


def _uid(kind: int, value: str) -> bytes:
    return _item(kind, value.encode("ascii", "replace"))


def _text(value: bytes) -> str:
    # Latin-1 keeps every byte: a wrong byte makes an unknown name, not an exception.
    return value.rstrip(b"\0 ").decode("latin-1")
