"""Who may look at the state of the whole while the database is away, which is when it matters.

Nobody can be recognised then; an IT person whom this process knew shortly before may look on. It shows no patients.
"""

import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request

from adapters.errors import Unavailable
from gateway.accounts import IDLE_AFTER, NotSignedIn, hash_token
from gateway.intake import DATABASE_AWAY
from gateway.probes import Probes
from gateway.web.deps import Caller, RuntimeDep, find_secret, get_caller, language_of, peer_address, require
from worklists.directory import Role
from worklists.errors import NotAllowed

REMEMBERED_LIMIT = 100  # IT people of one county, and then some


class Onlookers:
    """The IT people who were recognised here lately. Safe to use from threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, tuple[Caller, datetime]] = OrderedDict()

    def remember(self, caller: Caller, now: datetime) -> None:
        with self._lock:
            self._seen[caller.token_hash] = (caller, now)
            self._seen.move_to_end(caller.token_hash)
            if len(self._seen) > REMEMBERED_LIMIT:
                self._seen.popitem(last=False)

    def forget(self, token_hash: str) -> None:
        with self._lock:
            self._seen.pop(token_hash, None)

    def find(self, token_hash: str, now: datetime) -> Caller | None:
        """Whom this secret belonged to when it was last checked, no longer ago than a session may idle."""
        with self._lock:
            caller, seen_at = self._seen.get(token_hash, (None, now))
        return caller if now - seen_at < IDLE_AFTER else None


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
