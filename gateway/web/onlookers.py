"""Who may look at the state of the whole while the database is away, which is when it matters.

Nobody can be recognised then; an IT person whom a web process of this machine knew shortly before may look on.
It shows no patients.
"""

import json
import os
import re
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import structlog
from fastapi import Depends, Request

from adapters.errors import Unavailable
from gateway.accounts import IDLE_AFTER, NotSignedIn, hash_token
from gateway.intake import DATABASE_AWAY
from gateway.probes import Probes
from gateway.web.deps import Caller, RuntimeDep, find_secret, get_caller, language_of, peer_address, require
from worklists.access import Subject
from worklists.directory import Role
from worklists.errors import NotAllowed

log = structlog.get_logger()

AGAIN_AFTER_S = 60.0  # who is remembered already is not written down each time
_NAME = re.compile(r"[0-9a-f]{64}")


class Onlookers:
    """The IT people who were recognised here lately, one small file each: the web processes of a machine share them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def remember(self, caller: Caller, now: datetime) -> None:
        """A full disk remembers nobody and stops nobody."""
        path = self._path(caller.token_hash)
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime < AGAIN_AFTER_S:
                return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._forget_old()
            temporary = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
            temporary.touch(mode=0o600)
            temporary.write_text(json.dumps(_written(caller, now)), encoding="utf-8")
            temporary.replace(path)
        except OSError as error:
            log.warning("onlooker_not_remembered", error=error.strerror)

    def forget(self, token_hash: str) -> None:
        self._path(token_hash).unlink(missing_ok=True)

    def find(self, token_hash: str, now: datetime) -> Caller | None:
        """Whom this secret belonged to when it was last checked, no longer ago than a session may idle."""
        try:
            written = json.loads(self._path(token_hash).read_text(encoding="utf-8"))
            seen_at = datetime.fromisoformat(written["seen_at"])
            caller = _read(token_hash, written)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError) as error:
            log.warning("onlooker_not_read", error=type(error).__name__)
            return None
        return caller if now - seen_at < IDLE_AFTER else None

    def _path(self, token_hash: str) -> Path:
        if not _NAME.fullmatch(token_hash):
            raise ValueError("the hash of a token is 64 hexadecimal digits")
        return self._folder / token_hash

    def _forget_old(self) -> None:
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > IDLE_AFTER.total_seconds():
                    path.unlink()


def _written(caller: Caller, now: datetime) -> dict[str, Any]:
    subject = caller.subject
    return {
        "seen_at": now.isoformat(),
        "institution_id": str(subject.institution_id),
        "person_id": str(caller.person_id),
        "roles": sorted(role.value for role in subject.roles),
        "username": caller.username,
        "name": caller.name,
    }


def _read(token_hash: str, written: Mapping[str, Any]) -> Caller:
    person_id = uuid.UUID(written["person_id"])
    return Caller(
        subject=Subject(
            institution_id=uuid.UUID(written["institution_id"]),
            person_id=person_id,
            roles=frozenset(Role(role) for role in written["roles"]),
        ),
        person_id=person_id,
        username=written["username"],
        name=written["name"],
        language="",
        address="",
        token_hash=token_hash,
    )


def get_onlooker(request: Request, runtime: RuntimeDep) -> Caller:
    """An IT person. Raises NotSignedIn, NotAllowed; Unavailable for one who is not known while the database is away."""
    onlookers: Onlookers = request.app.state.onlookers
    probes: Probes = request.app.state.probes
    secret, _ = find_secret(request)
    if secret is None:
        raise NotSignedIn
    token_hash = hash_token(secret)
    if probes.database.ask().up:
        with suppress(*DATABASE_AWAY):  # it may go just now: then by what is remembered
            return _recognise(request, runtime, onlookers, token_hash)
    known = onlookers.find(token_hash, runtime.now())
    if known is None:
        raise Unavailable("database")
    return replace(known, language=language_of(request), address=peer_address(request))


OnlookerDep = Annotated[Caller, Depends(get_onlooker)]


def _recognise(request: Request, runtime: RuntimeDep, onlookers: Onlookers, token_hash: str) -> Caller:
    try:
        caller = require(Role.IT)(get_caller(request, runtime))
    except (NotSignedIn, NotAllowed):
        onlookers.forget(token_hash)
        raise
    onlookers.remember(caller, runtime.now())
    return caller
