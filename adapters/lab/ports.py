"""What the laboratory's listeners need of whoever runs them: who may send, where messages are kept, what is to be done.

An origin is a flat mapping that can be written as JSON.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from adapters.errors import Refused
from adapters.lab.said import Message, Query, Sender, Specimen


class NotAdmitted(Refused):
    """This sender is not known here, or not at this address, or not without a certificate; `cause` is our word for why."""

    def __init__(self, cause: str, explanation: str) -> None:
        super().__init__(explanation)
        self.cause, self.explanation = cause, explanation


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A known sender: what its records carry as origin, and how its text is to be read."""

    origin: Mapping[str, Any]
    character_set: str | None = None
    # Its numbering of messages begins anew: a known control ID with other content is another message, and no error.
    control_ids_restart: bool = False
    dialect: Mapping[str, Any] = field(default_factory=dict)  # adapters.lab.dialect.Dialect, as JSON says it


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where a peer knocked, and as whom it proved itself; `certificate` as the origin shall say it."""

    peer_address: str
    peer_port: int
    tls: bool = False
    certificate: Mapping[str, str] = field(default_factory=dict)


class Admission(Protocol):
    """Who may send. Asked for each message (a bridge may carry several analysers); must not block."""

    def admit(self, door: Door, sender: Sender | None) -> Admitted:
        """Raises NotAdmitted. Without a sender: whether anybody may speak from this address at all."""


class Keep(Protocol):
    """Where messages are kept."""

    async def __call__(self, kind: str, origin: Mapping[str, Any], body: Sequence[bytes]) -> None:
        """Return once it is durable; raises Unavailable."""


class Notice(Protocol):
    """Where a refusal is told of: nobody waits for it."""

    def __call__(self, kind: str, origin: Mapping[str, Any]) -> None: ...


class Desk(Protocol):
    """What is to be done with specimens."""

    async def answer(self, admitted: Admitted, message: Message, query: Query) -> tuple[Specimen, ...]:
        """The specimens with their open tests, in the codes of that analyser; none is no work. Raises Unavailable."""
