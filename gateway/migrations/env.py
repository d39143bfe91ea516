"""Alembic's entry: runs the revisions on the connection that `gateway.migrations.migrate` hands over."""

import warnings
from typing import Any, Literal

from alembic import context

import gateway.rows  # noqa: F401 (every row class must be known to the metadata)
from worklists.base import Base, JsonValue, UtcDateTime


def _render(kind: str, value: Any, _autogenerate: Any) -> str | Literal[False]:
    if kind == "type" and isinstance(value, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and value is JsonValue:
        return 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    render_item=_render,
    compare_type=False,
)
with context.begin_transaction(), warnings.catch_warnings():
    # Said of tables that one which is replaced refers to; whether all indexes are there is a matter of the tests.
    warnings.filterwarnings("ignore", "Skipped unsupported reflection of expression-based index")
    context.run_migrations()
