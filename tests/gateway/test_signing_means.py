"""A report's document with a key on a real token, a real time stamp and a real SM2 seal; and what is said when one fails."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.authority import Credentials
from adapters.reports.authority import LocalAuthority
from adapters.reports.signing.sm2 import verify_sm2
from adapters.reports.signing.verification import verify_pdf
from gateway import signing_keys, work
from gateway.certificate_ends import certificates_on_tokens
from gateway.index import Record
from gateway.intake import Drain
from gateway.judging import check_document
from gateway.keys import SigningKey
from gateway.originals import read_original
from gateway.runtime import Runtime
from gateway.settings import Settings
from gateway.signing import signer_for, trust_roots
from gateway.sweep import sweep_once
from gateway.tasks import RENDER, TASKS
from gateway.web.messages import say_failure, say_fault
from gateway.work import Work
from tests.builders import NOW, build_county, signed_report
from tests.fonts import fonts_dir
from tests.gateway.web.installation import faults_of
from tests.signing import (
    PIN,
    Sm2Authority,
    SoftToken,
    StampAuthority,
    make_token,
    sm2_authority,
    stamp_authority,
)
from worklists.reports import Report, ReportReturn, ReturnState

START = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Means:
    """What one county signs with."""

    token: SoftToken
    people: LocalAuthority
    zhou: Credentials
    stamps: StampAuthority
    sm2: Sm2Authority
    roots: Path

    def settings(self, settings: Settings, **others: object) -> Settings:
        values = {
            "pkcs11_module": self.token.module, "pkcs11_label": self.token.label, "pkcs11_pin": PIN,
            "timestamp_url": self.stamps.url, "signing_roots": self.roots,
            "sm2_certificate": self.sm2.folder / "seal.pem", "sm2_key": self.sm2.folder / "seal.key",
        }  # fmt: skip
        return settings.model_copy(update={**values, **others})


@pytest.fixture(scope="module")
def all_means(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Means]:
    folder = tmp_path_factory.mktemp("means")
    people = LocalAuthority.create("省卫生 CA", now=START)
    zhou = people.issue("周主任", "330100000001", "县人民医院", now=START)
    token = make_token(folder)
    token.put("zhou", zhou.certificate_pem, zhou.key_pem, id=b"\x01")
    for name in ("tsa", "sm2"):
        (folder / name).mkdir()
    sm2 = sm2_authority(folder / "sm2", now=NOW)
    with stamp_authority(folder / "tsa") as stamps:
        roots = folder / "roots.pem"
        roots.write_bytes(people.certificate_pem + stamps.certificate_pem + sm2.root_pem)
        yield Means(token=token, people=people, zhou=zhou, stamps=stamps, sm2=sm2, roots=roots)


@pytest.fixture
def means(all_means: Means) -> Iterator[Means]:
    yield all_means
    all_means.stamps.away = False


@pytest.fixture
def county(runtime: Runtime, means: Means) -> Iterator[Runtime]:
    """A runtime that has all of it, and fonts."""
    viewer = runtime.settings.data_dir / "viewer"
    viewer.mkdir(parents=True)
    (viewer / "fonts").symlink_to(fonts_dir())
    yield replace(runtime, settings=means.settings(runtime.settings, viewer_dir=viewer))


def with_settings(runtime: Runtime, **others: object) -> Runtime:
    return replace(runtime, settings=runtime.settings.model_copy(update=others))


def sign_one(runtime: Runtime) -> Report:
    """周主任 signed it, and its document is due."""
    with runtime.sessions.begin() as session:
        report = signed_report(session, build_county(session), delivered=False)
        work.schedule(session, RENDER, report.id, due_at=runtime.now())
        return report


def use_token(runtime: Runtime) -> None:
    signing_keys.use_token(runtime.settings, "reviewer", label="zhou", console=Console(quiet=True))


def make(runtime: Runtime) -> str:
    """Do what is due and index it; answers what failed."""
    sweep_once(runtime, {RENDER: TASKS[RENDER]})
    Drain(runtime).index_new()
    with runtime.reading() as session:
        return session.scalars(select(Work).where(Work.task == RENDER)).one().last_error


def document(session: Session) -> Record | None:
    return session.scalars(select(Record).where(Record.kind == "report.pdf")).one_or_none()


def test_a_document_is_signed_on_the_token_stamped_and_sealed(county: Runtime, means: Means) -> None:
    report = sign_one(county)
    use_token(county)

    assert make(county) == ""

    with county.reading() as session:
        record = document(session)
        assert record is not None
        pdf, seal = read_original(county, record), record.origin["seal"]
        assert session.get_one(Report, report.id).pdf_sha256 == record.sha256
    found = verify_pdf(pdf, trust_roots=[means.roots.read_bytes()])  # without the county's own authority
    assert found.valid
    assert found.certificate is not None
    assert (found.certificate.name, found.certificate.issuer) == ("周主任", "省卫生 CA")
    assert found.stamp is not None
    assert found.stamp.authority == "County TSA"
    sealed = verify_sm2(
        pdf, base64.b64decode(seal["signature"]), certificate_pem=seal["certificate"].encode(),
        trust_roots=[means.sm2.root_pem], at=NOW,
    )  # fmt: skip
    assert sealed.valid
    checked = check_document(county, report.verification_code)
    assert checked is not None
    assert checked.seal is not None
    assert (checked.signature.valid, checked.seal.found.valid) == (True, True)


def test_while_the_stamp_is_away_the_report_stands_and_its_document_waits_with_the_reason(
    county: Runtime, means: Means
) -> None:
    report = sign_one(county)
    means.stamps.away = True

    assert make(county) == "CannotSign: stamp_away: HTTP 503"

    with county.reading() as session:
        assert document(session) is None  # nothing unstamped is passed off as complete
        assert session.get_one(Report, report.id).pdf_sha256 is None
        assert {row.state for row in session.scalars(select(ReportReturn))} == {ReturnState.PENDING}
    assert check_document(county, report.verification_code) is None
    assert "signing_waits" in faults_of(county)
    assert say_fault("signing_waits", "zh-CN", "stamp_away").startswith(
        "已签发的报告不能生成电子签名文件（时间戳服务连不上"
    )
    assert say_failure("CannotSign: stamp_away: HTTP 503", "en") == (
        "the time-stamping authority does not answer [stamp_away: HTTP 503]"
    )

    means.stamps.away = False
    later = replace(county, now=lambda: NOW + timedelta(minutes=1))
    assert make(later) == ""
    with county.reading() as session:
        assert {row.state for row in session.scalars(select(ReportReturn))} == {ReturnState.DELIVERED}
    assert "signing_waits" not in faults_of(later)


def test_whoever_signs_on_a_token_is_never_replaced_by_software(county: Runtime) -> None:
    report = sign_one(county)
    use_token(county)
    bare = with_settings(county, pkcs11_module=None, pkcs11_label=None, pkcs11_pin=None)

    assert make(bare) == "CannotSign: token_not_set"
    with county.reading() as session:
        assert document(session) is None
    assert signer_for(county, report.signed_by_id, signed_at=NOW).name == "周主任"


def test_a_wrong_pin_and_an_untrusted_authority_are_named(
    county: Runtime, means: Means, tmp_path: Path
) -> None:
    sign_one(county)
    use_token(county)
    assert make(with_settings(county, pkcs11_pin="000000")) == "CannotSign: pin_refused"
    (tmp_path / "roots.pem").write_bytes(means.people.certificate_pem)
    later = replace(county, now=lambda: NOW + timedelta(minutes=1))

    assert "stamp_untrusted" in make(with_settings(later, signing_roots=tmp_path / "roots.pem"))
    with county.reading() as session:
        assert document(session) is None


def test_the_token_is_given_and_taken_back_at_the_command_line(
    county: Runtime, means: Means, capsys: pytest.CaptureFixture[str]
) -> None:
    report = sign_one(county)
    console = Console(width=200)
    signing_keys.list_token_keys(county.settings, console)
    assert "zhou" in capsys.readouterr().out

    use_token(county)
    signing_keys.list_token_keys(county.settings, console)
    assert "reviewer" in capsys.readouterr().out
    with county.reading() as session:
        assert [one.name for one in certificates_on_tokens(session)] == ["周主任"]
    with pytest.raises(SystemExit, match="reviewer signs with the key zhou already"):
        signing_keys.use_token(county.settings, "wang", label="zhou", console=console)
    with pytest.raises(SystemExit, match="key_missing"):
        signing_keys.use_token(county.settings, "wang", label="nobody", console=console)

    signing_keys.use_software(county.settings, "reviewer", console)
    with county.reading() as session:
        rows = session.scalars(select(SigningKey).where(SigningKey.person_id == report.signed_by_id)).all()
    assert sorted(row.token_label or "" for row in rows) == ["", "zhou"]
    # What was signed while the token was theirs is signed with it; what they sign from now on is not.
    on_token = signer_for(county, report.signed_by_id, signed_at=NOW)
    now = signer_for(county, report.signed_by_id, signed_at=datetime.now(UTC))
    assert (on_token.certificate_pem == means.zhou.certificate_pem, now.name) == (True, "周主任")
    assert now.certificate_pem != means.zhou.certificate_pem


def test_a_key_that_no_root_certifies_is_not_given_to_anybody(
    county: Runtime, means: Means, tmp_path: Path
) -> None:
    sign_one(county)
    (tmp_path / "roots.pem").write_bytes(means.stamps.certificate_pem)
    other = with_settings(county, signing_roots=tmp_path / "roots.pem")

    with pytest.raises(SystemExit, match="signer_untrusted"):
        use_token(other)
    with county.reading() as session:
        assert session.scalars(select(SigningKey).where(SigningKey.token_label.is_not(None))).all() == []


def test_everything_that_signs_is_tried_at_the_command_line(
    county: Runtime, means: Means, capsys: pytest.CaptureFixture[str]
) -> None:
    assert signing_keys.try_signing(county.settings, Console(width=200))
    said = capsys.readouterr().out
    assert "signed in" in said
    assert means.stamps.url in said
    assert "县人民医院电子签章" in said

    wrong = means.settings(county.settings, pkcs11_pin="000000", sm2_key=means.roots)
    means.stamps.away = True
    assert not signing_keys.try_signing(wrong, Console(width=200))
    said = capsys.readouterr().out
    assert all(cause in said for cause in ("pin_refused", "stamp_away", "seal_unusable"))


def test_software_keys_are_stamped_too_and_trusted_by_the_county_s_own_authority(county: Runtime) -> None:
    report = sign_one(county)

    assert make(county) == ""

    checked = check_document(county, report.verification_code)
    assert checked is not None
    assert checked.signature.valid
    assert checked.signature.stamp is not None
    assert len(trust_roots(county)) == 2
