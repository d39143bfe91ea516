"""The database of a backup: a snapshot that is read while its file is written, and its return into an empty one.

SQLite by its online backup, PostgreSQL by pg_dump and pg_restore, which must be on the path in the server's version.
"""

import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.orm import Session

from gateway.settings import Settings


class DumpFailed(Exception):
    """A program of PostgreSQL is missing or said no; carries what it said."""


class Snapshot(Protocol):
    """The database as it stood at one moment."""

    def write(self, path: Path) -> None:
        """Write it to a file."""

    def session(self) -> Session:
        """Read it. On SQLite only after it was written."""


@contextmanager
def open_snapshot(settings: Settings, engine: Engine) -> Iterator[Snapshot]:
    """The database as it stands now; who writes meanwhile is not held up."""
    url = make_url(settings.database)
    if url.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(url.database), isolation_level=None)) as connection:
            connection.execute("BEGIN")
            connection.execute(
                "SELECT count(*) FROM sqlite_master"
            ).fetchone()  # the snapshot begins with a read
            snapshot = _SqliteSnapshot(connection)
            yield snapshot
            snapshot.close()
        return
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as reading, reading.begin():
        reading.execute(text("SET TRANSACTION READ ONLY"))
        name: str = reading.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        yield _PostgresSnapshot(reading, url, name)


def restore_database(settings: Settings, path: Path) -> None:
    """Make the database what the file says. It must be empty: see `is_empty`."""
    url = make_url(settings.database)
    if url.get_backend_name() == "sqlite":
        target = Path(str(url.database))
        target.parent.mkdir(parents=True, exist_ok=True)
        for name in (target.name, f"{target.name}-wal", f"{target.name}-shm"):
            target.with_name(name).unlink(missing_ok=True)
        shutil.copyfile(path, target)
        target.chmod(0o600)
        return
    _run(
        url,
        "pg_restore",
        ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", str(path)],
    )


def check_dump(kind: str, path: Path) -> str | None:
    """What is wrong with a dump; None when it can be read."""
    if kind == "sqlite":
        with closing(sqlite3.connect(path)) as connection:
            [said] = connection.execute("PRAGMA integrity_check").fetchone()
        return None if said == "ok" else str(said)
    listed = _call([_program("pg_restore"), "--list", str(path)])
    return None if listed.returncode == 0 and "TABLE DATA" in listed.stdout else listed.stderr.strip()[:300]


def is_empty(engine: Engine) -> bool:
    """Whether the database has no table yet."""
    return not inspect(engine).get_table_names()


@dataclass(slots=True)
class _SqliteSnapshot:
    connection: sqlite3.Connection
    engine: Engine | None = None

    def write(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as copy:
            path.chmod(0o600)
            self.connection.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a -wal beside it
        self.engine = create_engine(f"sqlite:///file:{path}?mode=ro&uri=true", hide_parameters=True)

    def session(self) -> Session:
        if self.engine is None:
            raise RuntimeError("a snapshot of SQLite is read from its file")
        return Session(self.engine)

    def close(self) -> None:
        if self.engine is not None:
            self.engine.dispose()


@dataclass(slots=True)
class _PostgresSnapshot:
    connection: Connection
    url: URL
    name: str

    def write(self, path: Path) -> None:
        _run(self.url, "pg_dump", [f"--snapshot={self.name}", "--format=custom", f"--file={path}"])
        path.chmod(0o600)

    def session(self) -> Session:
        return Session(self.connection)


def _run(url: URL, name: str, options: Sequence[str]) -> None:
    """A program of PostgreSQL. The password goes by a file of the owner's: a command line is for everybody to read."""
    with tempfile.TemporaryDirectory(prefix="gateway-") as folder:
        passwords = Path(folder) / "passwords"
        passwords.touch(mode=0o600)
        passwords.write_text(f"*:*:*:*:{_escaped(str(url.password or ''))}\n")
        where = URL.create(
            "postgresql", url.username, None, url.host, url.port, url.database,
            {**url.query, "passfile": str(passwords)},
        )  # fmt: skip
        command = [_program(name), f"--dbname={where.render_as_string()}", "--no-password", *options]
        done = _call(command)
    if done.returncode != 0:
        raise DumpFailed(f"{name}: {done.stderr.strip()[:600]}")


def _call(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (our own words)


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise DumpFailed(
            f"{name} is not on the path; it comes with PostgreSQL's client of the server's version "
            "(Debian: postgresql-client)"
        )
    return path


def _escaped(password: str) -> str:
    """As a line of a password file has it (PostgreSQL, libpq-pgpass)."""
    return password.replace("\\", "\\\\").replace(":", "\\:")
