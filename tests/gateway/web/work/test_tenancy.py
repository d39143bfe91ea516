"""Role × route → status, for every route of reading, township, held and verification. On one database: no rows matter."""

import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from gateway.index import Held, HeldReason, Record, RecordState
from gateway.runtime import Runtime
from gateway.sealing import seal
from gateway.web import (
    checking,
    device_control,
    examinations,
    figures,
    held,
    key_images,
    lab_results,
    lab_signing,
    overview,
    priors,
    quality,
    reports,
    returns,
    shares,
    tasks,
    verifications,
    worklist,
)
from tests.builders import NOW, SHA, County, signed_report, submitted_task, waiting_task
from tests.gateway.web.work.conftest import Client
from worklists.base import local_date, new_id
from worklists.device_control.entering import Said, enter
from worklists.device_control.rows import CheckKind, CheckResult
from worklists.reading import ReadingTask
from worklists.reports import Report
from worklists.reviewing import ReportDiscrepancy, keep_discrepancy, keep_submission
from worklists.sharing import begin_share

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

MODULES = (
    checking, device_control, examinations, figures, held, key_images, lab_results, lab_signing, overview, priors, quality,
    reports, returns, shares, tasks, verifications, worklist,
)  # fmt: skip
TEXT = {"findings": "x", "impression": "y"}
IDENTITY = {"name": "仇鸣", "sex": None, "birth_date": None, "patient_id": "P9", "reason": "写错"}

# Columns, each person: a radiographer of the township that made it, of another; the village it is not addressed
# to; a reader and a reviewer of its centre; a reader of another kind, of another hospital; it, admin, auditor.
WHO = (
    "radiographer", "west_radiographer", "village_doctor", "wang", "reviewer", "ecg_reader", "other_reader",
    "it", "admin", "auditor",
)  # fmt: skip
READERS_LISTS = (403, 403, 403, 200, 200, 200, 200, 403, 403, 403)
READERS_TASKS = (403, 403, 403, 200, 200, 404, 404, 403, 403, 403)
TOWNSHIPS = (200, 200, 403, 403, 403, 403, 403, 403, 403, 403)
OVERSEEN = (200, 200, 403, 403, 200, 403, 403, 403, 200, 403)
NO_SPECIMEN = (403, 403, 403, 404, 404, 404, 404, 403, 403, 403)  # a task of images has no results
NOBODYS_IMAGE = (403, 403, 403, 404, 404, 404, 404, 403, 403, 403)
NO_PRIOR = (403, 403, 403, 404, 404, 404, 404, 403, 403, 403)  # the examination of a task is none of its own
TABLE: dict[tuple[str, str], tuple[int, ...]] = {
    ("GET", "/api/v1/worklist"): READERS_LISTS,
    ("GET", "/api/v1/tasks/{task_id}"): READERS_TASKS,
    ("GET", "/api/v1/tasks/{task_id}/priors"): READERS_TASKS,
    ("GET", "/api/v1/tasks/{task_id}/priors/{examination_id}"): NO_PRIOR,
    ("POST", "/api/v1/tasks/{task_id}/claim"): READERS_TASKS,
    # nobody holds it: who may know of it hears of its state
    ("POST", "/api/v1/tasks/{task_id}/renew"): (403, 403, 403, 409, 409, 404, 404, 403, 403, 403),
    ("POST", "/api/v1/tasks/{task_id}/release"): (403, 403, 403, 409, 409, 404, 404, 403, 403, 403),
    ("POST", "/api/v1/tasks/{task_id}/send-back"): (403, 403, 403, 409, 409, 404, 404, 403, 403, 403),
    ("POST", "/api/v1/tasks/{task_id}/take-over"): (403, 403, 403, 409, 409, 404, 404, 403, 403, 403),
    ("POST", "/api/v1/tasks/{task_id}/hand-over"): (403, 403, 403, 422, 422, 404, 404, 403, 403, 403),
    ("POST", "/api/v1/tasks/{task_id}/pause"): (403, 403, 403, 409, 409, 404, 404, 403, 403, 403),
    ("POST", "/api/v1/tasks/{task_id}/resume"): (403, 403, 403, 409, 409, 404, 404, 403, 403, 403),
    ("POST", "/api/v1/tasks/{task_id}/confirm-late"): (403, 403, 403, 409, 409, 404, 404, 403, 403, 403),
    ("PUT", "/api/v1/tasks/{task_id}/report"): (403, 403, 403, 409, 409, 404, 404, 403, 403, 403),
    ("POST", "/api/v1/tasks/{task_id}/submit"): (403, 403, 403, 409, 409, 404, 404, 403, 403, 403),
    # these two on a task that 王 submitted
    ("POST", "/api/v1/tasks/{task_id}/reject"): (403, 403, 403, 409, 200, 404, 404, 403, 403, 403),
    ("POST", "/api/v1/tasks/{task_id}/sign"): (403, 403, 403, 409, 200, 404, 404, 403, 403, 403),
    ("POST", "/api/v1/tasks/{task_id}/check"): READERS_TASKS,
    ("GET", "/api/v1/reports/{report_id}/review"): (403, 403, 403, 200, 200, 404, 404, 403, 403, 403),
    ("GET", "/api/v1/feedback"): READERS_LISTS,
    # it is about what 王 wrote
    ("POST", "/api/v1/feedback/{discrepancy_id}/acknowledge"): (
        403,
        403,
        403,
        200,
        403,
        404,
        404,
        403,
        403,
        403,
    ),
    ("GET", "/api/v1/tasks/{task_id}/key-images"): READERS_TASKS,
    # of an examination whose images nobody sent
    ("POST", "/api/v1/tasks/{task_id}/key-images"): NOBODYS_IMAGE,
    ("POST", "/api/v1/tasks/{task_id}/key-images/snapshot"): (*(403,) * 3, 422, 422, 422, 422, 403, 403, 403),
    ("PUT", "/api/v1/tasks/{task_id}/key-images"): (403, 403, 403, 409, 409, 404, 404, 403, 403, 403),
    ("DELETE", "/api/v1/tasks/{task_id}/key-images/{key_image_id}"): (
        403,
        403,
        403,
        409,
        409,
        404,
        404,
        403,
        403,
        403,
    ),
    ("GET", "/api/v1/tasks/{task_id}/key-images/{key_image_id}/picture"): NOBODYS_IMAGE,
    ("GET", "/api/v1/reports/{report_id}/key-images/{key_image_id}"): (*(404,) * 7, 403, 403, 403),
    ("GET", "/api/v1/reports/{report_id}"): (200, 404, 404, 200, 200, 404, 404, 403, 403, 403),
    ("GET", "/api/v1/reports/{report_id}/pdf"): (202, 404, 404, 202, 202, 404, 404, 403, 403, 403),
    ("GET", "/api/v1/reports/{report_id}/oru"): (*(404,) * 7, 403, 403, 403),  # of images
    ("GET", "/api/v1/examinations/{examination_id}/results"): (*(404,) * 7, 403, 403, 403),
    ("POST", "/api/v1/tasks/{task_id}/results/verify"): NO_SPECIMEN,
    ("POST", "/api/v1/tasks/{task_id}/results/{result_id}/remark"): NO_SPECIMEN,
    ("POST", "/api/v1/tasks/{task_id}/results/{result_id}/rerun"): NO_SPECIMEN,
    ("POST", "/api/v1/tasks/{task_id}/results/{result_id}/unverify"): NO_SPECIMEN,
    ("POST", "/api/v1/tasks/{task_id}/results/{result_id}/choose"): NO_SPECIMEN,
    ("POST", "/api/v1/lab/sign"): READERS_LISTS,  # each task is answered by itself
    ("GET", "/api/v1/examinations"): TOWNSHIPS,
    ("GET", "/api/v1/examinations/{examination_id}"): (200, 404, 404, 200, 200, 404, 404, 403, 403, 403),
    ("PATCH", "/api/v1/examinations/{examination_id}"): (200, 404, 404, 403, 403, 404, 404, 403, 403, 403),
    ("POST", "/api/v1/examinations/{examination_id}/identity"): (200, 404, *(403,) * 8),
    ("POST", "/api/v1/examinations"): (422, 422, *(403,) * 8),  # the file is none
    ("GET", "/api/v1/refusals"): TOWNSHIPS,
    ("GET", "/api/v1/villages"): TOWNSHIPS,
    ("GET", "/api/v1/overview"): TOWNSHIPS,
    ("GET", "/api/v1/returns"): (200, 200, 200, *(403,) * 7),
    ("POST", "/api/v1/returns/{return_id}/acknowledge"): (200, 404, 404, *(403,) * 7),
    ("POST", "/api/v1/reports/{report_id}/share"): (200, 404, 404, *(403,) * 7),
    ("GET", "/api/v1/shares/{share_id}/slip"): (503, 404, 404, *(403,) * 7),  # no fonts to print it with
    ("DELETE", "/api/v1/shares/{share_id}"): (204, 404, 404, *(403,) * 7),
    ("GET", "/api/v1/held"): (200, 200, *(403,) * 5, 200, 403, 403),
    ("GET", "/api/v1/held/{held_id}"): (200, 404, *(403,) * 5, 404, 403, 403),
    ("POST", "/api/v1/held/{held_id}/resolve"): (200, 404, *(403,) * 5, 404, 403, 403),
    ("GET", "/api/v1/held/{held_id}/file"): (503, 404, *(403,) * 5, 404, 403, 403),  # its bytes are nowhere
    ("GET", "/api/v1/verifications/authority.pem"): (404,) * 10,  # there is none before the first signature
    ("GET", "/api/v1/verifications/{code}"): (200,) * 10,
    ("GET", "/api/v1/verifications/{code}/signature"): (200,) * 10,  # it says that it is not made yet
    ("GET", "/api/v1/verifications/{code}/seal"): (404,) * 10,
    ("GET", "/api/v1/verifications/{code}/seal.pem"): (404,) * 10,
    ("POST", "/api/v1/verifications/{code}/originals"): (503,) * 10,  # its bytes are nowhere
    ("GET", "/api/v1/figures/choices"): OVERSEEN,
    ("GET", "/api/v1/figures/now"): OVERSEEN,
    ("GET", "/api/v1/figures/{which}"): OVERSEEN,
    # an administrator sees no patients
    ("GET", "/api/v1/figures/{which}/examinations"): (200, 200, 403, 403, 200, 403, 403, 403, 403, 403),
    ("GET", "/api/v1/quality/members"): OVERSEEN,
    # of a township its own, of others which one must be said
    ("GET", "/api/v1/quality/sheet"): (200, 200, 403, 403, 422, 403, 403, 403, 422, 403),
    ("GET", "/api/v1/device-control"): (200, 200, 403, 200, 200, 200, 200, 200, 200, 403),
    ("GET", "/api/v1/device-control/devices/{device_id}"): (200, 404, 403, 200, 200, 404, 404, 200, 200, 403),
    # readers look; an administrator sets how often
    ("POST", "/api/v1/device-control/devices/{device_id}/checks"): (
        *(201, 404, 403, 403, 201, 403, 403, 201, 403, 403),
    ),
    ("POST", "/api/v1/device-control/checks/{check_id}/release"): (*(403,) * 4, 200, *(403,) * 5),
    # what is sent is none
    ("POST", "/api/v1/device-control/checks/{check_id}/evidence"): (
        *(422, 422, 403, 403, 422, 403, 403, 422, 403, 403),
    ),
    ("GET", "/api/v1/device-control/checks/{check_id}/evidence"): (
        *(404, 404, 403, 404, 404, 404, 404, 404, 404, 403),
    ),
    ("GET", "/api/v1/tasks/{task_id}/grade"): READERS_TASKS,
    ("POST", "/api/v1/tasks/{task_id}/grade"): READERS_TASKS,
}
# Open to anybody, and a few times only: tests/gateway/web/test_verifications.py.
ELSEWHERE = {("POST", "/api/v1/verifications/documents")}
OPEN_TO_ANYBODY = {one for one in TABLE if one[1].startswith("/api/v1/verifications/")}
BODIES: dict[str, dict[str, Any]] = {
    "send-back": {"reason": "x"}, "reject": {"reason": "x"}, "report": TEXT, "identity": IDENTITY,
    "{examination_id}": {"priority": "urgent"}, "resolve": {"action": "discard", "reason": "x"},
    "acknowledge": {"reply": ""},
    "key-images": {"sop_instance_uid": "1.2", "items": []},
    "verify": {}, "remark": {"remark": "x"}, "rerun": {"reason": "x"}, "unverify": {"reason": "x"},
    "choose": {"reason": "x"}, "share": {}, "take-over": {"reason": "x"}, "pause": {"reason": "x"},
    "grade": {"grade": "A"}, "checks": {"kind": "daily", "result": "pass", "done_on": "2026-11-20"},
    "release": {"reason": "x", "covers_meanwhile": False},
    "hand-over": {"to_person_id": str(uuid.uuid4())}, "sign": {"task_ids": [str(uuid.uuid4())]},
}  # fmt: skip

DAYS = {"from": "2026-11-01", "to": "2026-11-30"}
QUERIES: dict[str, dict[str, str]] = {
    "/api/v1/figures/{which}": DAYS,
    "/api/v1/figures/{which}/examinations": {**DAYS, "column": "signed"},
    "/api/v1/quality/sheet": {"month": "2026-11"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Things:
    """One of each, made at the eastern township."""

    task_id: uuid.UUID
    submitted_id: uuid.UUID
    examination_id: uuid.UUID
    report_id: uuid.UUID
    return_id: uuid.UUID
    held_id: uuid.UUID
    discrepancy_id: uuid.UUID
    share_id: uuid.UUID
    device_id: uuid.UUID
    check_id: uuid.UUID
    code: str


@pytest.fixture
def things(runtime: Runtime, county: County) -> Things:
    with runtime.sessions.begin() as session:
        task, submitted, report = (
            waiting_task(session, county),
            submitted_task(session, county),
            signed_report(session, county),
        )
        report_return = report.returns[0]
        record = Record(
            id=new_id(), journal="j", sequence=1, node="local", segment=1, offset=0, size_bytes=1, local=False,
            kind="dicom.instance", state=RecordState.HELD, origin={}, received_at=NOW, sha256=SHA,
            institution_id=county.east.id,
        )  # fmt: skip
        session.add(record)
        session.flush()
        row = Held(
            id=new_id(), record_id=record.id, institution_id=county.east.id, header={"sop_instance_uid": "1.2"},
            reason=HeldReason.UID_MALFORMED, held_at=NOW,
        )  # fmt: skip
        session.add(row)
        own_id = new_id()
        begin_share(
            session, report.examination, county.east, own_id=own_id, code_hash="x",
            code_sealed=seal(runtime, "22222222", whose=f"share:{own_id}"), made_by=None, now=NOW,
        )  # fmt: skip
        failed = Said(kind=CheckKind.DAILY, result=CheckResult.FAIL, done_on=local_date(NOW), note="伪影")
        check = enter(session, county.device, county.radiographer, failed, now=NOW)
        return Things(
            device_id=county.device.id, check_id=check.id,
            task_id=task.id, submitted_id=submitted.id, examination_id=task.examination_id, report_id=report.id,
            return_id=report_return.id, held_id=row.id, share_id=own_id, discrepancy_id=_graded(session, report).id,
            code=report.verification_code,
        )  # fmt: skip


def _graded(session: Session, report: Report) -> ReportDiscrepancy:
    task = session.get_one(ReadingTask, report.task_id)
    baseline = keep_submission(session, task, preliminary=False, now=NOW)
    assert baseline is not None
    assert task.draft is not None
    found = keep_discrepancy(session, report, baseline, task.draft, None, NOW)
    session.flush()
    return found


def _call(client: TestClient, method: str, route: str, things: Things) -> int:
    submitted = route.endswith(("/sign", "/reject"))
    path = route.format(
        task_id=things.submitted_id if submitted else things.task_id,
        examination_id=things.examination_id, report_id=things.report_id, return_id=things.return_id,
        held_id=things.held_id, discrepancy_id=things.discrepancy_id, share_id=things.share_id, code=things.code,
        device_id=things.device_id, check_id=things.check_id,
        result_id=uuid.uuid4(), key_image_id=uuid.uuid4(), which="workload",
    )  # fmt: skip
    if (method, route) == ("POST", "/api/v1/examinations"):
        answer = client.post(path, data={"kind": "imaging"}, files=[("files", ("a.txt", b"x"))])
    else:
        answer = client.request(
            method, path, json=BODIES.get(route.rpartition("/")[2]), params=QUERIES.get(route)
        )
    return answer.status_code


def test_the_table_is_complete() -> None:
    routes = {
        (method, route.path)
        for module in MODULES
        for route in module.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }

    assert routes - ELSEWHERE == set(TABLE)


@on_one_database
@pytest.mark.parametrize(("method", "route"), TABLE)
def test_who_may_do_what(client: Client, things: Things, method: str, route: str) -> None:
    """The most restricted first: whoever is let in may change what the next one meets."""
    expected = dict(zip(WHO, TABLE[method, route], strict=True))
    order = sorted(WHO, key=lambda who: (expected[who] < 400, who))
    # 周 would meet 王's claim of the same task; each row is about one task, so claims go back at once.
    for who in order:
        caller = client(who)
        assert (who, _call(caller, method, route, things)) == (who, expected[who])
        if route.endswith("/claim") and expected[who] == 200:
            assert caller.post(f"/api/v1/tasks/{things.task_id}/release").status_code == 200


@on_one_database
@pytest.mark.parametrize(("method", "route"), sorted(set(TABLE) - OPEN_TO_ANYBODY))
def test_nobody_gets_in_without_signing_in(app: FastAPI, things: Things, method: str, route: str) -> None:
    assert _call(TestClient(app), method, route, things) == 401
