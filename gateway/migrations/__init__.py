"""Database migrations: one line of revisions for SQLite and PostgreSQL alike.

Alembic is loaded by whoever migrates or asks: with its templates and their colours it takes 12 MB of a process.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, text

import gateway.rows  # noqa: F401 (every row class must be known to the metadata)

if TYPE_CHECKING:
    from alembic.config import Config

_TURN = 0x53434757  # the key of our advisory lock; any number that nobody else in this database uses


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the database to a revision, the newest; nothing happens when it is there already."""
    from alembic import command  # noqa: PLC0415 (see above)

    with engine.connect() as connection:
        _let_tables_be_replaced(connection)
        with connection.begin():
            wait_for_turn(connection)
            config = alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            _require_whole(connection)
        connection.invalidate()  # the next one enforces foreign keys again


def _let_tables_be_replaced(connection: Connection) -> None:
    """SQLite changes a table by writing another in its place, which what refers to it must survive.

    https://www.sqlite.org/lang_altertable.html, section 7; the pragma means nothing inside a transaction.
    """
    if connection.dialect.name == "sqlite":
        connection.connection.cursor().execute("PRAGMA foreign_keys = OFF")


def _require_whole(connection: Connection) -> None:
    """Raises AssertionError when a migration left something that refers to nothing."""
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if broken is not None:
            raise AssertionError(
                f"after the migration {broken[0]} refers to rows of {broken[2]} that are not there"
            )


def wait_for_turn(connection: Connection) -> None:
    """Of several that prepare the database at once, one after the other, each until its transaction ends."""
    if connection.dialect.name == "postgresql":  # SQLite lets one writer in at a time anyway
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _TURN})


def is_current(engine: Engine) -> bool:
    """Whether the database stands at the newest revision."""
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415 (see above)
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    return found == ScriptDirectory.from_config(alembic_config()).get_current_head()


def alembic_config() -> "Config":
    """Where the revisions are."""
    from alembic.config import Config  # noqa: PLC0415 (see above)

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config
