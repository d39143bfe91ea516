"""Secrets of others at rest (passwords, shared keys): sealed in the database with what lies in the data dir alone."""

import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from adapters.errors import Unavailable
from gateway.runtime import Runtime
from gateway.signing import read_passphrase

_NONCE_BYTES = 12
_PURPOSE = b"shared-centre-gateway sealed secrets 1"
_HASHING = b"shared-centre-gateway keyed hashes 1"


def seal(runtime: Runtime, secret: str, *, whose: str) -> bytes:
    """Only `unseal` on an installation with the same keys reads it, and only as belonging to the same row."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + _cipher(runtime).encrypt(nonce, secret.encode(), whose.encode())


def unseal(runtime: Runtime, sealed: bytes, *, whose: str) -> str:
    """Raises Unavailable where the keys are others."""
    try:
        opened = _cipher(runtime).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], whose.encode())
    except InvalidTag as error:
        raise Unavailable("a secret was sealed with another passphrase than is in keys/") from error
    return opened.decode()


def keyed_hash(runtime: Runtime, text: str) -> str:
    """What stands in the database for a word too short to be hashed alone: without the keys nobody can try them all."""
    return hmac.new(_derive(runtime, _HASHING), text.encode(), hashlib.sha256).hexdigest()


def _cipher(runtime: Runtime) -> AESGCM:
    return AESGCM(_derive(runtime, _PURPOSE))


def _derive(runtime: Runtime, purpose: bytes) -> bytes:
    # The passphrase is random and long: stretching it would add nothing.
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(read_passphrase(runtime))
