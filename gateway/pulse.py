"""The drain's pulse: a file written every second, by which others know that it lives and what it waits for.

The database cannot say so while it is away itself.
"""

import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from gateway.causes import cause_of
from gateway.status_file import write_whole

log = structlog.get_logger()

FILE_NAME = "drain.json"  # one drain per data folder
INTERVAL_S = 1.0
GONE_AFTER = timedelta(seconds=5)
MINUTE_S = 60.0
DRAIN_DUE_S = 30.0  # by then a drain that was started together with others has said that it lives


class Counted:
    """How many of the last minute. Safe to use from threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent: deque[tuple[float, int]] = deque()

    def add(self, count: int) -> None:
        if count:
            with self._lock:
                self._recent.append((time.monotonic(), count))

    def last_minute(self) -> int:
        with self._lock:
            while self._recent and self._recent[0][0] < time.monotonic() - MINUTE_S:
                self._recent.popleft()
            return sum(count for _, count in self._recent)


class Pulse:
    """What one drain process knows of itself."""

    def __init__(self, folder: Path, *, now: Callable[[], datetime]):
        self.indexed, self.filed = Counted(), Counted()
        self._path, self._now = folder / FILE_NAME, now
        self._away: dict[str, datetime] = {}
        self._why: dict[str, str] = {}
        self._last_error = ""
        self._last_error_at: str | None = None

    @property
    def was_left(self) -> bool:
        """Another drain has one here: it runs, or it did not end in order."""
        return self._path.exists()

    def note_error(self, error: Exception) -> None:
        """One word for it: an error's own words may quote what it stumbled over."""
        self._last_error, self._last_error_at = cause_of(error), self._now().isoformat()

    def is_away(self, part: str, error: Exception) -> None:
        """The database or the store does not answer; logged once."""
        self.note_error(error)
        self._why[part] = cause_of(error)
        if part not in self._away:
            self._away[part] = self._now()
            log.error("became_unavailable", what=part, error=self._last_error)

    def is_back(self, part: str) -> None:
        since = self._away.pop(part, None)
        if since is not None:
            log.info("became_available", what=part, after_s=round((self._now() - since).total_seconds(), 1))

    def figures(self) -> dict[str, Any]:
        """As the row of this node has them."""
        return {
            "at": self._now().isoformat(),
            "indexed_per_minute": self.indexed.last_minute(),
            "filed_per_minute": self.filed.last_minute(),
            "last_error": self._last_error,
            "last_error_at": self._last_error_at,
        }

    def beat(self) -> None:
        """Write the file, whole."""
        away = {part: since.isoformat() for part, since in dict(self._away).items()}
        why = {part: self._why[part] for part in away}
        write_whole(self._path, {**self.figures(), "pid": os.getpid(), "away": away, "why": why})

    def beat_until(self, stop: threading.Event) -> None:
        """Every second; a full disk stops the pulse and nothing else. A drain that ends in order takes its file away."""
        while not stop.is_set():
            try:
                self.beat()
            except OSError as error:
                log.warning("pulse_failed", error=type(error).__name__)
            stop.wait(INTERVAL_S)
        self._path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseReading:
    """What the drain of this node last said."""

    at: datetime
    alive: bool
    away: dict[str, datetime] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)


def warn_without_drain(folder: Path, *, now: datetime) -> bool:
    """What this process appends to its journal waits for a drain beside it; says whether there was cause to warn."""
    pulse = read_pulse(folder, now=now)
    silent = pulse is None or not pulse.alive
    if silent:
        log.warning("drain_missing", folder=str(folder.parent))
    return silent


def read_pulse(folder: Path, *, now: datetime) -> PulseReading | None:
    """None when no drain has said anything here."""
    try:
        content: dict[str, Any] = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        at = datetime.fromisoformat(content["at"])
        away = {part: datetime.fromisoformat(since) for part, since in content.pop("away").items()}
        why = dict(content.pop("why"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return PulseReading(at=at, alive=now - at <= GONE_AFTER, away=away, why=why, figures=content)
