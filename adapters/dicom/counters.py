"""What the acceptor has done since it started; read by whoever publishes metrics."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Plain numbers, only ever touched on the event loop."""

    associations_open: int = 0
    associations_accepted: int = 0
    connections_refused: Counter[str] = field(default_factory=Counter)  # before any association, by cause
    associations_rejected: Counter[str] = field(default_factory=Counter)  # by reason
    associations_ended: Counter[str] = field(default_factory=Counter)  # released, aborted, lost, timeout
    instances: int = 0
    bytes: int = 0  # of data sets of those instances
    refusals: Counter[str] = field(default_factory=Counter)  # by status, four hex digits
    echoes: int = 0
