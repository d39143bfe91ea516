"""Who signs with what: one local authority, a key and certificate per person, all made when first needed.

Private keys lie in the database, encrypted with a passphrase that lies in the data dir alone, so that neither a
copy of the database nor one of the folder signs anything.
"""

import contextlib
import secrets
import uuid
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import ForeignKey, LargeBinary, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from adapters.reports.authority import Credentials, LocalAuthority
from adapters.reports.signature import Signer, SoftwareSigner
from gateway.runtime import Runtime
from worklists.base import Base, new_id
from worklists.directory import Person

AUTHORITY_NAME = "Shared-Centre Gateway local authority"
RENEW_BEFORE = timedelta(days=30)


class SigningKey(Base):
    """A certificate and its encrypted private key: a person's, or (without one) the authority's own."""

    __tablename__ = "signing_key"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    person_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"), index=True)
    certificate_pem: Mapped[bytes] = mapped_column(LargeBinary)
    key_pem: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[datetime]


def signer_for(runtime: Runtime, person_id: uuid.UUID) -> Signer:
    """The person's signer; their key is made now when they have none, or when its certificate is about to end."""
    passphrase = _passphrase(runtime)
    with runtime.sessions.begin() as session:
        now = runtime.now()
        authority = _authority(session, passphrase, now)
        row = _latest(session, person_id)
        if row is not None:
            signer = SoftwareSigner(
                row.certificate_pem, row.key_pem, [authority.certificate_pem], passphrase=passphrase
            )
            if signer.expires_at - now > RENEW_BEFORE:
                return signer
        person = session.get_one(Person, person_id)
        made = authority.issue(
            person.name, person.username, person.institution.name, now=now, passphrase=passphrase
        )
        _keep(session, made, person_id, now)
        return SoftwareSigner(
            made.certificate_pem, made.key_pem, [authority.certificate_pem], passphrase=passphrase
        )


def authority_certificate(runtime: Runtime) -> bytes:
    """The root certificate (PEM) that verifies every report, without any key of ours."""
    with runtime.sessions.begin() as session:
        return _authority(session, _passphrase(runtime), runtime.now()).certificate_pem


def _authority(session: Session, passphrase: bytes, now: datetime) -> LocalAuthority:
    row = _latest(session, None)
    if row is None:
        authority = LocalAuthority.create(AUTHORITY_NAME, now=now)
        _keep(session, authority.store(passphrase=passphrase), None, now)
        return authority
    return LocalAuthority.load(row.certificate_pem, row.key_pem, passphrase=passphrase)


def _latest(session: Session, person_id: uuid.UUID | None) -> SigningKey | None:
    return session.scalars(
        select(SigningKey)
        .where(SigningKey.person_id == person_id)
        .order_by(SigningKey.made_at.desc())
        .limit(1)
    ).first()


def _keep(session: Session, made: Credentials, person_id: uuid.UUID | None, now: datetime) -> None:
    session.add(
        SigningKey(
            id=new_id(),
            person_id=person_id,
            certificate_pem=made.certificate_pem,
            key_pem=made.key_pem,
            made_at=now,
        )
    )
    session.flush()


def _passphrase(runtime: Runtime) -> bytes:
    """Made at the first start, readable by the gateway's owner alone."""
    path: Path = runtime.settings.data_dir / "keys" / "passphrase"
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = path.with_name(f".{secrets.token_hex(8)}")
        made.touch(mode=0o600)
        made.write_text(secrets.token_urlsafe(32))
        with contextlib.suppress(
            FileExistsError
        ):  # of two that start at once one wins, and both read its word
            path.hardlink_to(made)
        made.unlink()
    return path.read_bytes()
