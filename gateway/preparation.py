"""What the database needs before anybody works on it: the newest revision, the standing work, the first rows.

A database that is away at the start is waited for by the web process; listeners accept meanwhile, and the drain
waits until the preparation is done: it must not meet the rows of an older revision.
"""

import ctypes
import threading
from collections.abc import Callable

import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from gateway import tasks
from gateway.database import open_engine
from gateway.intake import DATABASE_AWAY
from gateway.migrations import is_current, migrate, wait_for_turn
from gateway.processes import FORK, work_apart
from gateway.runtime import open_runtime
from gateway.settings import Settings
from gateway.snapshot import write_snapshot
from worklists.ecg_statements import seed_statements
from worklists.grading import seed_grade_reasons
from worklists.laboratory.defaults import seed_dictionary, seed_profiles
from worklists.laboratory.rule_defaults import seed_rules
from worklists.recognising.rows import seed_reasons

log = structlog.get_logger()

AGAIN_S = 2.0  # before asking an absent database again

Fill = Callable[[Session], object]


def prepare(settings: Settings, fill: Fill = lambda _session: None) -> None:
    """Bring the database up to date and write down what the listeners must know of the directory."""
    runtime = open_runtime(settings)
    try:
        migrate(runtime.engine)
        with runtime.sessions.begin() as session:
            wait_for_turn(session.connection())
            seed_statements(session)
            seed_dictionary(session)
            seed_reasons(session)
            seed_grade_reasons(session)
            seed_profiles(session, runtime.now())
            seed_rules(session, runtime.now())
            fill(session)
            tasks.schedule_standing(session, runtime)
            write_snapshot(session, settings.directory_snapshot)
    finally:
        runtime.engine.dispose()


class Awaited:
    """The preparation of a database that `gateway migrate` does: waited for, and said once when it was not done."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._engine: Engine | None = None  # opened in the process that asks
        self._done = self._said = False

    def is_done(self) -> bool:
        if self._done:
            return True
        self._engine = self._engine or open_engine(self._settings.database)
        try:
            self._done = is_current(self._engine)
        except DATABASE_AWAY:
            return False  # it is waited for like any other time
        if self._done:
            self._engine.dispose()
        elif not self._said:
            self._said = True
            log.error(
                "database_not_prepared",
                reason="it is not at the revision of this version: run `gateway migrate`",
            )
        return self._done


class Preparation:
    """The preparation of a process tree. Made before the fork: every child sees when it is done."""

    def __init__(self, settings: Settings, fill: Fill = lambda _session: None):
        self._settings, self._fill = settings, fill
        self._done = FORK.RawValue(ctypes.c_bool, False)
        self._said = ""

    def is_done(self) -> bool:
        return bool(self._done.value)

    def begin(self) -> None:
        """Prepare now, unless a database server is away. What waiting does not mend is raised.

        Apart, so that the children do not inherit what only this needs.
        """
        try:
            work_apart("preparation", self._prepare)
        except DATABASE_AWAY as error:
            if self._settings.database.startswith("sqlite"):
                raise
            self._say(error)

    def finish(self, stop: threading.Event) -> None:
        """Try until it is done, or until told to stop."""
        while not self.is_done() and not stop.is_set():
            try:
                self._prepare()
            except Exception as error:  # the listeners must go on whatever it is
                self._say(error)
                stop.wait(AGAIN_S)
            else:
                log.info("database_prepared")

    def _prepare(self) -> None:
        prepare(self._settings, self._fill)
        self._done.value = True

    def _say(self, error: Exception) -> None:
        """Once of each kind."""
        kind = type(error).__name__
        if kind != self._said:
            self._said = kind
            reason = str(getattr(error, "orig", error)).partition("\n")[0]
            log.error("database_not_prepared", error=kind, reason=reason)
