"""What an outsider gets to verify a report: the root certificate, and tools that are not ours."""

import re
import subprocess
from pathlib import Path

from fastapi.testclient import TestClient

from adapters.reports.pdf import write_pdf
from gateway.rendering import _fonts, report_document
from gateway.runtime import Runtime
from gateway.signing import authority_certificate, find_authority_certificate, signer_for
from tests.builders import build_county, signed_report
from tests.fonts import fonts_dir
from tests.servers import need

URL = "/api/v1/verifications/authority.pem"


def test_before_the_first_signature_there_is_no_root_certificate_and_asking_makes_none(
    anybody: TestClient, runtime: Runtime
) -> None:
    assert anybody.get(URL).status_code == 404
    assert find_authority_certificate(runtime) is None


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
    return signer_for(runtime, signer_id).sign_pdf(
        pdf, reason=document.title, location=document.centre, signed_at=signed_at
    )


def _run(folder: Path, line: str) -> str:
    done = subprocess.run(
        ["sh", "-c", line], cwd=folder, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout
