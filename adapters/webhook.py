"""One signed HTTP POST, as Standard Webhooks has it: webhook-id, webhook-timestamp, webhook-signature (v1).

The id is the same for every attempt, and stands as Idempotency-Key besides. No redirect is followed. The signature
is HMAC-SHA256 over "id.timestamp.body" in Base64; a secret that begins with `whsec_` is Base64 itself.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.http_exchange import exchange, require_success
from adapters.outward import Peer

_PREFIX = "whsec_"


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
    answer = exchange(hook.peer, hook.url, method="POST", headers=headers, body=body)
    require_success(answer)
    return answer.said


def sign(secret: str, body: bytes, *, message_id: str, timestamp: int) -> str:
    """The value of webhook-signature."""
    mac = hmac.new(_key(secret), f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(mac.digest()).decode('ascii')}"


def _key(secret: str) -> bytes:
    if secret.startswith(_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            return secret.encode()
    return secret.encode()
