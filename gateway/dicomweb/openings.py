"""One row of audit for each person and opening: a study looked at, not each of its frames."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from gateway import audit
from gateway.runtime import Runtime

OPENING = timedelta(minutes=15)  # who comes back later opens it again
REMEMBERED_LIMIT = 10_000


@dataclass(slots=True)
class _Opening:
    lock: Lock = field(default_factory=Lock)
    at: datetime | None = None


class Openings:
    """What was opened lately in this process, by session and study."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._openings: dict[tuple[str, uuid.UUID], _Opening] = {}

    def note(
        self,
        runtime: Runtime,
        session_key: str,
        actor: audit.Actor,
        *,
        study_id: uuid.UUID,
        examination_id: uuid.UUID,
    ) -> None:
        """Write the row before anything is shown, unless it stands already. Raises when it cannot be written."""
        opening = self._find(session_key, study_id)
        with opening.lock:  # the first of many frames at once writes it, the others wait for that
            now = runtime.now()
            if opening.at is not None and now - opening.at < OPENING:
                return
            with runtime.sessions.begin() as session:
                audit.record(session, "images_opened", actor=actor, now=now, examination_id=examination_id)
            opening.at = now

    def stands(self, session_key: str, study_id: uuid.UUID, now: datetime) -> bool:
        """The row of this opening is written and still counts."""
        opening = self._openings.get((session_key, study_id))
        return opening is not None and opening.at is not None and now - opening.at < OPENING

    def _find(self, session_key: str, study_id: uuid.UUID) -> _Opening:
        with self._lock:
            if len(self._openings) > REMEMBERED_LIMIT:
                self._openings.clear()  # costs some people a second row
            return self._openings.setdefault((session_key, study_id), _Opening())
