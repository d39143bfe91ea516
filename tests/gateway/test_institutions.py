"""From an empty folder to somebody who signs in, by commands alone."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from fastapi.testclient import TestClient
from sqlalchemy import select

from gateway.audit import AuditEvent
from gateway.runtime import open_runtime
from gateway.settings import Settings
from gateway.web.app import create_app

PASSWORD = "correct horse battery"
HOSPITAL = ("institution", "add", "H1", "--name", "县人民医院", "--kind", "lead_hospital")


def gateway(folder: Path, *words: str, said: str = "") -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return subprocess.run(
        [sys.executable, "-m", "gateway", *words],
        env={**clean, "GATEWAY_DATA_DIR": str(folder), "COLUMNS": "200"},
        input=said, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def empty_county(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `gateway migrate` leaves of an empty folder; tests take a copy."""
    folder = tmp_path_factory.mktemp("migrated") / "county"
    assert gateway(folder, "migrate").returncode == 0
    return folder


@pytest.fixture(scope="module")
def with_hospital(empty_county: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a lead hospital; tests take a copy, or change nothing."""
    folder = tmp_path_factory.mktemp("hospital") / "county"
    shutil.copytree(empty_county, folder)
    assert gateway(folder, *HOSPITAL).returncode == 0
    return folder


@pytest.fixture
def migrated(empty_county: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(empty_county, tmp_path / "county"))


def test_an_empty_folder_becomes_a_county_with_an_administrator(migrated: Path) -> None:
    made = gateway(migrated, *HOSPITAL)
    assert made.returncode == 0, made.stderr
    added = gateway(
        migrated, "user", "add", "admin", "--name", "王管理", "--institution", "H1", "--role", "admin",
        said=PASSWORD + "\n",
    )  # fmt: skip
    assert added.returncode == 0, added.stderr

    runtime = open_runtime(Settings(data_dir=migrated))
    client = TestClient(create_app(runtime))
    answer = client.post("/api/v1/session", json={"username": "admin", "password": PASSWORD})
    assert answer.json()["user"]["roles"] == [{"role": "admin", "centre": None}]
    bearer = {"Authorization": f"Bearer {answer.json()['token']}"}
    (change,) = client.get("/api/v1/changes", headers=bearer).json()["items"]
    assert (change["entity"], change["after"]["code"]) == ("institution", "H1")
    with runtime.reading() as session:
        audited = session.scalars(select(AuditEvent).where(AuditEvent.actor == "command line")).all()
    assert [event.action for event in audited] == ["directory_changed", "person_added"]


def test_institutions_are_listed_with_their_lead(with_hospital: Path, tmp_path: Path) -> None:
    county = Path(shutil.copytree(with_hospital, tmp_path / "county"))
    gateway(
        county, "institution", "add", "T1", "--name", "东乡卫生院", "--kind", "township", "--lead", "H1",
        "--region", "东乡",
    )  # fmt: skip

    listed = gateway(county, "institution", "list").stdout
    (line,) = [line for line in listed.splitlines() if "T1" in line]
    assert [word for word in line.split() if word.isalnum()] == [
        "T1",
        "东乡卫生院",
        "township",
        "H1",
        "东乡",
        "yes",
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (HOSPITAL, "CODE: It is already in use."),
        (("institution", "add", "a b", "--name", "x", "--kind", "village"), "CODE: A code has"),
        (("institution", "add", "T1", "--name", "x", "--kind", "township", "--lead", "H9"), "known: H1"),
        (("institution", "add", "T1", "--name", " ", "--kind", "township"), "--name"),
        (("institution", "add", "T1", "--name", "x", "--kind", "castle"), "lead_hospital"),
    ],
)
def test_an_institution_that_does_not_fit_is_refused_in_a_sentence(
    with_hospital: Path, words: tuple[str, ...], expected: str
) -> None:
    refused = gateway(with_hospital, *words)

    assert refused.returncode in {1, 2}
    assert expected in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_authority_is_printed_and_stays_the_same(migrated: Path) -> None:
    printed = gateway(migrated, "authority").stdout

    assert x509.load_pem_x509_certificate(printed.encode()).subject.rfc4514_string().startswith("CN=")
    assert gateway(migrated, "authority").stdout == printed
