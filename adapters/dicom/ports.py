"""What the DICOM edge needs from whoever runs it: a place to keep payloads, and a list of who may send.

An origin is a flat mapping that can be written as JSON.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from adapters.errors import Refused


class Entry(Protocol):
    """One payload on its way into the journal."""

    def write(self, view: bytes | bytearray | memoryview) -> None:
        """Take the bytes at once (the view may be reused afterwards); may raise Unavailable: no room."""

    async def commit(self) -> None:
        """Return once the payload is durable; raises Unavailable."""

    def abort(self) -> None:
        """Forget the payload. May be called twice, and after a failed write or commit."""


class Intake(Protocol):
    """Where payloads and notes are kept."""

    def open(self, kind: str, origin: Mapping[str, Any], *, size_hint: int | None = None) -> Entry:
        """Begin a payload; may raise Unavailable."""

    def note(self, kind: str, origin: Mapping[str, Any]) -> None:
        """Keep a record without payload, synced with the next commit; nobody waits for it."""


class Admission(Protocol):
    """Who may open an association."""

    def admit(self, *, calling_ae_title: str, called_ae_title: str, peer_address: str) -> Mapping[str, Any]:
        """The device's origin fields; raises AssociationRefused.

        `storage_allowed: False` among them answers every C-STORE with 0124 "not authorised".
        """


class AssociationRefused(Refused):
    """An association that is not accepted, in the terms of PS3.8 Table 9-21."""

    def __init__(self, result: int, source: int, reason: int, explanation: str) -> None:
        super().__init__(explanation)
        self.result, self.source, self.reason, self.explanation = result, source, reason, explanation
