"""The SM2 signature of an institution over a finished file, beside it: GB/T 32918.2 with SM3, the usual identifier.

The signature is the DER of (r, s) as in GM/T 0009, so that `openssl pkeyutl -verify -rawin -digest sm3` reads it. A key
comes as PKCS #8 in PEM, not encrypted: the file is a secret like the key of TLS. A hardware module or a signing
server takes this one's place behind `Seal`. The chain is judged by SM2 certificates alone (GM/T 0015).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asn1crypto import core, keys, pem, x509  # type: ignore[import-untyped]
from gmssl_pyx import GmsslInnerError, InvalidValueError, sm2_sign, sm2_verify

from adapters.reports.signing.pades import read_certificates
from adapters.reports.signing.port import CannotSign, Cause
from adapters.reports.signing.verification import CertificateFacts, facts_of

ALGORITHM = "SM2-SM3"
CURVE = "1.2.156.10197.1.301"  # GM/T 0006
SIGNED_WITH = "1.2.156.10197.1.501"
LONGEST_CHAIN = 5
_UNUSABLE = (GmsslInnerError, InvalidValueError)


class Sm2Seal:
    """An institution's key in memory; its certificate may bring its issuers behind it."""

    algorithm = ALGORITHM

    def __init__(self, certificate_pem: bytes, key_pem: bytes) -> None:
        self.certificate_pem = certificate_pem
        try:
            self._certificate = read_certificates(certificate_pem)[0]
            self._public = _public_key(self._certificate)
            self._private = _read_private(key_pem)
            proof = sm2_sign(self._private, self._public, b"proof")
            fits = sm2_verify(self._public, b"proof", proof)
        except (ValueError, TypeError, LookupError, *_UNUSABLE) as error:
            raise CannotSign(Cause.SEAL_UNUSABLE, "no SM2 key and certificate can be read") from error
        if not fits:
            raise CannotSign(Cause.SEAL_UNUSABLE, "the SM2 key does not belong to the certificate")

    def sign(self, content: bytes, *, signed_at: datetime) -> bytes:
        if not self._certificate.not_valid_before <= signed_at < self._certificate.not_valid_after:
            raise CannotSign(Cause.CERTIFICATE_ENDED, "SM2")
        return bytes(sm2_sign(self._private, self._public, content))


@dataclass(frozen=True, slots=True, kw_only=True)
class SealVerification:
    """`valid` when the signature is of these bytes and the certificate leads to a root that is trusted."""

    valid: bool
    intact: bool
    trusted: bool
    certificate: CertificateFacts | None


def verify_sm2(
    content: bytes, signature: bytes, *, certificate_pem: bytes, trust_roots: Sequence[bytes], at: datetime
) -> SealVerification:
    """Judge a detached signature by the root certificates given (PEM), at its time. Any bytes get an answer."""
    try:
        leaf, *issuers = read_certificates(certificate_pem)
        intact = sm2_verify(_public_key(leaf), content, signature)
        roots = [one for root in trust_roots for one in read_certificates(root)]
        trusted = _leads_to(leaf, issuers, roots, at)
        facts = facts_of(leaf)
    except (ValueError, TypeError, LookupError, *_UNUSABLE):
        return SealVerification(valid=False, intact=False, trusted=False, certificate=None)
    return SealVerification(valid=intact and trusted, intact=intact, trusted=trusted, certificate=facts)


def _leads_to(
    leaf: x509.Certificate, issuers: list[x509.Certificate], roots: list[x509.Certificate], at: datetime
) -> bool:
    certificate = leaf
    for _ in range(LONGEST_CHAIN):
        if not certificate.not_valid_before <= at < certificate.not_valid_after:
            return False
        if any(certificate.sha256 == root.sha256 for root in roots):
            return True
        found = next((one for one in (*roots, *issuers) if _issued(one, certificate)), None)
        if found is None:
            return False
        certificate = found
    return False


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    if issuer.subject != certificate.issuer or not issuer.ca or not _is_sm2(issuer):
        return False
    if certificate["signature_algorithm"]["algorithm"].dotted != SIGNED_WITH:
        return False
    signed = certificate["tbs_certificate"].dump()
    try:
        return bool(sm2_verify(_public_key(issuer), signed, certificate["signature_value"].native))
    except _UNUSABLE:
        return False


def _is_sm2(certificate: x509.Certificate) -> bool:
    algorithm = certificate["tbs_certificate"]["subject_public_key_info"]["algorithm"]
    return _curve_of(algorithm["parameters"]) == CURVE


def _public_key(certificate: x509.Certificate) -> bytes:
    """X and Y, 64 bytes."""
    if not _is_sm2(certificate):
        raise ValueError("the certificate has no SM2 key")
    point: bytes = certificate["tbs_certificate"]["subject_public_key_info"]["public_key"].contents[1:]
    if len(point) != 65 or point[0] != 4:
        raise ValueError("the public key is not an uncompressed point")
    return point[1:]


def _read_private(key_pem: bytes) -> bytes:
    _, _, der = pem.unarmor(key_pem)
    info = keys.PrivateKeyInfo.load(der)
    if _curve_of(info["private_key_algorithm"]["parameters"]) != CURVE:
        raise ValueError("the key is not of SM2")
    private = keys.ECPrivateKey.load(info["private_key"].contents)
    number: int = private["private_key"].native
    return number.to_bytes(32, "big")


def _curve_of(parameters: Any) -> str | None:
    try:
        return str(core.ObjectIdentifier.load(parameters.dump()).dotted)
    except (ValueError, TypeError):
        return None
