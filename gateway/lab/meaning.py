"""What one reported result means under a profile: for filing, and for the page that shows what a profile would do."""

from collections.abc import Callable
from dataclasses import dataclass, field

from adapters.lab.said import StatedResult
from gateway.lab.mapping import Profile
from gateway.lab.rows import LabHeldReason
from worklists.laboratory.dictionary import AnyItem
from worklists.laboratory.interpretation import (
    Bearer,
    Interpreted,
    UnitMissing,
    UnknownUnit,
    UnreadableValue,
    interpret,
)
from worklists.laboratory.recording import NO_RESULT_YET, STATUSES
from worklists.laboratory.results import ResultStatus

WITHDRAWN = frozenset({ResultStatus.DELETED, ResultStatus.CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """The item, and the value in its terms."""

    item: AnyItem
    interpreted: Interpreted


@dataclass(frozen=True, slots=True, kw_only=True)
class NoMeaning:
    """Why it waits for a person."""

    reason: LabHeldReason
    detail: dict[str, str] = field(default_factory=dict)


def find_meaning(
    profile: Profile, find_item: Callable[[str], AnyItem | None], result: StatedResult, bearer: Bearer
) -> Meaning | NoMeaning | None:
    """None when it says nothing yet, or nothing that a report is about."""
    status = result.status.upper()
    if status in NO_RESULT_YET or profile.is_ignored(result):
        return None
    item = find_item(profile.item_code(result) or "")
    if item is None:
        return NoMeaning(reason=LabHeldReason.UNKNOWN_TEST)
    if status not in STATUSES:
        return NoMeaning(reason=LabHeldReason.UNREADABLE_VALUE, detail={"status": status})
    if STATUSES[status] in WITHDRAWN:
        return Meaning(item=item, interpreted=Interpreted(value="", unit=item.unit))
    try:
        value, unit = profile.value(result), profile.unit(result)
        return Meaning(item=item, interpreted=interpret(item, value=value, unit=unit, bearer=bearer))
    except UnknownUnit:
        return NoMeaning(reason=LabHeldReason.UNKNOWN_UNIT, detail={"expected": item.unit})
    except UnitMissing:
        return NoMeaning(reason=LabHeldReason.UNIT_MISSING, detail={"expected": item.unit})
    except UnreadableValue:
        return NoMeaning(reason=LabHeldReason.UNREADABLE_VALUE)
