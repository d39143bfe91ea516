"""What people and programs type that no database keeps: answered, and nobody's fault but the caller's."""

from gateway.runtime import Runtime
from tests.builders import NOW, County, waiting_task
from tests.gateway.web.work.conftest import Client


def test_a_zero_byte_in_what_is_typed_is_the_callers_fault_at_most(
    runtime: Runtime, client: Client, county: County
) -> None:
    with runtime.sessions.begin() as session:
        task = waiting_task(session, county)
        task.claim(session.merge(county.wang), NOW)
        task_id = task.id
    wang = client("wang")

    answers = [
        wang.get("/api/v1/worklist", params={"q": "a\0b"}),
        wang.put(f"/api/v1/tasks/{task_id}/report", json={"findings": "a\0b", "impression": "c"}),
        wang.post("/api/v1/session", json={"username": "wang\0", "password": "not the password"}),
        wang.get("/dicomweb/studies", params={"PatientID": "a\0b"}),
    ]

    assert [answer.status_code for answer in answers if answer.status_code >= 500] == []
