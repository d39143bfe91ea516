"""Certificates for TLS between devices and the gateway, under an authority of one's own.

A device's certificate bears its AE title as common name; the gateway's bears the names and addresses it is called by.
"""

import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from adapters.authority import NAME_CHARACTERS, Credentials, RootAuthority, key_usage, write_key

KEY_BITS = 2048  # RFC 9325 4.5; a handshake with 3072 costs an old device three times as long
_OLD_ROUNDS = 2048  # what tools of that time write


class DeviceAuthority(RootAuthority):
    """Certifies devices, and the gateway towards them."""

    def issue_device(
        self, ae_title: str, institution_name: str, *, days: int, now: datetime
    ) -> tuple[Credentials, x509.Certificate]:
        """For one device, as a client (and as a server, for the day it is asked for images)."""
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        return self._issue(ae_title, institution_name, purposes, [], days=days, now=now)

    def issue_server(
        self, names: Sequence[str], *, days: int, now: datetime
    ) -> tuple[Credentials, x509.Certificate]:
        """For the gateway: host names and addresses, the first also as common name."""
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        return self._issue(
            names[0], "", purposes, [_general_name(name) for name in names], days=days, now=now
        )

    def _issue(
        self,
        common_name: str,
        organization: str,
        purposes: Sequence[x509.ObjectIdentifier],
        names: Sequence[x509.GeneralName],
        *,
        days: int,
        now: datetime,
    ) -> tuple[Credentials, x509.Certificate]:
        key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name[:NAME_CHARACTERS])]
        if organization:
            parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization[:NAME_CHARACTERS]))
        certificate = self.sign_certificate(
            key.public_key(),
            x509.Name(parts),
            purposes,
            key_usage(commits=False, encrypts=True),
            names=names,
            now=now,
            ends_at=now + timedelta(days=days),
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        return Credentials(certificate_pem=pem, key_pem=write_key(key)), certificate


def write_p12(
    credentials: Credentials, authority: x509.Certificate, *, name: str, password: str, old: bool
) -> bytes:
    """Certificate, key and authority in one PKCS #12 file (RFC 7292). `old`: as Windows before 2019 reads it."""
    key = serialization.load_pem_private_key(credentials.key_pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)  # this module made it
    protection: serialization.KeySerializationEncryption
    if old:
        protection = (
            serialization.PrivateFormat.PKCS12.encryption_builder()
            .kdf_rounds(_OLD_ROUNDS)
            .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
            .hmac_hash(hashes.SHA1())  # noqa: S303 (it guards against damage; the file travels by hand)
            .build(password.encode())
        )
    else:
        protection = serialization.BestAvailableEncryption(password.encode())
    certificate = x509.load_pem_x509_certificate(credentials.certificate_pem)
    return pkcs12.serialize_key_and_certificates(name.encode(), key, certificate, [authority], protection)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
