"""SM2 seals: the standard's own numbers, and `openssl` as an independent peer in both directions."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import core
from gmssl_pyx import sm2_verify

from adapters.reports.authority import LocalAuthority
from adapters.reports.signing.port import CannotSign
from adapters.reports.signing.sm2 import Sm2Seal, verify_sm2
from tests.signing import IDENTIFIER, Sm2Authority, sm2_authority

NOW = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)
CONTENT = "%PDF-1.7 一份报告".encode() * 1000


@pytest.fixture(scope="module")
def sm2(tmp_path_factory: pytest.TempPathFactory) -> Sm2Authority:
    return sm2_authority(tmp_path_factory.mktemp("sm2"), now=NOW)


@pytest.fixture
def seal(sm2: Sm2Authority) -> Sm2Seal:
    return Sm2Seal(sm2.certificate_pem, sm2.key_pem)


def openssl(folder: Path, *command: str) -> tuple[int, str]:
    done = subprocess.run(
        ["openssl", *command], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_the_signature_of_the_standard_verifies():
    """GB/T 32918.5-2017 Annex A.2: the recommended curve, `message digest`, the usual identifier."""

    class Pair(core.Sequence):
        _fields = [("r", core.Integer), ("s", core.Integer)]  # noqa: RUF012 (asn1crypto's way)

    public = bytes.fromhex(
        "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
        "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
    )
    signature = Pair(
        {
            "r": 0xF5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3,
            "s": 0xB1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA,
        }
    ).dump()

    assert sm2_verify(public, b"message digest", signature)
    assert not sm2_verify(public, b"message digesT", signature)


def test_openssl_verifies_what_we_sealed(seal, sm2, tmp_path):
    (tmp_path / "report.pdf").write_bytes(CONTENT)
    (tmp_path / "report.sig").write_bytes(seal.sign(CONTENT, signed_at=NOW))
    (tmp_path / "seal.pem").write_bytes(seal.certificate_pem)
    openssl(tmp_path, "x509", "-in", "seal.pem", "-pubkey", "-noout", "-out", "public.pem")
    verify = ("pkeyutl", "-verify", "-rawin", "-digest", "sm3", "-pubin", "-inkey", "public.pem",
              "-pkeyopt", IDENTIFIER, "-sigfile", "report.sig", "-in", "report.pdf")  # fmt: skip

    code, said = openssl(tmp_path, *verify)
    assert (code, "Verified Successfully" in said) == (0, True)

    (tmp_path / "report.pdf").write_bytes(CONTENT + b" ")
    code, said = openssl(tmp_path, *verify)
    assert code != 0


def test_we_verify_what_openssl_signed(sm2, tmp_path):
    (tmp_path / "report.pdf").write_bytes(CONTENT)
    (tmp_path / "seal.key").write_bytes(sm2.key_pem)
    openssl(tmp_path, "pkeyutl", "-sign", "-rawin", "-digest", "sm3", "-inkey", "seal.key", "-pkeyopt", IDENTIFIER,
            "-in", "report.pdf", "-out", "report.sig")  # fmt: skip
    signature = (tmp_path / "report.sig").read_bytes()

    found = judged(sm2, CONTENT, signature)
    assert found.valid
    assert found.certificate is not None
    assert (found.certificate.name, found.certificate.issuer) == ("县人民医院电子签章", "SM2 root")
    assert not judged(sm2, CONTENT + b" ", signature).intact


def judged(sm2, content, signature, *, roots=None, at=NOW):
    roots = [sm2.root_pem] if roots is None else roots
    return verify_sm2(content, signature, certificate_pem=sm2.certificate_pem, trust_roots=roots, at=at)


def test_a_seal_is_trusted_by_its_root_and_in_its_time_alone(seal, sm2, tmp_path):
    signature = seal.sign(CONTENT, signed_at=NOW)
    stranger = sm2_authority(tmp_path, now=NOW)

    assert judged(sm2, CONTENT, signature).valid
    for other in (
        judged(sm2, CONTENT, signature, roots=[]),
        judged(sm2, CONTENT, signature, roots=[stranger.root_pem]),  # the same name proves nothing
        judged(sm2, CONTENT, signature, roots=[LocalAuthority.create("RSA", now=NOW).certificate_pem]),
        judged(sm2, CONTENT, signature, at=NOW - timedelta(days=400)),
        judged(sm2, CONTENT, signature, at=NOW + timedelta(days=4000)),
    ):
        assert (other.intact, other.trusted, other.valid) == (True, False, False)


def test_bytes_that_are_no_signature_are_not_valid(seal, sm2):
    signature = seal.sign(CONTENT, signed_at=NOW)

    for other in (b"", b"hello", signature[:-1], signature[:10] + b"\x00" + signature[11:]):
        assert not judged(sm2, CONTENT, other).valid
    broken = verify_sm2(CONTENT, signature, certificate_pem=b"no certificate", trust_roots=[], at=NOW)
    assert (broken.valid, broken.certificate) == (False, None)


def test_a_key_of_another_curve_or_of_another_certificate_seals_nothing(sm2, tmp_path):
    stranger = sm2_authority(tmp_path, now=NOW)
    rsa = LocalAuthority.create("RSA", now=NOW).store()

    for certificate, key in (
        (sm2.certificate_pem, stranger.key_pem),
        (rsa.certificate_pem, rsa.key_pem),
        (sm2.certificate_pem, rsa.key_pem),
        (sm2.certificate_pem, b"no key"),
        (b"", sm2.key_pem),
    ):
        with pytest.raises(CannotSign, match="seal_unusable"):
            Sm2Seal(certificate, key)


def test_a_certificate_that_has_ended_seals_nothing(seal):
    with pytest.raises(CannotSign, match="certificate_ended"):
        seal.sign(CONTENT, signed_at=NOW + timedelta(days=4000))
