"""Recording a result: which run and version it is, which of them counts, what it corrects.

| what comes | on what is there | becomes |
|---|---|---|
| anything | nothing | run 1; but what corrects or withdraws is refused |
| final | preliminary | the next version of its run |
| preliminary | preliminary, not measured later | the next version of its run |
| final | the same final of the same moment | nothing: it is known |
| final | another final | the next run; the later measured counts |
| preliminary | final | refused where it is older, else the next run |
| corrected, deleted, wrong | of the moment that it names | the next version of that run, current or not |
| corrected, deleted, wrong | measured before it | the next version of the current run |
| corrected, deleted, wrong | measured after it, or a newer correction | refused: which one counts is for a person |

Nothing is overwritten; what was verified and is replaced is verified anew.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from worklists.base import new_id
from worklists.control import ControlState
from worklists.laboratory.dictionary import AnyItem
from worklists.laboratory.interpretation import Interpreted
from worklists.laboratory.results import Abnormal, LabResult, ResultStatus, Verification

# HL7 table 0085 and LIS2-A2 §9.9; an empty status is final, for most analysers never say one.
STATUSES = {
    "": ResultStatus.FINAL,
    "F": ResultStatus.FINAL,
    "U": ResultStatus.FINAL,
    "V": ResultStatus.FINAL,
    "P": ResultStatus.PRELIMINARY,
    "R": ResultStatus.PRELIMINARY,
    "S": ResultStatus.PRELIMINARY,
    "B": ResultStatus.PRELIMINARY,
    "C": ResultStatus.CORRECTED,
    "D": ResultStatus.DELETED,
    "W": ResultStatus.DELETED,
    "X": ResultStatus.CANCELLED,
}
_CORRECTING = frozenset({ResultStatus.CORRECTED, ResultStatus.DELETED, ResultStatus.CANCELLED})
NO_RESULT_YET = frozenset({"I", "O", "N", "Q"})  # in hand, ordered only: nothing to keep


class NotRecorded(StrEnum):
    """Why a result was not recorded."""

    KNOWN = "known"
    OLDER = "older"
    NOTHING_TO_CORRECT = "nothing_to_correct"


@dataclass(slots=True, kw_only=True, eq=False)
class NewResult:
    """A `LabResult` that is not in the database yet; the same names. They are many: written set by set."""

    item: AnyItem
    item_code: str
    status: ResultStatus
    interpreted: Interpreted
    reported: dict[str, Any]
    observed_at: datetime
    received_at: datetime
    message_id: uuid.UUID | None = None
    position: int | None = None
    device_id: uuid.UUID | None = None
    profile_version: int | None = None
    instrument_flags: Sequence[str] = ()
    comments: Sequence[str] = ()
    dilution: str = ""
    method: str = ""
    operator: str = ""

    # What its sheet makes of it.
    id: uuid.UUID = field(default_factory=new_id)
    examination_id: uuid.UUID = field(init=False)
    patient_id: uuid.UUID = field(init=False)
    run: int = 1
    version: int = 1
    current: bool = True

    # What releasing finds.
    control_state: ControlState = ControlState.NOT_REQUIRED
    delta: dict[str, Any] | None = None
    verification: Verification = Verification.WAITING
    stops: list[Any] = field(default_factory=list)
    rules_version: int | None = None
    verified_at: datetime | None = None
    remark: str = ""

    @property
    def value(self) -> str:
        return self.interpreted.value

    @property
    def number(self) -> float | None:
        return self.interpreted.number

    @property
    def comparator(self) -> str:
        return self.interpreted.comparator

    @property
    def unit(self) -> str:
        return self.interpreted.unit

    @property
    def range_low(self) -> float | None:
        return self.interpreted.range_low

    @property
    def range_high(self) -> float | None:
        return self.interpreted.range_high

    @property
    def range_text(self) -> str:
        return self.interpreted.range_text

    @property
    def abnormal(self) -> Abnormal:
        return self.interpreted.abnormal

    @property
    def critical(self) -> bool:
        return self.interpreted.critical

    def withdraw(self, unit: str) -> None:
        """What is deleted, or cannot be obtained, has the last value no more."""
        self.interpreted = Interpreted(value="", unit=unit)


AnyResult = LabResult | NewResult


@dataclass(slots=True, kw_only=True)
class Sheet:
    """All results of one examination, as they are being recorded. What is new is in `added`, in its order."""

    examination_id: uuid.UUID
    patient_id: uuid.UUID
    results: list[AnyResult]
    added: list[NewResult] = field(default_factory=list)
    _by_item: dict[str, list[AnyResult]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for one in self.results:
            self._by_item.setdefault(one.item_code, []).append(one)

    def current(self, item_code: str) -> AnyResult | None:
        for one in self._by_item.get(item_code, ()):
            if one.current:
                return one
        return None

    def record(self, new: NewResult) -> NewResult | NotRecorded:
        """It itself with its run and version, or why it is not recorded."""
        runs = self._by_item.get(new.item_code, [])
        current = self.current(new.item_code)
        if current is None:
            withdraws = new.status in {ResultStatus.CORRECTED, ResultStatus.DELETED}
            return NotRecorded.NOTHING_TO_CORRECT if withdraws else self._add(new, run=1, version=1)
        known = next((one for one in runs if _is_same(one, new)), None)
        if known is not None:
            return NotRecorded.OLDER if _takes_back(new, known, runs) else NotRecorded.KNOWN
        if new.status in _CORRECTING:
            return self._correct(current, new, runs)
        if _follows(new, current):
            return self._replace(current, new, run=current.run, runs=runs)
        if new.status is ResultStatus.PRELIMINARY and new.observed_at <= current.observed_at:
            return NotRecorded.OLDER
        next_run = max(one.run for one in runs) + 1
        if new.observed_at < current.observed_at:
            return self._add(new, run=next_run, version=1, is_current=False)
        return self._replace(current, new, run=next_run, runs=runs)

    def versions_before(self, one: NewResult) -> list[AnyResult]:
        """What it corrects."""
        runs = self._by_item[one.item_code]
        if len(runs) == 1:
            return []
        return [other for other in runs if other.run == one.run and other.version < one.version]

    def _correct(
        self, current: AnyResult, new: NewResult, runs: Sequence[AnyResult]
    ) -> NewResult | NotRecorded:
        """It says which run it is of by the moment of the measurement, or comes later than the one that counts."""
        if new.observed_at != current.observed_at:
            others = [one for one in runs if one.run != current.run and one.observed_at == new.observed_at]
            if others:
                run = max(one.run for one in others)
                return self._add(new, run=run, version=_next_version(runs, run), is_current=False)
            if new.observed_at < current.observed_at:
                return NotRecorded.OLDER
        return self._replace(current, new, run=current.run, runs=runs)

    def _replace(
        self, current: AnyResult, new: NewResult, *, run: int, runs: Sequence[AnyResult]
    ) -> NewResult:
        current.current = False
        return self._add(new, run=run, version=_next_version(runs, run))

    def _add(self, new: NewResult, *, run: int, version: int, is_current: bool = True) -> NewResult:
        new.examination_id, new.patient_id = self.examination_id, self.patient_id
        new.run, new.version, new.current = run, version, is_current
        self.results.append(new)
        self._by_item.setdefault(new.item_code, []).append(new)
        self.added.append(new)
        return new


def _next_version(runs: Sequence[AnyResult], run: int) -> int:
    return max((one.version for one in runs if one.run == run), default=0) + 1


def _follows(new: NewResult, current: AnyResult) -> bool:
    """Whether it is what became of a preliminary result: its final one, or a newer state of it."""
    if current.status is not ResultStatus.PRELIMINARY:
        return False
    return new.status is ResultStatus.FINAL or (
        new.status is ResultStatus.PRELIMINARY and new.observed_at >= current.observed_at
    )


def _takes_back(new: NewResult, known: AnyResult, runs: Sequence[AnyResult]) -> bool:
    """A correction that says again what another correction has replaced: it was sent twice, or the other was wrong."""
    if new.status not in _CORRECTING or (known.message_id, known.position) == (new.message_id, new.position):
        return False
    return any(one.run == known.run and one.version > known.version for one in runs)


def _is_same(known: AnyResult, new: NewResult) -> bool:
    """Sent again: the same value of the same moment from the same analyser, or the same place of the same message."""
    if new.message_id is not None and (known.message_id, known.position) == (new.message_id, new.position):
        return True
    return (
        known.status is new.status
        and known.value == new.interpreted.value
        and known.observed_at == new.observed_at
        and known.device_id == new.device_id
        and known.dilution == new.dilution
    )
