"""One home for what arrives as files, by whatever way: checked, described, and kept in the journal.

A DICOM file becomes `dicom.instance`, as everywhere; anything else must be an electrocardiogram that can be read and
becomes `ecg.file`, a set that belongs together as one plain zip. What is journalled are the bytes that were checked:
they are copied first, so that a cart that writes on, or a link put in their place, changes nothing.
"""

import contextlib
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from adapters.dicom.header import InstanceHeader, read_header
from adapters.dicom.part10 import FileMeta, NoDicomFile, read_file_meta
from adapters.dicom.structure import open_walker
from adapters.dicom.transfer_syntaxes import ENCODINGS
from adapters.errors import Malformed, Unavailable
from gateway.carts.apart import NotTaken, Readers
from gateway.carts.names import shown_name
from gateway.carts.sets import write_zip
from gateway.lab.files import LIMIT_BYTES as RESULTS_LIMIT_BYTES
from gateway.lab.files import check_file
from gateway.threads import JournalThread
from worklists.base import new_id

CHUNK_BYTES = 1 << 20
HEAD_BYTES = 1 << 16  # of the data set, to read the header from
CHEST_PAIN = "chest_pain"
_OF_IMAGES = ("accession_number", "examination_id")  # of an origin: results find theirs by the barcode
_SOP_CLASS_UID, _SOP_INSTANCE_UID = 0x00080016, 0x00080018
_UID = re.compile(r"[0-9.]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file as it was sent."""

    name: str
    stream: BinaryIO


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """What taking files needs. `work_dir` is on our own disk: a recording lies there while it is checked."""

    journal: JournalThread
    readers: Readers
    work_dir: Path
    now: Callable[[], datetime]

    def clean(self) -> None:
        """Remove what processes that were killed left behind."""
        for left in self.work_dir.glob("*-*"):
            if not _lives(left.name.partition("-")[0]):
                shutil.rmtree(left, ignore_errors=True)

    def note_refusal(self, origin: Mapping[str, Any], name: str, reason: str, about: str) -> None:
        """What was refused is heard of where refusals are shown, with a database or without. Raises Unavailable."""
        told = f"{shown_name(name)}: {about}" if about else shown_name(name)
        note = {**origin, "what": "file", "status": reason, "comment": told, "at": self.now().isoformat()}
        self.journal.note("file.refusal", note)

    @contextlib.contextmanager
    def workplace(self) -> Iterator[Path]:
        """A folder for one entry. Raises Unavailable when the disk says no."""
        try:
            self.work_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=self.work_dir))
        except OSError as error:
            raise Unavailable(f"no room to look at a file: {error.strerror}") from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def take_entry(taking: Taking, files: Sequence[File], origin: Mapping[str, Any]) -> uuid.UUID:
    """Keep one entry, durable on return; answers the examination's id. Raises NotTaken, Malformed, Unavailable.

    `origin` says who sent it and how; what it is, is added here.
    """
    with taking.workplace() as folder:
        path, name = _gather(folder, files)
        with path.open("rb") as stream:
            if _is_dicom(stream):
                return take_instance(taking, File(name=name, stream=stream), origin, mint=lambda _: new_id())
            if "lab_file" in origin:
                return _take_results(taking, path, name, origin)
            described = taking.readers.read(path, name)
            examination_id = new_id()
            stream.seek(0)
            taking.journal.append(
                "ecg.file",
                {**_finished(taking, origin, name, examination_id), "ecg": described},
                _chunks(stream),
                size_bytes=path.stat().st_size,
            )
            return examination_id


def _take_results(taking: Taking, path: Path, name: str, origin: Mapping[str, Any]) -> uuid.UUID:
    """A result file of an analyser: one that no mapping fits yet waits for one. Raises NotTaken, Unavailable."""
    if path.stat().st_size > RESULTS_LIMIT_BYTES:
        raise NotTaken("lab_file_unfit", f"more than {RESULTS_LIMIT_BYTES >> 20} MiB")
    body = path.read_bytes()
    try:
        check_file(body)
    except Malformed as error:
        raise NotTaken("lab_file_unfit", str(error)) from error
    id = new_id()
    finished = _finished(taking, origin, name, id)
    for field in _OF_IMAGES:
        del finished[field]
    taking.journal.append("lab.file", finished, [body], size_bytes=len(body))
    return id


def take_instance(
    taking: Taking, file: File, origin: Mapping[str, Any], *, mint: Callable[[InstanceHeader], uuid.UUID]
) -> uuid.UUID:
    """Check one DICOM file as a C-STORE is checked (PS3.10 7.1), and keep it as it is. Raises Malformed, Unavailable."""
    stream = file.stream
    size_bytes = stream.seek(0, os.SEEK_END)
    if size_bytes == 0:
        raise NoDicomFile("the file is empty")
    stream.seek(0)
    meta = read_file_meta(stream)
    names = _walk(stream, meta)
    stream.seek(meta.data_set_offset)
    header = read_header(stream.read(HEAD_BYTES), transfer_syntax_uid=meta.transfer_syntax_uid)
    examination_id = mint(header)
    stream.seek(0)
    about = {
        "transfer_syntax_uid": meta.transfer_syntax_uid,
        "sop_class_uid": names[_SOP_CLASS_UID],
        "sop_instance_uid": names[_SOP_INSTANCE_UID],
        "data_set_offset": meta.data_set_offset,
    }
    finished = _finished(taking, origin, shown_name(file.name), examination_id)
    taking.journal.append("dicom.instance", {**finished, **about}, _chunks(stream), size_bytes=size_bytes)
    return examination_id


def _gather(folder: Path, files: Sequence[File]) -> tuple[Path, str]:
    """The entry as one file of our own, and its name: as it was sent, or a zip of all that belongs together."""
    copies = []
    try:
        for number, file in enumerate(files):
            copies.append((shown_name(file.name), folder / str(number)))
            file.stream.seek(0)
            with copies[-1][1].open("wb") as target:
                shutil.copyfileobj(file.stream, target, CHUNK_BYTES)
        if len(copies) == 1:
            return copies[0][1], copies[0][0]
        write_zip(folder / "set", copies)
    except OSError as error:
        raise Unavailable(f"no room to look at a file: {error.strerror}") from error
    return folder / "set", f"{Path(copies[0][0]).stem}.zip"


def _finished(
    taking: Taking, origin: Mapping[str, Any], name: str, examination_id: uuid.UUID
) -> dict[str, Any]:
    return {
        "accession_number": "",
        **origin,
        "filename": name,
        "examination_id": str(examination_id),
        "received_at": taking.now().isoformat(timespec="microseconds"),
    }


def _is_dicom(stream: BinaryIO) -> bool:
    stream.seek(128)
    return stream.read(4) == b"DICM"


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
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def _lives(pid: str) -> bool:
    return pid.isdigit() and Path("/proc", pid).exists()


__all__ = ["CHEST_PAIN", "File", "NotTaken", "Taking", "take_entry", "take_instance"]
