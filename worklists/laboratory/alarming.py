"""Critical results: each opens an event and is read as urgent; a correction ends what the value it replaces opened.

They are noted one by one and carried out together, in the transaction of the results.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from worklists import critical, routing
from worklists.critical import Finding
from worklists.directory import Kind
from worklists.examinations import Examination, Priority
from worklists.laboratory.recording import AnyResult
from worklists.laboratory.results import ResultStatus

_TAKES_BACK = frozenset({ResultStatus.CORRECTED, ResultStatus.DELETED, ResultStatus.CANCELLED})


@dataclass(slots=True)
class Alarms:
    """What is to be told of the results of many examinations."""

    _findings: list[Finding] = field(default_factory=list)
    _ended: set[uuid.UUID] = field(default_factory=set)
    _urgent: dict[uuid.UUID, Examination] = field(default_factory=dict)

    def note(self, examination: Examination, result: AnyResult, replaced: Iterable[AnyResult]) -> None:
        """`replaced`: the versions of its run that were before it."""
        if result.critical:
            self._findings.append(_finding_of(examination.id, result))
            if examination.priority is Priority.ROUTINE:
                examination.priority = Priority.URGENT
                self._urgent[examination.id] = examination
        elif result.status in _TAKES_BACK:
            self._ended.update(one.id for one in replaced)

    def carry_out(self, session: Session, *, now: datetime) -> None:
        """The examinations go first: they are in the database."""
        if self._urgent:
            routing.set_priorities(session, list(self._urgent.values()), Priority.URGENT)
        critical.open_events(session, self._findings, now=now)
        critical.withdraw(session, self._ended, now=now)
        self._findings, self._ended, self._urgent = [], set(), {}


def _finding_of(examination_id: uuid.UUID, result: AnyResult) -> Finding:
    return Finding(
        examination_id=examination_id,
        kind=Kind.LABORATORY,
        source_id=result.id,
        found={
            "item_code": result.item_code,
            "name": result.item.name,
            "value": result.value,
            "unit": result.unit,
            "abnormal": result.abnormal.value,
            "observed_at": result.observed_at.isoformat(),
        },
    )
