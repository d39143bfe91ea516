"""Addenda, corrections and void reports: what was signed stays, the next version says why, everybody is told."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.builders import NOW, SHA, County, signed_report, write_draft
from worklists.amending import (
    AfterVoid,
    AmendmentKind,
    AmendmentUnderWay,
    ReportNotStanding,
    begin_amendment,
    difference,
    find_void,
    give_up_amendment,
    make_void,
    require_addendum_keeps,
)
from worklists.errors import Invalid, NotAllowed
from worklists.reading import TaskState
from worklists.reports import Original, ReportReturn, ReportState, ReturnState, sign_report


def test_an_amendment_begins_with_the_words_that_were_signed_and_makes_the_next_version(
    session: Session, county: County
) -> None:
    first = signed_report(session, county)
    task = begin_amendment(
        session, first, county.wang, kind=AmendmentKind.CORRECTION, reason=" 侧别有误 ", now=NOW
    )
    assert task.draft is not None
    assert (task.state, task.draft.findings, first.state) == (
        TaskState.CLAIMED,
        first.findings,
        ReportState.SIGNED,
    )

    write_draft(session, task, county.wang, impression="左肺下叶炎症。")
    task.submit(county.wang, NOW)
    second = sign_report(
        session, task, signer=county.reviewer, marks=[], now=NOW,
        originals=[Original(sop_instance_uid="1.2.3", sha256=SHA, size_bytes=11)],
    )  # fmt: skip

    assert (first.state, second.version, second.state) == (ReportState.SUPERSEDED, 2, ReportState.SIGNED)
    assert second.amendment == {"kind": "correction", "reason": "侧别有误", "of_version": 1}
    assert {row.recipient_id for row in second.returns} == {row.recipient_id for row in first.returns}


def test_one_amends_at_a_time_and_only_what_stands(session: Session, county: County) -> None:
    report = signed_report(session, county)
    begin_amendment(session, report, county.wang, kind=AmendmentKind.ADDENDUM, reason="补充", now=NOW)

    with pytest.raises(AmendmentUnderWay) as refused:
        begin_amendment(session, report, county.li, kind=AmendmentKind.ADDENDUM, reason="补充", now=NOW)
    assert refused.value.claimed_by == "王医师"
    report.state = ReportState.SUPERSEDED
    with pytest.raises(ReportNotStanding):
        begin_amendment(session, report, county.li, kind=AmendmentKind.ADDENDUM, reason="补充", now=NOW)


def test_who_does_not_read_there_amends_nothing_and_nobody_without_a_reason(
    session: Session, county: County
) -> None:
    report = signed_report(session, county)

    with pytest.raises(NotAllowed):
        begin_amendment(
            session, report, county.other_reader, kind=AmendmentKind.ADDENDUM, reason="x", now=NOW
        )
    with pytest.raises(Invalid):
        begin_amendment(session, report, county.wang, kind=AmendmentKind.ADDENDUM, reason="  ", now=NOW)


def test_an_amendment_that_is_given_up_leaves_the_report_as_it_was(session: Session, county: County) -> None:
    report = signed_report(session, county)
    task = begin_amendment(session, report, county.wang, kind=AmendmentKind.ADDENDUM, reason="补充", now=NOW)

    give_up_amendment(task, county.wang)

    assert (task.state, report.state) == (TaskState.CANCELLED, ReportState.SIGNED)
    begin_amendment(session, report, county.li, kind=AmendmentKind.ADDENDUM, reason="补充", now=NOW)


@pytest.mark.parametrize(
    ("findings", "impression", "field"),
    [
        ("双肺野清晰。补充：肋骨未见骨折。", "心肺膈未见明显异常。", None),
        ("双肺野欠清晰。", "心肺膈未见明显异常。", "findings"),
        ("双肺野清晰。", "未见异常。", "impression"),
    ],
)
def test_an_addendum_adds_and_changes_nothing(
    session: Session, county: County, findings: str, impression: str, field: str | None
) -> None:
    report = signed_report(session, county)

    if field is None:
        require_addendum_keeps(report, findings, impression)
    else:
        with pytest.raises(Invalid) as refused:
            require_addendum_keeps(report, findings, impression)
        assert refused.value.args == (field, "addendum_changes")


def test_a_void_report_is_told_to_everybody_who_had_it(session: Session, county: County) -> None:
    report = signed_report(session, county)
    [had] = report.returns
    had.acknowledge(county.radiographer, NOW)

    with pytest.raises(NotAllowed):
        make_void(session, report, county.wang, reason="患者有误", after=AfterVoid.NOTHING, now=NOW)
    void = make_void(session, report, county.reviewer, reason="患者有误", after=AfterVoid.READ_AGAIN, now=NOW)

    assert (report.state, void.reason) == (ReportState.VOID, "患者有误")
    assert find_void(session, report) is void
    rows = session.scalars(select(ReportReturn).where(ReportReturn.report_id == report.id))
    assert sorted((row.notice.value, row.state) for row in rows) == [
        ("report", ReturnState.ACKNOWLEDGED), ("void", ReturnState.DELIVERED),
    ]  # fmt: skip
    with pytest.raises(ReportNotStanding):
        make_void(session, report, county.reviewer, reason="再次", after=AfterVoid.NOTHING, now=NOW)


def test_a_difference_is_shown_in_words_and_signs() -> None:
    changes = difference("右肺下野见斑片影 12 mm。", "左肺下野见斑片影 15 mm。")

    assert "".join(one.before for one in changes) == "右肺下野见斑片影 12 mm。"
    assert "".join(one.after for one in changes) == "左肺下野见斑片影 15 mm。"
    assert [(one.before, one.after) for one in changes if not one.is_same] == [("右", "左"), ("12", "15")]
