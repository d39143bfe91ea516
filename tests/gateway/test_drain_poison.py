"""What breaks the drain, and what meets another drain: nothing behind it waits, nothing is there twice."""

import random
import resource
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event, func, select

from gateway.filing import Filing
from gateway.index import Held, Instance, Record, RecordState
from gateway.intake import Drain
from gateway.journal import journals
from gateway.runtime import Runtime
from gateway.threads import JournalThread
from tests.conftest import Clock
from tests.gateway.sending import Wire, open_wire
from tests.synthetic import new_uid
from worklists.examinations import Examination
from worklists.patients import Patient


@pytest.fixture
def wire(runtime: Runtime) -> Wire:
    return open_wire(runtime)


def states(wire: Wire) -> Counter[RecordState]:
    with wire.session() as session:
        return Counter(session.scalars(select(Record.state)))


@pytest.mark.parametrize("poison", ["header", "kind", "row"])
def test_one_poisoned_record_in_a_batch_is_set_apart_and_costs_about_two_batches(
    wire: Wire, poison: str
) -> None:
    study = new_uid()
    images = [wire.image(study_uid=study) for _ in range(64)]
    wire.send(*images[:40])
    if poison == "header":
        wire.send(wire.image(), transfer_syntax_uid="1.2.3")
    elif poison == "kind":
        wire.runtime.journal.append("no.such.kind", {}, [b"x"])
    else:
        wire.send(wire.image(), received_at="2026-01-01T00:00:00")  # in no zone: no row says that
    wire.send(*images[40:])
    transactions: list[object] = []
    note = transactions.append
    event.listen(wire.runtime.engine, "commit", note)
    try:
        wire.index()
    finally:
        event.remove(wire.runtime.engine, "commit", note)

    assert states(wire) == {RecordState.INDEXED: 64, RecordState.QUARANTINED: 1}
    assert len(transactions) < 40  # one by one it would be more than twice as many
    with wire.session() as session:
        assert session.scalars(select(Examination.instances)).all() == [64]


def test_a_value_that_no_index_takes_is_no_absent_database(wire: Wire) -> None:
    """PostgreSQL calls it operational (54000)."""
    noise = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=4000))
    image = wire.image()
    image.add_new("AccessionNumber", "LT", noise)
    image["AccessionNumber"].VR = "SH"
    wire.send(image, wire.image())

    wire.index()

    found = states(wire)
    assert found.total() == 2
    assert found[RecordState.INDEXED] >= 1


def test_a_drain_that_is_out_of_files_for_a_moment_sets_nothing_apart(wire: Wire) -> None:
    wire.send(wire.image())
    states_of_journals = journals(wire.runtime.journal_dir)
    arrivals = wire.drain._look(states_of_journals, {}, received_to=wire.runtime.now(), limit=10)
    with wire.session() as session:  # connected before there are no more files
        session.execute(select(1))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    later = threading.Timer(0.2, resource.setrlimit, (resource.RLIMIT_NOFILE, (soft, hard)))

    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    later.start()
    try:
        wire.drain._index_alone(arrivals.records[0])
    finally:
        later.join()

    assert states(wire) == {RecordState.INDEXED: 1}


def test_a_study_sent_three_times_at_once_by_two_devices_is_there_once(wire: Wire, tmp_path: Path) -> None:
    """Each copy over a journal of its own; two drains index them, as two ingest nodes do."""
    study = new_uid()
    images = [wire.image(study_uid=study, patient_id="P7") for _ in range(60)]
    altered = [wire.image(study_uid=study, patient_id="P7") for _ in range(20)]
    for image, original in zip(altered, images, strict=False):
        image.SOPInstanceUID = original.SOPInstanceUID
    others = [_node(wire, tmp_path, name) for name in ("second", "third")]
    nodes = [wire, *others]
    for node in nodes:
        node.send(*images)
    others[0].send(*altered)

    _together(nodes)

    with wire.session() as session:
        assert session.scalar(select(func.count()).select_from(Instance).where(Instance.current)) == 60
        assert session.scalars(select(Examination.instances)).all() == [60]
        assert session.scalar(select(func.count()).select_from(Patient)) == 1
        assert session.scalar(select(func.count()).select_from(Held)) == 20
    assert states(wire) == {RecordState.INDEXED: 60, RecordState.DUPLICATE: 120, RecordState.HELD: 20}


def test_two_nodes_that_receive_many_studies_of_the_same_patients_make_each_patient_once(
    wire: Wire, tmp_path: Path
) -> None:
    other = _node(wire, tmp_path, "second")
    for node in (wire, other):
        order = [f"P{number}" for number in range(40)]
        random.Random(node.runtime.settings.node).shuffle(order)
        node.send(*(wire.image(patient_id=one) for one in order))

    _together([wire, other])

    with wire.session() as session:
        assert session.scalar(select(func.count()).select_from(Patient)) == 40
        assert session.scalar(select(func.count()).select_from(Examination)) == 80


def test_a_record_that_cannot_be_filed_is_set_apart_and_the_others_are_filed(
    wire: Wire, clock: Clock
) -> None:
    study = new_uid()
    wire.send(*(wire.image(study_uid=study) for _ in range(5)))
    wire.index()
    with wire.runtime.sessions.begin() as session:  # as if its row were of another disk
        broken = session.scalars(select(Record).order_by(Record.sequence)).all()[2]
        broken.size_bytes += 1 << 40
    clock.advance(minutes=1)

    filing = Filing(wire.runtime)
    filed = sum(filing.file_ready() for _ in range(6))

    assert filed == 4
    assert states(wire) == {RecordState.INDEXED: 4, RecordState.QUARANTINED: 1}


def _node(wire: Wire, tmp_path: Path, name: str) -> Wire:
    """Another ingest node on the same database."""
    settings = wire.runtime.settings.model_copy(update={"node": name, "data_dir": tmp_path / name})
    settings.journal_dir.mkdir(parents=True)
    journal = JournalThread(settings.journal_dir, node=name, limit_bytes=settings.journal_bytes)
    runtime = replace(wire.runtime, settings=settings, journal=journal)
    return replace(wire, runtime=runtime, drain=Drain(runtime))


def _together(nodes: list[Wire]) -> None:
    """All drains index at once until each has nothing left."""
    start, failures = threading.Barrier(len(nodes)), []

    def run(node: Wire) -> None:
        start.wait()
        try:
            node.index()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(node,)) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for node in nodes[1:]:
        node.runtime.journal.close()
    assert failures == []
