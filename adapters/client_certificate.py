"""Our certificate to a peer that demands one (mutual TLS): read from what was entered, given to OpenSSL.

Python's `ssl` reads a key from files alone. It gets one in memory, so that the key never lies on a disk.
"""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from adapters.errors import Malformed


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """Ours, with those of authorities between it and a root behind it, and its key, both PEM."""

    chain_pem: str
    key_pem: str = field(repr=False)

    def use(self, context: ssl.SSLContext) -> None:
        """Show it to whoever asks. Raises Malformed."""
        with _in_memory(self.chain_pem + "\n" + self.key_pem) as path:
            try:
                context.load_cert_chain(path, password=_nobody_is_asked)
            except (ssl.SSLError, ValueError) as error:
                raise Malformed(f"the client certificate cannot be used: {type(error).__name__}") from error


def read_chain(pem: str) -> list[x509.Certificate]:
    """The certificates of a text, ours first. Raises Malformed."""
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise Malformed("no certificate (PEM)") from error


def read_client_certificate(chain_pem: str, key_pem: str) -> ClientCertificate:
    """Raises Malformed for a key that is none, has a password, or belongs to another certificate."""
    ours = read_chain(chain_pem)[0].public_key()
    try:
        key = load_pem_private_key(key_pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise Malformed("no private key (PEM) without a password") from error
    spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*spki) != ours.public_bytes(*spki):
        raise Malformed("the key belongs to another certificate")
    written = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return ClientCertificate(chain_pem=chain_pem, key_pem=written.decode())


def _nobody_is_asked() -> str:
    """OpenSSL would ask on the terminal for the password of a key that has one."""
    return ""


@contextmanager
def _in_memory(text: str) -> Iterator[str]:
    with os.fdopen(os.memfd_create("certificate"), "wb") as file:
        file.write(text.encode())
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"
