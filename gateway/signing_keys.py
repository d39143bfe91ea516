"""Whose key lies on the token, from the command line: list, assign, take back, and try everything that signs."""

import asyncio
import hashlib
import secrets
from collections.abc import Callable

from rich.console import Console
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.reports.signing.pades import name_of, read_certificate
from adapters.reports.signing.port import CannotSign, Cause
from adapters.reports.signing.verification import is_trusted
from gateway import audit
from gateway.keys import SigningKey
from gateway.runtime import Runtime, open_runtime
from gateway.settings import Settings
from gateway.signing import take_back_from_token, trust_roots
from gateway.signing_causes import SIGNING
from gateway.signing_means import find_seal, find_stamper, get_token
from worklists.base import new_id
from worklists.directory import Person

ACTOR = audit.Actor(name="command line")


def list_token_keys(settings: Settings, console: Console) -> None:
    """Print every key of the token that has a certificate, and who signs with it."""
    runtime = open_runtime(settings)
    holders = _holders(runtime)
    table = Table("label", "name", "issuer", "ends", "person")
    try:
        keys = get_token(settings).list_keys()
    except CannotSign as error:
        raise SystemExit(_sentence(error)) from None
    for key in sorted(keys, key=lambda key: key.label):
        certificate = read_certificate(key.certificate_pem)
        issuer = str(certificate.issuer.native.get("common_name") or certificate.issuer.human_friendly)
        ends = f"{certificate.not_valid_after:%Y-%m-%d}"
        table.add_row(key.label, name_of(certificate), issuer, ends, holders.get(key.certificate_pem, "-"))
    console.print(table)


def use_token(settings: Settings, username: str, *, label: str, console: Console) -> None:
    """Let a person sign with a key of the token from now on. It is tried first."""
    runtime = open_runtime(settings)
    try:
        token = get_token(settings)
        key = token.find_key(label)
        token.prove(key)
        if not is_trusted(key.certificate_pem, trust_roots=trust_roots(runtime), at=runtime.now()):
            raise CannotSign(Cause.SIGNER_UNTRUSTED, "by GATEWAY_SIGNING_ROOTS, or not now")
    except CannotSign as error:
        raise SystemExit(_sentence(error)) from None
    holder = _holders(runtime).get(key.certificate_pem)
    if holder not in (None, username):
        raise SystemExit(f"{holder} signs with the key {label} already")
    with runtime.sessions.begin() as session:
        person = session.scalars(select(Person).where(Person.username == username)).first()
        if person is None:
            raise SystemExit(f"there is no person {username}")
        session.add(
            SigningKey(
                id=new_id(),
                person_id=person.id,
                certificate_pem=key.certificate_pem,
                token_label=key.label,
                token_key_id=key.key_id,
                made_at=runtime.now(),
            )
        )
        _audit(runtime, session, username, {"token_label": label})
        name = person.name
    certified = name_of(read_certificate(key.certificate_pem))
    console.print(f"{name} ({username}) signs with the key {label}, certified for {certified}.", markup=False)


def use_software(settings: Settings, username: str, console: Console) -> None:
    """Let a person sign with a software key of the county's own authority again."""
    runtime = open_runtime(settings)
    with runtime.reading() as session:
        person = session.scalars(select(Person).where(Person.username == username)).first()
    if person is None:
        raise SystemExit(f"there is no person {username}")
    take_back_from_token(runtime, person.id)
    with runtime.sessions.begin() as session:
        _audit(runtime, session, username, {"token_label": ""})
    console.print(f"{person.name} ({username}) signs with a software key.", markup=False)


def try_signing(settings: Settings, console: Console) -> bool:
    """Try token, time stamp and seal as they are set, the PIN too, even after it was refused; True when all work."""
    runtime = open_runtime(settings)
    parts: list[tuple[str, bool, Callable[[], str]]] = [
        ("token", settings.pkcs11_module is not None, lambda: _try_token(settings)),
        ("time stamp", settings.timestamp_url is not None, lambda: _try_stamp(settings)),
        ("SM2 seal", settings.sm2_certificate is not None, lambda: _try_seal(runtime)),
    ]
    sound = True
    for name, is_set, attempt in parts:
        try:
            said = attempt() if is_set else "not set"
        except CannotSign as error:
            said, sound = _sentence(error), False
        console.print(f"{name:<11} {said}", highlight=False, markup=False)
    return sound


def _try_token(settings: Settings) -> str:
    with get_token(settings).session(try_pin_again=True):
        return "signed in"


def _try_stamp(settings: Settings) -> str:
    stamper = find_stamper(settings)
    if stamper is None:
        raise AssertionError("it is set")
    asyncio.run(stamper.async_timestamp(hashlib.sha256(secrets.token_bytes(32)).digest(), "sha256"))
    return f"stamped by {stamper.address}"


def _try_seal(runtime: Runtime) -> str:
    seal = find_seal(runtime.settings)
    if seal is None:
        raise AssertionError("it is set")
    seal.sign(secrets.token_bytes(32), signed_at=runtime.now())
    return f"sealed, {name_of(read_certificate(seal.certificate_pem))}"


def _holders(runtime: Runtime) -> dict[bytes, str]:
    """Certificate → username, of those who sign with it now."""
    rows = (
        select(SigningKey, Person.username)
        .join(Person, Person.id == SigningKey.person_id)
        .order_by(SigningKey.made_at)
    )
    with runtime.reading() as session:
        latest = {username: row.certificate_pem for row, username in session.execute(rows)}
    return {certificate: username for username, certificate in latest.items()}


def _audit(runtime: Runtime, session: Session, username: str, detail: dict[str, str]) -> None:
    audit.record(
        session,
        "signing_key_chosen",
        actor=ACTOR,
        now=runtime.now(),
        detail={"username": username, **detail},
    )


def _sentence(error: CannotSign) -> str:
    _chinese, english = SIGNING[error.cause]
    return f"{english} [{error}]"
