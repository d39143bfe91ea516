"""`gateway check` over the laboratory's rows: nothing to say of sound ones, and each planted damage is named."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, select, text, update

from gateway.check import check_journal, check_laboratory, check_originals
from gateway.index import Record
from gateway.intake import Drain
from gateway.lab.rows import LabHeld, LabMessage, MessageState
from gateway.runtime import Runtime
from tests.builders import NOW, County, build_county, identity
from tests.gateway.lab.listening import oru
from tests.laboratory import build_laboratory, register
from worklists.base import new_id
from worklists.laboratory.control import ControlResult
from worklists.laboratory.results import LabAttachment, LabResult
from worklists.laboratory.specimens import LabSpecimen
from worklists.patients import get_or_create

PDF = "OBX|4|ED|REPORT||^application^pdf^Base64^JVBERi0xLjQK||||||F\r"
CONTROL = oru("QC-1", control_id="2")


@pytest.fixture
def county(runtime: Runtime) -> County:
    """A blood count with its document, a control run, and one result that waits."""
    with runtime.sessions.begin() as session:
        county = build_county(session)
        laboratory = build_laboratory(session, county)
        register(session, county, "B001")
        device_id = str(laboratory.bench.id)
    origin = {
        "device_id": device_id, "institution_id": str(county.east.id), "wire": "hl7", "peer_address": "10.1.2.3",
        "peer_port": 40000, "tls": False, "character_set": "", "received_at": NOW.isoformat(),
    }  # fmt: skip
    unmapped = "OBX|5|NM|XYZ||1|furlong|||||F\r"
    for body in (oru() + PDF + unmapped, CONTROL):
        runtime.journal.append("hl7.message", origin, [body.encode()])
    Drain(runtime).index_new()
    runtime.journal.close()
    return county


def faults(runtime: Runtime) -> list[str]:
    return [f"{one.where}: {one.what}" for one in check_laboratory(runtime)]


def test_a_sound_laboratory_has_no_fault(runtime: Runtime, county: County) -> None:
    with runtime.reading() as session:
        assert session.scalars(select(LabResult)).first() and session.scalars(select(LabAttachment)).first()
        assert session.scalars(select(ControlResult)).first() and session.scalars(select(LabHeld)).first()
    assert faults(runtime) == []


def lose_messages(runtime: Runtime, _county: County) -> None:
    with runtime.sessions.begin() as session:
        session.execute(delete(LabHeld))
        session.execute(delete(LabMessage))


def forget_what_waits(runtime: Runtime, _county: County) -> None:
    with runtime.sessions.begin() as session:
        session.execute(update(LabHeld).values(resolved_at=NOW))


def call_it_filed(runtime: Runtime, _county: County) -> None:
    with runtime.sessions.begin() as session:
        session.execute(update(LabMessage).values(state=MessageState.FILED))


def count_too_few(runtime: Runtime, _county: County) -> None:
    with runtime.sessions.begin() as session:
        session.execute(update(LabMessage).where(LabMessage.controls == 0).values(filed=1))


def let_two_count(runtime: Runtime, _county: County) -> None:
    with runtime.sessions.begin() as session:
        first, second = session.scalars(select(LabResult).order_by(LabResult.id)).all()[:2]
        second.item_code, second.run = first.item_code, first.run + 1


def give_to_another(runtime: Runtime, county: County) -> None:
    """Of the specimen alone: the worst that can happen to a laboratory."""
    with runtime.sessions.begin() as session:
        other = get_or_create(session, county.east.id, identity(patient_id="P999"))
        session.execute(update(LabSpecimen).values(patient_id=other.id))


def give_a_result_to_another(runtime: Runtime, county: County) -> None:
    with runtime.sessions.begin() as session:
        other = get_or_create(session, county.east.id, identity(patient_id="P999"))
        result = session.scalars(select(LabResult)).first()
        assert result is not None
        result.patient_id = other.id


def lose_the_specimen(runtime: Runtime, _county: County) -> None:
    with runtime.sessions.begin() as session:
        session.execute(update(LabSpecimen).values(examination_id=None))


def move_the_attachment(runtime: Runtime, _county: County) -> None:
    with runtime.sessions.begin() as session:
        session.execute(update(LabAttachment).values(position=0))


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lose_messages, {"is a laboratory message without a row", "its message is not there"}),
        (forget_what_waits, {"is held, and nothing of it waits for anybody"}),
        (call_it_filed, {"is filed, and something of it waits for a person"}),
        (count_too_few, {"has more results than it is said to have filed"}),
        (let_two_count, {"has two results of one item that count"}),
        (give_to_another, {"its patient is not there, or is not its examination's"}),
        (give_a_result_to_another, {"is another patient's than its examination"}),
        (lose_the_specimen, {"no specimen has its examination"}),
        (
            move_the_attachment,
            {"cannot be read out of its message: there is no attachment at position 0"},
        ),
    ],
)
def test_each_damage_is_named(
    runtime: Runtime, county: County, damage: Callable[[Runtime, County], None], named: set[str]
) -> None:
    damage(runtime, county)

    assert {one.split(": ", 1)[1] for one in faults(runtime)} == named


def test_rotten_bytes_of_an_attachment_are_named(runtime: Runtime, county: County) -> None:
    """One letter of the Base64: the document would open, and say something else."""
    [segment] = Path(runtime.journal_dir).glob("*/*.seg")
    content = segment.read_bytes()
    assert content.count(b"JVBERi0xLjQK") == 1
    segment.chmod(0o640)
    segment.write_bytes(content.replace(b"JVBERi0xLjQK", b"JVBERi0xLjUK"))

    found = [one.what for check in (check_journal, check_originals) for one in check(runtime)]
    assert any("not those that were accepted" in one or "checksum" in one for one in found), found


def test_a_result_of_a_message_that_is_not_there_is_named_by_its_id(runtime: Runtime, county: County) -> None:
    with runtime.sessions.begin() as session:
        result = session.scalars(select(LabResult)).first()
        assert result is not None
        result.message_id = new_id()
        result_id = result.id
    assert f"result {result_id}: its message is not there" in faults(runtime)


def test_every_record_is_still_counted(runtime: Runtime, county: County) -> None:
    """The check reads and changes nothing."""
    before = rows(runtime)
    faults(runtime)
    assert rows(runtime) == before


def rows(runtime: Runtime) -> list[int]:
    tables = (Record, LabMessage, LabResult, LabHeld, LabAttachment, ControlResult)
    with runtime.reading() as session:
        return [
            session.execute(text(f"SELECT count(*) FROM {one.__tablename__}")).scalar_one() for one in tables
        ]
