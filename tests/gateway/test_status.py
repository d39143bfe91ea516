"""`gateway status`, as somebody at a terminal and as a script reads it."""

import io
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from gateway.backups.rows import BackupRun
from gateway.presence import Presence
from gateway.runtime import Runtime
from gateway.settings import Settings
from gateway.status import run_status
from tests.gateway.sending import open_wire


def ask(settings: Settings) -> tuple[bool, str]:
    said = io.StringIO()
    return run_status(settings, Console(file=said, width=200), watch=True), said.getvalue()


def test_a_system_at_rest_is_healthy_and_says_what_there_is(runtime: Runtime):
    Presence(runtime.settings.data_dir / "run", role="web", node="local", now=runtime.now).say()

    healthy, said = ask(runtime.settings)

    assert healthy
    assert "nothing is wrong" in said
    assert f"database {runtime.engine.dialect.name}" in said
    assert "store folder" in said


def test_what_is_behind_is_said_without_a_name(runtime: Runtime):
    wire = open_wire(runtime)
    wire.send(wire.image(patient_id="SECRET-ID", name="Qiu^Ming=仇^明"))

    healthy, said = ask(runtime.settings)

    assert not healthy  # accepted long ago by the wall clock, and no drain is there
    assert "1 not indexed" in said
    assert "仇" not in said
    assert "SECRET" not in said


def test_a_database_that_is_away_is_said_and_is_not_healthy(tmp_path: Path):
    settings = Settings(data_dir=tmp_path, database_url="postgresql+psycopg://gateway@127.0.0.1:1/none")

    healthy, said = ask(settings)

    assert not healthy
    assert "The database is away" in said


@pytest.mark.parametrize(("problems", "healthy"), [([], True), (["packs/x.tar is missing"], False)])
def test_the_last_backup_is_shown(runtime: Runtime, problems: list[str], healthy: bool):
    from gateway.runtime import utc_now

    with runtime.sessions.begin() as session:
        session.add(
            BackupRun(
                stamp="20261121T000000Z", began_at=utc_now(), ended_at=utc_now() - timedelta(hours=3),
                size_bytes=1 << 20, packs=2, originals=False, verified=True, problems=problems,
            )
        )  # fmt: skip

    found, said = ask(runtime.settings)

    assert found is healthy
    assert "20261121T000000Z, 3 h ago" in said
