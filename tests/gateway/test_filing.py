"""The drain's second step: packs in the store, segments that may go, and bytes that stay what they were."""

import tarfile
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import select

from adapters.errors import Unavailable
from gateway import filing, journal
from gateway.audit import Actor
from gateway.fault_points import arm
from gateway.filing import Filing
from gateway.index import DrainMark, Instance, Pack, Record, RecordState
from gateway.intake import Drain
from gateway.objects import ObjectStore, Source, open_object_store
from gateway.originals import read_original
from gateway.packing import Waiting
from gateway.probes import Probes
from gateway.retrying import discard_record
from gateway.runtime import Runtime
from gateway.system import Overseer
from tests.conftest import Clock
from tests.gateway.sending import Wire, encode, open_wire
from tests.synthetic import new_uid


@pytest.fixture
def wire(runtime: Runtime) -> Wire:
    return open_wire(runtime)


def file_all(wire: Wire, **settings: object) -> int:
    """One pass of the filing thread, with other settings if need be."""
    changed = wire.runtime.settings.model_copy(update=settings)
    return Filing(replace(wire.runtime, settings=changed)).file_ready()


def records(wire: Wire) -> list[Record]:
    with wire.session() as session:
        return list(session.scalars(select(Record).order_by(Record.sequence)))


def packs(wire: Wire) -> dict[str, bytes]:
    store = wire.runtime.objects
    return {key: store.read(key) for key in store.keys("packs/")}


def away(wire: Wire, tmp_path: Path) -> Runtime:
    """The same installation with a store whose folder cannot be made."""
    (tmp_path / "in-the-way").write_text("a file")
    return replace(wire.runtime, objects=open_object_store(str(tmp_path / "in-the-way" / "objects")))


def test_young_records_wait_for_more_of_their_series(wire: Wire, clock: Clock) -> None:
    wire.send(wire.image())
    wire.index()

    assert file_all(wire) == 0
    clock.advance(seconds=21)
    assert file_all(wire) == 1


def test_a_group_of_a_packs_size_is_filed_at_once(wire: Wire) -> None:
    study = new_uid()
    wire.send(*(wire.image(study_uid=study) for _ in range(3)))
    wire.index()

    assert file_all(wire, pack_bytes=1000) > 0


@dataclass(slots=True)
class HangingStore:
    """Takes packs when it is told to."""

    store: ObjectStore
    lets_go: Event = field(default_factory=Event)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def put(self, key: str, source: Source, size: int) -> None:
        self.lets_go.wait()
        self.store.put(key, source, size)


def test_nobody_looks_for_packs_while_a_slow_store_has_as_many_as_it_gets(
    wire: Wire, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filing, "UPLOADS", 1)
    monkeypatch.setattr(filing, "LOOK_AGAIN_S", 0.01)
    monkeypatch.setattr(filing, "PATIENCE_S", 0.2)
    store = HangingStore(wire.runtime.objects)
    one = Filing(replace(wire.runtime, objects=store))
    looks = count_looks(monkeypatch)
    wire.send(wire.image())
    wire.index()
    clock.advance(seconds=21)

    try:
        assert (one.file_ready(), one.file_ready(), one.is_busy) == (0, 0, True)
        assert len(looks) == 1
    finally:
        store.lets_go.set()
    filed = 0
    while one.is_busy:
        filed += one.file_ready()

    assert filed == 1
    one.close()


def count_looks(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One more whenever somebody looks for what may be filed."""
    looks: list[None] = []
    look = Filing._ready_packs

    def counted(self: Filing) -> list[list[Waiting]]:
        looks.append(None)
        return look(self)

    monkeypatch.setattr(Filing, "_ready_packs", counted)
    return looks


def test_a_pack_is_a_tar_of_files(wire: Wire, clock: Clock) -> None:
    wire.send(wire.image(), wire.image())  # two series; small ones share a pack
    wire.index()
    clock.advance(minutes=1)
    file_all(wire)

    [(key, content)] = packs(wire).items()
    with tarfile.open(fileobj=BytesIO(content)) as tar:
        members = tar.getmembers()
        for member in members:
            extracted = tar.extractfile(member)
            assert extracted is not None
            assert extracted.read()[128:132] == b"DICM"
    assert len(members) == 2
    assert Path(key).suffix == ".tar"


def test_a_pack_whose_row_was_lost_with_the_database_is_not_overwritten(wire: Wire, clock: Clock) -> None:
    """It may hold what lies nowhere else: filing again makes another one beside it, with the same bytes."""
    wire.send(wire.image())
    wire.index()
    clock.advance(minutes=1)
    file_all(wire)
    before = packs(wire)
    with wire.runtime.sessions.begin() as session:
        for record in session.scalars(select(Record)):
            record.pack_id = record.pack_offset = None
        session.flush()
        for pack in session.scalars(select(Pack)):
            session.delete(pack)
    file_all(wire)

    [(key, content)] = before.items()
    assert packs(wire) == {key: content, key.replace(".tar", "-r1.tar"): content}


def test_while_the_store_is_away_originals_are_read_from_the_journal(
    wire: Wire, clock: Clock, tmp_path: Path
) -> None:
    image = wire.image()
    wire.send(image)
    wire.index()
    clock.advance(minutes=1)

    with pytest.raises(Unavailable):
        Filing(away(wire, tmp_path)).file_ready()
    [record] = records(wire)
    assert record.pack_id is None
    assert read_original(wire.runtime, record, offset=record.data_set_offset) == encode(image)

    assert file_all(wire) == 1  # the store is back


def test_an_evicted_segment_is_read_from_the_pack(wire: Wire, clock: Clock) -> None:
    images = [wire.image() for _ in range(3)]
    wire.send(*images)
    wire.index()
    wire.end_journal()
    clock.advance(minutes=1)
    file_all(wire, cache_bytes=0)
    file_all(wire, cache_bytes=0)

    assert not list(wire.runtime.journal_dir.glob("*/*.seg"))
    for record, image in zip(records(wire), images, strict=True):
        assert not record.local
        assert read_original(wire.runtime, record, offset=record.data_set_offset) == encode(image)


def test_a_segment_that_was_evicted_while_a_row_still_says_local_is_read_from_the_pack(
    wire: Wire, clock: Clock
) -> None:
    image = wire.image()
    wire.send(image)
    wire.index()
    wire.end_journal()
    clock.advance(minutes=1)
    file_all(wire)
    [stale] = records(wire)
    file_all(wire, cache_bytes=0)

    assert stale.local
    assert read_original(wire.runtime, stale, offset=stale.data_set_offset) == encode(image)


def test_filed_segments_stay_as_a_cache(wire: Wire, clock: Clock) -> None:
    wire.send(wire.image())
    wire.index()
    wire.end_journal()
    clock.advance(minutes=1)
    file_all(wire)

    assert list(wire.runtime.journal_dir.glob("*/*.seg"))
    assert wire.unfiled_bytes == 0


def test_a_segment_that_is_not_indexed_to_its_end_stays(wire: Wire, clock: Clock) -> None:
    wire.send(wire.image())
    wire.index()
    wire.send(wire.image())  # accepted, not indexed yet
    wire.end_journal()
    clock.advance(minutes=1)
    file_all(wire, cache_bytes=0)

    assert wire.unfiled_bytes > 0
    wire.index()
    assert len(records(wire)) == 2


def test_a_journal_of_which_nothing_is_left_is_removed(wire: Wire, clock: Clock) -> None:
    wire.send(wire.image())
    wire.index()
    wire.end_journal()
    clock.advance(minutes=1)
    for _ in range(3):
        file_all(wire, cache_bytes=0)

    assert journal.journals(wire.runtime.journal_dir) == []


def test_a_segment_that_a_full_disk_left_empty_does_not_stay(wire: Wire, clock: Clock) -> None:
    wire.send(wire.image())
    wire.index()
    wire.end_journal()
    arm("journal.segment_made=error@1")
    try:
        with pytest.raises(Unavailable):
            wire.send(wire.image())
    finally:
        arm("")
    wire.end_journal()
    clock.advance(minutes=1)
    for _ in range(3):
        file_all(wire, cache_bytes=0)

    assert journal.journals(wire.runtime.journal_dir) == []


def test_a_body_that_rotted_is_set_apart_and_the_others_are_filed(wire: Wire, clock: Clock) -> None:
    study = new_uid()
    wire.send(*(wire.image(study_uid=study) for _ in range(3)))
    wire.index()
    wire.end_journal()
    middle = records(wire)[1]
    [segment] = wire.runtime.journal_dir.glob("*/*.seg")
    with segment.open("r+b") as file:
        file.seek(middle.offset + middle.size_bytes - 5)
        file.write(b"\xff\xff\xff")
    clock.advance(minutes=1)
    file_all(wire)
    file_all(wire)

    found = records(wire)
    assert [record.state for record in found] == [
        RecordState.INDEXED, RecordState.QUARANTINED, RecordState.INDEXED,
    ]  # fmt: skip
    assert [record.pack_id is not None for record in found] == [True, False, True]
    assert found[1].reason


def test_held_originals_are_filed_too(wire: Wire, clock: Clock) -> None:
    image = wire.image()
    wire.send(image, institution_id=None, device_id=None)
    wire.index()
    clock.advance(minutes=1)

    assert file_all(wire) == 1


def test_what_was_received_under_the_nodes_former_name_is_filed_and_told_until_then(
    wire: Wire, clock: Clock
) -> None:
    wire.send(wire.image())
    wire.end_journal()
    runtime = wire.runtime
    renamed = replace(runtime, settings=runtime.settings.model_copy(update={"node": "renamed"}))
    Drain(renamed).index_new()
    overseer = Overseer(renamed, Probes(renamed))
    [fault] = [fault for fault in overseer.look().faults if fault.code == "node_changed"]
    assert (fault.where, fault.severity) == (runtime.settings.node, "amber")

    clock.advance(minutes=1)
    assert Filing(renamed).file_ready() == 1

    assert records(wire)[0].pack_id is not None
    faults = Overseer(renamed, Probes(renamed)).look().faults
    assert "node_changed" not in {one.code for one in faults}


def test_records_of_another_machine_are_left_to_it(wire: Wire, clock: Clock, tmp_path: Path) -> None:
    wire.send(wire.image())
    wire.index()
    clock.advance(minutes=1)
    settings = wire.runtime.settings.model_copy(update={"node": "other", "data_dir": tmp_path / "other"})
    settings.journal_dir.mkdir(parents=True)

    assert Filing(replace(wire.runtime, settings=settings)).file_ready() == 0


def test_an_examination_received_under_the_former_name_is_not_waited_for(wire: Wire, clock: Clock) -> None:
    wire.send(wire.image())
    wire.index()
    wire.end_journal()
    clock.advance(minutes=1)
    settings = wire.runtime.settings.model_copy(update={"node": "renamed"})

    Drain(replace(wire.runtime, settings=settings)).index_new()

    with wire.session() as session:
        marks = session.scalars(select(DrainMark.indexed_until)).all()
    assert marks == [clock(), clock()]


def spoil(wire: Wire, record: Record) -> None:
    """The disk gives back other bytes for the end of a body."""
    path = journal.find_segment(wire.runtime.journal_dir, record.journal, record.segment)
    assert path is not None
    with path.open("r+b") as file:
        file.seek(record.offset + record.size_bytes - 5)
        file.write(b"\xff\xff\xff")


def send_twice(wire: Wire) -> tuple[bytes, Record, Record]:
    """One image and its duplicate, each in a segment of its own: the data set and the two records."""
    image = wire.image()
    for _ in range(2):
        wire.send(image)
        wire.index()
        wire.end_journal()
    first, second = sorted(records(wire), key=lambda record: record.state == RecordState.DUPLICATE)
    assert (first.state, second.state) == (RecordState.INDEXED, RecordState.DUPLICATE)
    return encode(image), first, second


def stored(wire: Wire) -> Record:
    """The record of the only instance there is."""
    with wire.session() as session:
        return session.scalars(select(Instance)).one().record


def test_a_duplicate_takes_the_place_of_an_original_that_rotted_before_it_was_filed(
    wire: Wire, clock: Clock
) -> None:
    data_set, first, second = send_twice(wire)
    spoil(wire, first)
    clock.advance(minutes=1)
    for _ in range(3):
        file_all(wire, cache_bytes=0)

    assert stored(wire).id == second.id
    assert not stored(wire).local
    assert read_original(wire.runtime, stored(wire), offset=second.data_set_offset) == data_set
    assert sorted(record.state for record in records(wire)) == [RecordState.DUPLICATE, RecordState.INDEXED]


def test_the_segment_of_a_duplicate_stays_until_its_original_is_filed(wire: Wire, clock: Clock) -> None:
    _, _, second = send_twice(wire)
    file_all(wire, cache_bytes=0)  # the original is young and waits
    assert journal.find_segment(wire.runtime.journal_dir, second.journal, second.segment)

    clock.advance(minutes=1)
    for _ in range(3):
        file_all(wire, cache_bytes=0)
    assert not list(wire.runtime.journal_dir.glob("*/*.seg"))


def test_when_both_copies_rot_the_original_is_set_apart_and_sent_again_it_is_there(
    wire: Wire, clock: Clock
) -> None:
    image = wire.image()
    for _ in range(2):
        wire.send(image)
        wire.index()
        wire.end_journal()
    for record in records(wire):
        spoil(wire, record)
    clock.advance(minutes=1)
    file_all(wire)
    assert stored(wire).state is RecordState.QUARANTINED

    wire.send(image)
    wire.index()
    assert stored(wire).state is RecordState.INDEXED
    clock.advance(minutes=1)
    file_all(wire)

    record = stored(wire)
    assert record.pack_id is not None
    assert read_original(wire.runtime, record, offset=record.data_set_offset) == encode(image)
    assert RecordState.QUARANTINED not in {one.state for one in records(wire)}


def test_a_rotten_original_that_is_given_up_keeps_no_segment_and_is_taken_when_it_is_sent_again(
    wire: Wire, clock: Clock
) -> None:
    image = wire.image()
    wire.send(image)
    wire.index()
    wire.end_journal()
    [rotten] = records(wire)
    spoil(wire, rotten)
    clock.advance(minutes=1)
    file_all(wire, cache_bytes=0)
    file_all(wire, cache_bytes=0)
    assert list(wire.runtime.journal_dir.glob("*/*.seg"))
    discard_record(wire.runtime, rotten.id, Actor(name="it"), reason="重发过了")
    for _ in range(2):
        file_all(wire, cache_bytes=0)

    assert not list(wire.runtime.journal_dir.glob("*/*.seg"))
    wire.send(image)
    wire.index()
    assert stored(wire).state is RecordState.INDEXED
    assert sorted(one.state for one in records(wire)) == [RecordState.DISCARDED, RecordState.INDEXED]
    clock.advance(minutes=1)
    file_all(wire)
    record = stored(wire)
    assert read_original(wire.runtime, record, offset=record.data_set_offset) == encode(image)
