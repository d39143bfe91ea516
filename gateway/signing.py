"""Who signs with what: one local authority, a key and certificate per person, all made when first needed.

Private keys lie in the database, encrypted with a passphrase that lies in the data dir alone, so that neither a
copy of the database nor one of the folder signs anything. Keys are generated outside of every transaction.
Of somebody who signs on a token there is the certificate alone, and software never signs in its place.
"""

import contextlib
import secrets
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Select, select, text

from adapters.authority import Credentials
from adapters.reports.authority import LocalAuthority
from gateway.keys import SigningKey
from gateway.runtime import Runtime
from gateway.signing_files import read_file
from worklists.base import new_id
from worklists.directory import Person

if TYPE_CHECKING:
    from adapters.reports.signing.port import Signer

AUTHORITY_NAME = "Shared-Centre Gateway local authority"
RENEW_BEFORE = timedelta(days=30)


def signer_for(runtime: Runtime, person_id: uuid.UUID, *, signed_at: datetime) -> "Signer":
    """The signer of what the person signed then; a software key is made now when there is none, or it ends soon.

    Raises CannotSign when their key lies on a token and none is set.
    """
    known = _latest(runtime, person_id)
    if known is not None and known.starts_at > signed_at:  # a newer key came between signature and document
        earlier = _of_that_time(runtime, person_id, signed_at)
        if earlier is not None:
            return _load(runtime, earlier)
    if known is not None:
        ends_soon = known.ends_at - signed_at <= RENEW_BEFORE
        if known.token_label is not None or (known.starts_at <= signed_at and not ends_soon):
            return _load(runtime, known)
    issue = _issue(runtime, person_id, signed_at)
    return _load(runtime, _make_unless_newer(runtime, person_id, known, issue))


def take_back_from_token(runtime: Runtime, person_id: uuid.UUID) -> SigningKey:
    """From now on the person signs with a software key of the county's authority again."""
    known = _latest(runtime, person_id)
    return _make_unless_newer(runtime, person_id, known, _issue(runtime, person_id, runtime.now()))


def _issue(runtime: Runtime, person_id: uuid.UUID, signed_at: datetime) -> Callable[[], Credentials]:
    """Valid from the signature on, which was there before its document."""
    passphrase = read_passphrase(runtime)
    authority = _authority(runtime, passphrase)
    with runtime.reading() as session:
        person = session.get_one(Person, person_id)
        name, username, institution = person.name, person.username, person.institution.name
    starts_at = min(signed_at, runtime.now())
    return lambda: authority.issue(name, username, institution, now=starts_at, passphrase=passphrase)


def authority_certificate(runtime: Runtime) -> bytes:
    """The root certificate (PEM) that verifies every report, without any key of ours."""
    return _authority(runtime, read_passphrase(runtime)).certificate_pem


def trust_roots(runtime: Runtime) -> list[bytes]:
    """Who is believed (PEM): the county's own authority, the newest first, and those that the settings name.

    Needs no passphrase; empty before anybody has signed.
    """
    with runtime.reading() as session:
        roots = [row.certificate_pem for row in session.scalars(_newest_first(None))]
    if runtime.settings.signing_roots is not None:
        roots.append(read_file(runtime.settings.signing_roots))
    return roots


def _authority(runtime: Runtime, passphrase: bytes) -> LocalAuthority:
    def create() -> Credentials:
        return LocalAuthority.create(AUTHORITY_NAME, now=runtime.now()).store(passphrase=passphrase)

    row = _latest(runtime, None) or _make_unless_newer(runtime, None, None, create)
    if row.key_pem is None:
        raise AssertionError("the authority's key is in the database")
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


def _of_that_time(runtime: Runtime, person_id: uuid.UUID, at: datetime) -> SigningKey | None:
    with runtime.reading() as session:
        rows = session.scalars(_newest_first(person_id)).all()
    return next((row for row in rows if row.starts_at <= at < row.ends_at), None)


def _newest_first(person_id: uuid.UUID | None) -> Select[SigningKey]:
    return select(SigningKey).where(SigningKey.person_id == person_id).order_by(SigningKey.made_at.desc())


def _load(runtime: Runtime, row: SigningKey) -> "Signer":
    from adapters.reports.signing.software import SoftwareSigner  # noqa: PLC0415 (only who signs needs it: 20 MB)
    from gateway.signing_means import find_stamper  # noqa: PLC0415

    if row.token_label is not None:
        return _load_from_token(runtime, row, row.token_label)
    if row.key_pem is None:
        raise AssertionError("a software key is in the database")
    passphrase = read_passphrase(runtime)
    return SoftwareSigner(
        row.certificate_pem,
        row.key_pem,
        [_authority(runtime, passphrase).certificate_pem],
        passphrase=passphrase,
        stamper=find_stamper(runtime.settings),
    )


def _load_from_token(runtime: Runtime, row: SigningKey, label: str) -> "Signer":
    from adapters.reports.signing.token import KeyOnToken  # noqa: PLC0415
    from gateway.signing_means import chain_of, find_stamper, get_token  # noqa: PLC0415

    settings = runtime.settings
    key = KeyOnToken(label=label, key_id=row.token_key_id or b"", certificate_pem=row.certificate_pem)
    return get_token(settings).signer(
        key, chain_of(settings, row.certificate_pem), stamper=find_stamper(settings)
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
