"""Time stamps of a real authority (`openssl ts`), as an independent reader and our own verification see them."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from adapters.authority import Credentials
from adapters.reports.signing.port import CannotSign, Cause
from adapters.reports.signing.software import SoftwareSigner
from adapters.reports.signing.stamping import TimeStampServer
from adapters.reports.signing.verification import Problem, verify_pdf
from tests.adapters.reports.pdftools import run_on
from tests.signing import StampAuthority, stamp_authority


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StampAuthority]:
    with stamp_authority(tmp_path_factory.mktemp("tsa")) as authority:
        yield authority


@pytest.fixture
def stamps(served: StampAuthority) -> Iterator[StampAuthority]:
    yield served
    served.away, served.answer, served.asked = False, None, 0
    served.seen.clear()


def stamped_by(credentials: Credentials, url: str) -> SoftwareSigner:
    stamper = TimeStampServer(url, timeout_s=2)
    return SoftwareSigner(credentials.certificate_pem, credentials.key_pem, stamper=stamper)


def sign(signer: SoftwareSigner, pdf: bytes) -> bytes:
    return signer.sign_pdf(pdf, reason="签发", location="青溪县人民医院", signed_at=datetime.now(UTC))


def test_a_stamped_signature_is_valid_for_us_and_for_an_independent_reader(printed, authority, li, stamps):
    before = datetime.now(UTC) - timedelta(seconds=2)
    signed = sign(stamped_by(li, stamps.url), printed())

    found = verify_pdf(signed, trust_roots=[authority.certificate_pem, stamps.certificate_pem])

    assert found.valid
    assert found.stamp is not None
    assert found.stamp.trusted
    assert found.stamp.authority == "County TSA"
    assert before < found.stamp.at < datetime.now(UTC) + timedelta(seconds=2)
    assert stamps.asked == 1  # no second one for the sake of a size
    said = run_on(signed, "pdfsig", "-nocert", "{pdf}")
    assert "Signature is Valid" in said
    assert "Total document signed" in said


def test_a_stamp_of_an_authority_that_nobody_trusts_makes_no_valid_signature(printed, authority, li, stamps):
    signed = sign(stamped_by(li, stamps.url), printed())

    found = verify_pdf(signed, trust_roots=[authority.certificate_pem])

    assert found.problem is Problem.STAMP_UNTRUSTED
    assert not found.valid


def test_user_and_password_of_the_address_go_into_the_header_alone(printed, authority, li, stamps):
    url = stamps.url.replace("http://", "http://county:p%40ss@")
    server = TimeStampServer(url)

    sign(stamped_by(li, url), printed())

    assert stamps.seen == ["Basic Y291bnR5OnBAc3M="]
    assert server.address == stamps.url


def test_without_the_authority_nothing_is_signed_and_the_cause_is_named(printed, authority, li, stamps):
    stamps.away = True
    with pytest.raises(CannotSign) as away:
        sign(stamped_by(li, stamps.url), printed())
    assert (away.value.cause, away.value.detail) == (Cause.STAMP_AWAY, "HTTP 503")

    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening
        with pytest.raises(CannotSign) as refused:
            sign(stamped_by(li, f"http://127.0.0.1:{nobody.getsockname()[1]}/"), printed())
    assert (refused.value.cause, refused.value.detail) == (Cause.STAMP_AWAY, "ConnectionRefusedError")


def test_an_authority_that_hangs_is_not_waited_for(printed, authority, li):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        signer = stamped_by(li, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        with pytest.raises(CannotSign, match="stamp_away: TimeoutError"):
            sign(signer, printed())


@pytest.mark.parametrize("answer", [b"", b"hello", b"0\x03\x02\x01\x00", b"<html>login</html>"])
def test_what_is_no_time_stamp_is_not_taken(printed, authority, li, stamps, answer):
    stamps.answer = answer
    with pytest.raises(CannotSign, match="stamp_wrong"):
        sign(stamped_by(li, stamps.url), printed())


def test_a_refusal_is_said_so(printed, authority, li, stamps):
    stamps.answer = bytes.fromhex("30053003020102")  # PKIStatus 2, rejection (RFC 3161 2.4.2)
    with pytest.raises(CannotSign, match="stamp_refused: rejection"):
        sign(stamped_by(li, stamps.url), printed())


def test_a_stamp_of_something_else_is_not_taken(printed, li, stamps):
    sign(stamped_by(li, stamps.url), printed())
    stamps.answer = (stamps.folder / "reply.tsr").read_bytes()  # a sound one, made for another signature

    with pytest.raises(CannotSign, match="stamp_wrong: the time stamp is of something else"):
        sign(stamped_by(li, stamps.url), printed())


@pytest.mark.parametrize("url", ["ftp://tsa", "tsa.example", "http:///x", "file:///etc/passwd"])
def test_only_addresses_of_http_are_asked(url):
    with pytest.raises(ValueError, match="http"):
        TimeStampServer(url)
