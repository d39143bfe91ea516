"""A laboratory comes back from a backup whole: results, what waits, rules, documents; and damage in it is found."""

import uuid

from sqlalchemy import delete, func, select

from gateway.backups.archive import get_archive
from gateway.backups.restoring import restore_backup
from gateway.filing import Filing
from gateway.intake import Drain
from gateway.lab.checking import find_faults
from gateway.lab.looking import content_at
from gateway.lab.rows import LabHeld, LabMessage
from gateway.originals import read_original
from gateway.runtime import Runtime
from tests.builders import NOW
from tests.gateway.backups.test_backup import (
    PASSPHRASE,
    WANTED,
    back_up,
    check,
    new_installation,
    quiet,
    replace,
    target,
    wire,
)
from tests.gateway.lab.listening import oru
from tests.laboratory import build_laboratory, register
from worklists.laboratory.control import ControlResult
from worklists.laboratory.results import LabAttachment, LabResult
from worklists.laboratory.specimens import LabSpecimen
from worklists.rule_books import RuleVersion

__all__ = ["new_installation", "target", "wire"]  # fixtures
PDF = "OBX|4|ED|REPORT||^application^pdf^Base64^JVBERi0xLjQK||||||F\rOBX|5|NM|XYZ||1|furlong|||||F\r"
COUNTED = (LabMessage, LabHeld, LabResult, LabAttachment, ControlResult, LabSpecimen, RuleVersion)


def add_laboratory(wire) -> None:
    """A blood count with its document and something that waits, a control run; a later message not yet indexed."""
    runtime, county = wire.runtime, wire.county
    with runtime.sessions.begin() as session:
        laboratory = build_laboratory(session, county)
        register(session, county, "B001")
        register(session, county, "B002")
        device_id = str(laboratory.bench.id)
    origin = {
        "device_id": device_id, "institution_id": str(county.east.id), "wire": "hl7", "peer_address": "10.1.2.3",
        "peer_port": 40000, "tls": False, "character_set": "", "received_at": NOW.isoformat(),
    }  # fmt: skip
    for body in (oru() + PDF, oru("QC-1", control_id="2")):
        runtime.journal.append("hl7.message", origin, [body.encode()])
    wire.index()
    runtime.journal.append("hl7.message", origin, [oru("B002", control_id="3").encode()])


def counts(runtime: Runtime) -> dict[str, int]:
    with runtime.reading() as session:
        return {
            one.__tablename__: session.scalar(select(func.count()).select_from(one)) or 0 for one in COUNTED
        }


def documents(runtime: Runtime) -> list[bytes]:
    with runtime.reading() as session:
        rows = session.scalars(select(LabAttachment)).all()
        messages = [session.get_one(LabMessage, one.message_id) for one in rows]
        return [
            content_at(message.record, read_original(runtime, message.record), one.position)
            for one, message in zip(rows, messages, strict=True)
        ]


def test_a_laboratory_is_restored_whole_and_goes_on(wire, target, new_installation, clock) -> None:
    add_laboratory(wire)
    clock.advance(minutes=1)
    Filing(wire.runtime).file_ready()
    before = counts(wire.runtime)
    back_up(wire, target, replace(WANTED, originals=True))
    second = new_installation("second")

    restore_backup(second, get_archive(target, None), PASSPHRASE, quiet())

    assert counts(second) == before
    assert before["lab_result"] == 3 and before["lab_held"] == 1 and before["lab_control_result"] == 3
    assert documents(second) == documents(wire.runtime) == [b"%PDF-1.4\n"]
    Drain(second).index_new()  # what was accepted and waited for the drain when the backup was made
    assert counts(second)["lab_result"] == 6
    sound, said = check(second)
    assert sound, said


def test_damage_in_what_was_restored_is_found_by_check(wire, target, new_installation) -> None:
    add_laboratory(wire)
    wire.index()
    back_up(wire, target, replace(WANTED, originals=True))
    second = new_installation("second")
    restore_backup(second, get_archive(target, None), PASSPHRASE, quiet())
    lost = uuid.uuid4()
    with second.sessions.begin() as session:
        session.execute(delete(LabHeld))
        result = session.scalars(select(LabResult).order_by(LabResult.id)).first()
        assert result is not None
        result.message_id = lost

    found = [what for _, what in find_faults(second)]
    assert sorted(found) == ["is held, and nothing of it waits for anybody", "its message is not there"]
    sound, said = check(second)
    assert not sound and "its message is not there" in said
