"""Asking something that may not answer: in a thread of its own, with patience, and not more often than needed."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import text

from gateway.runtime import Runtime

PATIENCE_S = 2.0
NO_ANSWER = "no answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Whether something is there, and what it said when not."""

    up: bool
    detail: str = ""


class Probe:
    """One question. While it is being asked nobody asks again: a dead peer costs one thread."""

    def __init__(self, check: Callable[[], None], *, valid_s: float, patience_s: float = PATIENCE_S):
        self._check, self._valid_s, self._patience_s = check, valid_s, patience_s
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
                return Answer(up=False, detail=NO_ANSWER)
        return self._answer

    def _run(self) -> None:
        try:
            self._check()
        except Exception as error:
            self._answer = Answer(up=False, detail=type(error).__name__)
        else:
            self._answer = Answer(up=True)
        self._asked_at = time.monotonic()


class Probes:
    """What a process asks: its database and its object store."""

    def __init__(self, runtime: Runtime):
        def ask_database() -> None:
            with runtime.reading() as session:
                session.execute(text("SELECT 1"))

        self.database = Probe(ask_database, valid_s=0.5)
        self.store = Probe(runtime.objects.check, valid_s=10.0)
