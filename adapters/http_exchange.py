"""One HTTP request over a connection of `adapters.outward`: verified, bounded in time and size, no redirect followed."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, urlsplit

from adapters.errors import Cause, PeerBusy, PeerRejected, PeerUnreachable
from adapters.outward import Peer, connection

LONGEST_WAIT_S = 86_400.0  # a peer's Retry-After beyond a day is taken as a day
_DRAINED_BYTES = 4096
# Not because of this one: whatever is sent is answered so, until somebody sees to it.
_WHOLE_PEER = frozenset({401, 403, 404, 405, 407, 502, 503, 504})
_CAUSES = {401: Cause.CREDENTIALS, 403: Cause.CREDENTIALS, 407: Cause.CREDENTIALS}
LATER = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. `body` is cut at the bytes that were asked for."""

    status: int
    reason: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def said(self) -> str:
        return f"{self.status} {self.reason}".strip()

    def retry_after_s(self, now: datetime | None = None) -> float | None:
        """Retry-After (RFC 9110 10.2.3), in seconds from now; None where it is not said, or cannot be read."""
        stated = self.headers.get("retry-after", "").strip()
        if stated.isdecimal():
            return min(float(stated), LONGEST_WAIT_S)
        try:
            left = parsedate_to_datetime(stated) - (now or datetime.now(UTC))
        except (ValueError, TypeError):
            return None
        return min(max(left.total_seconds(), 0.0), LONGEST_WAIT_S)


def target_of(url: str) -> SplitResult:
    """The parts of an address that may be asked. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.fragment:
        raise ValueError("url")
    _ = parts.port  # raises for one that is none
    return parts


def exchange(
    peer: Peer,
    url: str,
    *,
    method: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
    answer_bytes: int = _DRAINED_BYTES,
) -> Answer:
    """Ask once. Raises PeerUnreachable."""
    parts = target_of(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with connection(peer) as line:
        client = http.client.HTTPConnection(parts.hostname or "", peer.port)
        client.sock = line  # connected and verified already: nothing else is connected to
        try:
            client.request(method, path, body=body, headers=dict(headers))
            answer = client.getresponse()
            content = answer.read(answer_bytes)
        except http.client.HTTPException as error:
            cause = Cause.CUT if isinstance(error, ConnectionError) else Cause.OTHER_PROTOCOL
            raise PeerUnreachable(f"{peer}: {type(error).__name__}", cause=cause) from error
        return Answer(
            status=answer.status,
            reason="".join(one for one in answer.reason if one.isprintable())[:100],
            headers={name.lower(): value for name, value in answer.getheaders()},
            body=content,
        )


def require_success(answer: Answer, *, said: str = "", later: frozenset[int] = LATER) -> None:
    """Nothing on 2xx. Raises PeerUnreachable, PeerBusy, PeerRejected with what the peer `said`."""
    status, said, wait = answer.status, said or answer.said, answer.retry_after_s()
    if 200 <= status < 300:
        return
    if status < 400:
        raise PeerUnreachable(f"{said}: redirects are not followed", cause=Cause.MOVED)
    if status in _WHOLE_PEER:
        raise PeerUnreachable(said, retry_after_s=wait, cause=_CAUSES.get(status))
    raise PeerBusy(said, retry_after_s=wait) if status in later or status >= 500 else PeerRejected(said)
