"""Work that is due, and records in quarantine: shown to IT, set going again, given up."""

import uuid
from datetime import timedelta

from fastapi.testclient import TestClient
from sqlalchemy import select

from gateway import work
from gateway.audit import AuditEvent
from gateway.index import Record, RecordState
from gateway.intake import Drain
from gateway.runtime import Runtime
from gateway.work import Work
from tests.conftest import Clock
from tests.gateway.web.conftest import County
from tests.gateway.web.installation import keep_record
from worklists.examinations import Association


def test_due_work_is_shown_by_its_state_and_set_going_again(it: TestClient, runtime: Runtime, clock: Clock):
    with runtime.sessions.begin() as session:
        due = work.schedule(session, "deliver", "a", due_at=runtime.now())
        failing = work.schedule(session, "deliver", "b", due_at=runtime.now())
        failing.lease(runtime.now())
        failing.fail("PeerUnreachable", runtime.now() + timedelta(minutes=20), generation=failing.generation)
        done = work.schedule(session, "deliver", "c", due_at=runtime.now())
        done.succeed(runtime.now(), generation=done.generation)
        ids = {row.subject: str(row.id) for row in (due, failing, done)}

    def shown(state: str) -> list[str]:
        answer = it.get("/api/v1/system/work", params={"state": state}).json()
        return [row["about"] for row in answer]

    assert (shown("due"), shown("failing"), shown("done")) == (["a", "b"], ["b"], ["c"])
    assert it.get("/api/v1/system/work", params={"state": "other"}).status_code == 422
    assert it.post(f"/api/v1/system/work/{ids['b']}/retry").status_code == 204
    with runtime.reading() as session:
        row = session.get_one(Work, uuid.UUID(ids["b"]))
        assert (row.due_at, row.attempts) == (runtime.now(), 0)
        assert "work_retried" in session.scalars(select(AuditEvent.action)).all()


def test_work_that_somebody_is_doing_is_not_started_twice(it: TestClient, runtime: Runtime):
    with runtime.sessions.begin() as session:
        row = work.schedule(session, "deliver", "a", due_at=runtime.now())
        row.lease(runtime.now())
        session.flush()
        id = row.id

    assert it.post(f"/api/v1/system/work/{id}/retry").status_code == 409
    assert it.post(f"/api/v1/system/work/{uuid.uuid4()}/retry").status_code == 404


def test_quarantine_names_the_error_and_not_what_it_quotes(it: TestClient, runtime: Runtime, county: County):
    id = keep_record(runtime, county)

    (shown,) = it.get("/api/v1/system/quarantine").json()

    assert (shown["id"], shown["reason"], shown["site"]["code"]) == (str(id), "ValueError", "T1")


def test_a_quarantined_record_whose_bytes_are_away_stays(it: TestClient, runtime: Runtime, county: County):
    id = keep_record(runtime, county)

    assert it.post(f"/api/v1/system/quarantine/{id}/retry").status_code == 503
    assert len(it.get("/api/v1/system/quarantine").json()) == 1
    assert it.post(f"/api/v1/system/quarantine/{uuid.uuid4()}/retry").status_code == 404


def test_a_damaged_record_is_given_up_for_a_reason_and_a_sound_one_is_not(
    it: TestClient, runtime: Runtime, county: County
):
    sound = keep_record(runtime, county)
    damaged = keep_record(runtime, county, kind="damaged", sequence=2, reason="BodyDamaged: digest")
    path = f"/api/v1/system/quarantine/{damaged}/discard"

    shown = {one["id"]: one["actions"] for one in it.get("/api/v1/system/quarantine").json()}
    assert shown == {str(sound): ["retry"], str(damaged): ["discard"]}
    answer = it.post(path.replace(str(damaged), str(sound)), json={"reason": "weg"})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_damaged")
    assert it.post(path, json={"reason": " "}).status_code == 422
    assert it.post(path, json={"reason": "磁盘坏道，无法重发"}).status_code == 204
    assert it.post(path, json={"reason": "again"}).status_code == 404

    assert [one["id"] for one in it.get("/api/v1/system/quarantine").json()] == [str(sound)]
    with runtime.reading() as session:
        assert session.get_one(Record, damaged).state is RecordState.DISCARDED
        event = session.scalars(select(AuditEvent).where(AuditEvent.action == "record_discarded")).one()
        assert event.detail["reason"] == "磁盘坏道，无法重发"


def test_a_quarantined_record_is_indexed_once_its_cause_is_mended(
    it: TestClient, runtime: Runtime, county: County
):
    origin = {"event": "opened", "at": runtime.now().isoformat()}  # nothing says which association
    runtime.journal.append("dicom.association", origin, [b"x"])
    Drain(runtime).index_new()
    (shown,) = it.get("/api/v1/system/quarantine").json()
    path = f"/api/v1/system/quarantine/{shown['id']}/retry"
    again = it.post(path)
    assert (shown["reason"], again.status_code, again.json()["code"]) == ("KeyError", 409, "still_broken")

    with runtime.sessions.begin() as session:
        session.get_one(Record, uuid.UUID(shown["id"])).origin = {**origin, "association_id": "a"}

    assert it.post(path).status_code == 204
    assert it.get("/api/v1/system/quarantine").json() == []
    with runtime.reading() as session:
        assert session.get(Association, "a") is not None
