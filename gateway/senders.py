"""Who sent what a batch holds, as the directory has it now.

A listener knows its devices as they were when an association began, and by a file that may be a second old; a
database that was restored from an older copy may not know a device at all.
"""

import uuid
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import structlog
from pydicom.uid import EncapsulatedPDFStorage
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.ecg.headers import MODALITY as ECG
from gateway.records import ReadRecord, read_as, read_uuid, with_origin
from worklists.directory import Device, Institution

log = structlog.get_logger()

_NO_MODALITY = frozenset({"", "DOC", "OT"})  # says nothing of who reads it (PS3.3 C.7.3.1.1.1)

Devices = Mapping[uuid.UUID, Device]


def lock_devices(session: Session, read: Sequence[ReadRecord]) -> Devices:
    """The devices of a batch, unchanged by others until it is committed.

    Before anything else is locked, and in one order. So whoever changes a device afterwards finds all that was read
    as it was before.
    """
    ids = {one.record.origin.get("device_id") for one in read} - {None}
    if not ids:
        return {}
    rows = session.scalars(
        select(Device)
        .where(Device.id.in_([read_uuid(id) for id in ids]))
        .order_by(Device.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return {device.id: device for device in rows}


def as_known(session: Session, read: Sequence[ReadRecord], devices: Devices) -> list[ReadRecord]:
    """The batch with senders that the database knows, its text read as their devices have it now."""
    institutions = _known_institutions(session, read, devices)
    return [_as_known(one, devices, institutions) for one in read]


def _as_known(one: ReadRecord, devices: Devices, institutions: Set[uuid.UUID]) -> ReadRecord:
    origin = one.record.origin
    device_id, institution_id = read_uuid(origin.get("device_id")), read_uuid(origin.get("institution_id"))
    device = devices.get(device_id) if device_id else None
    if (device_id and device is None) or (institution_id and institution_id not in institutions):
        log.warning("sender_unknown", journal=one.record.journal, sequence=one.record.sequence)
        return with_origin(one, _of_nobody(origin))
    if device is None or one.header is None:
        return one
    if (origin.get("character_set") or None) != device.character_set:
        one = read_as(one, device.character_set)
    return _as_page_of(device, one)


def _as_page_of(device: Device, one: ReadRecord) -> ReadRecord:
    """A PDF of an ECG cart that calls it a document is an ECG on paper: it goes where ECGs are read."""
    header = one.header
    if header is None or device.modality != ECG or header.sop_class_uid != EncapsulatedPDFStorage:
        return one
    return replace(one, header=replace(header, modality=ECG)) if header.modality in _NO_MODALITY else one


def _of_nobody(origin: Mapping[str, Any]) -> dict[str, Any]:
    """As from an unknown device; what the listener took it for stays readable."""
    named = {name: origin.get(name) for name in ("device_id", "institution_id")}
    return {
        **origin,
        "device_id": None,
        "institution_id": None,
        "unknown_device": True,
        "was_known_as": named,
    }


def _known_institutions(session: Session, read: Sequence[ReadRecord], devices: Devices) -> Set[uuid.UUID]:
    """Of those that the batch names; asked for only when one is not its device's."""
    named = {one.record.origin.get("institution_id") for one in read} - {None, ""}
    wanted = {id for id in map(read_uuid, named) if id is not None}
    known = {device.institution_id for device in devices.values()}
    if wanted <= known:
        return known
    return known | set(session.scalars(select(Institution.id).where(Institution.id.in_(wanted - known))))
