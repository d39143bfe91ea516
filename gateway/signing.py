"""Who signs with what: one local authority, a key and certificate per person, all made when first needed.

Private keys lie in the database, encrypted with a passphrase that lies in the data dir alone, so that neither a
copy of the database nor one of the folder signs anything. Keys are generated outside of every transaction.
"""

import contextlib
import secrets
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Select, select, text

from adapters.authority import Credentials
from adapters.reports.authority import LocalAuthority
from gateway.keys import SigningKey
from gateway.runtime import Runtime
from worklists.base import new_id
from worklists.directory import Person

if TYPE_CHECKING:
    from adapters.reports.signing.port import Signer
    from adapters.reports.signing.software import SoftwareSigner

AUTHORITY_NAME = "Shared-Centre Gateway local authority"
RENEW_BEFORE = timedelta(days=30)


def signer_for(runtime: Runtime, person_id: uuid.UUID) -> "Signer":
    """The person's signer; their key is made now when they have none, or when its certificate is about to end."""
    passphrase = read_passphrase(runtime)
    authority = _authority(runtime, passphrase)
    known = _latest(runtime, person_id)
    if known is not None:
        signer = _load(known, authority, passphrase)
        if signer.expires_at - runtime.now() > RENEW_BEFORE:
            return signer
    with runtime.reading() as session:
        person = session.get_one(Person, person_id)
        name, username, institution = person.name, person.username, person.institution.name

    def issue() -> Credentials:
        return authority.issue(name, username, institution, now=runtime.now(), passphrase=passphrase)

    return _load(_make_unless_newer(runtime, person_id, known, issue), authority, passphrase)


def authority_certificate(runtime: Runtime) -> bytes:
    """The root certificate (PEM) that verifies every report, without any key of ours."""
    return _authority(runtime, read_passphrase(runtime)).certificate_pem


def find_authority_certificate(runtime: Runtime) -> bytes | None:
    """The same for readers only: None before anybody has signed. Needs no passphrase."""
    row = _latest(runtime, None)
    return row.certificate_pem if row else None


def _authority(runtime: Runtime, passphrase: bytes) -> LocalAuthority:
    def create() -> Credentials:
        return LocalAuthority.create(AUTHORITY_NAME, now=runtime.now()).store(passphrase=passphrase)

    row = _latest(runtime, None) or _make_unless_newer(runtime, None, None, create)
    return LocalAuthority.load(row.certificate_pem, row.key_pem, passphrase=passphrase)


def _make_unless_newer(
    runtime: Runtime, person_id: uuid.UUID | None, known: SigningKey | None, make: Callable[[], Credentials]
) -> SigningKey:
    """Keep a new key, unless another process kept one meanwhile: then that one counts."""
    made = make()
    with runtime.sessions.begin() as session:
        if session.get_bind().dialect.name == "postgresql":  # elsewhere there is one writer anyway
            session.execute(text("LOCK TABLE signing_key IN SHARE ROW EXCLUSIVE MODE"))
        latest = session.scalars(_newest_first(person_id)).first()
        if latest is not None and (known is None or latest.id != known.id):
            return latest
        row = SigningKey(
            id=new_id(),
            person_id=person_id,
            certificate_pem=made.certificate_pem,
            key_pem=made.key_pem,
            made_at=runtime.now(),
        )
        session.add(row)
        return row


def _latest(runtime: Runtime, person_id: uuid.UUID | None) -> SigningKey | None:
    with runtime.reading() as session:
        return session.scalars(_newest_first(person_id)).first()


def _newest_first(person_id: uuid.UUID | None) -> Select[SigningKey]:
    return select(SigningKey).where(SigningKey.person_id == person_id).order_by(SigningKey.made_at.desc())


def _load(row: SigningKey, authority: LocalAuthority, passphrase: bytes) -> "SoftwareSigner":
    from adapters.reports.signing.software import SoftwareSigner  # noqa: PLC0415 (only who signs needs it: 20 MB)

    return SoftwareSigner(
        row.certificate_pem, row.key_pem, [authority.certificate_pem], passphrase=passphrase
    )


def read_passphrase(runtime: Runtime) -> bytes:
    """What keys and secrets at rest are sealed with. Made when first needed, readable by the gateway's owner alone."""
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
