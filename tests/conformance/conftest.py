from collections.abc import Iterator

import httpx
import pytest

from tests.adapters.dicom.memory import Server
from tests.conformance.peers import running_orthanc


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as client:
        yield client
