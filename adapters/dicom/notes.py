"""Notes for whoever later asks why something was refused: they never stand in the way of an answer."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from adapters.dicom.ports import Intake

log = structlog.get_logger()


def keep_note(intake: Intake, kind: str, origin: Mapping[str, Any]) -> None:
    """Keep a note; one that cannot be kept is logged and lost."""
    try:
        intake.note(kind, {"at": datetime.now(UTC).isoformat(timespec="microseconds"), **origin})
    except Exception:  # whatever is wrong with the intake, the peer is told about its own message
        log.exception("note_lost", kind=kind)
