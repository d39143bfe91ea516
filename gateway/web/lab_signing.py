"""Signing many specimens at once: `/api/v1/lab/sign`."""

import uuid
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from gateway.lab.signing import Outcome, sign_each
from gateway.web.deps import LanguageDep, RuntimeDep
from gateway.web.errors import find_problem, sentence_of
from gateway.web.tasks import wake_sweep, who_is
from gateway.web.worklist import ReaderDep

router = APIRouter(prefix="/api/v1/lab", tags=["laboratory"])

MOST_AT_ONCE = 100  # each takes some milliseconds, and the answer is waited for


class SignBody(BaseModel):
    task_ids: list[uuid.UUID] = Field(min_length=1, max_length=MOST_AT_ONCE)


class OutcomeShape(BaseModel):
    """`code` and `detail` as in a problem, when it was not signed."""

    task_id: uuid.UUID
    outcome: Literal["signed", "submitted", "refused"]
    report_id: uuid.UUID | None = None
    version: int | None = None
    code: str | None = None
    detail: str | None = None


class OutcomesShape(BaseModel):
    items: list[OutcomeShape]


@router.post("/sign")
def sign(
    body: SignBody, caller: ReaderDep, runtime: RuntimeDep, request: Request, language: LanguageDep
) -> OutcomesShape:
    """Every one whose results are all released and none pending; each is answered by itself."""
    outcomes = sign_each(runtime, who_is(caller), body.task_ids)
    wake_sweep(request)
    return OutcomesShape(items=[_show(one, language) for one in outcomes])


def _show(one: Outcome, language: str) -> OutcomeShape:
    if one.error is not None:
        return OutcomeShape(
            task_id=one.task_id,
            outcome="refused",
            code=find_problem(one.error).code,
            detail=sentence_of(one.error, language),
        )
    if one.report is None:
        return OutcomeShape(task_id=one.task_id, outcome="submitted")
    return OutcomeShape(
        task_id=one.task_id, outcome="signed", report_id=one.report.id, version=one.report.version
    )
