"""The steps of a critical value, in their order, and the chain that is called when somebody is silent."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.builders import NOW, County, arrive
from worklists.base import new_id
from worklists.critical import (
    Channel,
    CriticalContact,
    CriticalEvent,
    CriticalState,
    CriticalStateForbids,
    CriticalStep,
    Finding,
    ReadBackDiffers,
    StepImmutable,
    chain_of,
    open_event,
    withdraw,
)
from worklists.directory import Kind
from worklists.errors import Invalid

FOUND = {"name": "钾", "value": "2.6", "unit": "mmol/L"}


@pytest.fixture
def event(session: Session, county: County) -> CriticalEvent:
    finding = Finding(
        examination_id=arrive(session, county).id, kind=Kind.LABORATORY, source_id=new_id(), found=FOUND
    )
    return open_event(session, finding, now=NOW)


def notified(event: CriticalEvent, county: County) -> CriticalEvent:
    event.review(county.wang, "", NOW)
    event.notify(NOW, recipient="城东镇卫生院")
    return event


def actions(event: CriticalEvent) -> list[str]:
    return [step.action.value for step in event.steps]


def test_every_step_stands_with_person_time_and_channel(
    session: Session, county: County, event: CriticalEvent
) -> None:
    notified(event, county)
    event.note_call(county.wang, recipient="值班护士", channel=Channel.PHONE, note="已告知", now=NOW)
    event.receive(county.radiographer, "2.6 mmol/L", NOW + timedelta(minutes=3), channel=Channel.PAGE)
    event.handle(county.radiographer, "口服补钾，转诊", NOW + timedelta(minutes=20))
    event.close(county.wang, "", NOW + timedelta(minutes=30))
    session.flush()

    assert actions(event) == ["found", "reviewed", "notified", "called", "received", "handled", "closed"]
    assert event.state is CriticalState.CLOSED
    received = event.steps[4]
    assert (received.person_id, received.channel, received.detail) == (
        county.radiographer.id, Channel.PAGE, {"read_back": "2.6 mmol/L"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "same"),
    [("2.6", True), ("２．６", True), (" 2.6 MMOL/L ", True), ("6.2", False), ("2.60", False), ("", False)],
)
def test_what_is_read_back_is_the_value(county: County, event: CriticalEvent, said: str, same: bool) -> None:
    notified(event, county)

    if same:
        event.receive(county.radiographer, said, NOW, channel=Channel.PAGE)
        assert event.state is CriticalState.RECEIVED
    else:
        with pytest.raises(ReadBackDiffers):
            event.receive(county.radiographer, said, NOW, channel=Channel.PAGE)
        assert event.state is CriticalState.NOTIFIED


def test_no_step_is_left_out(county: County, event: CriticalEvent) -> None:
    with pytest.raises(CriticalStateForbids):
        event.receive(county.radiographer, "2.6", NOW, channel=Channel.PAGE)
    with pytest.raises(CriticalStateForbids):
        event.close(county.wang, "", NOW)
    notified(event, county)
    with pytest.raises(CriticalStateForbids):
        event.handle(county.radiographer, "补钾", NOW)
    with pytest.raises(Invalid):
        event.withdraw(county.wang, " ", NOW)


def _rewrite(_session: Session, step: CriticalStep) -> None:
    step.detail = {"note": "改写"}


@pytest.mark.parametrize("spoil", [_rewrite, lambda session, step: session.delete(step)])
def test_a_step_is_never_changed_nor_removed(
    session: Session, county: County, event: CriticalEvent, spoil: Callable[[Session, CriticalStep], None]
) -> None:
    notified(event, county)
    session.flush()

    spoil(session, event.steps[1])

    with pytest.raises(StepImmutable):
        session.flush()


def contact(session: Session, **fields: Any) -> None:
    session.add(CriticalContact(id=new_id(), **{"phone": "", "minutes": 5, "person_id": None, **fields}))
    session.flush()


def test_the_chain_goes_from_the_township_to_the_lead_hospital_and_ends_once(
    session: Session, county: County, event: CriticalEvent
) -> None:
    contact(session, institution_id=county.lead.id, position=1, title="总值班", person_id=county.it.id)
    contact(session, institution_id=county.east.id, position=2, title="值班领导", phone="138", minutes=7)
    contact(
        session, institution_id=county.east.id, position=1, title="申请医师", person_id=county.radiographer.id
    )
    contact(session, institution_id=county.west.id, position=1, title="别处")
    chain = chain_of(session, county.east)
    assert [one.title for one in chain] == ["申请医师", "值班领导", "总值班"]
    notified(event, county)

    called = [event.escalate(chain, NOW) for _ in range(5)]

    assert [one.title if one else None for one in called] == ["申请医师", "值班领导", "总值班", None, None]
    assert actions(event)[3:] == ["escalated"] * 3 + ["exhausted"]
    assert [step.channel.value for step in event.steps[3:6]] == ["page", "phone", "page"]
    assert event.due_at is None


def test_an_answer_begins_the_chain_anew(session: Session, county: County, event: CriticalEvent) -> None:
    contact(session, institution_id=county.east.id, position=1, title="申请医师", phone="1")
    notified(event, county)
    event.escalate(chain_of(session, county.east), NOW)
    assert (event.level, event.due_at) == (1, NOW + timedelta(minutes=5))

    event.receive(county.radiographer, "2.6", NOW, channel=Channel.PAGE)

    assert (event.level, event.due_at) == (0, None)


def test_a_corrected_value_withdraws_what_it_opened_and_nothing_that_is_closed(
    session: Session, county: County, event: CriticalEvent
) -> None:
    assert event.source_id is not None
    withdraw(session, [event.source_id], now=NOW)
    withdraw(session, [event.source_id], now=NOW)

    assert event.state is CriticalState.WITHDRAWN
    assert actions(event) == ["found", "withdrawn"]
