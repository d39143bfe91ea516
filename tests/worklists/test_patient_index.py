"""The patient index: who is linked by itself, who is only proposed, what a person decides, and that nothing is lost."""

import threading
import uuid
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from tests.builders import NOW, County, arrive, build_county, identity, task_of, waiting_task
from worklists import patient_index as index
from worklists.access import Subject, identities_visible_to, visible_to
from worklists.directory import Institution, Kind
from worklists.errors import Conflict, Invalid
from worklists.examinations import Examination, correct_identity
from worklists.matching import RULES, Agreement, Outcome, compare, judge
from worklists.patient_index import (
    Decision,
    LinkAction,
    PatientLinkEvent,
    PatientProposal,
    ProposalDecided,
    ProposalState,
)
from worklists.patients import Patient, create, get_or_create

CARD = "110105197903040017"  # of a man born on 1979-03-04, as `identity()` is
CARD_2 = "330281199203046014"
LATER = NOW + timedelta(minutes=1)


def _patient(session: Session, institution: Institution, **fields: Any) -> Patient:
    return create(session, institution.id, identity(**{"patient_id": f"N{uuid.uuid4().hex[:6]}", **fields}))


def _match_all(session: Session) -> None:
    while found := index.find_unmatched(session, limit=100):
        for patient_id in found:
            index.match(session, patient_id, NOW)
        session.flush()


def _proposals(session: Session, *states: ProposalState) -> list[PatientProposal]:
    query = select(PatientProposal).where(PatientProposal.state.in_(states or [ProposalState.OPEN]))
    return list(session.scalars(query))


def _decision(county: County, reason: str = "核对过身份证") -> Decision:
    return Decision(now=LATER, person=county.reviewer, reason=reason)


def _two(
    session: Session, county: County, one: dict[str, Any], other: dict[str, Any]
) -> tuple[Patient, Patient]:
    pair = _patient(session, county.east, **one), _patient(session, county.west, **other)
    _match_all(session)
    return pair


# (what the east knows, what the west knows, the rule, what follows)
PAIRS: list[tuple[dict[str, Any], dict[str, Any], str, Outcome]] = [
    ({"national_id": CARD}, {"national_id": CARD}, "card", Outcome.LINK),
    ({"national_id": CARD}, {"national_id": CARD, "name": "李^四"}, "card_other_name", Outcome.CONFLICT),
    ({"national_id": CARD}, {"national_id": CARD, "sex": "F"}, "card_other_sex", Outcome.CONFLICT),
    (
        {"national_id": CARD}, {"national_id": CARD, "birth_date": date(1980, 1, 1)},
        "card_other_birth_date", Outcome.CONFLICT,
    ),
    ({"national_id": CARD}, {"national_id": CARD, "name": "QIU^MING"}, "card_incomplete", Outcome.PROPOSE),
    ({"national_id": CARD}, {"national_id": CARD, "sex": None}, "card_does_not_fit", Outcome.PROPOSE),
    ({"national_id": CARD}, {"national_id": CARD, "birth_date": None}, "card_does_not_fit", Outcome.PROPOSE),
    ({"national_id": CARD_2}, {"national_id": CARD_2}, "card_does_not_fit", Outcome.PROPOSE),  # another's card
    ({"national_id": CARD}, {"national_id": CARD_2}, "other_card", Outcome.NOTHING),
    ({"national_id": "110105197903040018"}, {"national_id": "110105197903040018"}, "name", Outcome.PROPOSE),
    ({}, {}, "name", Outcome.PROPOSE),
    ({}, {"sex": None}, "name", Outcome.PROPOSE),
    ({"name": "仇^明"}, {"name": "QIU^MING"}, "pinyin", Outcome.PROPOSE),
    ({"name": "仇^明"}, {"name": "QIU^MING", "sex": None}, "nothing", Outcome.NOTHING),
    ({}, {"birth_date": date(1980, 1, 1)}, "nothing", Outcome.NOTHING),
    ({}, {"sex": "F"}, "nothing", Outcome.NOTHING),
    ({}, {"name": "仇^鸣"}, "nothing", Outcome.NOTHING),  # the same sound is not the same name
    ({"phone": "13800001234"}, {"phone": "+86 138-0000-1234", "birth_date": None}, "phone", Outcome.PROPOSE),
    ({"phone": "13800001234"}, {"phone": "13800001234", "name": "李^四"}, "nothing", Outcome.NOTHING),
    ({"birth_date": None}, {"birth_date": None}, "nothing", Outcome.NOTHING),
    ({"name": ""}, {"name": ""}, "nothing", Outcome.NOTHING),
    ({"patient_id": "P001"}, {"patient_id": "P001", "name": "李^四"}, "nothing", Outcome.NOTHING),
    ({"patient_id": "P001", "birth_date": None}, {"patient_id": "P001", "birth_date": None}, "nothing", Outcome.NOTHING),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other", "rule", "outcome"), PAIRS)
def test_the_rules_decide(
    session: Session, county: County, one: dict[str, Any], other: dict[str, Any], rule: str, outcome: Outcome
) -> None:
    east, west = _two(session, county, one, other)

    assert (judge(east, west)[0].code, judge(west, east)[0].code) == (rule, rule)
    assert (east.master_id == west.master_id) == (outcome is Outcome.LINK)
    assert [(p.rule, p.conflict) for p in _proposals(session)] == (
        [(rule, outcome is Outcome.CONFLICT)] if outcome in {Outcome.PROPOSE, Outcome.CONFLICT} else []
    )


def test_every_rule_has_a_case_here() -> None:
    tested = {rule for _, _, rule, _ in PAIRS} | {"number", "newborn_phone", "newborn_number"}

    assert {rule.code for rule in RULES} <= tested


def test_a_card_of_fifteen_places_is_the_card_of_eighteen(session: Session, county: County) -> None:
    east, west = _two(session, county, {"national_id": CARD}, {"national_id": "110105790304001"})

    assert east.master_id == west.master_id


def test_two_townships_that_use_the_same_number_never_meet(session: Session, county: County) -> None:
    east = get_or_create(session, county.east.id, identity(patient_id="P001", birth_date=None))
    west = get_or_create(session, county.west.id, identity(patient_id="P001", birth_date=None))
    _match_all(session)

    assert compare(east, west).number is Agreement.UNKNOWN
    assert east.master_id != west.master_id
    assert _proposals(session) == []


def test_a_link_is_written_down_with_everybody_it_concerns(session: Session, county: County) -> None:
    east, west = _two(session, county, {"national_id": CARD}, {"national_id": CARD})
    (event,) = index.history_of(session, [west.id])

    assert (event.action, event.rule, event.person_id, event.at) == (LinkAction.LINKED, "card", None, NOW)
    assert {(m.patient_id, m.moved) for m in event.members} == {(east.id, False), (west.id, True)}
    assert event.evidence["card"] == "same"
    assert event.members[0].said["name"] == "QIU^MING=仇^明"
    assert index.history_of(session, [east.id]) == [event]


def test_matching_again_changes_nothing(session: Session, county: County) -> None:
    east, west = _two(session, county, {"national_id": CARD}, {"national_id": CARD})
    for patient in (east, west):
        assert index.match(session, patient.id, LATER) is False

    assert len(list(session.scalars(select(PatientLinkEvent)))) == 1


def test_three_institutions_become_one_person(session: Session, county: County) -> None:
    rows = [_patient(session, place, national_id=CARD) for place in (county.east, county.west, county.lead)]
    _match_all(session)

    assert len({row.master_id for row in rows}) == 1


def test_a_link_is_not_made_over_somebody_who_contradicts(session: Session, county: County) -> None:
    """仇明 without a card, merged by hand with somebody; then a card says that one of them is another."""
    first = _patient(session, county.east, national_id=CARD)
    second = _patient(session, county.west, national_id=None)
    _match_all(session)
    index.confirm(session, _proposals(session)[0], _decision(county))
    third = _patient(session, county.lead, national_id=CARD_2)
    session.flush()
    _match_all(session)

    assert first.master_id == second.master_id != third.master_id


def test_who_is_alike_is_proposed_and_confirmed_by_a_person(session: Session, county: County) -> None:
    east, west = _two(session, county, {}, {})
    (proposal,) = _proposals(session)
    index.confirm(session, proposal, _decision(county))

    assert east.master_id == west.master_id
    assert (proposal.state, proposal.decided_by, proposal.reason) == (
        ProposalState.CONFIRMED, county.reviewer, "核对过身份证",
    )  # fmt: skip
    (event,) = index.history_of(session, [east.id])
    assert (event.action, event.person, event.reason) == (LinkAction.MERGED, county.reviewer, "核对过身份证")
    with pytest.raises(ProposalDecided):
        index.confirm(session, proposal, _decision(county))


def test_a_refusal_is_remembered_even_when_a_card_comes_later(session: Session, county: County) -> None:
    east, west = _two(session, county, {}, {})
    index.refuse(session, _proposals(session)[0], _decision(county, "同名同姓，两个人"))
    for patient in (east, west):
        patient.national_id, patient.matched_at = CARD, None
    session.flush()
    _match_all(session)

    assert east.master_id != west.master_id
    assert _proposals(session) == []
    assert [e.action for e in index.history_of(session, [east.id])] == [LinkAction.REFUSED]


def test_a_refusal_holds_for_everybody_of_both_persons(session: Session, county: County) -> None:
    """East and west are two; the hospital's row fits both and must not join them."""
    east, west = _two(session, county, {}, {})
    index.refuse(session, _proposals(session)[0], _decision(county, "两个人"))
    for patient in (east, west):
        patient.national_id, patient.matched_at = CARD, None
    lead = _patient(session, county.lead, national_id=CARD)
    _match_all(session)

    assert east.master_id != west.master_id
    assert lead.master_id in {east.master_id, west.master_id}


@pytest.mark.parametrize("reason", ["", "  "])
def test_every_decision_needs_a_reason(session: Session, county: County, reason: str) -> None:
    east, west = _two(session, county, {}, {})
    (proposal,) = _proposals(session)
    decision = _decision(county, reason)

    for deed in (
        lambda: index.confirm(session, proposal, decision),
        lambda: index.refuse(session, proposal, decision),
        lambda: index.merge(session, east, west, decision),
        lambda: index.separate(session, [east], decision),
    ):
        with pytest.raises(Invalid):
            deed()


def test_a_conflict_cannot_be_confirmed_and_goes_when_the_name_is_corrected(
    session: Session, county: County
) -> None:
    east, west = _two(session, county, {"national_id": CARD}, {"national_id": CARD, "name": "仇^名"})
    (conflict,) = _proposals(session)
    with pytest.raises(Invalid):
        index.confirm(session, conflict, _decision(county))
    west.name, west.matched_at = "仇^明", None
    session.flush()
    _match_all(session)

    assert east.master_id == west.master_id
    assert _proposals(session) == []
    assert conflict.state is ProposalState.WITHDRAWN


def test_a_proposal_goes_when_what_was_alike_was_corrected(session: Session, county: County) -> None:
    east, west = _two(session, county, {}, {})
    west.birth_date, west.matched_at = date(1980, 1, 1), None
    session.flush()
    _match_all(session)

    assert _proposals(session) == []
    assert east.master_id != west.master_id


def test_a_proposal_is_over_when_a_card_links_the_two(session: Session, county: County) -> None:
    east, west = _two(session, county, {}, {})
    for patient in (east, west):
        patient.national_id, patient.matched_at = CARD, None
    session.flush()
    _match_all(session)

    assert east.master_id == west.master_id
    assert [p.state for p in _proposals(session, *ProposalState)] == [ProposalState.LINKED]


def test_separating_takes_back_a_link_and_no_rule_makes_it_again(session: Session, county: County) -> None:
    east, west = _two(session, county, {"national_id": CARD}, {"national_id": CARD})
    event = index.separate(session, [west], _decision(county, "借用他人身份证"))
    for patient in (east, west):
        patient.matched_at = None
    session.flush()
    _match_all(session)

    assert east.master_id != west.master_id
    assert (event.action, event.person, event.reason) == (
        LinkAction.SEPARATED, county.reviewer, "借用他人身份证",
    )  # fmt: skip
    assert [e.action for e in index.history_of(session, [west.id])] == [
        LinkAction.LINKED,
        LinkAction.SEPARATED,
    ]
    assert {(m.patient_id, m.moved) for m in event.members} == {(east.id, False), (west.id, True)}


def test_what_was_separated_can_be_merged_again_by_a_person(session: Session, county: County) -> None:
    east, west = _two(session, county, {"national_id": CARD}, {"national_id": CARD})
    index.separate(session, [west], _decision(county))
    index.merge(session, east, west, _decision(county, "确是同一人"))

    assert east.master_id == west.master_id
    assert len(index.history_of(session, [east.id])) == 3
    assert _proposals(session, ProposalState.REFUSED) == []


def test_nobody_is_separated_from_themselves(session: Session, county: County) -> None:
    east, west = _two(session, county, {"national_id": CARD}, {"national_id": CARD})
    stranger = _patient(session, county.lead, name="李^四")

    for patients in ([east, west], [stranger]):
        with pytest.raises(Conflict):
            index.separate(session, patients, _decision(county))
    with pytest.raises(Invalid):
        index.separate(session, [east, stranger], _decision(county))


def test_one_person_may_be_parted_in_the_middle(session: Session, county: County) -> None:
    rows = [_patient(session, place, national_id=CARD) for place in (county.east, county.west, county.lead)]
    _match_all(session)
    index.separate(session, rows[1:], _decision(county))

    assert rows[0].master_id != rows[1].master_id == rows[2].master_id


def test_a_linked_patient_who_turns_out_different_is_shown_and_stays_until_a_person_decides(
    session: Session, county: County
) -> None:
    east, west = _two(session, county, {"national_id": CARD}, {"national_id": CARD})
    west.name, west.matched_at = "李^四", None
    session.flush()
    _match_all(session)
    (shown,) = _proposals(session)

    assert (shown.rule, shown.conflict) == ("linked_and_different", True)
    assert east.master_id == west.master_id
    with pytest.raises(Conflict):
        index.refuse(session, shown, _decision(county))
    index.separate(session, [west], _decision(county))
    assert _proposals(session) == []
    assert east.master_id != west.master_id


def test_a_township_merges_two_of_its_own_numbers(session: Session, county: County) -> None:
    kept = get_or_create(session, county.east.id, identity(patient_id="P1"))
    given_up = get_or_create(session, county.east.id, identity(patient_id="P2", birth_date=None))
    decision = Decision(now=NOW, reason="ADT^A40")
    events = index.merge_numbers(session, county.east.id, kept="P1", given_up="P2", decision=decision)

    assert kept.master_id == given_up.master_id
    assert [event.action for event in events] == [LinkAction.MERGED]
    assert get_or_create(session, county.east.id, identity(patient_id="P2")) is given_up


def test_two_rows_of_one_number_are_one_person_unless_they_contradict(
    session: Session, county: County
) -> None:
    one = create(session, county.east.id, identity(patient_id="P1"))
    same = create(session, county.east.id, identity(patient_id="P1", sex=None))
    other = create(session, county.east.id, identity(patient_id="P1", name="李^四"))
    _match_all(session)

    assert one.master_id == same.master_id != other.master_id


def test_numbers_of_two_issuers_in_one_institution_are_two_numbers(session: Session, county: County) -> None:
    his = get_or_create(session, county.east.id, identity(patient_id="P1", issuer="HIS"))
    ris = get_or_create(session, county.east.id, identity(patient_id="P1", issuer="RIS", name="李^四"))
    silent = get_or_create(session, county.east.id, identity(patient_id="P1"))

    assert his is not ris
    assert silent is his
    assert compare(his, ris).number is Agreement.UNKNOWN


# Twins, newborns, namesakes


def test_twins_with_names_are_two(session: Session, county: County) -> None:
    facts = {"birth_date": date(2020, 5, 1), "phone": "13800001234"}
    _two(session, county, {"name": "张^小明", **facts}, {"name": "张^小亮", **facts})

    assert _proposals(session) == []


def test_newborn_twins_without_names_are_only_proposed_and_stay_two_when_refused(
    session: Session, county: County
) -> None:
    facts = {"name": "王^芳之子", "birth_date": date(2026, 10, 1)}
    one, other = _patient(session, county.east, **facts), _patient(session, county.east, **facts)
    _match_all(session)
    (proposal,) = _proposals(session)
    index.refuse(session, proposal, _decision(county, "双胞胎"))
    for patient in (one, other):
        patient.matched_at = None
    _match_all(session)

    assert one.master_id != other.master_id
    assert _proposals(session) == []


def test_newborn_twins_told_apart_by_their_entry_are_two(session: Session, county: County) -> None:
    facts = {"birth_date": date(2026, 10, 1), "phone": "13800001234"}
    _two(session, county, {"name": "王^芳之子甲", **facts}, {"name": "王^芳之子乙", **facts})

    assert _proposals(session) == []


def test_a_newborn_that_is_named_later_is_proposed(session: Session, county: County) -> None:
    facts = {"birth_date": date(2026, 10, 1)}
    unnamed = _patient(session, county.east, name="王^芳之子", **facts)
    named = _patient(session, county.east, name="李^小宝", **facts)
    elsewhere = _patient(session, county.west, name="李^小宝", phone="13800001234", **facts)
    unnamed.phone = "13800001234"
    _match_all(session)

    found = {(frozenset((p.first_id, p.second_id)), p.rule) for p in _proposals(session)}
    assert found == {
        (frozenset((unnamed.id, named.id)), "newborn_number"),
        (frozenset((unnamed.id, elsewhere.id)), "newborn_phone"),
        (frozenset((named.id, elsewhere.id)), "name"),
    }


def test_a_newborn_entered_with_the_mothers_card_is_a_conflict_and_no_link(
    session: Session, county: County
) -> None:
    mother = {"name": "仇^芳", "national_id": "110105197903040025", "sex": "F"}
    _two(
        session, county, mother, {**mother, "name": "仇^芳之子", "sex": "M", "birth_date": date(2026, 10, 1)}
    )

    assert [p.conflict for p in _proposals(session)] == [True]


def test_a_name_in_doubtful_characters_never_links_by_itself(session: Session, county: County) -> None:
    garbled = {"name": "³ð^Ã÷", "proposed_name": "仇^明", "national_id": CARD}
    east, west = _two(session, county, garbled, {"national_id": CARD, "name": "仇^明"})

    assert east.master_id != west.master_id
    assert [(p.rule, p.conflict) for p in _proposals(session)] == [("card_incomplete", False)]


# What a link opens, and what it does not


def _linked_examinations(session: Session, county: County) -> tuple[Examination, Examination]:
    """One of the east and one of the west, of one person."""
    east = waiting_task(session, county, patient=identity(national_id=CARD)).examination
    west = waiting_task(
        session, county, institution_id=county.west.id, device_id=county.west_device.id,
        patient=identity(patient_id="W9", national_id=CARD),
    ).examination  # fmt: skip
    _match_all(session)
    return east, west


def _seen_by(session: Session, subject: Subject) -> set[uuid.UUID]:
    return set(session.scalars(select(Examination.id).where(visible_to(subject))))


def test_who_holds_a_task_sees_priors_through_the_link_and_nobody_else_does(
    session: Session, county: County
) -> None:
    east, west = _linked_examinations(session, county)
    wang, li = Subject.of(county.wang), Subject.of(county.li)
    assert _seen_by(session, wang) == {east.id}
    task_of(session, east).claim(county.wang, NOW)
    session.flush()

    assert _seen_by(session, wang) == {east.id, west.id}
    assert _seen_by(session, li) == {east.id}
    for person, own in ((county.radiographer, east), (county.west_radiographer, west)):
        assert _seen_by(session, Subject.of(person)) == {own.id}
    task_of(session, east).release(county.wang)
    session.flush()
    assert _seen_by(session, wang) == {east.id}


def test_a_prior_is_closed_again_when_the_link_is_taken_back(session: Session, county: County) -> None:
    east, west = _linked_examinations(session, county)
    task_of(session, east).claim(county.wang, NOW)
    index.separate(session, [west.patient], _decision(county))

    assert _seen_by(session, Subject.of(county.wang)) == {east.id}


def test_priors_of_every_kind_are_seen(session: Session, county: County) -> None:
    east, _ = _linked_examinations(session, county)
    ecg = arrive(session, county, kind=Kind.ECG, patient=identity(national_id=CARD))
    task_of(session, east).claim(county.wang, NOW)
    session.flush()

    assert ecg.id in _seen_by(session, Subject.of(county.wang))


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        ("radiographer", {"east", "unread"}), ("west_radiographer", {"west"}), ("reviewer", {"east"}),
        ("wang", set()), ("ecg_reader", set()), ("village_doctor", set()), ("it", set()), ("admin", set()),
        ("auditor", set()),
    ],
)  # fmt: skip
def test_who_may_know_who_somebody_is(session: Session, county: County, who: str, seen: set[str]) -> None:
    east, west = _linked_examinations(session, county)
    unread = _patient(session, county.east, name="李^四")
    names = {east.patient_id: "east", west.patient_id: "west", unread.id: "unread"}
    subject = Subject.of(county.people[who])
    found = session.scalars(select(Patient.id).where(identities_visible_to(subject)))

    assert {names[patient_id] for patient_id in found} == seen


def test_a_corrected_identity_is_looked_at_again(session: Session, county: County) -> None:
    examination = arrive(session, county)
    _match_all(session)
    correct_identity(
        session,
        examination,
        identity=identity(name="仇^铭"),
        reason="写错",
        person=county.radiographer,
        now=NOW,
    )
    session.flush()

    assert index.find_unmatched(session, limit=10) == [examination.patient_id]


# Two at once, on both databases


@pytest.mark.parametrize("_round", range(3))
def test_two_drains_that_link_at_once_make_one_person(sessions: sessionmaker[Session], _round: int) -> None:
    with sessions.begin() as session:
        county = build_county(session)
        places = (county.east, county.west, county.lead, county.other_lead)
        ids = [_patient(session, place, national_id=CARD).id for place in places]
    barrier, failures = threading.Barrier(len(ids)), []

    def work(patient_id: uuid.UUID) -> None:
        barrier.wait()
        try:
            with sessions.begin() as session:
                index.match(session, patient_id, NOW)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(patient_id,)) for patient_id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    with sessions() as session:
        assert len(set(session.scalars(select(Patient.master_id)))) == 1
        moved = [
            m.patient_id for e in session.scalars(select(PatientLinkEvent)) for m in e.members if m.moved
        ]
        assert len(moved) >= len(ids) - 1


def test_two_drains_that_make_the_same_patient_at_once_make_one_person(
    sessions: sessionmaker[Session],
) -> None:
    with sessions.begin() as session:
        east = build_county(session).east.id
    with sessions() as one, sessions() as other:  # neither sees the other's row
        first = create(one, east, identity()).id
        one.commit()
        second = create(other, east, identity()).id
        other.commit()
    with sessions.begin() as session:
        _match_all(session)
    with sessions() as session:
        assert session.get_one(Patient, first).master_id == session.get_one(Patient, second).master_id
