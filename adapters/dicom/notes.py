"""Notes for whoever later asks why something was refused: they never stand in the way of an answer."""

from collections.abc import Mapping
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import structlog

from adapters.dicom.ports import Intake

NOTE_AGAIN_S = 60.0  # the same about the same peer is noted once in this time
_KNOWN = 1024  # of which that is remembered; more than ever knock at once, but for an attack

log = structlog.get_logger()


class Doorbook:
    """Who was turned away. A peer that tries again and again is counted each time, and noted once a minute."""

    def __init__(self) -> None:
        self._noted: dict[tuple[str, ...], float] = {}

    def is_news(self, *about: str) -> bool:
        """Whether this has not been noted within the last minute; it is from now on."""
        now = monotonic()
        if now - self._noted.get(about, float("-inf")) < NOTE_AGAIN_S:
            return False
        if len(self._noted) >= _KNOWN:
            self._noted.clear()
        self._noted[about] = now
        return True


def keep_note(intake: Intake, kind: str, origin: Mapping[str, Any]) -> None:
    """Keep a note; one that cannot be kept is logged and lost."""
    try:
        intake.note(kind, {"at": datetime.now(UTC).isoformat(timespec="microseconds"), **origin})
    except Exception:  # whatever is wrong with the intake, the peer is told about its own message
        log.exception("note_lost", kind=kind)
