"""How much waits at the centres: what an overflow looks at."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from worklists.assignment.books import Overflow
from worklists.base import UtcDateTime
from worklists.duty import who_works
from worklists.reading import Purpose, ReadingTask, TaskState


@dataclass(slots=True)
class Queues:
    """Of one moment; a centre is asked about once, and only where a rule wants to know."""

    session: Session
    now: datetime
    _waiting: dict[uuid.UUID, tuple[int, datetime | None]] = field(default_factory=dict)
    _manned: dict[uuid.UUID, bool] = field(default_factory=dict)

    def exceed(self, rule: Overflow) -> bool:
        if rule.nobody_on_duty and not self._is_manned(rule.from_id):
            return True
        if rule.waiting is None and rule.oldest is None:
            return False
        waiting, oldest = self._of(rule.from_id)
        too_many = rule.waiting is not None and waiting > rule.waiting
        too_old = rule.oldest is not None and oldest is not None and self.now - oldest > rule.oldest
        return too_many or too_old

    def note(self, centre_id: uuid.UUID) -> None:
        """One more goes there."""
        if centre_id in self._waiting:
            waiting, oldest = self._waiting[centre_id]
            self._waiting[centre_id] = waiting + 1, oldest

    def _of(self, centre_id: uuid.UUID) -> tuple[int, datetime | None]:
        if centre_id not in self._waiting:
            row = self.session.execute(
                select(func.count(), func.min(ReadingTask.waiting_since, type_=UtcDateTime())).where(
                    ReadingTask.centre_id == centre_id,
                    ReadingTask.state == TaskState.WAITING,
                    ReadingTask.purpose == Purpose.READ,
                )
            ).one()
            self._waiting[centre_id] = row[0], row[1]
        return self._waiting[centre_id]

    def _is_manned(self, centre_id: uuid.UUID) -> bool:
        if centre_id not in self._manned:
            self._manned[centre_id] = bool(who_works(self.session, centre_id, self.now))
        return self._manned[centre_id]
