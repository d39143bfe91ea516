"""Studies of a township, and those who ask for them by DICOMweb on a real socket."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from fastapi import FastAPI
from pydicom.dataset import Dataset

from gateway import accounts
from gateway.runtime import Runtime
from tests.gateway.web.conftest import County
from tests.gateway.web.stored import (
    browser_of,
    file_of,
    keep,
    let_read,
    reader_of,
    serving,
)
from tests.synthetic import make_images

OCTETS = 'multipart/related; type="application/octet-stream"'
AS_STORED = "multipart/related; type=application/octet-stream; transfer-syntax=*"


@pytest.fixture
def base_url(app: FastAPI) -> Iterator[str]:
    with serving(app) as url:
        yield url


def sign_in(runtime: Runtime, person_id: uuid.UUID) -> str:
    token, now = f"{accounts.SESSION_PREFIX}{uuid.uuid4().hex}", runtime.now()
    with runtime.sessions.begin() as session:
        session.add(
            accounts.LoginSession(
                token_hash=accounts.hash_token(token),
                person_id=person_id,
                csrf_token="proof",
                created_at=now,
                last_used_at=now,
                expires_at=now + accounts.ENDS_AFTER,
            )
        )
    return token


@pytest.fixture
def token(runtime: Runtime, county: County) -> str:
    """The reader's, to whose centre the township's studies go."""
    let_read(runtime, lead=county.hospital, member=county.township)
    return sign_in(runtime, county.people["reader"])


@pytest.fixture
def reader(base_url: str, token: str) -> DICOMwebClient:
    return reader_of(base_url, token)


@pytest.fixture
def browser(base_url: str, token: str) -> Iterator[httpx.Client]:
    with browser_of(base_url, token) as client:
        yield client


class Stored:
    """Puts data sets into the gateway as the township's."""

    def __init__(self, runtime: Runtime, county: County) -> None:
        self.runtime, self.county = runtime, county

    def __call__(self, *data_sets: Dataset, **origin: Any) -> list[str]:
        keep(self.runtime, map(file_of, data_sets), institution_id=self.county.township, **origin)
        return [path_of(one) for one in data_sets]

    def file(self, path: Path) -> tuple[Dataset, str]:
        keep(self.runtime, [path.read_bytes()], institution_id=self.county.township)
        data_set = pydicom.dcmread(path, force=True)
        return data_set, path_of(data_set)


def path_of(one: Dataset) -> str:
    return f"/studies/{one.StudyInstanceUID}/series/{one.SeriesInstanceUID}/instances/{one.SOPInstanceUID}"


@pytest.fixture
def stored(runtime: Runtime, county: County) -> Stored:
    return Stored(runtime, county)


def image(**fields: Any) -> Dataset:
    (made,) = make_images(1, **fields)
    return made
