"""What a drain that was killed left behind is cleared up, and nothing else."""

import io
import threading
from pathlib import Path

import pytest
from sqlalchemy import select

from adapters.errors import Unavailable
from gateway import fault_points, journal
from gateway.filing import Filing
from gateway.index import Pack, Record
from gateway.journal import Journal
from gateway.journal.catalogue import making_journals
from gateway.leftovers import Leftovers
from gateway.runtime import Runtime
from tests.conftest import Clock
from tests.gateway.sending import Wire, open_wire


@pytest.fixture
def wire(runtime: Runtime) -> Wire:
    return open_wire(runtime)


def packs(wire: Wire) -> dict[str, bool]:
    """By key, whether it has its records."""
    with wire.session() as session:
        return {key: at is not None for key, at in session.execute(select(Pack.key, Pack.filed_at))}


def stop_after_the_put(wire: Wire) -> None:
    """The pack is in the store and its row is there; the process goes no further."""
    fault_points.arm("file.put=error")
    with pytest.raises(Unavailable):
        Filing(wire.runtime).file_ready()
    fault_points.arm("")


def test_a_pack_whose_putting_was_interrupted_is_removed_though_its_group_is_another_now(
    wire: Wire, clock: Clock
) -> None:
    wire.send(*(wire.image(study_uid="2.25.1") for _ in range(2)))
    wire.index()
    clock.advance(minutes=1)
    stop_after_the_put(wire)
    [interrupted] = packs(wire)
    assert wire.runtime.objects.size(interrupted)

    wire.send(
        wire.image(study_uid="2.25.1"), received_at="2026-11-21T06:00:00+00:00"
    )  # goes first from now on
    wire.index()
    Filing(wire.runtime).file_ready()

    [filed] = [key for key, is_filed in packs(wire).items() if is_filed]
    assert list(wire.runtime.objects.keys()) == [filed]


def test_a_put_that_is_carried_out_late_hurts_nobody_and_is_removed(wire: Wire, clock: Clock) -> None:
    """A server hung, or something before it held the request back: long after we gave up, it is done after all."""
    wire.send(wire.image())
    wire.index()
    clock.advance(minutes=1)
    stop_after_the_put(wire)
    [interrupted] = packs(wire)
    late = wire.runtime.objects.read(interrupted)
    filing = Filing(wire.runtime)
    assert filing.file_ready() == 1
    [filed] = [key for key, is_filed in packs(wire).items() if is_filed]
    assert filed != interrupted
    wire.runtime.objects.put(interrupted, io.BytesIO(late), len(late))

    filing.file_ready()
    assert packs(wire) == {filed: True, interrupted: False}, "its key is not used for anything else meanwhile"
    Leftovers(wire.runtime, latest_put_s=0).drop_interrupted([])

    assert packs(wire) == {filed: True}
    assert list(wire.runtime.objects.keys()) == [filed]


def test_a_commit_that_is_under_way_though_its_connection_was_lost_keeps_its_pack(
    wire: Wire, clock: Clock
) -> None:
    if wire.runtime.engine.dialect.name == "sqlite":
        pytest.skip("its commits are made by this process")
    wire.send(wire.image())
    wire.index()
    clock.advance(minutes=1)
    stop_after_the_put(wire)
    [key] = packs(wire)
    [state] = journal.journals(wire.runtime.journal_dir)
    dropping = threading.Thread(target=Leftovers(wire.runtime).drop_interrupted, args=([state.id],))
    with wire.runtime.sessions.begin() as session:
        session.scalars(select(Pack)).one().filed_at = clock()
        session.flush()
        dropping.start()
        dropping.join(0.5)
    dropping.join(10)
    assert wire.runtime.objects.size(key)


def test_a_pack_that_no_row_knows_is_left_alone(wire: Wire, clock: Clock) -> None:
    wire.send(wire.image())
    wire.index()
    [state] = journal.journals(wire.runtime.journal_dir)
    unknown = f"packs/{state.id}/0000000099.tar"
    wire.runtime.objects.put(unknown, io.BytesIO(b"all that is left"), 16)
    clock.advance(minutes=1)
    Filing(wire.runtime).file_ready()
    assert wire.runtime.objects.read(unknown) == b"all that is left"


def test_a_pack_of_another_node_that_is_being_put_is_left_alone(wire: Wire, clock: Clock) -> None:
    theirs = f"packs/{'0' * 32}/0000000001.tar"
    with wire.runtime.sessions.begin() as session:
        session.add(Pack(key=theirs, size_bytes=4))
    wire.runtime.objects.put(theirs, io.BytesIO(b"half"), 4)
    Filing(wire.runtime).file_ready()
    assert packs(wire) == {theirs: False}
    assert wire.runtime.objects.size(theirs) == 4


def test_a_filed_pack_is_never_written_over(wire: Wire, clock: Clock) -> None:
    wire.send(wire.image())
    wire.index()
    clock.advance(minutes=1)
    Filing(wire.runtime).file_ready()
    [first] = packs(wire)
    with wire.runtime.sessions.begin() as session:  # a person's hand, a bug: the record is to be filed again
        [record] = session.scalars(select(Record))
        record.pack_id = record.pack_offset = None
    Filing(wire.runtime).file_ready()
    assert sorted(packs(wire)) == sorted([first, first.replace(".tar", "-r1.tar")])


def test_half_written_objects_of_a_folder_go(wire: Wire) -> None:
    wire.send(wire.image())
    [state] = journal.journals(wire.runtime.journal_dir)
    half = Path(wire.runtime.settings.objects) / "packs" / state.id / ".put-half"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    Filing(wire.runtime).file_ready()
    assert not half.exists()


def test_journals_half_made_and_half_removed_go_and_those_being_made_stay(tmp_path: Path) -> None:
    for name in (".new-1", ".gone-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "lock").touch()
    with making_journals(tmp_path):
        journal.remove_leftovers(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [".new-1"]
    journal.remove_leftovers(tmp_path)
    assert not list(tmp_path.iterdir())
    Journal.create(tmp_path, node="n", limit_bytes=1 << 30)
    journal.remove_leftovers(tmp_path)
    assert len(journal.journals(tmp_path)) == 1


def test_a_journal_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    fault_points.arm("journal.making=error")
    with pytest.raises(Unavailable):
        Journal.create(tmp_path, node="n", limit_bytes=1 << 30)
    fault_points.arm("")
    assert not list(tmp_path.iterdir())
