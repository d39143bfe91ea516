"""Several decide one group at the same moment, or while its report is made void, on both databases.

One decision stands, whoever says it; nobody adopts a report that no longer stands.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select, text

from gateway.runtime import Runtime
from tests.builders import NOW, County
from tests.gateway.web.work.conftest import Client
from tests.gateway.web.work.test_recognition import URL, ask, report  # noqa: F401
from worklists.amending import AfterVoid, make_void
from worklists.directory import Person
from worklists.recognising import deciding
from worklists.recognising.deciding import Asker, Decided
from worklists.recognising.rows import Choice, RecognitionDecision, RecognitionGroup
from worklists.reports import Report

ADOPTED = {"decision": "adopted"}
DECLINED = {"decision": "declined", "reason_code": "1"}
Post = Callable[[], Any]


def _at_once(posts: Sequence[Post]) -> list[Any]:
    """Each begun at the same moment by a thread of its own; the answers in their order."""
    barrier, answers = threading.Barrier(len(posts)), [None] * len(posts)

    def run(place: int, post: Post) -> None:
        barrier.wait()
        answers[place] = post()

    threads = [threading.Thread(target=run, args=one) for one in enumerate(posts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def _saying(client: Client, group: dict[str, Any], said: dict[str, Any]) -> Post:
    """Somebody's own program, about to decide."""
    who: TestClient = client("radiographer")
    body = {"decisions": [{"match_id": group["matches"][0]["id"], **said}]}
    return lambda: who.post(f"{URL}/matches/{group['id']}/decisions", json=body)


@pytest.mark.parametrize("_round", range(3))
def test_of_those_who_decide_otherwise_at_once_one_is_heard_and_the_others_are_told(
    runtime: Runtime,
    client: Client,
    report: Report,  # noqa: F811
    audited: Callable[..., list[str]],
    _round: int,
) -> None:
    group = ask(client("radiographer"))
    said = [ADOPTED, DECLINED] * 4
    answers = _at_once([_saying(client, group, one) for one in said])

    heard = [one for one, answer in zip(said, answers, strict=True) if answer.status_code == 200]
    assert heard and all(one is heard[0] for one in heard), "all who were heard said the same"
    assert len(heard) == 4
    refused = [answer.json()["code"] for answer in answers if answer.status_code != 200]
    assert refused == ["recognition_decided"] * 4
    standing = {
        str(answer.json()["matches"][0]["decision"]) for answer in answers if answer.status_code == 200
    }
    assert len(standing) == 1
    with runtime.reading() as session:
        [row] = session.scalars(select(RecognitionDecision)).all()
        assert row.choice.value == heard[0]["decision"]
    assert audited(report.examination_id).count("recognition_decided") == 1


def test_an_adopted_result_is_cited_once_by_however_many_at_once(
    client: Client,
    report: Report,  # noqa: F811
    audited: Callable[..., list[str]],
) -> None:
    township = client("radiographer")
    group = ask(township)
    _saying(client, group, ADOPTED)()
    body = {"match_id": group["matches"][0]["id"]}
    people = [client("radiographer") for _ in range(4)]
    posts = [lambda who=who: who.post(f"{URL}/matches/{group['id']}/citations", json=body) for who in people]
    answers = _at_once(posts)

    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.json()["matches"][0]["cited_at"] for answer in answers}) == 1
    assert audited(report.examination_id).count("recognition_cited") == 1


def test_who_adopts_while_the_report_is_made_void_is_told_and_nothing_is_decided(
    runtime: Runtime,
    engine: Engine,
    county: County,
    client: Client,
    report: Report,  # noqa: F811
) -> None:
    group = ask(client("radiographer"))
    adopt, answers = _saying(client, group, ADOPTED), list[Any]()
    with runtime.sessions.begin() as session:
        _make_void(session, county, report)
        other = _begin(answers, adopt)
        _until_it_waits(engine, other)
    other.join()

    assert (answers[0].status_code, answers[0].json()["code"]) == (409, "recognition_no_longer_stands")
    assert "DR-CHEST" in answers[0].json()["detail"]
    with runtime.reading() as session:
        assert session.scalars(select(RecognitionDecision)).all() == []
    declined = _saying(client, group, {"decision": "declined", "reason_code": "98"})()
    assert declined.status_code == 200
    assert declined.json()["matches"][0]["standing"] is False


def test_what_was_adopted_before_the_report_is_void_stands_and_is_cited_no_more(
    runtime: Runtime,
    engine: Engine,
    county: County,
    client: Client,
    report: Report,  # noqa: F811
) -> None:
    group = ask(client("radiographer"))
    match = group["matches"][0]["id"]
    done: list[Any] = []

    def void() -> str:
        with runtime.sessions.begin() as session:
            _make_void(session, county, report)
        return "void"

    with runtime.sessions.begin() as session:
        row = session.scalars(select(RecognitionGroup).with_for_update()).one()
        said = [Decided(match_id=row.matches[0].id, choice=Choice.ADOPTED)]
        assert deciding.decide(session, row, said, asker=Asker(doctor="赵放射"), now=NOW)
        other = _begin(done, void)
        _until_it_waits(engine, other)
        assert done == []
    other.join()

    assert done == ["void"]
    township = client("radiographer")
    shown = township.get(f"{URL}/matches/{group['id']}").json()["matches"][0]
    assert (shown["decision"]["decision"], shown["standing"]) == ("adopted", False)
    again = _saying(client, group, ADOPTED)()  # the same said again is the same answer, void or not
    assert again.status_code == 200
    cited = township.post(f"{URL}/matches/{group['id']}/citations", json={"match_id": match})
    assert (cited.status_code, cited.json()["code"]) == (409, "recognition_no_longer_stands")


def _make_void(session: Any, county: County, report: Report) -> None:  # noqa: F811
    reviewer = session.get_one(Person, county.reviewer.id)
    row = session.get_one(Report, report.id)
    make_void(session, row, reviewer, reason="患者错误", after=AfterVoid.NOTHING, now=NOW)


def _begin(answers: list[Any], deed: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=lambda: answers.append(deed()))
    thread.start()
    return thread


def _until_it_waits(engine: Engine, thread: threading.Thread) -> None:
    """Until the thread waits for a row of ours, or is through without; SQLite lets in one writer at a time anyhow."""
    if engine.dialect.name == "sqlite":
        return
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with engine.connect() as connection:
        while thread.is_alive() and not connection.scalar(waiting):
            connection.rollback()  # what is asked of activity is remembered until then
            time.sleep(0.01)
