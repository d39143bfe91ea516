"""Keys on a real PKCS#11 token (SoftHSM2): chosen by label, never tried with a PIN that was refused."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pkcs11
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from adapters.authority import Credentials
from adapters.reports.authority import LocalAuthority
from adapters.reports.signing.port import CannotSign, Cause
from adapters.reports.signing.token import Token
from adapters.reports.signing.verification import verify_pdf
from tests.adapters.reports.conftest import SIGNED_AT
from tests.adapters.reports.pdftools import run_on
from tests.signing import SoftToken, make_token

START = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def soft(tmp_path_factory: pytest.TempPathFactory, authority: LocalAuthority, li: Credentials) -> SoftToken:
    """A token with 李秀英's key, labelled otherwise than her certificate; and 王建国's, without an ID."""
    token = make_token(tmp_path_factory.mktemp("softhsm"))
    token.put("李秀英的证书", li.certificate_pem, li.key_pem, key_label="key of li", id=b"\x07")
    wang = authority.issue("王建国", "reader-001", "青溪县人民医院", now=START)
    token.put("wang", wang.certificate_pem, wang.key_pem)
    return token


@pytest.fixture
def token(soft: SoftToken, tmp_path: Path) -> Callable[..., Token]:
    def open_token(**other: object) -> Token:
        values = {"module": soft.module, "label": soft.label, "pin": soft.pin, **other}
        return Token(**values, refused_pin=tmp_path / "keys" / "refused")

    return open_token


@pytest.mark.parametrize(("label", "name"), [("李秀英的证书", "李秀英"), ("wang", "王建国")])
def test_a_key_on_a_token_signs_what_others_verify(token, printed, authority, label, name):
    signer = token().signer(token().find_key(label), [authority.certificate_pem])

    signed = signer.sign_pdf(printed(), reason="签发", location="青溪县人民医院", signed_at=SIGNED_AT)

    found = verify_pdf(signed, trust_roots=[authority.certificate_pem])
    assert found.valid
    assert found.certificate is not None
    assert found.certificate.name == signer.name == name
    assert "Signature is Valid" in run_on(signed, "pdfsig", "-nocert", "{pdf}")
    assert b"/Version" not in signed[len(printed()) :]


def test_the_keys_of_a_token_are_listed_with_their_certificates(token):
    assert sorted(key.label for key in token().list_keys()) == ["wang", "李秀英的证书"]


def test_a_label_that_is_not_there_or_there_twice_is_no_key(token, li, tmp_path):
    with pytest.raises(CannotSign, match="key_missing: 0 keys"):
        token().find_key("somebody")
    twice = make_token(tmp_path)
    for _ in range(2):
        twice.put("same", li.certificate_pem, li.key_pem)
    with pytest.raises(CannotSign, match="key_missing: 2 keys"):
        token(label=twice.label).find_key("same")


def test_a_certificate_without_its_key_is_none_of_ours(token, authority, tmp_path):
    other = make_token(tmp_path)
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    other.put("alone", authority.certificate_pem, key)

    assert token(label=other.label).list_keys() == []


def test_a_token_that_is_away_is_named_and_is_found_when_it_is_back(token, soft, tmp_path):
    with pytest.raises(CannotSign) as away:
        token(label="another").list_keys()
    assert (away.value.cause, away.value.detail) == (Cause.TOKEN_AWAY, "another")

    late = make_token(tmp_path)
    assert token(label=late.label).list_keys() == []


def test_a_module_that_is_none_is_named(token, tmp_path):
    (tmp_path / "module.so").write_bytes(b"no library")
    for path in (tmp_path / "module.so", tmp_path / "absent.so"):
        with pytest.raises(CannotSign) as unusable:
            token(module=path).list_keys()
        assert unusable.value.cause is Cause.MODULE_UNUSABLE


def test_a_wrong_pin_is_tried_once_and_never_again_so_that_the_token_is_not_locked(token, tmp_path):
    wrong = token(pin="000000")
    with pytest.raises(CannotSign, match=r"^pin_refused$"):
        wrong.list_keys()

    with pytest.raises(CannotSign, match="not tried again"):
        wrong.list_keys()
    with pytest.raises(CannotSign, match="not tried again"):  # nor by another process
        token(pin="000000").list_keys()

    kept = (tmp_path / "keys" / "refused").read_bytes()
    assert b"000000" not in kept
    assert token().list_keys()  # the right one is tried, and then nothing is remembered
    assert not (tmp_path / "keys" / "refused").exists()


def test_a_person_may_have_the_pin_tried_again(token):
    wrong = token(pin="000000")
    with pytest.raises(CannotSign):
        wrong.list_keys()

    with pytest.raises(CannotSign, match=r"^pin_refused$"), wrong.session(try_pin_again=True):
        pass
    assert token().list_keys()


def test_a_key_that_left_the_token_signs_nothing(token, printed, li, tmp_path):
    soon = make_token(tmp_path)
    soon.put("zhou", li.certificate_pem, li.key_pem, id=b"\x01")
    signer = token(label=soon.label).signer(token(label=soon.label).find_key("zhou"))
    with (
        pkcs11.lib(str(soon.module))
        .get_token(token_label=soon.label)
        .open(user_pin=soon.pin, rw=True) as session
    ):
        for one in list(session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY})):
            one.destroy()

    with pytest.raises(CannotSign, match="key_missing: zhou"):
        signer.sign_pdf(printed(), reason="签发", location="院", signed_at=SIGNED_AT)


def test_nobody_signs_with_a_certificate_that_has_ended(token, printed):
    signer = token().signer(token().find_key("wang"))

    with pytest.raises(CannotSign, match="certificate_ended"):
        signer.sign_pdf(printed(), reason="", location="", signed_at=signer.expires_at + timedelta(seconds=1))


def test_a_token_whose_place_is_gone_is_away_not_forgotten(token, li, tmp_path, printed):
    gone = make_token(tmp_path)
    gone.put("zhou", li.certificate_pem, li.key_pem)
    signer = token(label=gone.label).signer(token(label=gone.label).find_key("zhou"))
    folder = tokens_of(gone)
    kept = tmp_path / "pulled-out"
    shutil.move(folder, kept)
    pkcs11.lib(str(gone.module)).reinitialize()

    with pytest.raises(CannotSign, match="token_away"):
        signer.sign_pdf(printed(), reason="签发", location="院", signed_at=SIGNED_AT)

    shutil.move(kept, folder)
    assert signer.sign_pdf(printed(), reason="签发", location="院", signed_at=SIGNED_AT)


def tokens_of(token: SoftToken) -> Path:
    """Where SoftHSM keeps this one: its label stands in the token's own object."""
    import os

    config = Path(os.environ["SOFTHSM2_CONF"]).read_text()
    root = Path(config.partition("=")[2].strip())
    [found] = [one.parent for one in root.glob("*/token.object") if token.label.encode() in one.read_bytes()]
    return found
