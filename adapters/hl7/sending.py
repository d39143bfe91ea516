"""Sending HL7 messages over MLLP, one after the other, each waiting for its acknowledgement (HL7 v2.5.1 §2.9.2)."""

import socket
import ssl
from collections.abc import Iterable, Iterator

from adapters.errors import PeerBusy, PeerRejected, PeerUnreachable
from adapters.hl7.character_sets import GB18030
from adapters.hl7.mllp import Framer, frame
from adapters.outward import Peer, connection

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


def send_one(message: bytes, control_id: str, peer: Peer) -> str:
    """Send a message and wait for the acknowledgement that names it; an earlier one's, come late, is passed over.

    Answers what the peer said. Raises PeerRejected for AE and CE (the content is wrong), PeerBusy for AR and CR
    (not because of its content, HL7 v2.5.1 §2.9.2.2), PeerUnreachable when there is no answer in time.
    """
    with connection(peer) as line:
        line.sendall(frame(message))
        heard = (_read_acknowledgement(body) for body in _hear_all(line))
        code, text = next((code, text) for code, named, text in heard if named == control_id)
    answer = f"{code} {text}".strip()
    if code in ("AA", "CA"):
        return answer
    raise PeerBusy(answer) if code in ("AR", "CR") else PeerRejected(answer)


def _read_acknowledgement(body: bytes) -> tuple[str, str, str]:
    """MSA-1, MSA-2, and what is said besides: MSA-3, ERR-8 or the code of ERR-3."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = body.decode(GB18030, "replace")
    segments = {one[:3]: one.split(one[3]) for one in text.replace("\n", "\r").split("\r") if len(one) > 4}
    acknowledged = [*segments.get("MSA", []), "", "", "", ""]
    error = [*segments.get("ERR", []), *[""] * 9]
    said = acknowledged[3] or error[8] or error[3]
    return acknowledged[1].strip().upper(), acknowledged[2].strip(), said.strip()


def is_accepting(acknowledgement: bytes) -> bool:
    """MSA-1 is AA or CA."""
    segments = acknowledgement.replace(b"\n", b"\r").split(b"\r")
    codes = (one.split(one[3:4])[1:2] for one in segments if one.startswith(b"MSA"))
    return next(codes, [b""]) in ([b"AA"], [b"CA"])


def _hear(line: socket.socket, framer: Framer) -> bytes:
    return next(_hear_all(line, framer))


def _hear_all(line: socket.socket, framer: Framer | None = None) -> Iterator[bytes]:
    """Every message that comes, until the peer closes."""
    framer = framer or Framer()
    while True:
        received = line.recv(_READ_BYTES)
        if not received:
            raise ConnectionError("closed before it answered")
        for found in framer.feed(received):
            if found.flaw is None:
                yield found.body
