"""Recognition at the order: decision table 2 row by row, decisions, prices, and the rules of the figures."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.builders import NOW, County, identity, signed_report
from worklists.base import new_id
from worklists.directory import Institution, Kind
from worklists.errors import FieldsRefused, NotFound
from worklists.recognising.deciding import (
    AlreadyDecided,
    Asker,
    Decided,
    NotAdopted,
    cite,
    decide,
    find_price,
    open_group,
)
from worklists.recognising.figures import Figures, figures_by_institution, figures_by_month
from worklists.recognising.proposing import Proposal, WhoIsAsked, propose
from worklists.recognising.rows import (
    Choice,
    Outcome,
    OwnSource,
    RecognitionGroup,
    RecognitionPrice,
    RecognitionReason,
    RecognitionScope,
    seed_reasons,
)
from worklists.recognition import (
    Mark,
    Qualification,
    QualificationResult,
    RecognitionItem,
    ScopeLevel,
)
from worklists.reports import Report, ReportState

CARD = "11010519491231002X"
WHO = WhoIsAsked(id_type="resident_card", number=CARD, name="仇明", sex="F", birth_date=date(1949, 12, 31))
ASKER = Asker(doctor="钱放射", department="内科")
DAY = timedelta(days=1)


@pytest.fixture
def item(session: Session) -> RecognitionItem:
    return _item(session, "DR-CHEST", valid_days=14)


@pytest.fixture
def report(session: Session, county: County, item: RecognitionItem) -> Report:
    """A nationally recognised chest film from the eastern township, signed NOW."""
    return _report(session, county, item, ScopeLevel.NATIONAL, "全国")


def _item(session: Session, code: str, **fields: Any) -> RecognitionItem:
    item = RecognitionItem(
        code=code, name=code, kind=Kind.IMAGING, effective_from=date(2022, 3, 1),
        **{"negative_list": False, "valid_days": None, **fields},
    )  # fmt: skip
    session.add(item)
    session.flush()
    return item


def _report(
    session: Session, county: County, item: RecognitionItem, level: ScopeLevel | None, label: str = "",
    **fields: Any,
) -> Report:  # fmt: skip
    ids: tuple[str, ...] = ()
    if level is not None:
        held = Qualification(
            id=new_id(), institution_id=county.east.id, item_code=item.code, scope_level=level, scope_label=label,
            result=QualificationResult.PASS, valid_from=date(2026, 1, 1), valid_to=date(2026, 12, 31),
        )  # fmt: skip
        session.add(held)
        ids = (str(held.id),)
    mark = Mark(
        item_code=item.code, item_name=item.name, text=f"{label}HR" if level else None,
        scope=level.value if level else None, remark="", reason=None if level else "not_qualified",
        qualification_ids=ids,
    )  # fmt: skip
    patient = identity(
        **{"sex": "F", "birth_date": WHO.birth_date, "national_id": CARD, **fields.pop("who", {})}
    )
    return signed_report(session, county, marks=(mark,), patient=patient, **fields)


def _ask(
    session: Session, receiving: Institution, item: RecognitionItem, *, now: datetime = NOW + DAY, **who: Any
) -> Proposal:
    [found] = propose(session, receiving=receiving, who=replace(WHO, **who), items=[item], now=now)
    return found


@pytest.mark.parametrize(
    "other",
    [
        {"number": "110105194912310046"},
        {"id_type": "passport"},
        {"name": "仇鸣"},
        {"name": "QIU MING"},
        {"sex": "M"},
        {"birth_date": date(1949, 12, 30)},
    ],
)
def test_row_1_another_patient_or_likeness_finds_nothing(
    session: Session, county: County, item: RecognitionItem, report: Report, other: dict[str, Any]
) -> None:
    assert _ask(session, county.west, item).outcome is Outcome.REMINDER
    assert _ask(session, county.west, item, **other).outcome is Outcome.NONE


def test_row_1_a_patient_who_was_corrected_after_the_signature_is_not_proposed(
    session: Session, county: County, item: RecognitionItem, report: Report
) -> None:
    report.examination.patient.name = "LIN^HAO=林^浩"
    session.flush()
    assert _ask(session, county.west, item).outcome is Outcome.NONE
    assert _ask(session, county.west, item, name="林浩").outcome is Outcome.NONE


def test_row_1_the_device_wrote_letters_only(session: Session, county: County, item: RecognitionItem) -> None:
    _report(session, county, item, ScopeLevel.NATIONAL, "全国", who={"name": "QIU^MING"})
    assert _ask(session, county.west, item).outcome is Outcome.NONE


def test_row_2_another_item_is_nothing(session: Session, county: County, report: Report) -> None:
    assert _ask(session, county.west, _item(session, "CT-CHEST")).outcome is Outcome.NONE


@pytest.mark.parametrize("state", [ReportState.SUPERSEDED, ReportState.VOID])
def test_row_3_a_report_that_no_longer_stands_is_nothing(
    session: Session, county: County, item: RecognitionItem, report: Report, state: ReportState
) -> None:
    report.state = state
    session.flush()
    assert _ask(session, county.west, item).outcome is Outcome.NONE


@pytest.mark.parametrize(
    ("age", "outcome"),
    [
        (14 * DAY, Outcome.REMINDER),
        (14 * DAY + timedelta(seconds=1), Outcome.OLDER),
        (timedelta(0), Outcome.REMINDER),
    ],
)
def test_row_4_days_are_24_hours_from_the_report_and_their_end_belongs_to_them(
    session: Session, county: County, item: RecognitionItem, report: Report, age: timedelta, outcome: Outcome
) -> None:
    assert _ask(session, county.west, item, now=report.signed_at + age).outcome is outcome


def test_row_4_without_days_the_doctor_decides_however_old_it_is(
    session: Session, county: County, item: RecognitionItem, report: Report
) -> None:
    item.valid_days = None
    assert _ask(session, county.west, item, now=NOW + 3000 * DAY).outcome is Outcome.REMINDER


SCOPES = [
    (None, "", "甲县", [], Outcome.REFERENCE),
    (ScopeLevel.NATIONAL, "全国", "", [], Outcome.REMINDER),
    (ScopeLevel.COUNTY, "甲县", "甲县", [], Outcome.REMINDER),
    (ScopeLevel.COUNTY, "甲县", "乙县", [], Outcome.REFERENCE),
    (ScopeLevel.COUNTY, "", "", [], Outcome.REFERENCE),
    (ScopeLevel.CITY, "本市", "甲县", [], Outcome.REFERENCE),
    (ScopeLevel.CITY, "本市", "甲县", [(ScopeLevel.CITY, "本市", "甲县")], Outcome.REMINDER),
    (ScopeLevel.CITY, "本市", "乙县", [(ScopeLevel.CITY, "本市", "甲县")], Outcome.REFERENCE),
    (ScopeLevel.PROVINCE, "本省", "甲县", [(ScopeLevel.PROVINCE, "本省", "甲县")], Outcome.REMINDER),
    (ScopeLevel.PROVINCE, "本省", "甲县", [(ScopeLevel.CITY, "本省", "甲县")], Outcome.REFERENCE),
    (ScopeLevel.JOINT, "京津冀", "甲县", [(ScopeLevel.JOINT, "京津冀", "甲县")], Outcome.REMINDER),
    (ScopeLevel.JOINT, "京津冀", "甲县", [(ScopeLevel.JOINT, "长三角", "甲县")], Outcome.REFERENCE),
    (ScopeLevel.COMMUNITY, "县人民医院医共体", "甲县", [], Outcome.REFERENCE),
]


@pytest.mark.parametrize(("level", "label", "region", "rows", "outcome"), SCOPES)
def test_rows_5_and_6_whether_the_scope_reaches_here(
    session: Session,
    county: County,
    item: RecognitionItem,
    level: ScopeLevel | None,
    label: str,
    region: str,
    rows: list[tuple[ScopeLevel, str, str]],
    outcome: Outcome,
) -> None:
    county.west.region = region
    session.add_all(RecognitionScope(id=new_id(), level=a, label=b, region=c) for a, b, c in rows)
    _report(session, county, item, level, label)
    assert _ask(session, county.west, item).outcome is outcome


def test_row_6_a_community_is_the_lead_hospital_with_its_members(
    session: Session, county: County, item: RecognitionItem
) -> None:
    _report(session, county, item, ScopeLevel.COMMUNITY, "县人民医院医共体")
    assert _ask(session, county.lead, item).outcome is Outcome.REMINDER
    assert _ask(session, county.village, item).outcome is Outcome.REMINDER
    assert _ask(session, county.west, item).outcome is Outcome.REFERENCE


def test_what_stands_on_the_negative_list_is_never_proposed(
    session: Session, county: County, item: RecognitionItem, report: Report
) -> None:
    item.negative_list = True
    assert _ask(session, county.west, item).outcome is Outcome.NONE


def test_row_7_the_latest_examined_is_proposed_and_what_reminds_before_what_does_not(
    session: Session, county: County, item: RecognitionItem, report: Report
) -> None:
    later = _report(session, county, item, ScopeLevel.NATIONAL, "全国", studied_at=NOW - timedelta(minutes=1))
    _report(session, county, item, ScopeLevel.NATIONAL, "全国", studied_at=NOW - timedelta(hours=9))
    _report(session, county, item, None, studied_at=NOW)
    found = _ask(session, county.west, item)
    assert found.candidate is not None
    assert (found.outcome, found.candidate.report.id) == (Outcome.REMINDER, later.id)


def test_row_7_of_two_examined_at_once_the_one_reported_last(
    session: Session, county: County, item: RecognitionItem, report: Report
) -> None:
    second = _report(session, county, item, ScopeLevel.NATIONAL, "全国")
    assert (report.signed_at, report.examination.studied_at) == (
        second.signed_at, second.examination.studied_at
    )  # fmt: skip
    found = [_ask(session, county.west, item).candidate for _ in range(3)]
    assert {one.report.id for one in found if one} == {second.id}  # a stable order, the last made


def test_row_8_ones_own_result_needs_the_switch_and_its_age(
    session: Session, county: County, item: RecognitionItem, report: Report
) -> None:
    assert _ask(session, county.east, item).outcome is Outcome.NONE
    own = OwnSource(id=new_id(), institution_id=county.east.id, enabled=False, minimum_hours=48)
    session.add(own)
    assert _ask(session, county.east, item, now=NOW + 3 * DAY).outcome is Outcome.NONE
    own.enabled = True
    assert _ask(session, county.east, item, now=NOW + DAY).outcome is Outcome.NONE
    assert _ask(session, county.east, item, now=NOW + 2 * DAY).outcome is Outcome.REMINDER
    assert _ask(session, county.west, item, now=NOW).outcome is Outcome.REMINDER


# Decisions


Ask = Callable[..., RecognitionGroup]


@pytest.fixture
def ask(session: Session, county: County, item: RecognitionItem, report: Report) -> Ask:
    """A question of the western township, which has prices and reasons."""
    seed_reasons(session)
    _price(session, county.west, item, "80.00", date(2026, 1, 1), None)

    def question(*items: RecognitionItem, now: datetime = NOW + DAY) -> RecognitionGroup:
        proposals = propose(session, receiving=county.west, who=WHO, items=items or [item], now=now)
        return open_group(
            session, receiving=county.west, who=WHO, encounter={"number": "M1"}, proposals=proposals,
            asker=ASKER, now=now,
        )  # fmt: skip

    return question


def _price(
    session: Session, of: Institution, item: RecognitionItem, amount: str, first: date, last: date | None
) -> None:
    session.add(
        RecognitionPrice(
            id=new_id(), institution_id=of.id, item_code=item.code, amount=Decimal(amount), valid_from=first,
            valid_to=last,
        )
    )  # fmt: skip
    session.flush()


def _decide(
    session: Session, group: RecognitionGroup, *choices: Any, now: datetime = NOW + DAY, **fields: Any
) -> bool:
    said = [
        Decided(match_id=match.id, choice=choice, **fields)
        for match, choice in zip(group.matches, choices, strict=True)
    ]
    answer = decide(session, group, said, asker=ASKER, now=now)
    session.expire_all()
    return answer


def test_the_first_decision_stands_a_repeat_succeeds_and_another_is_a_conflict(
    session: Session, ask: Ask
) -> None:
    group = ask()
    assert _decide(session, group, Choice.ADOPTED) is True
    assert _decide(session, group, Choice.ADOPTED, now=NOW + 2 * DAY) is False
    with pytest.raises(AlreadyDecided):
        _decide(session, group, Choice.DECLINED, reason_code="1")
    [match] = group.matches
    assert match.decision is not None
    assert (match.decision.choice, match.decision.decided_at) == (Choice.ADOPTED, NOW + DAY)
    assert match.decision.saved == Decimal("80.00")

    again = ask()  # another question is another group
    assert _decide(session, again, Choice.DECLINED, reason_code="1") is True


def test_a_group_is_decided_whole_or_not_at_all(
    session: Session, county: County, item: RecognitionItem, ask: Ask
) -> None:
    second = _item(session, "DR-LIMB")
    _report(session, county, second, ScopeLevel.NATIONAL, "全国")
    group = ask(item, second)
    one, other = group.matches
    with pytest.raises(FieldsRefused) as refused:
        decide(session, group, [Decided(match_id=one.id, choice=Choice.ADOPTED)], asker=ASKER, now=NOW)
    assert refused.value.reasons == {"decisions": "every_reminder"}
    said = [
        Decided(match_id=one.id, choice=Choice.ADOPTED),
        Decided(match_id=other.id, choice=Choice.DECLINED, reason_code="6"),
    ]
    with pytest.raises(FieldsRefused) as refused:
        decide(session, group, said, asker=ASKER, now=NOW)
    assert refused.value.reasons == {"decisions.1.note": "required"}
    session.expire_all()
    assert [match.decision for match in group.matches] == [None, None]
    assert group.decided_at is None


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"choice": Choice.DECLINED}, "reason_code"),
        ({"choice": Choice.DECLINED, "reason_code": "77"}, "reason_code"),
        ({"choice": Choice.DECLINED, "reason_code": "off"}, "reason_code"),
        ({"choice": Choice.DECLINED, "reason_code": "6", "note": " "}, "note"),
        ({"choice": Choice.ADOPTED, "reason_code": "1"}, "reason_code"),
        ({"choice": Choice.ADOPTED, "match_id": new_id()}, "match_id"),
    ],
)
def test_what_cannot_be_decided_is_named(
    session: Session, ask: Ask, fields: dict[str, Any], where: str
) -> None:
    session.add(RecognitionReason(code="off", name="停用", enabled=False))
    group = ask()
    said = Decided(**{"match_id": group.matches[0].id, **fields})
    with pytest.raises(FieldsRefused) as refused:
        decide(session, group, [said], asker=ASKER, now=NOW)
    assert f"decisions.0.{where}" in refused.value.reasons


def test_a_reference_may_be_adopted_and_need_not_be(session: Session, county: County, ask: Ask) -> None:
    unmarked = _item(session, "DR-LIMB")
    _report(session, county, unmarked, None)
    group = ask(unmarked)
    assert [match.outcome for match in group.matches] == [Outcome.REFERENCE]
    assert _decide(session, group, Choice.ADOPTED) is True
    with pytest.raises(FieldsRefused):
        decide(session, ask(unmarked), [], asker=ASKER, now=NOW)


def test_an_older_result_is_nothing_to_decide(session: Session, ask: Ask) -> None:
    group = ask(now=NOW + 30 * DAY)
    assert [match.outcome for match in group.matches] == [Outcome.OLDER]
    with pytest.raises(FieldsRefused):
        _decide(session, group, Choice.ADOPTED)


def test_only_what_was_adopted_is_cited_and_once(session: Session, ask: Ask) -> None:
    group = ask()
    [match] = group.matches
    with pytest.raises(NotAdopted):
        cite(session, group, match.id, asker=ASKER, now=NOW)
    with pytest.raises(NotFound):
        cite(session, group, new_id(), asker=ASKER, now=NOW)
    _decide(session, group, Choice.ADOPTED)
    assert cite(session, group, match.id, asker=ASKER, now=NOW + 2 * DAY) is True
    session.expire_all()
    assert cite(session, group, match.id, asker=ASKER, now=NOW + 3 * DAY) is False
    assert match.citation is not None
    assert match.citation.cited_at == NOW + 2 * DAY


def test_the_price_is_that_of_the_receiving_side_on_the_day_of_the_decision(
    session: Session, county: County, item: RecognitionItem
) -> None:
    _price(session, county.west, item, "80.00", date(2026, 1, 1), date(2026, 11, 30))
    _price(session, county.west, item, "65.50", date(2026, 12, 1), None)
    _price(session, county.east, item, "999.00", date(2026, 1, 1), None)
    found = [
        find_price(session, county.west.id, item.code, on=day)
        for day in (date(2025, 12, 31), date(2026, 11, 30), date(2026, 12, 1))
    ]
    assert found == [Decimal(0), Decimal("80.00"), Decimal("65.50")]


# Figures


def _of_west(session: Session, county: County, first: date, last: date) -> Figures:
    return figures_by_institution(session, first=first, last=last).get(county.west.id, Figures())


def test_the_rate_is_nothing_without_a_reminder_and_is_not_clipped(
    session: Session, county: County, ask: Ask
) -> None:
    assert Figures().adoption_rate is None
    yesterday, today = date(2026, 11, 22), date(2026, 11, 23)
    groups = [ask(now=NOW + DAY), ask(now=NOW + DAY), ask(now=NOW + 2 * DAY)]
    for group in groups:
        _decide(session, group, Choice.ADOPTED, now=NOW + 2 * DAY)
    first = _of_west(session, county, yesterday, yesterday)
    assert (first.reminders, first.adopted, first.adoption_rate) == (2, 0, 0.0)
    second = _of_west(session, county, today, today)
    assert (second.reminders, second.adopted, second.adoption_rate) == (1, 3, 3.0)
    assert second.saved == Decimal("240.00")
    both = _of_west(session, county, yesterday, today)
    assert (both.asked, both.reminders, both.adopted, both.adoption_rate) == (3, 3, 3, 1.0)


def test_reasons_that_are_no_refusal_are_counted_apart(session: Session, county: County, ask: Ask) -> None:
    _decide(session, ask(), Choice.DECLINED, reason_code="1", told_patient=True)
    _decide(session, ask(), Choice.DECLINED, reason_code="98")
    reason = session.get_one(RecognitionReason, "98")
    reason.counts_as_refusal = True  # what was decided before stays as it was counted
    one = _of_west(session, county, date(2026, 11, 22), date(2026, 11, 22))
    assert (one.declined, one.excused, one.told, one.saved) == (1, 1, 1, Decimal("0.00"))
    assert one.reasons == {"1": 1, "98": 1}


def test_days_are_those_of_the_county_and_citations_count_when_cited(
    session: Session, county: County, ask: Ask
) -> None:
    midnight = datetime.fromisoformat("2026-12-01T00:00:00+08:00")
    group = ask(now=midnight - timedelta(seconds=1))
    _decide(session, group, Choice.ADOPTED, now=midnight)
    cite(session, group, group.matches[0].id, asker=ASKER, now=midnight + 40 * DAY)
    months = figures_by_month(session, first=date(2026, 11, 1), last=date(2027, 1, 31))
    assert [(key, one.reminders, one.adopted, one.cited) for key, one in months.items()] == [
        ("2026-11", 1, 0, 0), ("2026-12", 0, 1, 0), ("2027-01", 0, 0, 1),
    ]  # fmt: skip
    assert months["2026-12"].adoption_rate is None
    assert figures_by_institution(
        session, first=date(2026, 11, 1), last=date(2027, 1, 31), institution_id=county.east.id
    ) == {}  # fmt: skip
