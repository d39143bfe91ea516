"""The county of the builders behind the web application, each of its people with a client that is signed in."""

import secrets
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select

from gateway import accounts
from gateway.audit import AuditEvent
from gateway.index import Instance, Record, RecordState, Series, Study
from gateway.intake import Drain
from gateway.runtime import Runtime
from tests.builders import NOW, SHA, County, build_county
from tests.gateway.lab.saying import file, message, specimen
from tests.laboratory import Laboratory, build_laboratory, register
from worklists.access import Wire
from worklists.base import new_id
from worklists.directory import Person
from worklists.examinations import Examination
from worklists.reading import ReadingTask

Client = Callable[[str], TestClient]


@pytest.fixture
def county(runtime: Runtime) -> County:
    with runtime.sessions.begin() as session:
        return build_county(session)


@pytest.fixture
def client(runtime: Runtime, app: FastAPI, county: County) -> Client:
    """Somebody's own program, signed in with the bearer form of a session."""

    def sign_in(username: str) -> TestClient:
        token = accounts.SESSION_PREFIX + secrets.token_urlsafe(16)
        with runtime.sessions.begin() as session:
            session.add(
                accounts.LoginSession(
                    token_hash=accounts.hash_token(token),
                    person_id=session.scalars(select(Person.id).where(Person.username == username)).one(),
                    csrf_token="",
                    created_at=runtime.now(),
                    last_used_at=runtime.now(),
                    expires_at=runtime.now() + accounts.ENDS_AFTER,
                )
            )
        return TestClient(app, headers={"Authorization": f"Bearer {token}"}, raise_server_exceptions=False)

    return sign_in


@pytest.fixture
def machine(runtime: Runtime, app: FastAPI, county: County) -> Callable[..., TestClient]:
    """A machine of the eastern township with a token for one wire, perhaps for a device."""

    def sign_in(wire: Wire, device_id: uuid.UUID | None = None) -> TestClient:
        with runtime.sessions.begin() as session:
            token = accounts.issue_machine_token(
                session,
                name="his",
                institution_id=county.east.id,
                wires=[wire],
                now=runtime.now(),
                device_id=device_id,
            )
        return TestClient(app, headers={"Authorization": f"Bearer {token}"}, raise_server_exceptions=False)

    return sign_in


@pytest.fixture
def drain(runtime: Runtime) -> Iterator[Callable[[], int]]:
    """Index what the journal holds."""
    yield Drain(runtime).index_new
    runtime.journal.close()


@pytest.fixture
def audited(runtime: Runtime) -> Callable[..., list[str]]:
    """The actions of the audit, in their order; about one examination when asked."""

    def read(examination_id: object = None) -> list[str]:
        query = select(AuditEvent.action).order_by(AuditEvent.id)
        if examination_id is not None:
            query = query.where(AuditEvent.examination_id == uuid.UUID(str(examination_id)))
        with runtime.sessions() as session:
            return list(session.scalars(query))

    return read


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The county laboratory with one specimen in hand."""

    runtime: Runtime
    laboratory: Laboratory
    reader: TestClient
    task_id: uuid.UUID
    examination_id: uuid.UUID

    @property
    def task(self) -> str:
        return f"/api/v1/tasks/{self.task_id}"

    def sheet(self) -> dict[str, Any]:
        answer = self.reader.get(f"/api/v1/examinations/{self.examination_id}/results")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def item(self, code: str) -> dict[str, Any]:
        return next(one for one in self.sheet()["items"] if one["item_code"] == code)

    def id_of(self, code: str) -> str:
        return str(self.item(code)["result"]["id"])

    def post(self, path: str, **body: Any) -> Any:
        return self.reader.post(f"{self.task}/results/{path}", json=body)


@pytest.fixture
def laboratory(runtime: Runtime, county: County) -> Laboratory:
    with runtime.sessions.begin() as session:
        built = build_laboratory(session, county)
        register(session, county, "B001")
    return built


@pytest.fixture
def open_desk(runtime: Runtime, laboratory: Laboratory, client: Client) -> Callable[..., Desk]:
    def begin(*results: Any, claimed: bool = True) -> Desk:
        file(runtime, laboratory.bench, message(specimen("B001", *results)))
        with runtime.reading() as session:
            task = session.scalars(
                select(ReadingTask)
                .join(Examination, Examination.id == ReadingTask.examination_id)
                .where(Examination.accession_number == "B001")
            ).one()
        desk = Desk(
            runtime=runtime, laboratory=laboratory, reader=client("lab"), task_id=task.id,
            examination_id=task.examination_id,
        )  # fmt: skip
        if claimed:
            assert desk.reader.post(f"{desk.task}/claim").status_code == 200
        return desk

    return begin


def index_instance(runtime: Runtime, examination: Examination, sop_instance_uid: str = "1.2.3") -> None:
    """The rows of one instance, whose bytes nobody will ask for."""
    with runtime.sessions.begin() as session:
        record = Record(
            id=new_id(), journal="j", sequence=uuid.uuid4().int >> 80, node="local", segment=1, offset=0,
            size_bytes=11, kind="dicom.instance", state=RecordState.INDEXED, origin={}, received_at=NOW,
            institution_id=examination.institution_id, sha256=SHA,
        )  # fmt: skip
        study = Study(
            id=new_id(),
            examination_id=examination.id,
            study_instance_uid=str(examination.study_instance_uid),
        )
        session.add_all([record, study])
        session.flush()
        series = Series(
            id=new_id(), study_id=study.id, series_instance_uid="1.2", modality="DX", series_description="正位",
            instances=1,
        )  # fmt: skip
        session.add(series)
        session.flush()
        session.add(
            Instance(
                id=new_id(), series_id=series.id, record_id=record.id, sop_instance_uid=sop_instance_uid,
                sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1", transfer_syntax_uid="1.2.840.10008.1.2.1",
                version=1, current=True,
            )
        )  # fmt: skip
