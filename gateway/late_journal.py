"""A listener's journal, begun as soon as the disk lets it: until then whoever sends is told that there is no room.

A listener that died for want of a journal would leave its callers without any answer.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from adapters.errors import Unavailable
from gateway.journal import Entry, Journal, JournalFull

log = structlog.get_logger()

AGAIN_S = 1.0  # between two attempts


class LateJournal:
    """As much of a journal as a listener uses."""

    def __init__(self, create: Callable[[], Journal]) -> None:
        self._create = create
        self._journal: Journal | None = None
        self._tried_at = -AGAIN_S
        self._said = False
        self._dropped_notes = 0
        self._begin()

    @property
    def dropped_notes(self) -> int:
        return self._dropped_notes + (self._journal.dropped_notes if self._journal else 0)

    @property
    def writes_direct(self) -> bool | None:
        """As `Journal.writes_direct`; None while there is none."""
        return self._journal.writes_direct if self._journal else None

    def open(self, kind: str, origin: Mapping[str, Any], *, size_hint: int | None = None) -> Entry:
        """As `Journal.open`; JournalFull while there is none."""
        journal = self._begin()
        if journal is None:
            raise JournalFull("no journal can be begun on this disk")
        return journal.open(kind, origin, size_hint=size_hint)

    def note(self, kind: str, origin: Mapping[str, Any]) -> None:
        journal = self._begin()
        if journal is None:
            self._dropped_notes += 1
        else:
            journal.note(kind, origin)

    async def close(self) -> None:
        if self._journal is not None:
            await self._journal.close()

    def _begin(self) -> Journal | None:
        if self._journal is None and time.monotonic() - self._tried_at >= AGAIN_S:
            self._tried_at = time.monotonic()
            try:
                self._journal = self._create()
            except Unavailable as error:
                if not self._said:
                    log.error("journal_not_begun", error=str(error))
                self._said = True
            else:
                if self._said:
                    log.info("journal_begun", journal=self._journal.id)
        return self._journal
