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


def migrate(engine: Engine) -> None:
    """Bring the database to the newest revision; nothing happens when it is there already."""
    from alembic import command  # noqa: PLC0415 (see above)

    with engine.begin() as connection:
        wait_for_turn(connection)
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


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
