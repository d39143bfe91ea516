"""Sending HL7 messages over MLLP, one after the other, each waiting for its acknowledgement (HL7 v2.5.1 §2.9.2)."""

import socket
import ssl
from collections.abc import Iterable, Iterator

from adapters.errors import PeerRejected, PeerUnreachable
from adapters.hl7.mllp import Framer, frame

ANSWER_S = 30.0
_READ_BYTES = 65_536


def send(
    messages: Iterable[bytes],
    host: str,
    port: int,
    *,
    answer_s: float = ANSWER_S,
    tls: ssl.SSLContext | None = None,
) -> Iterator[bytes]:
    """Send each and yield what it was acknowledged with.

    Raises PeerUnreachable when there is no answer in time, and PeerRejected when the answer is not AA or CA.
    """
    try:
        with socket.create_connection((host, port), timeout=answer_s) as plain:
            line = tls.wrap_socket(plain, server_hostname=host) if tls else plain
            framer = Framer()
            for message in messages:
                line.sendall(frame(message))
                answer = _hear(line, framer)
                if not is_accepting(answer):
                    raise PeerRejected(answer.decode("utf-8", "replace")[:500])
                yield answer
    except OSError as error:
        raise PeerUnreachable(f"{host}:{port}: {error}") from error


def is_accepting(acknowledgement: bytes) -> bool:
    """MSA-1 is AA or CA."""
    segments = acknowledgement.replace(b"\n", b"\r").split(b"\r")
    codes = (one.split(one[3:4])[1:2] for one in segments if one.startswith(b"MSA"))
    return next(codes, [b""]) in ([b"AA"], [b"CA"])


def _hear(line: socket.socket, framer: Framer) -> bytes:
    while True:
        received = line.recv(_READ_BYTES)
        if not received:
            raise ConnectionError("closed before it answered")
        for found in framer.feed(received):
            if found.flaw is None:
                return found.body
