"""`gateway check`: nothing to say about a sound installation, and a sentence about each thing that is not."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import delete, select, text, update

from gateway import audit, journal
from gateway.audit import Actor, AuditEvent
from gateway.check import (
    Fault,
    check_audit,
    check_counts,
    check_database,
    check_journal,
    check_originals,
    check_packs,
    run_check,
)  # fmt: skip
from gateway.filing import Filing
from gateway.index import Held, Instance, Record
from gateway.migrations import migrate
from gateway.runtime import Runtime, open_runtime
from gateway.settings import Settings
from tests.conftest import Clock
from tests.gateway.sending import Wire, open_wire
from worklists.examinations import Examination


@pytest.fixture
def wire(runtime: Runtime, clock: Clock) -> Wire:
    """Two studies, indexed and filed, one of them held."""
    wire = open_wire(runtime)
    wire.send(wire.image(patient_id="P1"))
    wire.send(wire.image(patient_id="P1", name="Li^Na=李^娜"))
    wire.index()
    wire.end_journal()
    clock.advance(minutes=1)
    Filing(runtime).file_ready()
    return wire


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """An installation before its first migration."""
    url = request.getfixturevalue("postgres").url() if request.param == "postgresql" else None
    return Settings(data_dir=tmp_path / "data", database_url=url)


Check = Callable[[Runtime], Iterator[Fault]]
CHECKS: list[Check] = [check_journal, check_originals, check_packs, check_counts, check_audit]


def faults(wire: Wire) -> list[str]:
    return [f"{fault.where}: {fault.what}" for check in CHECKS for fault in check(wire.runtime)]


def only_fault(wire: Wire, words: str) -> None:
    [found] = faults(wire)
    assert words in found


def test_a_sound_installation_has_no_fault(wire: Wire) -> None:
    assert faults(wire) == []


def test_records_that_wait_for_the_drain_are_no_fault(wire: Wire) -> None:
    wire.send(wire.image())

    assert faults(wire) == []


def test_an_accepted_record_without_a_row_is_named(wire: Wire) -> None:
    with wire.runtime.sessions.begin() as session:
        session.execute(delete(Held))
        session.execute(delete(Record).where(Record.reason != ""))

    in_journal, in_pack = faults(wire)
    assert "was accepted and has no row" in in_journal
    assert "no row points to this original" in in_pack


def test_rotten_bytes_of_a_segment_are_named(wire: Wire) -> None:
    with wire.session() as session:
        record = session.scalars(select(Record).order_by(Record.sequence)).first()
        assert record is not None
    [segment] = wire.runtime.journal_dir.glob("*/*.seg")
    segment.chmod(0o640)
    with segment.open("r+b") as file:
        file.seek(record.offset + record.size_bytes - 4)
        file.write(b"\xff\xff\xff")

    assert any("segment" in found or "journal" in found or record.journal in found for found in faults(wire))


def test_a_missing_pack_is_named(wire: Wire) -> None:
    key = sorted(wire.runtime.objects.keys("packs/"))[0]
    wire.runtime.objects.delete(key)

    only_fault(wire, f"{key}: missing")


def test_a_pack_that_no_row_knows_is_named(wire: Wire) -> None:
    wire.runtime.objects.put("packs/stray.tar", io.BytesIO(b"x"), 1)

    only_fault(wire, "packs/stray.tar: no row points to this pack")


def test_bytes_of_a_pack_that_changed_are_named_once_the_segment_is_gone(wire: Wire) -> None:
    with wire.session() as session:
        record = session.scalars(select(Record)).first()
        assert record is not None
        pack, last = record.pack, (record.pack_offset or 0) + record.size_bytes - 1
        assert pack is not None
    content = bytearray(wire.runtime.objects.read(pack.key))
    content[last] ^= 0xFF
    wire.runtime.objects.put(pack.key, io.BytesIO(bytes(content)), len(content))
    with wire.runtime.sessions.begin() as session:
        session.execute(update(Record).values(local=False))

    only_fault(wire, "the bytes are not those that were accepted")


def test_a_byte_that_changed_in_a_pack_is_named_while_its_segment_is_still_here(wire: Wire) -> None:
    with wire.session() as session:
        record = session.scalars(select(Record).where(Record.pack_id.is_not(None))).first()
        assert record is not None and record.pack is not None and record.local
        key, last = record.pack.key, (record.pack_offset or 0) + record.size_bytes - 1
    content = bytearray(wire.runtime.objects.read(key))
    content[last] ^= 0x01
    wire.runtime.objects.put(key, io.BytesIO(bytes(content)), len(content))

    only_fault(wire, "the bytes are not those that were accepted")


def test_a_pack_that_is_no_archive_any_more_is_named(wire: Wire) -> None:
    key, content = any_pack(wire)
    content[:512] = bytes(511) + b"x"
    wire.runtime.objects.put(key, io.BytesIO(bytes(content)), len(content))

    assert any(f"is not in {key}" in found for found in faults(wire))


def test_a_row_that_was_removed_is_named_though_its_segment_is_gone(wire: Wire) -> None:
    with wire.runtime.sessions.begin() as session:
        session.execute(update(Record).values(local=False))
        held = session.scalars(select(Held)).one()
        record = held.record
        assert record.pack is not None
        key = record.pack.key
        session.delete(held)
        session.flush()
        session.delete(record)
    for state in journal.journals(wire.runtime.journal_dir):
        for segment in state.segments:
            journal.remove_segment(wire.runtime.journal_dir, state.id, segment.number)

    [found] = faults(wire)
    assert found.startswith(key)
    assert "no row points to this original" in found


def any_pack(wire: Wire) -> tuple[str, bytearray]:
    key = next(iter(wire.runtime.objects.keys("packs/")))
    return key, bytearray(wire.runtime.objects.read(key))


def test_a_count_that_is_not_the_index_is_named(wire: Wire) -> None:
    with wire.runtime.sessions.begin() as session:
        session.execute(update(Examination).values(instances=7))

    only_fault(wire, "counts 7, has 1")


def test_a_held_record_that_nobody_is_asked_about_is_named(wire: Wire) -> None:
    with wire.runtime.sessions.begin() as session:
        session.execute(delete(Held))

    only_fault(wire, "is held without a reason")


def test_an_audit_row_that_was_changed_is_named(wire: Wire) -> None:
    with wire.runtime.sessions.begin() as session:
        for word in ("one", "two", "three"):
            audit.record(session, word, actor=Actor(name="test"), now=wire.runtime.now())
    with wire.runtime.sessions.begin() as session:
        audit.seal(session)
    assert faults(wire) == []
    with wire.runtime.sessions.begin() as session:
        session.execute(update(AuditEvent).where(AuditEvent.action == "two").values(action="nothing"))

    only_fault(wire, "audit")


def test_the_command_ends_well_on_a_migrated_database_and_says_ok(empty: Settings) -> None:
    opened = open_runtime(empty)
    migrate(opened.engine)
    opened.engine.dispose()
    said = Console(file=io.StringIO(), width=200)

    assert run_check(empty, said)
    lines = said.file.getvalue().splitlines()  # type: ignore[attr-defined]
    parts = ("database", "journal", "originals", "packs", "counts", "laboratory", "devices", "audit")
    assert [line.split() for line in lines] == [[part, "ok"] for part in parts]


def test_a_database_of_another_version_is_named(empty: Settings) -> None:
    opened = open_runtime(empty)
    migrate(opened.engine)
    with opened.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'older'"))

    assert [fault.where for fault in check_database(opened)] == ["schema"]
    opened.engine.dispose()


def test_two_current_versions_of_one_instance_are_named(wire: Wire) -> None:
    """The index forbids it by code, not by the database, so the check looks."""
    with wire.runtime.sessions.begin() as session:
        first = session.scalars(select(Instance)).one()
        other = session.scalars(select(Record).where(Record.id != first.record_id)).one()
        session.add(
            Instance(
                series_id=first.series_id, record_id=other.id, sop_instance_uid=first.sop_instance_uid,
                sop_class_uid=first.sop_class_uid, transfer_syntax_uid=first.transfer_syntax_uid, version=2,
                current=True,
            )
        )  # fmt: skip
        session.execute(update(Examination).values(instances=2))

    only_fault(wire, "more than one current version")
