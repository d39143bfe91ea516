"""The head's figures against a county that is small enough to be counted by hand; who sees them; what is behind them."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from adapters.xlsx import read_workbook
from gateway.runtime import Runtime
from tests.builders import NOW, County, add_person, signed_report, waiting_task
from tests.gateway.web.work.conftest import Client
from worklists.base import new_id
from worklists.critical import Channel, CriticalEvent, Finding
from worklists.directory import Kind, Person, Role
from worklists.figures.asking import By, Measure
from worklists.grading import Grade, Grading, grade, seed_grade_reasons
from worklists.reading import ReadingTask
from worklists.reports import Report, ReportState
from worklists.reviewing import Category, Verdict, keep_discrepancy, keep_submission
from worklists.reviewing import Grade as Difference

URL = "/api/v1/figures"
NOVEMBER = {"from": "2026-11-01", "to": "2026-11-30"}
NOT_TOLD_BY = {
    Measure.RETURNS: {By.PRIORITY}, Measure.CRITICAL: {By.READER, By.PRIORITY}, Measure.QUALITY: {By.PRIORITY},
}  # fmt: skip
TAKEN = (10, 20, 30, 40, 400)  # minutes; the last is late: routine images are due within two hours


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


@pytest.fixture
def counted(runtime: Runtime, county: County) -> County:
    """王 wrote five reports of films of the eastern township, 周 signed them at 14:30 of 2026-11-21.

    The first in October, at 23:30 of the county's last day; the fifth late. The second and fifth found something. One
    film was sent back twice and made again once. 甲, 乙 and 丙 once each, 丙 over an earlier 甲. One critical value: told
    after 4 minutes, answered after 10, and still open.
    """
    with runtime.sessions.begin() as session:
        seed_grade_reasons(session)
        reports = [
            signed_report(
                session, county, first_received_at=NOW - minutes(taken), last_received_at=NOW - minutes(taken)
            )
            for taken in TAKEN
        ]
        found = {reports[1].id, reports[4].id}
        for report in reports:
            session.execute(update(Report).where(Report.id == report.id).values(positive=report.id in found))
        last_october = NOW.replace(month=10, day=31, hour=15, minute=30)  # 23:30 of the county
        session.execute(update(Report).where(Report.id == reports[0].id).values(signed_at=last_october))
        session.execute(update(Report).where(Report.id == reports[4].id).values(in_time=False))
        _send_back_twice(session, county)
        said = (Grading(grade=Grade.A), Grading(grade=Grade.B, reasons=("motion",)), Grading(grade=Grade.A))
        for report, one in zip(reports[1:4], said, strict=True):
            grade(session, session.get_one(ReadingTask, report.task_id), county.wang, one, NOW)
        task = session.get_one(ReadingTask, reports[3].task_id)
        poor = Grading(grade=Grade.C, reasons=("positioning", "motion"), note="重拍")
        grade(session, task, county.wang, poor, NOW + minutes(1))
        _find_critical(session, county, reports[1])
    return county


def _send_back_twice(session: Any, county: County) -> None:
    task = waiting_task(session, county)
    for attempt in range(2):
        task.claim(county.wang, NOW)
        task.send_back(county.wang, "运动伪影", NOW + minutes(attempt))
        if attempt == 0:
            task.note_arriving(NOW + minutes(30))
    session.flush()


def _find_critical(session: Any, county: County, report: Report) -> None:
    finding = Finding(
        examination_id=report.examination_id, kind=Kind.IMAGING, source_id=report.task_id,
        found={"name": "气胸", "value": "右侧"},
    )  # fmt: skip
    event = CriticalEvent.open(finding, NOW)
    event.review(county.wang, "", NOW + minutes(2))
    event.notify(NOW + minutes(4), recipient="城东镇卫生院")
    event.receive(county.radiographer, "右侧", NOW + minutes(10), channel=Channel.PAGE)
    session.add(event)
    session.flush()


def ask(who: TestClient, measure: str, by: str = "township", **more: str) -> Mapping[str, Any]:
    answer = who.get(f"{URL}/{measure}", params={**NOVEMBER, "by": by, **more})
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert shown["columns"] == list(shown["total"])
    return {line["name"]: line["values"] for line in shown["items"]} | {"": shown["total"]}


def test_work_is_counted_for_who_wrote_it_and_who_reviewed_it(counted: County, client: Client) -> None:
    shown = ask(client("reviewer"), "workload", "reader")

    assert set(shown) == {"王医师", "周主任", ""}
    assert (shown["王医师"]["signed"], shown["王医师"]["reviewed"]) == (4, 0)
    assert (shown["周主任"]["signed"], shown["周主任"]["reviewed"]) == (0, 4)
    assert (shown[""]["signed"], shown[""]["reviewed"]) == (4, 4)


def test_times_are_percentiles_by_the_nearest_rank(counted: County, client: Client) -> None:
    """Of 20, 30, 40 and 400: the second of four is half of them, the fourth 90 %; three of four were in time."""
    shown = ask(client("reviewer"), "turnaround")

    assert shown["城东镇卫生院"] == shown[""]
    assert shown[""] == {"first": 4, "p50": 30, "p90": 400, "p95": 400, "in_time_share": 0.75, "late": 1}
    assert ask(client("reviewer"), "turnaround", "priority")["routine"]["p50"] == 30


def test_days_and_months_are_the_countys(counted: County, client: Client) -> None:
    """15:30 UTC of 31 October is 23:30 there: still October."""
    reviewer = client("reviewer")
    both = {"from": "2026-10-01", "to": "2026-11-30"}

    months = reviewer.get(f"{URL}/workload", params={**both, "by": "month"}).json()
    days = reviewer.get(f"{URL}/workload", params={**both, "by": "day"}).json()
    hours = reviewer.get(f"{URL}/workload", params={**both, "by": "hour"}).json()

    assert [(one["key"], one["values"]["signed"]) for one in months["items"]] == [
        ("2026-10", 1),
        ("2026-11", 4),
    ]
    assert [(one["key"], one["values"]["signed"]) for one in days["items"]] == [
        ("2026-10-31", 1),
        ("2026-11-21", 4),
    ]
    assert [(one["key"], one["values"]["signed"]) for one in hours["items"]] == [("14", 4), ("23", 1)]


def test_what_was_found_sent_back_and_graded(counted: County, client: Client) -> None:
    reviewer = client("reviewer")

    assert ask(reviewer, "positive")[""] == {"known": 4, "positive": 2, "positive_share": 0.5}
    # 4 signed and 2 sent back: a third of 6; of two that went back one came again
    assert ask(reviewer, "returns")[""] == {
        "signed": 4, "sent_back": 2, "sent_back_share": 0.3333, "remade": 1, "remade_share": 0.5,
    }  # fmt: skip
    # the later 丙 stands in the place of the earlier 甲
    quality = ask(reviewer, "quality", "modality")
    assert quality["DX"] == quality[""]
    assert quality[""] == {"graded": 3, "A": 1, "B": 1, "C": 1, "A_share": 0.3333, "C_share": 0.3333}


def test_critical_values_are_followed_to_their_end(counted: County, client: Client) -> None:
    shown = ask(client("reviewer"), "critical", "township")

    assert shown["城东镇卫生院"] == shown[""]
    assert (shown[""]["found"], shown[""]["open"], shown[""]["closed"], shown[""]["closed_share"]) == (
        1,
        1,
        0,
        0,
    )
    assert (shown[""]["notified_p50"], shown[""]["received_p50"], shown[""]["closed_p50"]) == (4, 10, None)
    assert ask(client("reviewer"), "critical", "month")["2026-11"]["found"] == 1


def test_a_townships_figures_count_the_critical_values_that_its_list_shows(
    runtime: Runtime, counted: County, client: Client
) -> None:
    with runtime.sessions.begin() as session:
        task = waiting_task(session, counted)
        found = Finding(
            examination_id=task.examination_id, kind=Kind.IMAGING, source_id=task.id,
            found={"name": "主动脉夹层", "value": "可疑"},
        )  # fmt: skip
        session.add(CriticalEvent.open(found, NOW))  # the centre looks at it again before it tells anybody

    township, centre = client("radiographer"), client("reviewer")

    for who, count in ((township, 1), (centre, 2)):
        listed = who.get("/api/v1/critical", params={"state": "all"}).json()["items"]
        behind = who.get(f"{URL}/critical/examinations", params={**NOVEMBER, "column": "found"}).json()
        assert ask(who, "critical")[""]["found"] == len(listed) == len(behind["items"]) == count
        assert ask(who, "critical", "month")["2026-11"]["open"] == count
        assert who.get(f"{URL}/now").json()["critical_open"] == count


def test_critical_values_are_in_time_while_nobody_had_to_be_passed_by(
    runtime: Runtime, counted: County, client: Client
) -> None:
    """Besides the one that was told at once and waits: closed without a call, closed after one that came before it was
    told, told at once and then passed by without an answer, and one that was none after all.
    """
    with runtime.sessions.begin() as session:
        reports = session.scalars(select(Report).order_by(Report.id)).all()
        in_time, told_late, unanswered, none = (
            _begin(session, report) for report in (*reports[2:], reports[2])
        )
        told_late.escalate([], NOW + minutes(11))
        none.escalate([], NOW + minutes(11))
        none.withdraw(counted.wang, "伪影", NOW + minutes(12))
        for event in (in_time, told_late, unanswered):
            event.review(counted.wang, "", NOW + minutes(15))
            event.notify(NOW + minutes(15), recipient="城东镇卫生院")
        unanswered.escalate([], NOW + minutes(26))
        for event in (in_time, told_late):
            event.receive(counted.radiographer, "右侧", NOW + minutes(16), channel=Channel.PAGE)
            event.handle(counted.radiographer, "转诊", NOW + minutes(17))
            event.close(counted.wang, "", NOW + minutes(18))

    total = ask(client("reviewer"), "critical")[""]

    assert (total["found"], total["withdrawn"], total["closed"], total["open"]) == (5, 1, 2, 2)
    assert total["notified_in_time_share"] == 0.75  # of four that were told, one too late
    assert total["closed_in_time_share"] == 0.3333  # one; another was closed late, and one is late already


def _begin(session: Any, report: Report) -> CriticalEvent:
    finding = Finding(
        examination_id=report.examination_id, kind=Kind.IMAGING, source_id=new_id(),
        found={"name": "气胸", "value": "右侧"},
    )  # fmt: skip
    event = CriticalEvent.open(finding, NOW)
    session.add(event)
    return event


def _compare(runtime: Runtime, *grades: Difference) -> None:
    """周 graded the differences of reports of 王, from the second on."""
    with runtime.sessions.begin() as session:
        reports = session.scalars(select(Report).order_by(Report.id)).all()
        for report, grade_of_it in zip(reports[1:], grades, strict=False):
            task = session.get_one(ReadingTask, report.task_id)
            baseline = keep_submission(session, task, preliminary=False, now=NOW)
            assert baseline is not None
            assert task.draft is not None
            verdict = Verdict(grade=grade_of_it, category=Category.MISSED)
            keep_discrepancy(session, report, baseline, task.draft, verdict, NOW)


def test_differences_in_review_are_told_of_who_wrote(
    runtime: Runtime, counted: County, client: Client
) -> None:
    """One of each in November; the fourth is of a report that was made void."""
    _compare(runtime, *Difference, Difference.MAJOR)
    with runtime.sessions.begin() as session:
        last = session.scalars(select(Report).order_by(Report.id.desc()).limit(1)).one()
        session.execute(update(Report).where(Report.id == last.id).values(state=ReportState.VOID))
    reviewer = client("reviewer")
    expected = {
        "compared": 3, "none": 1, "minor": 1, "major": 1, "differing_share": 0.6667, "major_share": 0.3333,
    }  # fmt: skip

    for by, name in (
        ("reader", "王医师"), ("township", "城东镇卫生院"), ("modality", "DX"), ("kind", counted.imaging.name),
        ("month", "2026-11"),
    ):  # fmt: skip
        assert (by, ask(reviewer, "discrepancy", by)) == (by, {name: expected, "": expected})
    asked = {**NOVEMBER, "by": "month", "format": "xlsx"}
    [(sheet, rows)] = read_workbook(reviewer.get(f"{URL}/discrepancy", params=asked).content).items()
    assert sheet == "审核差异"
    assert rows[1] == ["2026-11", "3", "1", "1", "1", "66.7%", "33.3%"]


def test_differences_in_review_are_no_matter_of_a_township(
    runtime: Runtime, counted: County, client: Client
) -> None:
    _compare(runtime, *Difference)
    behind = {**NOVEMBER, "column": "major"}

    for name, status in (("reviewer", 200), ("admin", 200), ("radiographer", 403)):
        who = client(name)
        shown = "discrepancy" in who.get(f"{URL}/choices").json()["measures"]
        assert (name, shown) == (name, status == 200)
        assert (name, who.get(f"{URL}/discrepancy", params=NOVEMBER).status_code) == (name, status)
    assert client("radiographer").get(f"{URL}/discrepancy/examinations", params=behind).status_code == 403
    listed = client("reviewer").get(f"{URL}/discrepancy/examinations", params=behind).json()["items"]
    assert len(listed) == 1


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("reviewer", 200), ("admin", 200), ("radiographer", 200), ("west_radiographer", 200), ("wang", 403),
        ("village_doctor", 403), ("it", 403), ("auditor", 403),
    ],
)  # fmt: skip
def test_who_may_ask(counted: County, client: Client, name: str, status: int) -> None:
    who = client(name)

    for path in ("workload", "choices", "now"):
        assert (path, who.get(f"{URL}/{path}", params=NOVEMBER).status_code) == (path, status)


def test_each_sees_their_own_and_nobody_elses_names_or_patients(
    runtime: Runtime, counted: County, client: Client
) -> None:
    with runtime.sessions.begin() as session:
        add_person(
            session, "other_reviewer", "何主任", session.merge(counted.other_lead), Role.REVIEWER,
            session.merge(counted.other_imaging),
        )  # fmt: skip

    assert ask(client("radiographer"), "workload")[""]["signed"] == 4
    assert ask(client("west_radiographer"), "workload")[""]["signed"] == 0
    assert ask(client("other_reviewer"), "workload")[""]["signed"] == 0
    assert ask(client("other_reviewer"), "workload", centre=str(counted.imaging.id))[""]["signed"] == 0
    assert ask(client("admin"), "workload")[""]["signed"] == 4
    for name in ("radiographer", "admin"):
        assert client(name).get(f"{URL}/workload", params={**NOVEMBER, "by": "reader"}).status_code == 403
    elsewhere = {**NOVEMBER, "site": str(counted.west.id)}
    assert client("radiographer").get(f"{URL}/workload", params=elsewhere).status_code == 404
    behind = {**NOVEMBER, "column": "signed"}
    assert client("admin").get(f"{URL}/workload/examinations", params=behind).status_code == 403
    assert client("admin").get(f"{URL}/workload", params=NOVEMBER).json()["listed"] == []
    assert (
        client("west_radiographer").get(f"{URL}/workload/examinations", params=behind).json()["items"] == []
    )


@pytest.mark.parametrize("by", list(By))
def test_the_examinations_behind_a_figure_are_those_that_it_counted(
    runtime: Runtime, counted: County, client: Client, by: By
) -> None:
    """Every number of every line that can be pressed, and of the total."""
    _compare(runtime, *Difference)
    reviewer = client("reviewer")
    for measure in Measure:
        answer = reviewer.get(f"{URL}/{measure}", params={**NOVEMBER, "by": by})
        assert answer.status_code == (422 if by in NOT_TOLD_BY.get(measure, ()) else 200), (measure, by)
        if answer.status_code == 422:
            continue
        shown = answer.json()
        assert shown["items"], (measure, by)
        for line in [*shown["items"], {"values": shown["total"]}]:
            for column in shown["listed"]:
                asked = {**NOVEMBER, "by": by, "column": column} | (
                    {"key": line["key"]} if "key" in line else {}
                )
                behind = reviewer.get(f"{URL}/{measure}/examinations", params=asked)
                assert behind.status_code == 200, (measure, by, column, behind.text)
                # one examination was sent back twice
                times = 2 if column == "sent_back" else 1
                found = len(behind.json()["items"]) * times
                assert (measure, by, line, column, found) == (
                    measure,
                    by,
                    line,
                    column,
                    line["values"][column],
                )


def test_pages_behind_a_figure_hold_each_examination_once_where_it_was_counted_last(
    runtime: Runtime, counted: County, client: Client
) -> None:
    """A film was sent back at once and a minute later, another one in between: the first comes first, and once."""
    with runtime.sessions.begin() as session:
        between, wang = waiting_task(session, counted), session.get_one(Person, counted.wang.id)
        between.claim(wang, NOW)
        between.send_back(wang, "呼吸运动", NOW + minutes(0.5))
        other_id = str(between.id)
    _compare(runtime, *Difference)
    reviewer = client("reviewer")
    columns = {
        (measure, column): count
        for measure in Measure
        for column, count in ask(reviewer, measure)[""].items()
        if column in reviewer.get(f"{URL}/{measure}", params=NOVEMBER).json()["listed"]
    }

    for (measure, column), count in columns.items():
        asked = {**NOVEMBER, "column": column}
        whole = reviewer.get(f"{URL}/{measure}/examinations", params=asked).json()
        pages = list(_pages(reviewer, measure, asked))
        assert (measure, column, whole["next_cursor"]) == (measure, column, None)
        assert (measure, column, pages) == (measure, column, [one["task_id"] for one in whole["items"]])
        assert (measure, column, len(set(pages))) == (measure, column, count - (column == "sent_back"))
    sent_back = list(_pages(reviewer, Measure.RETURNS, {**NOVEMBER, "column": "sent_back"}))
    assert len(sent_back) == 2
    assert sent_back[1] == other_id


def _pages(who: TestClient, measure: Measure, asked: Mapping[str, str]) -> Iterator[str]:
    """Task by task, each on a page of its own."""
    cursor: str | None = None
    while True:
        more = {"limit": "1"} | ({"cursor": cursor} if cursor else {})
        page = who.get(f"{URL}/{measure}/examinations", params={**asked, **more}).json()
        yield from (one["task_id"] for one in page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            return


def test_what_moved_to_another_centre_is_passed_over_and_the_page_is_full(
    runtime: Runtime, counted: County, client: Client
) -> None:
    """It was the work of the centre and is counted there; who may open it is another's to say."""
    with runtime.sessions.begin() as session:
        newest = session.scalars(
            select(Report).order_by(Report.signed_at.desc(), Report.examination_id.desc()).limit(3)
        ).all()
        moved = [one.task_id for one in newest]
        session.execute(
            update(ReadingTask).where(ReadingTask.id.in_(moved)).values(centre_id=counted.other_imaging.id)
        )
    asked = {**NOVEMBER, "column": "signed"}

    listed = list(_pages(client("reviewer"), Measure.WORKLOAD, asked))

    assert ask(client("reviewer"), "workload")[""]["signed"] == 4
    assert len(listed) == 1
    assert not set(listed) & {str(one) for one in moved}


def test_behind_what_somebody_reviewed_is_what_they_reviewed(counted: County, client: Client) -> None:
    """王 wrote four and reviewed none, 周 reviewed these four and wrote none."""
    reviewer = client("reviewer")
    people = {str(counted.wang.id): (4, 0), str(counted.reviewer.id): (0, 4)}

    for person, expected in people.items():
        listed = [
            len(
                reviewer.get(
                    f"{URL}/workload/examinations",
                    params={**NOVEMBER, "by": "reader", "column": column, "key": person},
                ).json()["items"]
            )
            for column in ("signed", "reviewed")
        ]
        assert (person, tuple(listed)) == (person, expected)


@pytest.mark.parametrize(
    "asked",
    [
        {"to": "2026-10-01"}, {"by": "nonsense"}, {"by": "day", "from": "2020-01-01"}, {"from": "1900-01-01"},
        {"column": "nonsense"}, {"column": "signed", "key": "nonsense"},
        {"column": "signed", "cursor": "bm9uc2Vuc2U"},
        {"column": "signed", "by": "hour", "key": "²"}, {"column": "signed", "by": "month", "key": "2026-01"},
    ],
)  # fmt: skip
def test_what_cannot_be_asked(counted: County, client: Client, asked: dict[str, str]) -> None:
    path = "workload/examinations" if "column" in asked else "workload"

    assert client("reviewer").get(f"{URL}/{path}", params={**NOVEMBER, **asked}).status_code == 422


def test_a_workbook_says_the_same(counted: County, client: Client) -> None:
    reviewer = client("reviewer")
    asked = {**NOVEMBER, "by": "month", "format": "xlsx"}

    chinese = reviewer.get(f"{URL}/turnaround", params=asked)
    english = reviewer.get(f"{URL}/turnaround", params=asked, headers={"Accept-Language": "en"})

    assert "turnaround-month-2026-11-01-2026-11-30.xlsx" in chinese.headers["content-disposition"]
    [(name, rows)] = read_workbook(chinese.content).items()
    assert name == "报告时限"
    assert rows[0][:3] == ["月份", "首份报告", "时间中位数（分钟）"]
    assert rows[1] == ["2026-11", "4", "30", "400", "400", "75.0%", "1"]
    assert rows[2][0] == "合计"
    assert read_workbook(english.content)["Turnaround"][2][0] == "Total"


def test_lines_of_a_workbook_are_named_in_its_language(
    runtime: Runtime, counted: County, client: Client
) -> None:
    """03:30 of the county is an hour, not the priority whose rank is three."""
    with runtime.sessions.begin() as session:
        at_night = NOW.replace(hour=19, minute=30) - timedelta(days=1)
        session.execute(update(Report).where(Report.in_time.is_(False)).values(signed_at=at_night))
    named = {
        ("workload", "hour"): (["03:00–04:00", "14:00–15:00"], ["03:00–04:00", "14:00–15:00"]),
        ("workload", "priority"): (["普通"], ["Routine"]),
        ("critical", "kind"): (["影像"], ["Imaging"]),
    }

    for (measure, by), expected in named.items():
        for language, names in zip(("zh-CN", "en"), expected, strict=True):
            book = client("reviewer").get(
                f"{URL}/{measure}",
                params={**NOVEMBER, "by": by, "format": "xlsx"},
                headers={"Accept-Language": language},
            )
            [rows] = read_workbook(book.content).values()
            assert [row[0] for row in rows[1:-1]] == names


def test_what_waits_now(runtime: Runtime, counted: County, client: Client) -> None:
    with runtime.sessions.begin() as session:
        waiting_task(session, counted)

    now = client("reviewer").get(f"{URL}/now").json()

    assert (now["open"], now["critical_open"], now["preliminary"]) == (1, 1, 0)
    assert (now["turnaround"]["first"], now["quality"]["C"]) == (4, 1)
    assert client("radiographer").get(f"{URL}/now").json()["open"] == 1
    assert client("west_radiographer").get(f"{URL}/now").json()["open"] == 0
