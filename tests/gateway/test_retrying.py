"""A quarantined record is tried again from wherever its bytes are by then."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from gateway.audit import Actor
from gateway.filing import Filing
from gateway.index import Instance, Record, RecordState
from gateway.originals import read_original
from gateway.retrying import StillBroken, retry_record
from gateway.runtime import Runtime
from tests.conftest import Clock
from tests.gateway.sending import Wire, encode, open_wire

IT = Actor(name="it")


@pytest.fixture
def wire(runtime: Runtime) -> Wire:
    return open_wire(runtime)


def test_a_quarantined_record_whose_segment_has_gone_is_indexed_from_its_pack(
    wire: Wire, clock: Clock
) -> None:
    image = wire.image()
    wire.send(image, transfer_syntax_uid="1.2.3")  # nobody can read that
    wire.index()
    wire.end_journal()
    clock.advance(minutes=1)
    settings = wire.runtime.settings.model_copy(update={"cache_bytes": 0})
    for _ in range(3):
        filing = Filing(replace(wire.runtime, settings=settings))
        filing.file_ready()
        filing.close()
    assert not list(wire.runtime.journal_dir.glob("*/*.seg"))
    with wire.session() as session:
        broken = session.scalars(select(Record)).one()
    assert broken.state is RecordState.QUARANTINED
    with pytest.raises(StillBroken):
        retry_record(wire.runtime, broken.id, IT)

    with wire.runtime.sessions.begin() as session:
        row = session.get_one(Record, broken.id)
        row.origin = {**row.origin, "transfer_syntax_uid": "1.2.840.10008.1.2.1"}
    retry_record(wire.runtime, broken.id, IT)

    with wire.session() as session:
        record = session.scalars(select(Instance)).one().record
    assert record.state is RecordState.INDEXED
    assert read_original(wire.runtime, record, offset=record.data_set_offset) == encode(image)
