"""The database: one engine per process, SQLite in WAL mode or PostgreSQL, the same rows on both."""

import sqlite3
from typing import Any

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.orm.exc import StaleDataError

DATABASE_AWAY = (OperationalError, InterfaceError)
# PostgreSQL's classes of errors (appendix A) that lie in what was asked, though drivers call them operational:
# a value that no index takes is one.
_OUR_FAULT = ("21", "22", "23", "26", "34", "42", "54")
_CROSSED = ("40", "55P03")  # two that met: deadlock, serialization, a lock that was not to be had

_ANEW = "planned anew"
BUSY_TIMEOUT_S = 20  # SQLite lets one writer in at a time; the others wait this long before they are told


def open_engine(url: str) -> Engine:
    """An engine whose transactions mean the same on both databases: a writer never loses an update."""
    # Statements in error messages show no values: those may be a patient's, and messages reach the log.
    if make_url(url).get_backend_name() == "sqlite":
        engine = create_engine(
            url, connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}, hide_parameters=True
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    engine = create_engine(
        url, pool_pre_ping=True, pool_size=10, connect_args={"connect_timeout": 5}, hide_parameters=True
    )
    event.listen(engine, "connect", _prepare_postgresql)
    return engine


def open_sessions(engine: Engine) -> sessionmaker[Session]:
    return sessionmaker(engine, expire_on_commit=False)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_S}000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


# Nothing is asked here that is worth a second of compiling (PostgreSQL, "When to JIT?"), nor the start of other
# processes: a page's counts were estimated dear and took 1.5 s, of which 1.45 were the compiler's. Pages of a disk
# without heads cost about the same in any order.
_POSTGRESQL = {"jit": "off", "max_parallel_workers_per_gather": "0", "random_page_cost": "1.1"}


def _prepare_postgresql(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        for name, value in _POSTGRESQL.items():
            cursor.execute(f"SET {name} = {value}")
    connection.commit()


def plan_anew(session: Session) -> None:
    """Until this transaction ends, or `plan_as_usual`: PostgreSQL plans each statement for the values that it has.

    A prepared statement is planned once for any value after a while, and a list of ids then counts for ten
    (PostgreSQL, PREPARE, notes): what is right for ten people is not for the five thousand of a surname.
    """
    if not session.info.get(_ANEW):
        _set_plans(session, "force_custom_plan", anew=True)


def plan_as_usual(session: Session) -> None:
    if session.info.get(_ANEW):
        _set_plans(session, "auto", anew=False)


def _set_plans(session: Session, mode: str, *, anew: bool) -> None:
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"SET LOCAL plan_cache_mode = {mode}"))
        session.info[_ANEW] = anew


def count_with_more(session: Session) -> None:
    """What is asked in this transaction reads so much that other processes are worth their start: a head's figures."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SET LOCAL max_parallel_workers_per_gather = 2"))


def _begin_sqlite(connection: Any) -> None:
    # A deferred transaction that reads first and writes later fails at once when somebody wrote in between
    # (SQLITE_BUSY_SNAPSHOT); one that says what it is going to do waits its turn instead.
    read_only = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def is_away(error: Exception) -> bool:
    """The database cannot be worked with now, whatever is asked of it."""
    if not isinstance(error, DATABASE_AWAY) or is_crossed(error):
        return False
    if isinstance(error.orig, sqlite3.Error):  # too big a value, say: SQLITE_ERROR and such of what was asked
        code = getattr(error.orig, "sqlite_errorcode", None)
        return code is None or code & 0xFF not in {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG}
    return not _state(error).startswith(_OUR_FAULT)


def is_crossed(error: Exception) -> bool:
    """Somebody else did the same at the same time: done again, it finds what they left."""
    if isinstance(error, StaleDataError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    return isinstance(error, IntegrityError) or _state(error).startswith(_CROSSED)


def _state(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")
