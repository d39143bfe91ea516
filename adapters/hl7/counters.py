"""What the MLLP listener has done since it started; read by whoever publishes metrics."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Plain numbers, only ever touched on the event loop."""

    connections_open: int = 0
    connections_accepted: int = 0
    connections_refused: Counter[str] = field(default_factory=Counter)  # by cause
    messages: Counter[str] = field(default_factory=Counter)  # accepted, by type
    bytes: int = 0  # of accepted messages
    repeated: int = 0  # answered again without a second effect
    refusals: Counter[str] = field(default_factory=Counter)  # by condition: 101, 205…
    flaws: Counter[str] = field(default_factory=Counter)  # frames without a message, by flaw
    junk_bytes: int = 0  # between messages
    held_bytes: int = 0  # of messages under way and being answered
    refused_by_peers: int = 0  # of orders that we sent them
    questions: Counter[str] = field(default_factory=Counter)  # answered: work, no_work
