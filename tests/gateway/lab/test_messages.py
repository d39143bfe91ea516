"""Messages in the drain: the same one again is known, a number that is used again at once is a contradiction."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from gateway.intake import Drain
from gateway.lab.rows import LabHeld, LabHeldReason, LabMessage, MessageState
from gateway.runtime import Runtime
from tests.builders import build_county
from tests.gateway.lab.listening import oru
from tests.laboratory import Laboratory, build_laboratory, register
from worklists.laboratory.results import LabResult


@pytest.fixture
def laboratory(runtime: Runtime) -> Laboratory:
    runtime.journal_dir.mkdir(parents=True, exist_ok=True)
    with runtime.sessions.begin() as session:
        county = build_county(session)
        built = build_laboratory(session, county)
        for barcode in ("B001", "B002"):
            register(session, county, barcode)
    return built


def arrive(runtime: Runtime, laboratory: Laboratory, body: str, *, after_s: float = 0) -> MessageState:
    """Accept a message and let the drain have it; what became of it."""
    device = laboratory.bench
    origin = {
        "institution_id": str(device.institution_id),
        "device_id": str(device.id),
        "received_at": (runtime.now() + timedelta(seconds=after_s)).isoformat(),
    }
    runtime.journal.append("hl7.message", origin, [body.encode()])
    Drain(runtime).index_new()
    with runtime.reading() as session:
        return session.scalars(select(LabMessage).order_by(LabMessage.id.desc())).all()[0].state


def test_the_same_message_again_is_a_duplicate(runtime: Runtime, laboratory: Laboratory) -> None:
    assert arrive(runtime, laboratory, oru()) is MessageState.FILED
    assert arrive(runtime, laboratory, oru(), after_s=300) is MessageState.DUPLICATE

    with runtime.reading() as session:
        assert len(session.scalars(select(LabResult)).all()) == 3


def test_a_number_that_is_used_again_at_once_waits_for_a_person(
    runtime: Runtime, laboratory: Laboratory
) -> None:
    arrive(runtime, laboratory, oru("B001"))

    assert arrive(runtime, laboratory, oru("B002"), after_s=20) is MessageState.HELD
    with runtime.reading() as session:
        assert session.scalars(select(LabHeld.reason)).one() is LabHeldReason.CONTROL_ID_REUSED


def test_an_analyser_that_was_switched_on_again_counts_anew(runtime: Runtime, laboratory: Laboratory) -> None:
    arrive(runtime, laboratory, oru("B001"))

    assert arrive(runtime, laboratory, oru("B002"), after_s=90) is MessageState.FILED


def test_what_cannot_be_read_is_kept_and_shown(runtime: Runtime, laboratory: Laboratory) -> None:
    assert arrive(runtime, laboratory, "no message at all") is MessageState.HELD
    with runtime.reading() as session:
        held = session.scalars(select(LabHeld)).one()
        assert held.reason is LabHeldReason.UNREADABLE and held.detail["why"]
