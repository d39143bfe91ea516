"""One signed HTTP POST, as Standard Webhooks has it: webhook-id, webhook-timestamp, webhook-signature (v1).

The id is the same for every attempt, and stands as Idempotency-Key besides. No redirect is followed. The signature
is HMAC-SHA256 over "id.timestamp.body" in Base64; a secret that begins with `whsec_` is Base64 itself.
"""

import base64
import binascii
import hashlib
import hmac
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from adapters.errors import PeerBusy, PeerRejected, PeerUnreachable
from adapters.outward import Peer, connection

_PREFIX = "whsec_"
_READ_BYTES = 4096
# Not because of this one: whatever is sent is answered so, until somebody sees to it.
_WHOLE_PEER = frozenset({401, 403, 404, 405, 407, 502, 503, 504})
_LATER = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """Where to post, and with which secret."""

    peer: Peer
    url: str
    secret: str


def post(hook: Hook, content: Mapping[str, Any], *, message_id: str, timestamp: int) -> str:
    """Post it; answers the status. Raises PeerRejected, PeerBusy, PeerUnreachable."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Shared-Centre-Gateway",
        "Idempotency-Key": message_id,
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(hook.secret, body, message_id=message_id, timestamp=timestamp),
    }
    status, reason = _exchange(hook, body, headers)
    said = f"{status} {reason}".strip()
    if 200 <= status < 300:
        return said
    if 300 <= status < 400:
        raise PeerUnreachable(f"{said}: redirects are not followed")
    if status in _WHOLE_PEER:
        raise PeerUnreachable(said)
    raise PeerBusy(said) if status in _LATER or status >= 500 else PeerRejected(said)


def sign(secret: str, body: bytes, *, message_id: str, timestamp: int) -> str:
    """The value of webhook-signature."""
    mac = hmac.new(_key(secret), f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(mac.digest()).decode('ascii')}"


def target_of(url: str) -> SplitResult:
    """The parts of an address that may be posted to. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.fragment:
        raise ValueError("url")
    _ = parts.port  # raises for one that is none
    return parts


def _key(secret: str) -> bytes:
    if secret.startswith(_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            return secret.encode()
    return secret.encode()


def _exchange(hook: Hook, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
    parts = target_of(hook.url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with connection(hook.peer) as line:
        client = http.client.HTTPConnection(parts.hostname or "", hook.peer.port)
        client.sock = line  # connected and verified already: nothing else is connected to
        try:
            client.request("POST", path, body=body, headers=dict(headers))
            answer = client.getresponse()
            answer.read(_READ_BYTES)
        except http.client.HTTPException as error:
            raise PeerUnreachable(f"{hook.peer}: {type(error).__name__}") from error
        return answer.status, "".join(one for one in answer.reason if one.isprintable())[:100]
