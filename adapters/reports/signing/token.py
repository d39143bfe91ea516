"""Keys that never leave a token: a PKCS#11 module (v2.40), one token of it by its label, one PIN.

A key is chosen by the label of its certificate; the certificate's CKA_ID leads to the key, else the same label does.
A PIN that was refused is not tried again, by no process of this machine: a token locks after a few wrong ones.
Keys that want a PIN for each signature (CKA_ALWAYS_AUTHENTICATE) and elliptic curves are not supported.
"""

import contextlib
import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pkcs11
from asn1crypto import algos, pem, x509  # type: ignore[import-untyped]
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509 import load_pem_x509_certificate
from pkcs11 import Attribute, Mechanism, ObjectClass, TokenFlag
from pkcs11 import exceptions as p11
from pyhanko.sign.pkcs11 import PKCS11Signer

from adapters.reports.signing.pades import name_of, read_certificate, sign_pdf
from adapters.reports.signing.port import CannotSign, Cause
from adapters.reports.signing.stamping import TimeStampServer

# Logging in belongs to the process, not to a session: one at a time.
_ONE_AT_A_TIME = threading.RLock()
_SALT_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOnToken:
    """A certificate that has its private key beside it on the token."""

    label: str
    key_id: bytes
    certificate_pem: bytes


class Token:
    """One token. `refused_pin` is the file that remembers which PIN it refused."""

    def __init__(self, *, module: Path, label: str, pin: str, refused_pin: Path) -> None:
        self._module, self._label, self._pin, self._refused_pin = module, label, pin, refused_pin

    def signer(
        self,
        key: KeyOnToken,
        chain: Sequence[bytes] = (),
        *,
        stamper: TimeStampServer | None = None,
    ) -> "TokenSigner":
        return TokenSigner(self, key, chain, stamper=stamper)

    def list_keys(self) -> list[KeyOnToken]:
        """Every certificate that has its private key beside it. Raises CannotSign."""
        with self.session() as session:
            found = [
                _key_of(certificate)
                for certificate in session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE})
            ]
            return [key for key in found if _find_private(session, key) is not None]

    def find_key(self, label: str) -> KeyOnToken:
        """The one certificate of this label, with its key. Raises CannotSign."""
        found = [key for key in self.list_keys() if key.label == label]
        if len(found) != 1:
            raise CannotSign(Cause.KEY_MISSING, f"{len(found)} keys with a certificate are labelled {label}")
        if read_certificate(found[0].certificate_pem).public_key.algorithm != "rsa":
            raise CannotSign(Cause.KEY_UNFIT, "only RSA keys sign PDF/A-3")
        return found[0]

    def prove(self, key: KeyOnToken) -> None:
        """That the key beside a certificate is the one that it certifies. Raises CannotSign."""
        challenge = secrets.token_bytes(32)
        public = load_pem_x509_certificate(key.certificate_pem).public_key()
        with self.session() as session:
            private = _find_private(session, key)
            if private is None or not isinstance(public, rsa.RSAPublicKey):
                raise CannotSign(Cause.KEY_UNFIT, key.label)
            signature = private.sign(_digest_info(challenge), mechanism=Mechanism.RSA_PKCS)
        try:
            public.verify(signature, challenge, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature as error:
            raise CannotSign(Cause.KEY_UNFIT, "the key does not belong to the certificate") from error

    @contextlib.contextmanager
    def session(self, *, try_pin_again: bool = False) -> Iterator[pkcs11.Session]:
        """The token, signed in to. Raises CannotSign, also for what happens to it inside."""
        with _ONE_AT_A_TIME, _named_errors():
            token = self._find()
            self._check_pin(token, try_pin_again=try_pin_again)
            try:
                session = token.open(user_pin=self._pin)
            except p11.PinIncorrect:
                self._remember_refusal()
                raise
            with contextlib.suppress(FileNotFoundError):
                self._refused_pin.unlink()
            with session:
                yield session

    def _find(self) -> pkcs11.Token:
        try:
            library = pkcs11.lib(str(self._module))
        except (p11.PKCS11Error, OSError) as error:
            raise CannotSign(Cause.MODULE_UNUSABLE, str(self._module)) from error
        found = _labelled(library, self._label)
        if found is None:  # some modules look for tokens only when they start
            library.reinitialize()
            found = _labelled(library, self._label)
        if found is None:
            raise CannotSign(Cause.TOKEN_AWAY, self._label)
        return found

    def _check_pin(self, token: pkcs11.Token, *, try_pin_again: bool) -> None:
        if TokenFlag.USER_PIN_LOCKED in token.flags:
            raise CannotSign(Cause.PIN_LOCKED, self._label)
        if try_pin_again:
            return
        if TokenFlag.USER_PIN_FINAL_TRY in token.flags:
            raise CannotSign(Cause.PIN_REFUSED, "the last try is left to a person")
        if self._was_refused():
            raise CannotSign(Cause.PIN_REFUSED, "not tried again, so that the token is not locked")

    def _was_refused(self) -> bool:
        try:
            kept = self._refused_pin.read_bytes()
        except FileNotFoundError:
            return False
        return hmac.compare_digest(kept[_SALT_BYTES:], self._digest(kept[:_SALT_BYTES]))

    def _remember_refusal(self) -> None:
        salt = secrets.token_bytes(_SALT_BYTES)
        self._refused_pin.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._refused_pin.touch(mode=0o600)
        self._refused_pin.write_bytes(salt + self._digest(salt))

    def _digest(self, salt: bytes) -> bytes:
        """Slow to guess: a PIN is short."""
        return hashlib.scrypt(f"{self._label}\n{self._pin}".encode(), salt=salt, n=1 << 14, r=8, p=1)


class TokenSigner:
    """One person's key on a token. The token is opened for each signature, so it may come and go."""

    def __init__(
        self, token: Token, key: KeyOnToken, chain: Sequence[bytes], *, stamper: TimeStampServer | None
    ) -> None:
        self.certificate_pem = key.certificate_pem
        self._certificate = read_certificate(key.certificate_pem)
        self.name = name_of(self._certificate)
        self.expires_at: datetime = self._certificate.not_valid_after
        self._token, self._key, self._stamper = token, key, stamper
        self._chain = [read_certificate(issuer) for issuer in chain]

    def sign_pdf(self, pdf: bytes, *, reason: str, location: str, signed_at: datetime) -> bytes:
        """See `pades.sign_pdf`."""
        with self._token.session() as session:
            if _find_private(session, self._key) is None:
                raise CannotSign(Cause.KEY_MISSING, self._key.label)
            return sign_pdf(
                pdf,
                self._key_in(session),
                name=self.name,
                reason=reason,
                location=location,
                signed_at=signed_at,
                expires_at=self.expires_at,
                stamper=self._stamper,
            )

    def _key_in(self, session: pkcs11.Session) -> PKCS11Signer:
        mechanisms = session.token.slot.get_mechanisms()
        chosen: dict[str, Any] = _private_query(session, self._key, by=_names)
        return PKCS11Signer(
            session,
            signing_cert=self._certificate,
            ca_chain=self._chain,
            use_raw_mechanism=Mechanism.SHA256_RSA_PKCS not in mechanisms,
            **chosen,
        )


def _labelled(library: Any, label: str) -> pkcs11.Token | None:
    for slot in library.get_slots(token_present=True):
        with contextlib.suppress(p11.TokenNotPresent, p11.TokenNotRecognised):
            token: pkcs11.Token = slot.get_token()
            if token.label == label:
                return token
    return None


def _key_of(certificate: Any) -> KeyOnToken:
    der = bytes(certificate[Attribute.VALUE])
    return KeyOnToken(
        label=str(certificate[Attribute.LABEL]),
        key_id=bytes(certificate[Attribute.ID]),
        certificate_pem=pem.armor("CERTIFICATE", x509.Certificate.load(der).dump()),
    )


def _attributes(*, key_id: bytes = b"", label: str = "") -> dict[Attribute, Any]:
    named: dict[Attribute, Any] = {Attribute.ID: key_id} if key_id else {Attribute.LABEL: label}
    return {Attribute.CLASS: ObjectClass.PRIVATE_KEY, **named}


def _names(*, key_id: bytes = b"", label: str = "") -> dict[str, Any]:
    return {"key_id": key_id} if key_id else {"key_label": label}


def _private_query(
    session: pkcs11.Session, key: KeyOnToken, by: Callable[..., dict[Any, Any]]
) -> dict[Any, Any]:
    """By the certificate's ID where a private key has it, else by its label."""
    if key.key_id and list(session.get_objects(_attributes(key_id=key.key_id))):
        return by(key_id=key.key_id)
    return by(label=key.label)


def _find_private(session: pkcs11.Session, key: KeyOnToken) -> Any | None:
    return next(iter(session.get_objects(_private_query(session, key, by=_attributes))), None)


def _digest_info(content: bytes) -> bytes:
    """What RSA signs of it (RFC 8017 §9.2): every token can sign that, not all hash by themselves."""
    algorithm = algos.DigestAlgorithm({"algorithm": "sha256"})
    info = algos.DigestInfo({"digest_algorithm": algorithm, "digest": hashlib.sha256(content).digest()})
    return bytes(info.dump())


@contextlib.contextmanager
def _named_errors() -> Iterator[None]:
    """What a token says, in our words."""
    try:
        yield
    except (p11.PinIncorrect, p11.PinInvalid, p11.PinLenRange) as error:
        raise CannotSign(Cause.PIN_REFUSED) from error
    except (p11.PinLocked, p11.PinExpired, p11.UserPinNotInitialized) as error:
        raise CannotSign(Cause.PIN_LOCKED, type(error).__name__) from error
    except (p11.TokenNotPresent, p11.TokenNotRecognised, p11.DeviceRemoved) as error:
        raise CannotSign(Cause.TOKEN_AWAY, type(error).__name__) from error
    except p11.PKCS11Error as error:
        raise CannotSign(Cause.TOKEN_FAILED, type(error).__name__) from error
