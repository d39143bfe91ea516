"""Endpoints: entered by an administrator, tried by IT. Secrets are sealed and never shown again."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.errors import Malformed, PeerBusy, PeerRejected, PeerUnreachable
from gateway import audit, live
from gateway.audit import Actor
from gateway.deliveries.causes import cause_of
from gateway.deliveries.queueing import try_now
from gateway.deliveries.rows import Endpoint, EndpointWire
from gateway.deliveries.wires import WIRES, Secret, read_settings, setting_errors
from gateway.directory import FieldErrors
from gateway.runtime import Runtime
from gateway.sealing import seal, unseal
from worklists.base import new_id
from worklists.directory import Institution, Kind, Person
from worklists.errors import NotFound
from worklists.revision import ChangedSince, revision_of

SHORTEST_SECRET = 16  # of a webhook: characters
WRITTEN = ("endpoint_added", "endpoint_changed")
LOOKED_AT = ("name", "settings", "kinds", "enabled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """How an endpoint answered when it was tried."""

    reached: bool
    answer: str
    cause: str = ""


def list_endpoints(session: Session) -> Sequence[Endpoint]:
    """All there are, by institution and name."""
    query = select(Endpoint).join(Institution).order_by(Institution.code, Endpoint.name, Endpoint.id)
    return session.scalars(query).unique().all()


def get_endpoint(session: Session, endpoint_id: uuid.UUID) -> Endpoint:
    """Raises NotFound."""
    row = session.get(Endpoint, endpoint_id)
    if row is None:
        raise NotFound("endpoint")
    return row


def add_endpoint(
    runtime: Runtime,
    actor: Actor,
    *,
    institution_id: uuid.UUID,
    name: str,
    wire: EndpointWire,
    settings: Mapping[str, Any],
    secret: str | None,
    client_key: str | None = None,
    kinds: Sequence[Kind],
    enabled: bool,
) -> uuid.UUID:
    """A new one; it gets what is signed from now on. Raises FieldErrors."""
    endpoint_id, now = new_id(), runtime.now()
    checked = _check(wire, settings)
    _check_secret(wire, secret, known=False)
    _check_key(wire, checked, client_key, known=False)
    sealed, sealed_key = (_sealed(runtime, one, endpoint_id) for one in (secret, client_key))
    with runtime.sessions.begin() as session:
        if session.get(Institution, institution_id) is None:
            raise FieldErrors({"institution_id": "unknown"})
        row = Endpoint(
            id=endpoint_id,
            institution_id=institution_id,
            name=name,
            wire=wire,
            settings=checked,
            secret=sealed,
            client_key=sealed_key,
            kinds=[kind.value for kind in kinds],
            enabled=enabled,
            made_at=now,
        )
        session.add(row)
        session.flush()
        detail = {"endpoint_id": str(row.id), "institution_id": str(institution_id), "wire": wire.value}
        audit.record(
            session, "endpoint_added", actor=actor, now=now, detail={**detail, "after": _as_json(row)}
        )
        live.bump(session, "system")
    return endpoint_id


def change_endpoint(
    runtime: Runtime,
    actor: Actor,
    endpoint_id: uuid.UUID,
    changes: Mapping[str, Any],
    *,
    revision: str | None = None,
) -> None:
    """What is named in `changes` is set; a `secret` or `client_key` replaces the one before.

    `revision`: what the caller has read; None does not ask. Raises NotFound, FieldErrors, ChangedSince.
    What waited for it is tried at once: that is why somebody changes it.
    """
    now = runtime.now()
    secret, key = changes.get("secret"), changes.get("client_key")
    sealed, sealed_key = (_sealed(runtime, one, endpoint_id) for one in (secret, key))
    with runtime.sessions.begin() as session:
        row = session.get(Endpoint, endpoint_id, with_for_update={"of": Endpoint})
        if row is None:
            raise NotFound("endpoint")
        before = _as_json(row)
        _require_seen(session, row, changes, revision)
        if "settings" in changes:
            row.settings = _change_settings(row, changes["settings"], key)
        elif key:
            _check_key(row.wire, row.settings, key, known=False)
        if sealed_key is not None:
            row.client_key = sealed_key
        if sealed is not None:
            _check_secret(row.wire, secret, known=True)
            row.secret = sealed
        if "kinds" in changes:
            row.kinds = [Kind(kind).value for kind in changes["kinds"]]
        row.name = changes.get("name", row.name)
        row.enabled = changes.get("enabled", row.enabled)
        row.answered()
        after = _as_json(row)
        detail = {"endpoint_id": str(row.id), "before": before, "after": after, "secret": sealed is not None,
                  "client_key": sealed_key is not None}  # fmt: skip
        audit.record(session, "endpoint_changed", actor=actor, now=now, detail=detail)
        try_now(session, row.id, now)
        live.bump(session, "system")


def try_endpoint(runtime: Runtime, actor: Actor, endpoint_id: uuid.UUID) -> Tried:
    """Is it there, and does it take us: without any patient's data. Raises NotFound."""
    with runtime.reading() as session:
        row = get_endpoint(session, endpoint_id)
        wire, settings, kept = row.wire, row.settings, (row.secret, row.client_key)
    secret, key = (unseal(runtime, one, whose=str(endpoint_id)) if one else "" for one in kept)
    try:
        tried = Tried(reached=True, answer=WIRES[wire].probe(read_settings(wire, settings, key), secret))
    except (PeerRejected, PeerBusy, PeerUnreachable, Malformed) as error:
        tried = Tried(reached=False, answer=str(error), cause=cause_of(error))
    with runtime.sessions.begin() as session:
        detail = {"endpoint_id": str(endpoint_id), "reached": tried.reached, "answer": tried.answer[:200]}
        audit.record(session, "endpoint_tested", actor=actor, now=runtime.now(), detail=detail)
    return tried


def _check(wire: EndpointWire, settings: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return read_settings(wire, settings).model_dump(mode="json")
    except ValidationError as error:
        raise FieldErrors(setting_errors(error)) from error


def _check_secret(wire: EndpointWire, secret: str | None, *, known: bool) -> None:
    wants = WIRES[wire].wants_secret
    if wants is Secret.NONE and secret:
        raise FieldErrors({"secret": "unusable"})
    if wants is Secret.REQUIRED and not secret and not known:
        raise FieldErrors({"secret": "required"})
    if wants is Secret.REQUIRED and secret and len(secret) < SHORTEST_SECRET:
        raise FieldErrors({"secret": "too_short"})


def _change_settings(row: Endpoint, stated: Mapping[str, Any], key: str | None) -> dict[str, Any]:
    """Another certificate comes with its own key; with none the key goes."""
    checked = _check(row.wire, stated)
    before, after = (one.get("certificate_pem", "") for one in (row.settings, checked))
    _check_key(row.wire, checked, key, known=row.has_client_key and before == after)
    if not after:
        row.client_key = None
    return checked


def _check_key(wire: EndpointWire, settings: Mapping[str, Any], key: str | None, *, known: bool) -> None:
    """A certificate has its key, and a key its certificate."""
    certificate = settings.get("certificate_pem", "")
    if key and not certificate:
        raise FieldErrors({"client_key": "unusable"})
    if certificate and not key and not known:
        raise FieldErrors({"client_key": "required"})
    try:
        read_settings(wire, settings, key or "")
    except Malformed as error:
        raise FieldErrors({"client_key": "unusable"}) from error


def _sealed(runtime: Runtime, secret: str | None, endpoint_id: uuid.UUID) -> bytes | None:
    return seal(runtime, secret, whose=str(endpoint_id)) if secret else None


def revision_of_endpoint(row: Endpoint) -> str:
    return revision_of(_as_json(row))


def _require_seen(session: Session, row: Endpoint, said: Mapping[str, Any], revision: str | None) -> None:
    content = _as_json(row)
    if revision in (None, revision_of(content)) or all(content.get(name) == said[name] for name in said):
        return
    written = select(audit.AuditEvent).where(audit.AuditEvent.action.in_(WRITTEN))
    events = session.scalars(written.order_by(audit.AuditEvent.id.desc()))
    last = next((one for one in events if one.detail.get("endpoint_id") == str(row.id)), None)
    person = session.get(Person, last.person_id) if last and last.person_id else None
    raise ChangedSince(person.name if person else None, last.at if last else None)


def _as_json(row: Endpoint) -> dict[str, Any]:
    return {name: getattr(row, name) for name in LOOKED_AT}
