"""A signature that others can verify, and that nothing survives unnoticed."""

import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pyhanko.pdf_utils.generic import pdf_string
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from adapters.errors import Malformed
from adapters.reports.authority import LocalAuthority
from adapters.reports.manifest import read_manifest
from adapters.reports.signing.port import CannotSign, Signer
from adapters.reports.signing.software import SoftwareSigner
from adapters.reports.signing.verification import Problem, verify_pdf
from tests.adapters.reports.conftest import MANIFEST, SIGNED_AT
from tests.adapters.reports.pdftools import attachments_of, pages_of, run_on, squeezed, xmp_of

START = datetime(2026, 11, 1, tzinfo=UTC)


def sign(signer: Signer, pdf: bytes, signed_at: datetime = SIGNED_AT) -> bytes:
    return signer.sign_pdf(pdf, reason="签发", location="青溪县人民医院", signed_at=signed_at)


def test_an_independent_reader_finds_the_signature_valid(signed):
    said = run_on(signed, "pdfsig", "-nocert", "{pdf}")

    assert "Signature is Valid" in said
    assert "Total document signed" in said
    assert "SHA-256" in said
    assert "Signature Type: ETSI.CAdES.detached" in said
    assert "李秀英" in said


def test_an_independent_reader_gets_manifest_and_text_from_the_signed_file(signed):
    assert attachments_of(signed) == {"originals.json": MANIFEST}
    assert read_manifest(signed) == MANIFEST
    assert "右肺上叶磨玻璃结节" in squeezed(signed)
    assert pages_of(signed) == 1


def test_our_verification_says_who_signed_what_and_when(signed, authority):
    verified = verify_pdf(signed, trust_roots=[authority.certificate_pem])

    assert verified.valid
    assert verified.intact
    assert verified.trusted
    assert verified.covers_whole_document
    assert verified.certificate is not None
    assert (verified.certificate.name, verified.certificate.person_id) == ("李秀英", "reader-007")
    assert verified.certificate.institution == "青溪县人民医院"
    assert verified.certificate.issuer == "青溪县医共体签名根证书"
    assert verified.stamp is None
    assert verified.signed_at == SIGNED_AT
    assert verified.manifest == MANIFEST
    assert verified.problem is None


def test_the_signed_file_begins_with_the_unsigned_one_and_keeps_its_pdf_a_claim(printed, signed):
    unsigned = printed()

    assert signed.startswith(unsigned)
    assert xmp_of(signed) == xmp_of(unsigned)  # pyHanko would append a rewritten packet
    assert b"/Version" not in signed[len(unsigned) :]  # it would make this PDF 2.0 for elliptic curves


def test_one_changed_byte_anywhere_is_noticed(signed, authority):
    """Anywhere but in the signature's own container, where copies of certificates and padding are nobody's."""
    before, after = signed_ranges(signed)
    assert (before.start, after.stop) == (0, len(signed))
    for position in [*before[:: len(before) // 100], *after[:: len(after) // 20]]:
        tampered = bytearray(signed)
        tampered[position] ^= 0x01
        assert not verify_pdf(bytes(tampered), trust_roots=[authority.certificate_pem]).valid, position


def signed_ranges(pdf):
    found = re.search(rb"/ByteRange\s*\[\s*(\d+) (\d+) (\d+) (\d+)\s*\]", pdf)
    start, length, again, rest = map(int, found.groups())
    return range(start, start + length), range(again, again + rest)


def test_another_signature_value_is_noticed(signed, printed, signer, authority):
    before, after = signed_ranges(signed)
    other = sign(signer, printed(findings="别的"))
    foreign = slice(signed_ranges(other)[0].stop, signed_ranges(other)[1].start)

    swapped = signed[: before.stop] + other[foreign] + signed[after.start :]

    assert len(swapped) == len(signed)
    assert not verify_pdf(swapped, trust_roots=[authority.certificate_pem]).valid


def test_anything_added_afterwards_is_noticed(signed, authority):
    roots = [authority.certificate_pem]

    assert verify_pdf(signed + b"\n% more\n", trust_roots=roots).problem is Problem.ADDED_TO
    assert not verify_pdf(signed + signed, trust_roots=roots).valid
    appended = IncrementalPdfFileWriter(io.BytesIO(signed))
    appended.root["/Lang"] = pdf_string("xx")
    appended.update_root()
    changed = io.BytesIO()
    appended.write(changed)
    assert not verify_pdf(changed.getvalue(), trust_roots=roots).valid


def test_a_cut_file_an_unsigned_one_and_no_pdf_at_all_are_not_valid(printed, signed, authority):
    for other in (
        b"",
        b"hello",
        printed(),
        *(signed[:end] for end in range(0, len(signed), len(signed) // 20)),
    ):
        verified = verify_pdf(other, trust_roots=[authority.certificate_pem])
        assert not verified.valid
        assert verified.problem
        assert verified.manifest is None


def test_a_signature_from_another_authority_is_not_trusted(signed):
    stranger = LocalAuthority.create("青溪县医共体签名根证书", now=START)  # the same name proves nothing

    verified = verify_pdf(signed, trust_roots=[stranger.certificate_pem])

    assert verified.intact
    assert not verified.trusted
    assert verified.problem is Problem.UNTRUSTED
    assert not verified.valid


def test_a_signed_report_is_not_signed_twice(signed, signer):
    with pytest.raises(Malformed):
        sign(signer, signed)


def test_what_is_no_pdf_is_not_signed(signer):
    for other in (b"", b"hello", b"%PDF-1.7\n"):
        with pytest.raises(Malformed):
            sign(signer, other)


def test_nobody_signs_with_a_certificate_that_has_ended(printed, signer):
    assert START + timedelta(days=1000) < signer.expires_at < START + timedelta(days=1100)
    with pytest.raises(CannotSign, match="certificate_ended"):
        sign(signer, printed(), signed_at=signer.expires_at)


def test_a_signature_stays_valid_after_its_certificate_has_ended(printed, authority):
    """The certificate ended in 2013; today is later."""
    begun = datetime(2010, 1, 1, tzinfo=UTC)
    old = LocalAuthority.create("旧", now=begun)
    issued = old.issue("王建国", "reader-001", "青溪县人民医院", now=begun)
    signer = SoftwareSigner(issued.certificate_pem, issued.key_pem, [old.certificate_pem])

    signed = sign(signer, printed(), signed_at=begun + timedelta(days=30))

    assert verify_pdf(signed, trust_roots=[old.certificate_pem]).valid


def test_authority_and_person_are_loaded_from_what_was_stored(authority, printed):
    stored = authority.store(passphrase=b"secret")
    again = LocalAuthority.load(stored.certificate_pem, stored.key_pem, passphrase=b"secret")
    issued = again.issue("赵𠮷", "reader-008", "青溪县人民医院", now=START, passphrase=b"other")
    signer = SoftwareSigner(issued.certificate_pem, issued.key_pem, passphrase=b"other")

    assert signer.name == "赵𠮷"
    assert b"ENCRYPTED" in stored.key_pem
    assert verify_pdf(sign(signer, printed()), trust_roots=[authority.certificate_pem]).valid
    with pytest.raises(ValueError, match=r"(?i)password|decrypt"):
        LocalAuthority.load(stored.certificate_pem, stored.key_pem, passphrase=b"wrong")


def test_a_key_that_is_not_the_certificates_is_refused(authority):
    other = LocalAuthority.create("其他", now=START).store()
    issued = authority.issue("李", "1", "院", now=START)

    with pytest.raises(ValueError, match="does not belong"):
        LocalAuthority.load(authority.certificate_pem, other.key_pem)
    with pytest.raises(ValueError, match="does not belong"):
        SoftwareSigner(issued.certificate_pem, other.key_pem)


def test_an_elliptic_curve_key_is_refused(authority):
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    issued = authority.issue("李", "1", "院", now=START)

    with pytest.raises(ValueError, match="RSA"):
        SoftwareSigner(issued.certificate_pem, key)


def test_a_persons_certificate_signs_documents_and_nothing_else(authority):
    issued = authority.issue("李秀英", "reader-007", "青溪县人民医院" * 20, now=START)
    certificate = x509.load_pem_x509_certificate(issued.certificate_pem)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value

    assert usage.digital_signature
    assert usage.content_commitment
    assert not usage.key_cert_sign
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.certificate_pem))


@pytest.mark.parametrize("person_id", ["ecg_reader", "吴医师"])
def test_a_person_may_be_called_what_a_serial_number_cannot_be(authority, printed, person_id):
    issued = authority.issue("吴医师", person_id, "青溪县人民医院", now=START)

    signed = sign(
        SoftwareSigner(issued.certificate_pem, issued.key_pem, [authority.certificate_pem]), printed()
    )

    assert verify_pdf(signed, trust_roots=[authority.certificate_pem]).valid


def test_no_certificate_outlives_its_authority():
    authority = LocalAuthority.create("根", now=START - timedelta(days=365 * 19))
    issued = authority.issue("李", "1", "院", now=START)
    root = x509.load_pem_x509_certificate(authority.certificate_pem)

    assert (
        x509.load_pem_x509_certificate(issued.certificate_pem).not_valid_after_utc == root.not_valid_after_utc
    )
