"""What the DICOM edge needs from whoever runs it: a place to keep payloads, and a list of who may send.

An origin is a flat mapping that can be written as JSON.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from adapters.errors import Refused


class Entry(Protocol):
    """One payload on its way into the journal."""

    def write(self, *views: bytes | bytearray | memoryview) -> None:
        """Take the bytes at once (the views may be reused afterwards); may raise Unavailable: no room."""

    async def commit(self, rest: Sequence[bytes | memoryview] = ()) -> None:
        """Return once the payload is durable; raises Unavailable. Its rest stays as it is until then: no copy is needed."""

    def abort(self) -> None:
        """Forget the payload. May be called twice, and after a failed write or commit."""


class Intake(Protocol):
    """Where payloads and notes are kept."""

    def open(self, kind: str, origin: Mapping[str, Any], *, size_hint: int | None = None) -> Entry:
        """Begin a payload; may raise Unavailable."""

    def note(self, kind: str, origin: Mapping[str, Any]) -> None:
        """Keep a record without payload, synced with the next commit; nobody waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate that a peer presented and proved to hold the key of."""

    fingerprint: str  # SHA-256 over the DER, lower-case hex
    subject: str  # RFC 4514
    common_name: str  # empty when the subject has none


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How a peer is connected that came over TLS; without a certificate when it presented none."""

    version: str
    certificate: Certificate | None = None


class Admission(Protocol):
    """Who may open an association."""

    def admit(
        self, *, calling_ae_title: str, called_ae_title: str, peer_address: str, tls: Tls | None
    ) -> Mapping[str, Any]:
        """The device's origin fields; raises AssociationRefused. `tls` is None on a plain connection.

        `storage_allowed: False` among them answers every C-STORE with 0124 "not authorised"; associations are
        limited by `device_id` when there is one, else by the peer's address.
        """


class AssociationRefused(Refused):
    """An association that is not accepted, in the terms of PS3.8 Table 9-21.

    The standard's reasons are few: `cause` is our own word for what a person must put right, where theirs does not
    say. `device` are the origin fields of the device that is registered under this AE title, if one is.
    """

    def __init__(
        self,
        result: int,
        source: int,
        reason: int,
        explanation: str,
        *,
        cause: str = "",
        device: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(explanation)
        self.result, self.source, self.reason, self.explanation = result, source, reason, explanation
        self.cause, self.device = cause, device or {}


class ConnectionRefused(Refused):
    """A connection that is closed before any association: `cause` is our word for why."""

    def __init__(self, cause: str, explanation: str, certificate: Certificate | None = None) -> None:
        super().__init__(explanation)
        self.cause, self.explanation, self.certificate = cause, explanation, certificate
