"""A peer made by hand: DICOM bytes written here from the standard, sharing no code with what is tested."""

import socket
import struct
from dataclasses import dataclass

IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
VERIFICATION, CT, MR = "1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
INSTANCE = "1.2.826.0.1.3680043.10.9999.1"
CONTEXTS = ((1, VERIFICATION, (IMPLICIT,)), (3, CT, (EXPLICIT,)), (5, CT, (IMPLICIT,)), (7, CT, (DEFLATED,)))


def item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(value)) + value


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBI", kind, 0, len(body)) + body


def associate_rq(
    *,
    called: bytes = b"GATEWAY",
    calling: bytes = b"DEMO_CT",
    contexts=CONTEXTS,
    max_length: int = 16384,
    version: int = 1,
    application: bytes = b"1.2.840.10008.3.1.1.1",
    extra_user_items: bytes = b"",
    extra_items: bytes = b"",
) -> bytes:
    body = struct.pack(">HH", version, 0) + called.ljust(16) + calling.ljust(16) + bytes(32)
    body += item(0x10, application)
    for number, abstract, syntaxes in contexts:
        sub = bytes((number, 0, 0, 0)) + item(0x30, abstract.encode())
        body += item(0x20, sub + b"".join(item(0x40, syntax.encode()) for syntax in syntaxes))
    user = item(0x51, struct.pack(">I", max_length)) + item(0x52, b"1.2.3") + item(0x55, b"HANDMADE")
    return pdu(1, body + item(0x50, user + extra_user_items) + extra_items)


def element(group: int, number: int, value: bytes) -> bytes:
    return struct.pack("<HHI", group, number, len(value)) + value


def command(*elements: tuple[int, bytes]) -> bytes:
    body = b"".join(element(0, number, value) for number, value in elements)
    return element(0, 0, struct.pack("<I", len(body))) + body


def us(number: int) -> bytes:
    return struct.pack("<H", number)


def even(text: str) -> bytes:
    return text.encode() + b"\0" * (len(text) % 2)


def echo_rq(message_id: int = 1) -> bytes:
    return command((2, even(VERIFICATION)), (0x100, us(0x30)), (0x110, us(message_id)), (0x800, us(0x101)))


def store_rq(
    *, sop_class: str = CT, instance: str = INSTANCE, message_id: int = 1, data_set: int = 0
) -> bytes:
    return command(
        (2, even(sop_class)),
        (0x100, us(1)),
        (0x110, us(message_id)),
        (0x700, us(0)),
        (0x800, us(data_set)),
        (0x1000, even(instance)),
    )


def pdv(context: int, control: int, part: bytes) -> bytes:
    return struct.pack(">IBB", len(part) + 2, context, control) + part


def p_data(context: int, control: int, part: bytes) -> bytes:
    return pdu(4, pdv(context, control, part))


def explicit(group: int, number: int, vr: str, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    if vr in ("OB", "OW", "SQ", "UN", "UT"):
        return struct.pack("<HH2sxxI", group, number, vr.encode(), len(value)) + value
    return struct.pack("<HH2sH", group, number, vr.encode(), len(value)) + value


def ct_data_set(*, sop_class: str | None = CT, instance: str | None = INSTANCE, pixels: int = 1000) -> bytes:
    out = b""
    if sop_class is not None:
        out += explicit(8, 0x16, "UI", sop_class.encode())
    if instance is not None:
        out += explicit(8, 0x18, "UI", instance.encode())
    out += explicit(8, 0x60, "CS", b"CT") + explicit(0x10, 0x10, "PN", b"Test^Only")
    out += explicit(0x20, 0xD, "UI", b"1.2.3.4") + explicit(0x20, 0xE, "UI", b"1.2.3.4.5")
    return out + explicit(0x7FE0, 0x10, "OW", bytes(pixels))


@dataclass
class Answer:
    """A DIMSE response."""

    field: int
    status: int
    comment: str
    offending: tuple[int, int] | None
    message_id: int
    sop_instance_uid: str


class Peer:
    """One connection to the server under test."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def send(self, *data: bytes) -> None:
        self.connection.sendall(b"".join(data))

    def read_pdu(self) -> tuple[int, bytes]:
        """The next PDU; type 0 when the connection ends."""
        head = self._read(6)
        if len(head) < 6:
            return 0, b""
        return head[0], self._read(struct.unpack(">I", head[2:])[0])

    def associate(self, **request) -> dict[int, tuple[int, str]]:
        """Open an association: result and transfer syntax by context."""
        self.send(associate_rq(**request))
        kind, body = self.read_pdu()
        assert kind == 2, (kind, body)
        results = {}
        for kind, value in items(body[68:]):
            if kind == 0x21:
                [(_, syntax)] = items(value[4:])
                results[value[0]] = (value[2], syntax.decode())
        return results

    def store(self, data_set: bytes, *, context: int = 3, **request) -> Answer:
        self.send(p_data(context, 3, store_rq(**request)))
        for start in range(0, max(len(data_set), 1), 16000):
            last = start + 16000 >= len(data_set)
            self.send(p_data(context, 2 if last else 0, data_set[start : start + 16000]))
        return self.read_answer()

    def echo(self) -> Answer:
        self.send(p_data(1, 3, echo_rq()))
        return self.read_answer()

    def release(self) -> None:
        self.send(pdu(5, bytes(4)))
        assert self.read_pdu() == (6, bytes(4))

    def read_answer(self) -> Answer:
        data = b""
        while True:
            kind, body = self.read_pdu()
            assert kind == 4, (kind, body)
            length, _, control = struct.unpack(">IBB", body[:6])
            assert length == len(body) - 4
            assert control in (1, 3)
            data += body[6:]
            if control == 3:
                return read_answer(data)

    def is_closed(self) -> bool:
        try:
            return self.connection.recv(1) == b""
        except ConnectionResetError:
            return True

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                part = self.connection.recv(size - len(data))
            except ConnectionResetError:
                break
            if not part:
                break
            data += part
        return data


def items(data: bytes):
    position = 0
    while position < len(data):
        kind, _, length = struct.unpack_from(">BBH", data, position)
        yield kind, data[position + 4 : position + 4 + length]
        position += 4 + length


def read_answer(data: bytes) -> Answer:
    elements, position = {}, 0
    while position < len(data):
        _, number, length = struct.unpack_from("<HHI", data, position)
        elements[number] = data[position + 8 : position + 8 + length]
        position += 8 + length
    assert struct.unpack("<I", elements[0])[0] == len(data) - 12
    return Answer(
        field=struct.unpack("<H", elements[0x100])[0],
        status=struct.unpack("<H", elements[0x900])[0],
        comment=elements.get(0x902, b"").decode().strip(),
        offending=struct.unpack("<HH", elements[0x901]) if 0x901 in elements else None,
        message_id=struct.unpack("<H", elements[0x120])[0],
        sop_instance_uid=elements.get(0x1000, b"").decode().rstrip("\0"),
    )
