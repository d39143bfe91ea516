"""Which certificates this installation stands on, and when they end."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from cryptography import x509
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.deliveries.rows import Endpoint
from gateway.keys import SigningKey
from gateway.settings import Settings
from worklists.directory import Person

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFigures:
    """`name`: authority (of all who sign), tls (of this gateway), client_ca (of devices), sm2 (the seal), of a person
    or of an endpoint.
    """

    name: str
    ends_at: datetime


def certificates_of(settings: Settings) -> list[CertificateFigures]:
    """Of the files that the settings name. One that cannot be read is the listener's to complain about."""
    named = (("tls", settings.tls_certificate), ("client_ca", settings.tls_client_ca),
             ("sm2", settings.sm2_certificate))  # fmt: skip
    return [one for name, path in named if path is not None and (one := _of_file(name, path)) is not None]


def authority_of(session: Session) -> CertificateFigures | None:
    """The root that reports are verified with. Those of people are renewed when they sign."""
    newest = select(SigningKey.certificate_pem).where(SigningKey.person_id.is_(None))
    pem = session.scalars(newest.order_by(SigningKey.made_at.desc()).limit(1)).first()
    if pem is None:
        return None
    return CertificateFigures(
        name="authority", ends_at=x509.load_pem_x509_certificate(pem).not_valid_after_utc
    )


def certificates_on_tokens(session: Session) -> tuple[CertificateFigures, ...]:
    """Of people who sign on a token: nobody but its issuer renews them."""
    on_tokens = select(SigningKey.person_id).where(SigningKey.token_label.is_not(None))
    rows = session.execute(
        select(SigningKey, Person.name)
        .join(Person, Person.id == SigningKey.person_id)
        .where(Person.enabled, SigningKey.person_id.in_(on_tokens))
        .order_by(SigningKey.made_at)
    )
    latest = {row.person_id: (name, row) for row, name in rows}
    return tuple(
        CertificateFigures(name=name, ends_at=row.ends_at)
        for name, row in latest.values()
        if row.token_label is not None
    )


def certificates_for_endpoints(session: Session) -> tuple[CertificateFigures, ...]:
    """Ours that peers demand: once one has ended, no report goes there."""
    rows = session.scalars(select(Endpoint).where(Endpoint.enabled, Endpoint.client_key.is_not(None)))
    return tuple(
        CertificateFigures(name=row.name, ends_at=_first_end(row.settings["certificate_pem"].encode()))
        for row in rows.unique()
    )


def _first_end(pem: bytes) -> datetime:
    """A chain holds as long as its shortest."""
    return min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(pem))


def _of_file(name: str, path: Path) -> CertificateFigures | None:
    try:
        ends_at = _first_end(path.read_bytes())
    except (OSError, ValueError) as error:
        log.warning("certificate_unreadable", what=name, error=type(error).__name__)
        return None
    return CertificateFigures(name=name, ends_at=ends_at)
