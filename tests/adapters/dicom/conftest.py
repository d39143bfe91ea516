import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from tests.adapters.dicom.memory import Server

DCMTK = Path("/usr/bin")  # the venv's bin has programs of the same names, from pynetdicom


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def dcmtk(server: Server) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a dcmtk sender against the server: `dcmtk("storescu", *options, *files)`."""

    def run(
        program: str, *arguments: str | Path, calling: str = "DEMO_CT", called: str = "GATEWAY"
    ) -> subprocess.CompletedProcess[str]:
        if not (DCMTK / program).exists():
            pytest.skip(f"dcmtk's {program} is not installed")
        titles = ["-aet", calling, "-aec", called]
        command = [str(DCMTK / program), *titles, "127.0.0.1", str(server.port), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture
def ct() -> Path:
    return Path(str(get_testdata_file("CT_small.dcm")))
