"""The patient index: who is linked by itself, who is only proposed, what a person decides, and that nothing is lost."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.builders import NOW, County, identity
from tests.worklists.persons import CARD, CARD_2, LATER, decided_by, make_patient, match_all, proposals, two
from worklists import patient_index as index
from worklists.errors import Conflict, Invalid
from worklists.matching import RULES, Agreement, Outcome, compare, judge
from worklists.patient_index import (
    Decision,
    LinkAction,
    PatientLinkEvent,
    ProposalDecided,
    ProposalState,
)
from worklists.patients import create, get_or_create

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
    east, west = two(session, county, one, other)

    assert (judge(east, west)[0].code, judge(west, east)[0].code) == (rule, rule)
    assert (east.master_id == west.master_id) == (outcome is Outcome.LINK)
    assert [(p.rule, p.conflict) for p in proposals(session)] == (
        [(rule, outcome is Outcome.CONFLICT)] if outcome in {Outcome.PROPOSE, Outcome.CONFLICT} else []
    )


def test_every_rule_has_a_case_here() -> None:
    tested = {rule for _, _, rule, _ in PAIRS} | {"number", "newborn_phone", "newborn_number"}

    assert {rule.code for rule in RULES} <= tested


def test_a_card_of_fifteen_places_is_the_card_of_eighteen(session: Session, county: County) -> None:
    east, west = two(session, county, {"national_id": CARD}, {"national_id": "110105790304001"})

    assert east.master_id == west.master_id


def test_two_townships_that_use_the_same_number_never_meet(session: Session, county: County) -> None:
    east = get_or_create(session, county.east.id, identity(patient_id="P001", birth_date=None))
    west = get_or_create(session, county.west.id, identity(patient_id="P001", birth_date=None))
    match_all(session)

    assert compare(east, west).number is Agreement.UNKNOWN
    assert east.master_id != west.master_id
    assert proposals(session) == []


def test_a_link_is_written_down_with_everybody_it_concerns(session: Session, county: County) -> None:
    east, west = two(session, county, {"national_id": CARD}, {"national_id": CARD})
    (event,) = index.history_of(session, [west.id])

    assert (event.action, event.rule, event.person_id, event.at) == (LinkAction.LINKED, "card", None, NOW)
    assert {(m.patient_id, m.moved) for m in event.members} == {(east.id, False), (west.id, True)}
    assert event.evidence["card"] == "same"
    assert event.members[0].said["name"] == "QIU^MING=仇^明"
    assert index.history_of(session, [east.id]) == [event]


def test_matching_again_changes_nothing(session: Session, county: County) -> None:
    east, west = two(session, county, {"national_id": CARD}, {"national_id": CARD})
    for patient in (east, west):
        assert index.match(session, patient.id, LATER) is False

    assert len(list(session.scalars(select(PatientLinkEvent)))) == 1


def test_three_institutions_become_one_person(session: Session, county: County) -> None:
    rows = [
        make_patient(session, place, national_id=CARD) for place in (county.east, county.west, county.lead)
    ]
    match_all(session)

    assert len({row.master_id for row in rows}) == 1


def test_a_link_is_not_made_over_somebody_who_contradicts(session: Session, county: County) -> None:
    """仇明 without a card, merged by hand with somebody; then a card says that one of them is another."""
    first = make_patient(session, county.east, national_id=CARD)
    second = make_patient(session, county.west, national_id=None)
    match_all(session)
    index.confirm(session, proposals(session)[0], decided_by(county))
    third = make_patient(session, county.lead, national_id=CARD_2)
    session.flush()
    match_all(session)

    assert first.master_id == second.master_id != third.master_id


def test_who_is_alike_is_proposed_and_confirmed_by_a_person(session: Session, county: County) -> None:
    east, west = two(session, county, {}, {})
    (proposal,) = proposals(session)
    index.confirm(session, proposal, decided_by(county))

    assert east.master_id == west.master_id
    assert (proposal.state, proposal.decided_by, proposal.reason) == (
        ProposalState.CONFIRMED, county.reviewer, "核对过身份证",
    )  # fmt: skip
    (event,) = index.history_of(session, [east.id])
    assert (event.action, event.person, event.reason) == (LinkAction.MERGED, county.reviewer, "核对过身份证")
    with pytest.raises(ProposalDecided):
        index.confirm(session, proposal, decided_by(county))


def test_a_refusal_is_remembered_even_when_a_card_comes_later(session: Session, county: County) -> None:
    east, west = two(session, county, {}, {})
    index.refuse(session, proposals(session)[0], decided_by(county, "同名同姓，两个人"))
    for patient in (east, west):
        patient.national_id, patient.matched_at = CARD, None
    session.flush()
    match_all(session)

    assert east.master_id != west.master_id
    assert proposals(session) == []
    assert [e.action for e in index.history_of(session, [east.id])] == [LinkAction.REFUSED]


def test_a_refusal_holds_for_everybody_of_both_persons(session: Session, county: County) -> None:
    """East and west are two; the hospital's row fits both and must not join them."""
    east, west = two(session, county, {}, {})
    index.refuse(session, proposals(session)[0], decided_by(county, "两个人"))
    for patient in (east, west):
        patient.national_id, patient.matched_at = CARD, None
    lead = make_patient(session, county.lead, national_id=CARD)
    match_all(session)

    assert east.master_id != west.master_id
    assert lead.master_id in {east.master_id, west.master_id}


@pytest.mark.parametrize("reason", ["", "  "])
def test_every_decision_needs_a_reason(session: Session, county: County, reason: str) -> None:
    east, west = two(session, county, {}, {})
    (proposal,) = proposals(session)
    decision = decided_by(county, reason)

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
    east, west = two(session, county, {"national_id": CARD}, {"national_id": CARD, "name": "仇^名"})
    (conflict,) = proposals(session)
    with pytest.raises(Invalid):
        index.confirm(session, conflict, decided_by(county))
    west.name, west.matched_at = "仇^明", None
    session.flush()
    match_all(session)

    assert east.master_id == west.master_id
    assert proposals(session) == []
    assert conflict.state is ProposalState.WITHDRAWN


def test_a_proposal_goes_when_what_was_alike_was_corrected(session: Session, county: County) -> None:
    east, west = two(session, county, {}, {})
    west.birth_date, west.matched_at = date(1980, 1, 1), None
    session.flush()
    match_all(session)

    assert proposals(session) == []
    assert east.master_id != west.master_id


def test_a_proposal_is_over_when_a_card_links_the_two(session: Session, county: County) -> None:
    east, west = two(session, county, {}, {})
    for patient in (east, west):
        patient.national_id, patient.matched_at = CARD, None
    session.flush()
    match_all(session)

    assert east.master_id == west.master_id
    assert [p.state for p in proposals(session, *ProposalState)] == [ProposalState.LINKED]


def test_separating_takes_back_a_link_and_no_rule_makes_it_again(session: Session, county: County) -> None:
    east, west = two(session, county, {"national_id": CARD}, {"national_id": CARD})
    event = index.separate(session, [west], decided_by(county, "借用他人身份证"))
    for patient in (east, west):
        patient.matched_at = None
    session.flush()
    match_all(session)

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
    east, west = two(session, county, {"national_id": CARD}, {"national_id": CARD})
    index.separate(session, [west], decided_by(county))
    index.merge(session, east, west, decided_by(county, "确是同一人"))

    assert east.master_id == west.master_id
    assert len(index.history_of(session, [east.id])) == 3
    assert proposals(session, ProposalState.REFUSED) == []


def test_nobody_is_separated_from_themselves(session: Session, county: County) -> None:
    east, west = two(session, county, {"national_id": CARD}, {"national_id": CARD})
    stranger = make_patient(session, county.lead, name="李^四")

    for patients in ([east, west], [stranger]):
        with pytest.raises(Conflict):
            index.separate(session, patients, decided_by(county))
    with pytest.raises(Invalid):
        index.separate(session, [east, stranger], decided_by(county))


def test_one_person_may_be_parted_in_the_middle(session: Session, county: County) -> None:
    rows = [
        make_patient(session, place, national_id=CARD) for place in (county.east, county.west, county.lead)
    ]
    match_all(session)
    index.separate(session, rows[1:], decided_by(county))

    assert rows[0].master_id != rows[1].master_id == rows[2].master_id


def test_a_linked_patient_who_turns_out_different_is_shown_and_stays_until_a_person_decides(
    session: Session, county: County
) -> None:
    east, west = two(session, county, {"national_id": CARD}, {"national_id": CARD})
    west.name, west.matched_at = "李^四", None
    session.flush()
    match_all(session)
    (shown,) = proposals(session)

    assert (shown.rule, shown.conflict) == ("linked_and_different", True)
    assert east.master_id == west.master_id
    with pytest.raises(Conflict):
        index.refuse(session, shown, decided_by(county))
    index.separate(session, [west], decided_by(county))
    assert proposals(session) == []
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
    match_all(session)

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
    two(session, county, {"name": "张^小明", **facts}, {"name": "张^小亮", **facts})

    assert proposals(session) == []


def test_newborn_twins_without_names_are_only_proposed_and_stay_two_when_refused(
    session: Session, county: County
) -> None:
    facts = {"name": "王^芳之子", "birth_date": date(2026, 10, 1)}
    one, other = make_patient(session, county.east, **facts), make_patient(session, county.east, **facts)
    match_all(session)
    (proposal,) = proposals(session)
    index.refuse(session, proposal, decided_by(county, "双胞胎"))
    for patient in (one, other):
        patient.matched_at = None
    match_all(session)

    assert one.master_id != other.master_id
    assert proposals(session) == []


def test_newborn_twins_told_apart_by_their_entry_are_two(session: Session, county: County) -> None:
    facts = {"birth_date": date(2026, 10, 1), "phone": "13800001234"}
    two(session, county, {"name": "王^芳之子甲", **facts}, {"name": "王^芳之子乙", **facts})

    assert proposals(session) == []


def test_a_newborn_that_is_named_later_is_proposed(session: Session, county: County) -> None:
    facts = {"birth_date": date(2026, 10, 1)}
    unnamed = make_patient(session, county.east, name="王^芳之子", **facts)
    named = make_patient(session, county.east, name="李^小宝", **facts)
    elsewhere = make_patient(session, county.west, name="李^小宝", phone="13800001234", **facts)
    unnamed.phone = "13800001234"
    match_all(session)

    found = {(frozenset((p.first_id, p.second_id)), p.rule) for p in proposals(session)}
    assert found == {
        (frozenset((unnamed.id, named.id)), "newborn_number"),
        (frozenset((unnamed.id, elsewhere.id)), "newborn_phone"),
        (frozenset((named.id, elsewhere.id)), "name"),
    }


def test_a_newborn_entered_with_the_mothers_card_is_a_conflict_and_no_link(
    session: Session, county: County
) -> None:
    mother = {"name": "仇^芳", "national_id": "110105197903040025", "sex": "F"}
    two(session, county, mother, {**mother, "name": "仇^芳之子", "sex": "M", "birth_date": date(2026, 10, 1)})

    assert [p.conflict for p in proposals(session)] == [True]


def test_a_name_in_doubtful_characters_never_links_by_itself(session: Session, county: County) -> None:
    garbled = {"name": "³ð^Ã÷", "proposed_name": "仇^明", "national_id": CARD}
    east, west = two(session, county, garbled, {"national_id": CARD, "name": "仇^明"})

    assert east.master_id != west.master_id
    assert [(p.rule, p.conflict) for p in proposals(session)] == [("card_incomplete", False)]
