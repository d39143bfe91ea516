"""A C-STORE sender that costs next to nothing: every PDU is framed before the clock starts."""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.adapters.dicom.wire import EXPLICIT, Peer, associate_rq, items, pdu, pdv, read_answer, store_rq

LARGEST_PDU = 131_072
CALLING, CALLED = "DEMO_CT", "GATEWAY"
_CONTEXT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One instance: its names, and its data set in Explicit VR Little Endian."""

    sop_class_uid: str
    sop_instance_uid: str
    data_set: bytes


def blast(
    port: int,
    instances: Sequence[Instance],
    *,
    associations: int,
    largest_pdu: int = LARGEST_PDU,
    tls: ssl.SSLContext | None = None,
    calling: str = CALLING,
) -> float:
    """Send everything, an equal share over each association; answers the seconds until the last answer.

    Raises RuntimeError when one is not answered with success.
    """
    lines = [_Line(port, instances[n::associations], largest_pdu, tls, calling) for n in range(associations)]
    try:
        return _time([line.send_all for line in lines])
    finally:
        for line in lines:
            line.close()


def blast_one_by_one(port: int, instances: Sequence[Instance], *, senders: int = 1) -> float:
    """The same with an association opened, used and released for each instance."""

    def send(share: Sequence[Instance]) -> None:
        for instance in share:
            line = _Line(port, [instance], LARGEST_PDU, None)
            try:
                line.send_all()
                line.release()
            finally:
                line.close()

    return _time([lambda n=n: send(instances[n::senders]) for n in range(senders)])  # type: ignore[misc]


def send_paced(port: int, instances: Sequence[Instance], *, per_second: float) -> Iterator[float]:
    """Send over one association, no more than so many a second; when each was acknowledged (`perf_counter`)."""
    line = _Line(port, instances, LARGEST_PDU, None)
    began = time.perf_counter()
    try:
        for number, at in enumerate(line.send_each(), start=1):
            yield at
            time.sleep(max(0.0, began + number / per_second - time.perf_counter()))
        line.release()
    finally:
        line.close()


def _time(jobs: Sequence[Callable[[], None]]) -> float:
    """The seconds that these take together."""
    start = threading.Barrier(len(jobs) + 1)
    failures: list[Exception] = []

    def run(job: Callable[[], None]) -> None:
        start.wait()
        try:
            job()
        except (OSError, RuntimeError) as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(str(failures[0])) from failures[0]
    return time.perf_counter() - began


class _Line:
    """One association and what goes over it."""

    def __init__(
        self,
        port: int,
        instances: Sequence[Instance],
        largest_pdu: int,
        tls: ssl.SSLContext | None,
        calling: str = CALLING,
    ) -> None:
        connection = socket.create_connection(("127.0.0.1", port), timeout=120)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = tls.wrap_socket(connection) if tls else connection
        self._peer = Peer(self._socket)
        largest = min(self._associate(instances, calling), largest_pdu)
        self._framed = [_frame(number, one, largest) for number, one in enumerate(instances, start=1)]

    def send_all(self) -> None:
        for _ in self.send_each():
            pass

    def send_each(self) -> Iterator[float]:
        """Send one after another; when each was acknowledged."""
        for framed in self._framed:
            self._socket.sendall(framed)
            answer = read_answer(self._read_pdu(4)[6:])
            if answer.status != 0:
                raise RuntimeError(f"status {answer.status:04X} {answer.comment}")
            yield time.perf_counter()

    def release(self) -> None:
        self._peer.release()

    def close(self) -> None:
        self._socket.close()

    def _associate(self, instances: Sequence[Instance], calling: str) -> int:
        classes = sorted({instance.sop_class_uid for instance in instances})
        assert len(classes) == 1  # one presentation context is enough here
        self._socket.sendall(
            associate_rq(
                calling=calling.encode(),
                called=CALLED.encode(),
                contexts=((_CONTEXT, classes[0], (EXPLICIT,)),),
            )
        )
        body = self._read_pdu(2)
        for kind, value in items(body[68:]):
            if kind == 0x50:  # user information; its first sub-item is the maximum length (PS3.8 D.1)
                limits = [struct.unpack(">I", sub)[0] for number, sub in items(value) if number == 0x51]
                return limits[0] or LARGEST_PDU
        raise RuntimeError("the peer accepted without a maximum length")

    def _read_pdu(self, expected: int) -> bytes:
        kind, body = self._peer.read_pdu()
        if kind != expected:
            raise RuntimeError(f"the peer answered with a PDU of type {kind}")
        return body


def _frame(number: int, one: Instance, largest: int) -> bytes:
    return b"".join(_pieces(number, one, largest))


def _pieces(number: int, one: Instance, largest: int) -> Iterator[bytes]:
    request = store_rq(sop_class=one.sop_class_uid, instance=one.sop_instance_uid, message_id=number)
    yield pdu(4, pdv(_CONTEXT, 3, request))
    room = largest - 6  # of a PDU's body, the PDV's own length, context and control (PS3.8 9.3.5.1)
    for start in range(0, len(one.data_set), room):
        last = start + room >= len(one.data_set)
        yield pdu(4, pdv(_CONTEXT, 2 if last else 0, one.data_set[start : start + room]))
