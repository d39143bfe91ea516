"""What the ASTM listener has done since it started; read by whoever publishes metrics."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Plain numbers, only ever touched on the event loop."""

    connections_open: int = 0
    connections_accepted: int = 0
    connections_refused: Counter[str] = field(default_factory=Counter)  # by cause
    messages: int = 0  # whole ones that were kept
    incomplete: Counter[str] = field(default_factory=Counter)  # kept, by what broke them off
    bytes: int = 0  # of both
    duplicates: int = 0  # acknowledged again, kept once
    frames: int = 0  # taken
    frames_refused: int = 0  # for what they were: checksum, number, length
    refusals: Counter[str] = field(default_factory=Counter)  # by cause, of ENQ and of messages
    unavailable: int = 0  # NAK because nothing could be kept
    queries: int = 0
    answers: Counter[str] = field(default_factory=Counter)  # delivered, or why not
