"""Asking something that may not answer: in a thread of its own, with patience, and not more often than needed."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import text

from gateway.causes import NO_ANSWER, cause_of
from gateway.runtime import Runtime

PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Whether something is there; when not, why in one word and since when it has been so."""

    up: bool
    detail: str = ""
    since: datetime | None = None


class Probe:
    """One question. While it is being asked nobody asks again: a dead peer costs one thread."""

    def __init__(
        self,
        check: Callable[[], object],
        *,
        valid_s: float,
        now: Callable[[], datetime],
        patience_s: float = PATIENCE_S,
    ):
        self._check, self._valid_s, self._patience_s, self._now = check, valid_s, patience_s, now
        self._away_since: datetime | None = None
        self._lock = threading.Lock()
        self._asking: threading.Thread | None = None
        self._answer = Answer(up=False, detail=NO_ANSWER)
        self._asked_at = float("-inf")

    def ask(self) -> Answer:
        with self._lock:
            fresh = time.monotonic() - self._asked_at < self._valid_s
            if not fresh and (self._asking is None or not self._asking.is_alive()):
                self._asking = threading.Thread(target=self._run, name="probe", daemon=True)
                self._asking.start()
            asking = self._asking
        if not fresh and asking is not None:
            asking.join(self._patience_s)
            if asking.is_alive():
                return self._away(NO_ANSWER)
        return self._answer

    def _run(self) -> None:
        try:
            self._check()
        except Exception as error:
            self._answer = self._away(cause_of(error))
        else:
            self._answer, self._away_since = Answer(up=True), None
        self._asked_at = time.monotonic()

    def _away(self, detail: str) -> Answer:
        self._away_since = self._away_since or self._now()
        return Answer(up=False, detail=detail, since=self._away_since)


class Probes:
    """What a process asks: its database, its object store and, where there is one, its broker."""

    def __init__(self, runtime: Runtime, *, patience_s: float = PATIENCE_S):
        def ask_database() -> None:
            with runtime.reading() as session:
                session.execute(text("SELECT 1"))

        broker_url = runtime.settings.broker_url
        told: dict[str, Any] = {"now": runtime.now, "patience_s": patience_s}
        self.database = Probe(ask_database, valid_s=0.5, **told)
        self.store = Probe(runtime.objects.check, valid_s=10.0, **told)
        ask_broker = partial(_ask_broker, broker_url) if broker_url else None
        self.broker = Probe(ask_broker, valid_s=5.0, **told) if ask_broker else None


def _ask_broker(url: str) -> None:
    from kombu import Connection  # noqa: PLC0415 (only an installation with a broker needs it)

    with Connection(url, connect_timeout=PATIENCE_S) as connection:
        connection.connect()
