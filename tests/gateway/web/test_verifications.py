"""What an outsider gets to verify a report: the root certificate, and tools that are not ours."""

import hashlib
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.reports.pdf import write_pdf
from gateway.fonts import _fonts
from gateway.index import Record
from gateway.intake import Drain
from gateway.originals import open_original
from gateway.rendering import render
from gateway.report_documents import report_document
from gateway.runtime import Runtime
from gateway.signing import authority_certificate, signer_for, trust_roots
from gateway.web.app import create_app
from tests.builders import NOW, County, build_county, signed_report, submitted_task
from tests.fonts import fonts_dir
from tests.servers import need
from tests.signing import sm2_authority
from worklists.reading import TaskState, get_task
from worklists.reports import Original, Report, sign_report

BASE = "/api/v1/verifications"
URL = "/api/v1/verifications/authority.pem"


def test_before_the_first_signature_there_is_no_root_certificate_and_asking_makes_none(
    anybody: TestClient, runtime: Runtime
) -> None:
    assert anybody.get(URL).status_code == 404
    assert trust_roots(runtime) == []


def test_anybody_gets_the_root_certificate_and_may_keep_it(anybody: TestClient, runtime: Runtime) -> None:
    made = authority_certificate(runtime)

    answer = anybody.get(URL)

    assert (answer.status_code, answer.content) == (200, made)
    assert "max-age" in answer.headers["cache-control"]


def test_an_outsider_verifies_a_report_with_the_root_certificate_and_openssl(
    anybody: TestClient, runtime: Runtime, tmp_path: Path
) -> None:
    need("pdfsig", "Debian's package poppler-utils")
    need("openssl", "Debian's package openssl")
    (tmp_path / "report.pdf").write_bytes(_sign_report(runtime))
    (tmp_path / "authority.pem").write_bytes(anybody.get(URL).content)

    found = re.search(r"Signed Ranges: \[0 - (\d+)\], \[(\d+) - \d+\]", _run(tmp_path, "pdfsig report.pdf"))
    assert found is not None
    first, second = int(found[1]), int(found[2]) + 1
    _run(tmp_path, "pdfsig -dump report.pdf")
    _run(tmp_path, f"(head -c {first} report.pdf; tail -c +{second} report.pdf) > signed")
    verify = (
        "openssl cms -verify -binary -inform DER -in report.pdf.sig0 -content {} "
        "-CAfile authority.pem -purpose any -out /dev/null 2>&1"
    )
    assert "successful" in _run(tmp_path, verify.format("signed"))
    _run(tmp_path, "(cat signed; echo) > changed")
    assert "failure" in _run(tmp_path, verify.format("changed") + " || true")


def _sign_report(runtime: Runtime) -> bytes:
    with runtime.sessions.begin() as session:
        report = signed_report(session, build_county(session), delivered=False)
        document = report_document(session, report, base_url="http://127.0.0.1")
        manifest, signer_id, signed_at = report.manifest.encode(), report.signed_by_id, report.signed_at
    pdf = write_pdf(document, manifest=manifest, fonts=_fonts(fonts_dir()))
    return signer_for(runtime, signer_id, signed_at=signed_at).sign_pdf(
        pdf, reason=document.title, location=document.centre, signed_at=signed_at
    )


def _run(folder: Path, line: str) -> str:
    done = subprocess.run(
        ["sh", "-c", line], cwd=folder, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


@pytest.fixture
def made(runtime: Runtime) -> Callable[[], Report]:
    """A report with its document, as whoever renders it leaves it."""

    def make(on: Runtime = runtime, originals: tuple[Original, ...] = ()) -> Report:
        fonts = on.settings.viewer_dir / "fonts"
        fonts.parent.mkdir(parents=True, exist_ok=True)
        if not fonts.exists():
            fonts.symlink_to(fonts_dir())
        with on.sessions.begin() as session:
            report = signed_report(session, build_county(session), delivered=False)
        render(on, report.id)
        Drain(on).index_new()
        return report

    return make


def document_of(runtime: Runtime) -> bytes:
    with runtime.reading() as session:
        record = session.scalars(select(Record).where(Record.kind == "report.pdf")).one()
    return b"".join(open_original(runtime, record))


def send(client: TestClient, content: bytes) -> dict[str, object]:
    answer = client.post(f"{BASE}/documents", content=content, headers={"Content-Type": "application/pdf"})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def test_anybody_sees_who_signed_and_by_whose_word_but_no_result_and_no_whole_name(
    anybody: TestClient, runtime: Runtime, made: Callable[[], Report]
) -> None:
    report = made()

    shown = anybody.get(f"{BASE}/{report.verification_code}").json()
    signature = anybody.get(f"{BASE}/{report.verification_code}/signature").json()

    assert (shown["valid"], shown["patient"], shown["originals"]) == (True, "仇**", 1)
    assert shown["versions"] == [
        {"version": 1, "state": "signed", "signed_at": shown["signed_at"], "signed_by": "周主任"}
    ]
    assert signature["made"]
    assert signature["signature"]["valid"]
    assert signature["signature"]["level"] == "PAdES B-B"
    assert signature["signature"]["certificate"]["name"] == "周主任"
    assert signature["signature"]["certificate"]["issuer"] == "Shared-Centre Gateway local authority"
    assert (signature["signature"]["stamp"], signature["seal"]) == (None, None)
    assert "仇明" not in f"{shown}{signature}"
    assert report.impression not in f"{shown}{signature}"


def test_before_the_document_is_made_the_page_says_so_and_then_at_once_that_it_is(
    anybody: TestClient, runtime: Runtime, made: Callable[[], Report]
) -> None:
    with runtime.sessions.begin() as session:
        county = build_county(session)
        report = signed_report(session, county, delivered=False)
    address = f"{BASE}/{report.verification_code}/signature"

    assert anybody.get(address).json() == {"made": False, "signature": None, "seal": None}
    (runtime.settings.viewer_dir).mkdir(parents=True, exist_ok=True)
    (runtime.settings.viewer_dir / "fonts").symlink_to(fonts_dir())
    render(runtime, report.id)
    Drain(runtime).index_new()
    assert anybody.get(address).json()["made"]


def test_a_file_is_told_from_one_that_was_changed_and_one_of_somebody_else(
    anybody: TestClient, runtime: Runtime, made: Callable[[], Report]
) -> None:
    report = made()
    pdf = document_of(runtime)

    same = send(anybody, pdf)
    changed = send(anybody, pdf.replace(b"/Type", b"/type", 1))
    added = send(anybody, pdf + b"\n% more\n")

    assert same["report"]["code"] == report.verification_code  # type: ignore[index]
    assert same["signature"]["valid"]  # type: ignore[index]
    assert same["sha256"] == hashlib.sha256(pdf).hexdigest()
    for other, problem in (
        (changed, "changed"),
        (added, "added_to"),
        (send(anybody, b"hello"), "unreadable"),
    ):
        assert other["report"] is None
        assert (other["signature"]["valid"], other["signature"]["problem"]) == (False, problem)  # type: ignore[index]


def test_what_people_send_is_bounded(anybody: TestClient, runtime: Runtime) -> None:
    too_large = anybody.post(f"{BASE}/documents", content=b"%PDF" + bytes(33 << 20))
    assert too_large.status_code == 413

    codes = [anybody.post(f"{BASE}/documents", content=b"").status_code for _ in range(6)]
    assert codes == [200, 200, 200, 200, 200, 429]


def test_the_versions_of_a_report_are_named_and_an_old_one_says_which_stands(
    anybody: TestClient, runtime: Runtime
) -> None:
    with runtime.sessions.begin() as session:
        people = build_county(session)
        first = signed_report(session, people)
        second = second_version(session, people, first)

    old = anybody.get(f"{BASE}/{first.verification_code}").json()
    new = anybody.get(f"{BASE}/{second.verification_code}").json()

    assert (old["valid"], old["state"], new["valid"]) == (False, "superseded", True)
    assert old["versions"] == new["versions"]
    assert [(one["version"], one["state"]) for one in old["versions"]] == [(2, "signed"), (1, "superseded")]


def second_version(session: Session, people: County, first: Report) -> Report:
    """The same task once more, as an amendment reopens it."""
    task = get_task(session, first.task_id)
    task.state = TaskState.SUBMITTED
    return sign_report(session, task, signer=people.reviewer, marks=[], originals=[], now=NOW)


def test_every_original_that_was_signed_is_read_and_compared(anybody: TestClient, runtime: Runtime) -> None:
    """Kept; kept, but its bytes are not those any more; gone."""
    sound, changed, gone = (hashlib.sha256(name).hexdigest() for name in (b"sound", b"changed", b"gone"))
    with runtime.sessions.begin() as session:
        people = build_county(session)
        task = submitted_task(session, people)
        originals = [
            Original(sop_instance_uid=f"1.2.{number}", sha256=sha256, size_bytes=5)
            for number, sha256 in enumerate((sound, changed, gone))
        ]
        report = sign_report(session, task, signer=people.reviewer, marks=[], originals=originals, now=NOW)
        another = signed_report(session, people, delivered=False)
    for about, content in ((report, b"sound"), (another, b"other")):
        runtime.journal.append("report.pdf", {"report_id": str(about.id)}, [content])
    Drain(runtime).index_new()
    with runtime.sessions.begin() as session:
        other = hashlib.sha256(b"other").hexdigest()
        session.scalars(select(Record).where(Record.sha256 == other)).one().sha256 = changed

    found = anybody.post(f"{BASE}/{report.verification_code}/originals").json()

    assert found == {"sound": 1, "replaced": 0, "changed": 1, "missing": 1}
    assert anybody.post(f"{BASE}/nobody/originals").status_code == 404


def test_a_seal_is_shown_and_downloaded_for_whoever_verifies_by_openssl(
    runtime: Runtime, made: Callable[..., Report], tmp_path: Path
) -> None:
    sm2_authority(tmp_path, now=NOW)
    settings = {
        "signing_roots": tmp_path / "root.pem",
        "sm2_certificate": tmp_path / "seal.pem",
        "sm2_key": tmp_path / "seal.key",
    }
    sealed = replace(runtime, settings=runtime.settings.model_copy(update=settings))
    report = made(sealed)
    with TestClient(create_app(sealed)) as client:
        shown = client.get(f"{BASE}/{report.verification_code}/signature").json()["seal"]
        (tmp_path / "report.sig").write_bytes(client.get(f"{BASE}/{report.verification_code}/seal").content)
        (tmp_path / "got.pem").write_bytes(client.get(f"{BASE}/{report.verification_code}/seal.pem").content)
        assert client.get(f"{BASE}/nobody/seal").status_code == 404

    assert (shown["valid"], shown["algorithm"]) == (True, "SM2-SM3")
    assert shown["certificate"]["name"] == "县人民医院电子签章"
    (tmp_path / "report.pdf").write_bytes(document_of(runtime))
    _run(tmp_path, "openssl x509 -in got.pem -pubkey -noout > public.pem")
    said = _run(
        tmp_path,
        "openssl pkeyutl -verify -rawin -digest sm3 -pubin -inkey public.pem "
        "-pkeyopt distid:1234567812345678 -sigfile report.sig -in report.pdf",
    )
    assert "Verified Successfully" in said
