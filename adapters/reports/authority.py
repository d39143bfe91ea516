"""Who signs reports: one certificate for each person, under a county's own small authority.

There is no revocation list: a person who left gets no new certificate, and what they signed before stays verifiable.
Keys are RSA: with an elliptic curve, pyHanko would make a PDF/A-3 claim PDF 2.0.

The document-signing purpose: RFC 9336.
"""

import re
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from adapters.authority import (
    KEY_BITS,
    NAME_CHARACTERS,
    Credentials,
    RootAuthority,
    key_usage,
    write_key,
)

DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")  # RFC 9336 §3.1
PERSON_YEARS = 3
_PRINTABLE = re.compile(
    r"[A-Za-z0-9 '()+,\-./:=?]{1,64}"
)  # PrintableString (X.680 41.4), and its upper bound


class LocalAuthority(RootAuthority):
    """Certifies the people who sign."""

    def issue(
        self,
        person_name: str,
        person_id: str,
        institution_name: str,
        *,
        now: datetime,
        passphrase: bytes | None = None,
    ) -> Credentials:
        """A key and a certificate for one person; it ends after three years, or with the authority."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, institution_name[:NAME_CHARACTERS]),
                x509.NameAttribute(NameOID.COMMON_NAME, person_name[:NAME_CHARACTERS]),
                x509.NameAttribute(_kind_of_id(person_id), person_id),
            ]
        )
        certificate = self.sign_certificate(
            key.public_key(),
            subject,
            [DOCUMENT_SIGNING],
            key_usage(commits=True),
            now=now,
            ends_at=now + timedelta(days=365 * PERSON_YEARS),
        )
        return Credentials(
            certificate_pem=certificate.public_bytes(serialization.Encoding.PEM),
            key_pem=write_key(key, passphrase),
        )


def _kind_of_id(person_id: str) -> x509.ObjectIdentifier:
    """A serial number is a PrintableString (X.520 6.2.9); what has an underscore or a Chinese letter is a user id."""
    return NameOID.SERIAL_NUMBER if _PRINTABLE.fullmatch(person_id) else NameOID.USER_ID
