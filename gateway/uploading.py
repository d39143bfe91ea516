"""Files that a person or a machine sends by HTTP: checked as an association's are, and kept in the same journal."""

import os
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from adapters.dicom.header import read_header
from adapters.dicom.part10 import FileMeta, NoDicomFile, read_file_meta
from adapters.dicom.structure import open_walker
from adapters.dicom.transfer_syntaxes import ENCODINGS
from adapters.errors import Malformed, Unavailable
from gateway import audit, live
from gateway.index import Refusal
from gateway.reading import Who
from gateway.runtime import Runtime
from worklists.base import new_id
from worklists.directory import Kind
from worklists.errors import Invalid

NAME_LIMIT_BYTES = 255  # what file systems take; a longer one is no name of a file
CHUNK_BYTES = 1 << 20
HEAD_BYTES = 1 << 16  # of the data set, to read the header from
_SOP_CLASS_UID, _SOP_INSTANCE_UID = 0x00080016, 0x00080018
_UID = re.compile(r"[0-9.]{1,64}")


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
class File:
    """One file as it was sent."""

    name: str
    stream: BinaryIO


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedFile:
    name: str
    examination_id: uuid.UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedFile:
    """`reason` is a key of messages.FILES, `detail` what a technician may want to know."""

    name: str
    reason: str
    detail: str = ""


@dataclass(slots=True, kw_only=True)
class Upload:
    """What became of the files; an examination's id is minted when its first file is met."""

    accepted: list[AcceptedFile] = field(default_factory=list)
    refused: list[RefusedFile] = field(default_factory=list)
    minted: dict[str, uuid.UUID] = field(default_factory=dict)


def receive_files(
    runtime: Runtime, who: Who, kind: str, files: Sequence[File], *, accession_number: str = ""
) -> Upload:
    """Keep every file that is what it says; durable on return. Raises KindNotTaken, NothingAccepted, Unavailable."""
    if kind not in set(Kind):
        raise Invalid("kind")
    if kind != Kind.IMAGING:
        raise KindNotTaken(kind)
    if not files:
        raise Invalid("files", "required")
    upload = Upload()
    for file in files:
        _receive(runtime, who, upload, file, accession_number)
    _note(runtime, who, upload)
    if not upload.accepted:
        if all(file.reason == "unavailable" for file in upload.refused):
            raise Unavailable("the journal takes nothing now")
        raise NothingAccepted(upload.refused)
    return upload


def shown_name(name: str) -> str:
    """The last part of a path as a person knows it, cut where no file could be called so."""
    base = re.split(r"[\\/]", name)[-1].replace("\0", "")
    cut = base.encode()[:NAME_LIMIT_BYTES].decode(errors="ignore")
    return base if cut == base else f"{cut[:60]}…"


def _receive(runtime: Runtime, who: Who, upload: Upload, file: File, accession_number: str) -> None:
    name = shown_name(file.name)
    try:
        if len(re.split(r"[\\/]", file.name)[-1].encode()) > NAME_LIMIT_BYTES:
            upload.refused.append(RefusedFile(name=name, reason="name_too_long"))
            return
        examination_id = _keep_instance(runtime, who, upload, file, accession_number)
        upload.accepted.append(AcceptedFile(name=name, examination_id=examination_id))
    except NoDicomFile as error:
        upload.refused.append(RefusedFile(name=name, reason="not_dicom", detail=str(error)))
    except Malformed as error:
        upload.refused.append(RefusedFile(name=name, reason="malformed", detail=str(error)))
    except Unavailable as error:
        upload.refused.append(RefusedFile(name=name, reason="unavailable", detail=str(error)))


def _keep_instance(
    runtime: Runtime, who: Who, upload: Upload, file: File, accession_number: str
) -> uuid.UUID:
    """Check one DICOM file as a C-STORE is checked (PS3.10 7.1), and keep it as it is."""
    stream = file.stream
    if stream.seek(0, os.SEEK_END) == 0:
        raise NoDicomFile("the file is empty")
    stream.seek(0)
    meta = read_file_meta(stream)
    names = _walk(stream, meta)
    stream.seek(meta.data_set_offset)
    header = read_header(stream.read(HEAD_BYTES), transfer_syntax_uid=meta.transfer_syntax_uid)
    study = header.study_instance_uid or f"none-{len(upload.minted)}"
    examination_id = upload.minted.setdefault(study, new_id())
    origin: dict[str, Any] = {
        "institution_id": str(who.subject.institution_id),
        **who.sent_from(),
        "uploaded_by": who.actor.name,
        "peer_address": who.actor.address,
        "filename": shown_name(file.name),
        "examination_id": str(examination_id),
        "accession_number": accession_number,
        "transfer_syntax_uid": meta.transfer_syntax_uid,
        "sop_class_uid": names[_SOP_CLASS_UID],
        "sop_instance_uid": names[_SOP_INSTANCE_UID],
        "data_set_offset": meta.data_set_offset,
        "received_at": runtime.now().isoformat(timespec="microseconds"),
    }
    runtime.journal.append("dicom.instance", origin, _chunks(stream))
    return examination_id


def _walk(stream: BinaryIO, meta: FileMeta) -> dict[int, str]:
    """Walk the data set to its end; it must name the instance that the file names."""
    encoding = ENCODINGS.get(meta.transfer_syntax_uid)
    if encoding is None:
        raise Malformed(f"unknown transfer syntax {meta.transfer_syntax_uid[:64]}")
    walker = open_walker(encoding, (_SOP_CLASS_UID, _SOP_INSTANCE_UID))
    stream.seek(meta.data_set_offset)
    while chunk := stream.read(CHUNK_BYTES):
        walker.feed(chunk)
    walker.finish()
    names: dict[int, str] = {}
    for tag, stated, what in (
        (_SOP_CLASS_UID, meta.sop_class_uid, "SOP Class UID"),
        (_SOP_INSTANCE_UID, meta.sop_instance_uid, "SOP Instance UID"),
    ):
        names[tag] = walker.values.get(tag, b"").rstrip(b"\0 ").decode("latin-1")
        if not _UID.fullmatch(names[tag]):
            raise Malformed(f"{what} is missing or no UID")
        if stated and stated != names[tag]:
            raise Malformed(f"{what} in the data set is not the file header's")
    return names


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    stream.seek(0)
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


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
