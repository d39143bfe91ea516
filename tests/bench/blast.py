"""A C-STORE sender that costs next to nothing: every PDU is framed before the clock starts."""

import socket
import struct
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.adapters.dicom.wire import CT, EXPLICIT, Peer, associate_rq, items, pdu, pdv, read_answer, store_rq

LARGEST_PDU = 131_072
CONTEXT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ct:
    """One CT instance: its UID, and its data set in Explicit VR Little Endian."""

    sop_instance_uid: str
    data_set: bytes


def blast(port: int, instances: Sequence[Ct], *, associations: int, calling: str, called: str) -> float:
    """Send everything, an equal share over each association; answers the seconds until the last answer.

    Raises RuntimeError when one is not answered with success.
    """
    lines = [_Line(port, instances[n::associations], calling, called) for n in range(associations)]
    start = threading.Barrier(associations + 1)
    threads = [threading.Thread(target=line.send_all, args=(start,)) for line in lines]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    for line in lines:
        line.close()
    failures = [line.failure for line in lines if line.failure]
    if failures:
        raise RuntimeError(failures[0])
    return took


class _Line:
    """One association and what goes over it."""

    def __init__(self, port: int, instances: Sequence[Ct], calling: str, called: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._peer = Peer(self._socket)
        self.failure = ""
        largest = self._associate(calling, called)
        self._framed = [_frame(number, one, largest) for number, one in enumerate(instances, start=1)]

    def send_all(self, start: threading.Barrier) -> None:
        start.wait()
        try:
            for framed in self._framed:
                self._socket.sendall(framed)
                body = self._read_pdu(4)
                answer = read_answer(body[6:])
                if answer.status != 0:
                    self.failure = f"status {answer.status:04X} {answer.comment}"
                    return
        except (OSError, RuntimeError) as error:
            self.failure = f"{type(error).__name__}: {error}"

    def close(self) -> None:
        if not self.failure:
            self._peer.release()
        self._socket.close()

    def _associate(self, calling: str, called: str) -> int:
        contexts = ((CONTEXT, CT, (EXPLICIT,)),)
        self._socket.sendall(
            associate_rq(calling=calling.encode(), called=called.encode(), contexts=contexts)
        )
        body = self._read_pdu(2)
        for kind, value in items(body[68:]):
            if kind == 0x50:  # user information; its first sub-item is the maximum length (PS3.8 D.1)
                limits = [struct.unpack(">I", sub)[0] for number, sub in items(value) if number == 0x51]
                return min(limits[0] or LARGEST_PDU, LARGEST_PDU)
        raise RuntimeError("the peer accepted without a maximum length")

    def _read_pdu(self, expected: int) -> bytes:
        kind, body = self._peer.read_pdu()
        if kind != expected:
            raise RuntimeError(f"the peer answered with a PDU of type {kind}")
        return body


def _frame(number: int, one: Ct, largest: int) -> bytes:
    request = store_rq(instance=one.sop_instance_uid, message_id=number)
    room = largest - 6  # of a PDU's body, the PDV's own length, context and control (PS3.8 9.3.5.1)
    pieces = [pdu(4, pdv(CONTEXT, 3, request))]
    for start in range(0, len(one.data_set), room):
        last = start + room >= len(one.data_set)
        pieces.append(pdu(4, pdv(CONTEXT, 2 if last else 0, one.data_set[start : start + room])))
    return b"".join(pieces)
