"""A small county and its web application: people of every role, each with a client that is signed in."""

import secrets
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gateway import accounts
from gateway.runtime import Runtime
from gateway.web.app import create_app
from gateway.web.deps import COOKIE
from worklists.directory import (
    Centre,
    Device,
    Institution,
    InstitutionKind,
    Kind,
    Person,
    PersonRole,
    Role,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class County:
    """Ids of what there is."""

    hospital: uuid.UUID
    township: uuid.UUID
    village: uuid.UUID
    centre: uuid.UUID
    device: uuid.UUID
    people: dict[str, uuid.UUID]


@pytest.fixture
def county(runtime: Runtime) -> County:
    with runtime.sessions.begin() as session:
        hospital = Institution(code="H1", name="县人民医院", kind=InstitutionKind.LEAD_HOSPITAL)
        session.add(hospital)
        session.flush()
        township = Institution(
            code="T1", name="东乡卫生院", kind=InstitutionKind.TOWNSHIP, lead_id=hospital.id
        )
        village = Institution(code="V1", name="东村卫生室", kind=InstitutionKind.VILLAGE, lead_id=hospital.id)
        centre = Centre(institution_id=hospital.id, kind=Kind.IMAGING, name="影像诊断中心")
        session.add_all([township, village, centre])
        session.flush()
        device = Device(institution_id=township.id, ae_title="DEMO_CT", name="CT", modality="CT")
        homes = {Role.RADIOGRAPHER: township, Role.VILLAGE: village}
        people = {
            role.value: Person(
                username=role.value,
                name=f"{role.value} 王",
                institution_id=homes.get(role, hospital).id,
                roles=[
                    PersonRole(
                        role=role, centre_id=centre.id if role in {Role.READER, Role.REVIEWER} else None
                    )
                ],
            )
            for role in Role
        }
        session.add_all([device, *people.values()])
        session.flush()
        return County(
            hospital=hospital.id,
            township=township.id,
            village=village.id,
            centre=centre.id,
            device=device.id,
            people={name: person.id for name, person in people.items()},
        )


@pytest.fixture
def app(runtime: Runtime) -> FastAPI:
    return create_app(runtime)


@pytest.fixture
def anybody(app: FastAPI) -> Iterator[TestClient]:
    """A client that has not signed in."""
    with TestClient(app) as client:
        yield client


Client = Callable[[str], TestClient]


@pytest.fixture
def client(runtime: Runtime, app: FastAPI, county: County, anybody: TestClient) -> Client:
    """A browser in which somebody is signed in: `client("admin")`. It sends the CSRF token."""

    def sign_in(username: str) -> TestClient:
        token, csrf = accounts.SESSION_PREFIX + secrets.token_urlsafe(16), secrets.token_urlsafe(8)
        now = runtime.now()
        with runtime.sessions.begin() as session:
            session.add(
                accounts.LoginSession(
                    token_hash=accounts.hash_token(token),
                    person_id=county.people[username],
                    csrf_token=csrf,
                    created_at=now,
                    last_used_at=now,
                    expires_at=now + accounts.ENDS_AFTER,
                )
            )
        return TestClient(
            app, cookies={COOKIE: token}, headers={"X-CSRF-Token": csrf}, raise_server_exceptions=False
        )

    return sign_in


@pytest.fixture
def it(client: Client) -> TestClient:
    return client("it")
