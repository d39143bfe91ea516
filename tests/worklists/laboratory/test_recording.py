"""Which run and version a result becomes, and which of them counts: in whatever order they come."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from worklists.laboratory.dictionary import LabItem
from worklists.laboratory.interpretation import Interpreted
from worklists.laboratory.recording import STATUSES, NewResult, NotRecorded, Sheet

NOW = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)
KNOWN, OLDER, NOTHING = NotRecorded.KNOWN, NotRecorded.OLDER, NotRecorded.NOTHING_TO_CORRECT
Said = tuple[str, str, int]  # status, value, minutes

SEQUENCES: dict[str, tuple[list[Said], list[tuple[int, int] | NotRecorded], str]] = {
    "a correction joins the run of its moment, not the rerun that counts": (
        [("F", "5.0", 0), ("F", "6.0", 60), ("C", "5.2", 0)], [(1, 1), (2, 1), (1, 2)], "6.0",
    ),
    "what is withdrawn is the run of its moment": (
        [("F", "5.0", 0), ("F", "6.0", 60), ("X", "", 0)], [(1, 1), (2, 1), (1, 2)], "6.0",
    ),
    "a correction that is measured later is of the run that counts": (
        [("F", "5.0", 0), ("C", "5.2", 60)], [(1, 1), (1, 2)], "5.2",
    ),
    "an older correction behind a newer one is for a person": (
        [("F", "5.0", 0), ("C", "5.4", 120), ("C", "5.2", 60)], [(1, 1), (1, 2), OLDER], "5.4",
    ),
    "a correction of a correction, said again, is for a person": (
        [("F", "5.0", 0), ("C", "5.2", 0), ("C", "5.4", 0), ("C", "5.2", 0)], [(1, 1), (1, 2), (1, 3), OLDER], "5.4",
    ),
    "the last correction, sent again, is known": (
        [("F", "5.0", 0), ("C", "5.2", 0), ("C", "5.2", 0)], [(1, 1), (1, 2), KNOWN], "5.2",
    ),
    "a final result that was corrected, sent again, is known": (
        [("F", "5.0", 0), ("C", "5.2", 0), ("F", "5.0", 0)], [(1, 1), (1, 2), KNOWN], "5.2",
    ),
    "corrected, withdrawn, and measured again": (
        [("F", "5.0", 0), ("C", "5.2", 0), ("X", "", 0), ("F", "5.3", 0)], [(1, 1), (1, 2), (1, 3), (2, 1)], "5.3",
    ),
    "a preliminary result goes on to another state of the same moment": (
        [("P", "5.0", 0), ("P", "5.1", 0), ("F", "5.2", 0)], [(1, 1), (1, 2), (1, 3)], "5.2",
    ),
    "a preliminary result of before is none": ([("P", "5.0", 9), ("P", "5.1", 0)], [(1, 1), OLDER], "5.0"),
    "a preliminary result behind its final one is none": ([("F", "5.0", 0), ("P", "5.1", 0)], [(1, 1), OLDER], "5.0"),
    "a run that comes late does not count": ([("F", "6.0", 60), ("F", "5.0", 0)], [(1, 1), (2, 1)], "6.0"),
    "nothing is corrected that never came": ([("C", "5.0", 0), ("F", "5.1", 0)], [NOTHING, (1, 1)], "5.1"),
}  # fmt: skip


@pytest.mark.parametrize("name", SEQUENCES)
def test_what_becomes_of(name: str) -> None:
    said, expected, counts = SEQUENCES[name]
    sheet = Sheet(examination_id=uuid.uuid4(), patient_id=uuid.uuid4(), results=[])
    became: list[tuple[int, int] | NotRecorded] = []
    for one in said:
        row = sheet.record(_new(*one))
        became.append(row if isinstance(row, NotRecorded) else (row.run, row.version))

    assert became == expected
    assert [one.value for one in sheet.results if one.current] == [counts]


def test_a_message_that_is_filed_again_is_known_whatever_replaced_it() -> None:
    sheet = Sheet(examination_id=uuid.uuid4(), patient_id=uuid.uuid4(), results=[])
    first, again = _new("F", "5.0", 0), _new("C", "5.2", 0)
    for one in (first, again, _new("C", "5.4", 0)):
        sheet.record(one)

    assert sheet.record(again) is KNOWN


def _new(status: str, value: str, minutes: int) -> NewResult:
    return NewResult(
        item=LabItem(code="WBC", name="白细胞计数"),
        item_code="WBC",
        status=STATUSES[status],
        interpreted=Interpreted(value=value, number=float(value) if value else None),
        reported={},
        observed_at=NOW + timedelta(minutes=minutes),
        received_at=NOW,
        message_id=uuid.uuid4(),
        position=0,
    )
