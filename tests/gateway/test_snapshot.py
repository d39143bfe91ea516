import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from adapters.dicom.ports import AssociationRefused, Tls
from gateway.runtime import Runtime
from gateway.snapshot import DeviceDirectory, refresh_snapshot
from worklists.directory import Device, Institution, InstitutionKind


@pytest.fixture
def township(runtime: Runtime) -> Institution:
    with runtime.sessions.begin() as session:
        row = Institution(code="T1", name="东乡", kind=InstitutionKind.TOWNSHIP)
        session.add(row)
        session.flush()
        session.add(Device(institution_id=row.id, ae_title="CT1", character_set="GB18030"))
        session.add(Device(institution_id=row.id, ae_title="DR1", address="10.0.0.7"))
    assert refresh_snapshot(runtime)
    return row


def change(runtime: Runtime, row: type[Any], key: str, value: object, **fields: object) -> None:
    with runtime.sessions.begin() as session:
        (found,) = session.query(row).filter_by(**{key: value})
        for name, new in fields.items():
            setattr(found, name, new)
    refresh_snapshot(runtime)


def directory(runtime: Runtime, called: str | None = None) -> DeviceDirectory:
    return DeviceDirectory(runtime.settings.directory_snapshot, called_ae_title=called, look_again_s=0)


def admit(
    door: DeviceDirectory,
    calling: str,
    *,
    called: str = "GATEWAY",
    peer: str = "127.0.0.1",
    tls: Tls | None = None,
):
    return door.admit(calling_ae_title=calling, called_ae_title=called, peer_address=peer, tls=tls)


def refused(door: DeviceDirectory, calling: str, **other: str) -> tuple[int, int, int]:
    with pytest.raises(AssociationRefused) as caught:
        admit(door, calling, **other)
    return caught.value.result, caught.value.source, caught.value.reason


def test_a_known_device_is_admitted_with_its_origin(runtime: Runtime, township: Institution):
    origin = admit(directory(runtime), "CT1")

    assert (origin["institution_id"], origin["character_set"]) == (str(township.id), "GB18030")
    assert origin["device_id"] and "storage_allowed" not in origin
    json.dumps(origin)


def test_an_unknown_device_is_refused_for_good(runtime: Runtime, township: Institution):
    assert refused(directory(runtime), "NOBODY") == (1, 1, 3)


def test_a_wrong_called_title_is_refused_only_when_it_is_checked(runtime: Runtime, township: Institution):
    assert refused(directory(runtime, "GATEWAY"), "CT1", called="OTHER") == (1, 1, 7)
    assert admit(directory(runtime), "CT1", called="OTHER")


@pytest.mark.parametrize("peer", ["10.0.0.7", "::ffff:10.0.0.7"])
def test_a_device_with_an_address_calls_from_there(runtime: Runtime, township: Institution, peer: str):
    assert admit(directory(runtime), "DR1", peer=peer)
    assert refused(directory(runtime), "DR1", peer="10.0.0.8") == (1, 1, 3)


def test_a_disabled_device_may_call_but_not_store(runtime: Runtime, township: Institution):
    change(runtime, Device, "ae_title", "CT1", enabled=False)
    assert admit(directory(runtime), "CT1")["storage_allowed"] is False


def test_a_device_of_a_disabled_institution_may_call_but_not_store(runtime: Runtime, township: Institution):
    change(runtime, Institution, "code", "T1", enabled=False)
    assert admit(directory(runtime), "CT1")["storage_allowed"] is False


def test_an_unknown_device_is_let_in_without_an_institution_where_one_accepts_them(
    runtime: Runtime, township: Institution
):
    change(runtime, Institution, "code", "T1", accept_unknown_devices=True)
    origin = admit(directory(runtime), "NOBODY")

    assert origin["institution_id"] is None and origin["unknown_device"] is True
    assert origin["accepting_institution_id"] == str(township.id)


def test_the_door_follows_the_file(runtime: Runtime, township: Institution):
    door = directory(runtime)
    assert "storage_allowed" not in admit(door, "CT1")

    change(runtime, Device, "ae_title", "CT1", enabled=False)

    assert admit(door, "CT1")["storage_allowed"] is False


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"format": 2}', '{"format": 1, "devices": [{}]}', None])
def test_a_damaged_or_missing_file_changes_nothing(
    runtime: Runtime, township: Institution, damage: str | None
):
    door, path = directory(runtime), runtime.settings.directory_snapshot
    admit(door, "CT1")
    if damage is None:
        path.unlink()
    else:
        path.write_text(damage)

    assert admit(door, "CT1")


def test_without_any_file_a_device_is_asked_to_come_again(tmp_path: Path):
    assert refused(DeviceDirectory(tmp_path / "none.json"), "CT1") == (2, 1, 1)


def test_the_file_is_written_only_when_the_directory_changed(runtime: Runtime, township: Institution):
    path = runtime.settings.directory_snapshot
    before = path.stat().st_ino
    assert not refresh_snapshot(runtime)
    change(runtime, Device, "ae_title", "CT1", last_heard_at=runtime.now())

    assert path.stat().st_ino == before


def test_a_device_that_is_registered_while_the_list_is_written_is_let_in(
    runtime: Runtime, township: Institution
) -> None:
    later = iter(["CT2"])

    def register(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM device" in statement and (ae_title := next(later, None)):
            with runtime.sessions.begin() as session:
                session.add(Device(institution_id=township.id, ae_title=ae_title))

    with runtime.sessions.begin() as session:
        session.query(Device).filter_by(ae_title="DR1").one().address = "10.0.0.9"
    event.listen(runtime.engine, "after_cursor_execute", register)
    refresh_snapshot(runtime)
    event.remove(runtime.engine, "after_cursor_execute", register)
    refresh_snapshot(runtime)

    assert admit(directory(runtime), "CT2")["device_id"]
