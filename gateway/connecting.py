"""Over what a device may connect: TLS or not, with which certificate, by which exception. No database is asked.

A device without named certificates may use one whose common name is its AE title, as `gateway certificate issue`
makes them. Names of certificates are SHA-256 fingerprints or subjects; of a subject the order of parts means nothing.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from cryptography import x509

from adapters.dicom.admission import CALLING_UNKNOWN, NO_REASON, PERMANENT, USER
from adapters.dicom.ports import AssociationRefused, Certificate, Tls
from worklists.base import COUNTY_TIME
from worklists.directory import TlsException

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the county asks of every device; exceptions are the devices' own."""

    require_tls: bool = False  # the plain port takes nobody but by exception
    asks_for_certificates: bool = False  # the TLS port has client authorities


def check_connection(
    ae_title: str, device: Mapping[str, Any], tls: Tls | None, policy: Policy, *, now: datetime
) -> None:
    """Raise AssociationRefused for a connection over which this AE title may not come; `device` may be unknown: {}."""
    excepted = TlsException(device.get("tls_exception", TlsException.NONE))
    lapsed = excepted is not TlsException.NONE and ends_at(device["tls_exception_until"]) <= now
    exception = TlsException.NONE if lapsed else excepted
    if tls is None:
        if policy.require_tls and exception is not TlsException.PLAIN:
            cause = "exception_over" if lapsed and excepted is TlsException.PLAIN else "tls_required"
            raise _refused(NO_REASON, "this device must connect over TLS", cause, device)
        return
    named = device.get("certificates", ())
    if tls.certificate is None:
        if exception is TlsException.NONE and (named or policy.asks_for_certificates):
            cause = "exception_over" if lapsed else "certificate_missing"
            raise _refused(CALLING_UNKNOWN, "the device presents no certificate", cause, device)
    elif not may_use(ae_title, named, tls.certificate):
        words = f"certificate is not this device's: {tls.certificate.subject}"
        raise _refused(CALLING_UNKNOWN, words, "certificate_wrong", device)


def may_use(ae_title: str, named: Sequence[str], certificate: Certificate) -> bool:
    """Whether a certificate is one of those that a device names, or bears its AE title when it names none."""
    if not named:
        return certificate.common_name == ae_title
    if certificate.fingerprint in named:
        return True
    subject = _parts(certificate.subject)
    return any(not _FINGERPRINT.fullmatch(name) and _parts(name) == subject for name in named)


def read_certificate_name(text: str) -> str:
    """A fingerprint or a subject as it is kept, from what a person pastes. Raises ValueError."""
    text = re.sub(r"^\s*(subject|sha256 fingerprint)\s*=\s*", "", text, flags=re.IGNORECASE).strip()
    digits = re.sub(r"[:\s]", "", text).lower()
    if _FINGERPRINT.fullmatch(digits):
        return digits
    name = x509.Name.from_rfc4514_string(re.sub(r"\s*([=,+])\s*", r"\1", text))
    if not list(name):
        raise ValueError("neither a fingerprint nor a subject")
    return name.rfc4514_string()


def ends_at(until: str | date) -> datetime:
    """The end of an exception: the last day belongs to it, as the county counts days."""
    day = date.fromisoformat(until) if isinstance(until, str) else until
    return datetime.combine(day + timedelta(days=1), time(), COUNTY_TIME)


def _parts(subject: str) -> frozenset[tuple[str, str | bytes]]:
    return frozenset((part.oid.dotted_string, part.value) for part in x509.Name.from_rfc4514_string(subject))


def _refused(reason: int, explanation: str, cause: str, device: Mapping[str, Any]) -> AssociationRefused:
    return AssociationRefused(PERMANENT, USER, reason, explanation, cause=cause, device=device)
