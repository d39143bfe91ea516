"""Files that a person or a machine sends by HTTP: checked as an association's are, and kept in the same journal."""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.dicom.header import InstanceHeader
from adapters.dicom.part10 import NoDicomFile
from adapters.errors import Malformed, Unavailable
from gateway import audit, live
from gateway.carts.names import NAME_LIMIT_BYTES, shown_name
from gateway.carts.sets import HEADER_BYTES, Group, group
from gateway.carts.taking import (
    CHEST_PAIN,
    File,
    NotTaken,
    take_entry,
    take_instance,
)
from gateway.index import Refusal
from gateway.reading import Who
from gateway.runtime import Runtime
from worklists.base import new_id
from worklists.directory import Kind
from worklists.errors import Invalid

__all__ = [
    "AcceptedFile",
    "File",
    "KindNotTaken",
    "NothingAccepted",
    "RefusedFile",
    "Upload",
    "receive_files",
]

TAKEN_KINDS = (Kind.IMAGING, Kind.ECG)


class KindNotTaken(Invalid):
    """Examinations of this kind do not come by upload yet; carries the kind."""

    def __init__(self, kind: str):
        super().__init__("kind", "kind_not_taken")
        self.kind = kind


class NothingAccepted(Invalid):
    """Every file was refused; carries why."""

    def __init__(self, refused: "Sequence[RefusedFile]"):
        super().__init__("files")
        self.refused = refused


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedFile:
    name: str
    examination_id: uuid.UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedFile:
    """`reason` is a key of what is explained of files, `detail` what a technician may want to know."""

    name: str
    reason: str
    detail: str = ""


@dataclass(slots=True, kw_only=True)
class Upload:
    """What became of the files; an examination's id is minted when its first file is met."""

    accepted: list[AcceptedFile] = field(default_factory=list)
    refused: list[RefusedFile] = field(default_factory=list)
    minted: dict[str, uuid.UUID] = field(default_factory=dict)

    def mint(self, header: InstanceHeader) -> uuid.UUID:
        study = header.study_instance_uid or f"none-{len(self.minted)}"
        return self.minted.setdefault(study, new_id())


def receive_files(
    runtime: Runtime,
    who: Who,
    kind: str,
    files: Sequence[File],
    *,
    accession_number: str = "",
    priority: str = "",
) -> Upload:
    """Keep every file that is what it says; durable on return. Raises KindNotTaken, NothingAccepted, Unavailable."""
    if kind not in set(Kind):
        raise Invalid("kind")
    if kind not in TAKEN_KINDS:
        raise KindNotTaken(kind)
    if not files:
        raise Invalid("files", "required")
    if priority not in {"", CHEST_PAIN}:
        raise Invalid("priority")
    upload = Upload()
    origin = {**_origin_of(who), "accession_number": accession_number, "priority": priority}
    for one in _entries(kind, files):
        _receive(runtime, upload, kind, one, origin)
    _note(runtime, who, upload)
    if not upload.accepted:
        if all(file.reason == "unavailable" for file in upload.refused):
            raise Unavailable("the journal takes nothing now")
        raise NothingAccepted(upload.refused)
    return upload


def _origin_of(who: Who) -> dict[str, Any]:
    return {
        "institution_id": str(who.subject.institution_id),
        **who.sent_from(),
        "wire": "http",
        "uploaded_by": who.actor.name,
        "peer_address": who.actor.address,
    }


def _entries(kind: str, files: Sequence[File]) -> list[Group[File]]:
    """Images are each a file of their own. Of a name that came twice the later stands by itself. In their order."""
    if kind == Kind.IMAGING:
        return [Group(files=(file,)) for file in files]
    first: dict[str, File] = {}
    again = [
        Group(files=(file,)) for file in files if first.setdefault(shown_name(file.name), file) is not file
    ]
    place = {id(file): number for number, file in enumerate(files)}
    return sorted([*group(first, _read_head), *again], key=lambda one: place[id(one.files[0])])


def _read_head(file: File) -> bytes:
    file.stream.seek(0)
    return file.stream.read(HEADER_BYTES)


def _receive(runtime: Runtime, upload: Upload, kind: str, entry: Group[File], origin: dict[str, Any]) -> None:
    names = [shown_name(file.name) for file in entry.files]
    try:
        examination_id = _keep(runtime, upload, kind, entry, origin)
        upload.accepted += [AcceptedFile(name=name, examination_id=examination_id) for name in names]
    except NotTaken as error:
        upload.refused += [RefusedFile(name=name, reason=error.reason, detail=error.about) for name in names]
    except NoDicomFile as error:
        upload.refused += [RefusedFile(name=name, reason="not_dicom", detail=str(error)) for name in names]
    except Malformed as error:
        upload.refused += [RefusedFile(name=name, reason="malformed", detail=str(error)) for name in names]
    except Unavailable as error:
        upload.refused += [RefusedFile(name=name, reason="unavailable", detail=str(error)) for name in names]


def _keep(
    runtime: Runtime, upload: Upload, kind: str, entry: Group[File], origin: dict[str, Any]
) -> uuid.UUID:
    if any(len(re.split(r"[\\/]", file.name)[-1].encode()) > NAME_LIMIT_BYTES for file in entry.files):
        raise NotTaken("name_too_long")
    if kind == Kind.IMAGING:
        return take_instance(runtime.taking, entry.files[0], origin, mint=upload.mint)
    if entry.missing:
        raise NotTaken("waits_for", ", ".join(entry.missing[:3]))
    return take_entry(runtime.taking, entry.files, origin)


def _note(runtime: Runtime, who: Who, upload: Upload) -> None:
    """Say in the audit that files came, and show the refused ones where refusals are shown."""
    now = runtime.now()
    with runtime.sessions.begin() as session:
        audit.record(
            session, "files_uploaded", actor=who.actor, now=now,
            outcome="success" if upload.accepted else "failure",
            detail={"accepted": len(upload.accepted), "refused": len(upload.refused)},
        )  # fmt: skip
        for file in upload.refused:
            session.add(
                Refusal(
                    id=new_id(), refused_at=now, what="file", institution_id=who.subject.institution_id,
                    peer_address=who.actor.address, reason=file.reason, detail=file.detail,
                )
            )  # fmt: skip
        live.bump(session, "worklist")
