"""A message read again from its original: as its analyser is set now, or was when the message was filed.

The listener keeps with a message how its analyser was set then; a better setting is what it is read again for.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from adapters.lab.said import Message, Sender
from gateway.index import Record
from gateway.lab.admission import codec_of
from gateway.lab.bodies import read_said
from gateway.lab.rows import LabMessage
from gateway.originals import read_original
from gateway.runtime import Runtime
from worklists.directory import Device
from worklists.laboratory.profiles import AnalyserProfile, ProfileVersion

Content = Mapping[str, Any]  # of a profile


def read_again(runtime: Runtime, message_id: uuid.UUID, *, content: Content | None = None) -> Message:
    """As its analyser is set now, with this profile where one is given. Raises Malformed, Unavailable."""
    with runtime.reading() as session:
        row = session.get_one(LabMessage, message_id)
        record, body = row.record, read_original(runtime, row.record)
        device = row.device
        if device is None:
            sender = read_said(record.kind, record.origin, body).sender
            device = find_registered_since(session, row, sender)
        return read_said(record.kind, _origin(record, device, content or _content_now(session, device)), body)


def look_as_filed(runtime: Runtime, message_id: uuid.UUID) -> Message:
    """What people saw of it when they are asked about it. Raises Malformed, Unavailable."""
    with runtime.reading() as session:
        row = session.get_one(LabMessage, message_id)
        return read_as_filed(session, row, read_original(runtime, row.record))


def read_as_filed(session: Session, row: LabMessage, body: bytes) -> Message:
    """With the version of the profile that its results were filed by; one that waits, as it is now. Raises Malformed."""
    content = _content_filed(session, row)
    if content is None:
        content = _content_now(session, row.device)
    return read_said(row.record.kind, _origin(row.record, row.device, content), body)


def is_cut_otherwise(session: Session, row: LabMessage) -> bool:
    """Whether its specimens may be others when it is read again: then nothing that was said of them is about these."""
    filed, now = _content_filed(session, row), _content_now(session, row.device)
    if filed is None or now is None:
        return False
    return any((filed.get(name) or {}) != (now.get(name) or {}) for name in ("dialect", "file"))


def find_registered_since(session: Session, row: LabMessage, sender: Sender) -> Device | None:
    """Of a sender that nobody knew: the analyser that was registered under its name since, if there is one such."""
    names = {sender.application, f"{sender.application}^{sender.facility}"} - {"", "^"}
    query = select(Device).where(func.lower(Device.sender).in_([name.lower() for name in names]))
    if row.institution_id is not None:
        query = query.where(Device.institution_id == row.institution_id)
    found = session.scalars(query.limit(2)).all()
    return found[0] if len(found) == 1 else None


def _origin(record: Record, device: Device | None, content: Content | None) -> dict[str, Any]:
    origin = dict(record.origin)
    if device is not None and device.character_set:
        origin["character_set"] = codec_of(device.character_set)
    if content is not None:
        origin |= {"dialect": content.get("dialect"), "lab_file": content.get("file")}
    return origin


def _content_now(session: Session, device: Device | None) -> Content | None:
    if device is None or device.profile_code is None:
        return None
    profile = session.get_one(AnalyserProfile, device.profile_code)
    return profile.content if profile.enabled else None


def _content_filed(session: Session, row: LabMessage) -> Content | None:
    if row.device is None or row.profile_version is None:
        return None
    return session.scalars(
        select(ProfileVersion.content).where(
            ProfileVersion.profile_code == row.device.profile_code,
            ProfileVersion.version == row.profile_version,
        )
    ).one_or_none()
