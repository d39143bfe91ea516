"""A DICOM file (PS3.10) that arrives in pieces and is kept as it comes: what STOW-RS stores (PS3.18 10.5).

Before acceptance only the bytes themselves may refuse it, as for C-STORE: the file begins as one, its data set parses
to its end and names the instance that the file names. What is more than its first kilobytes is never held here.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import structlog

from adapters.dicom.dimse import SUCCESS, Status
from adapters.dicom.negotiation import is_storage
from adapters.dicom.part10 import META_LIMIT_BYTES, FileMeta, NoDicomFile, read_file_meta
from adapters.dicom.ports import Entry, Intake
from adapters.dicom.status import (
    InvalidInstanceUid,
    StudyMismatch,
    UnsupportedClass,
    UnsupportedSyntax,
    reason_of,
)
from adapters.dicom.store import SOP_CLASS_UID, SOP_INSTANCE_UID, check_name, is_name, name_in
from adapters.dicom.structure import Walker, open_walker
from adapters.dicom.transfer_syntaxes import ENCODINGS
from adapters.errors import Malformed, Refused, Unavailable

log = structlog.get_logger()

HEAD_BYTES = 1 << 16  # the file meta information and the names are in it, but for the strangest files
LARGEST_HEAD_BYTES = META_LIMIT_BYTES + HEAD_BYTES
_STUDY_INSTANCE_UID, _SERIES_INSTANCE_UID = 0x0020000D, 0x0020000E
_NAMED = (SOP_CLASS_UID, SOP_INSTANCE_UID, _STUDY_INSTANCE_UID, _SERIES_INSTANCE_UID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What files are taken."""

    study_instance_uid: str = ""  # of this study alone, if of one
    accept_unknown_storage: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one file; a UID is empty where the file did not say it."""

    status: Status
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    size_bytes: int = 0

    @property
    def is_stored(self) -> bool:
        return self.status.code == SUCCESS.code


class Deposit:
    """One file being received. The first thing wrong with it is its outcome; the rest is read past."""

    def __init__(self, origin: Mapping[str, Any], intake: Intake, terms: Terms) -> None:
        self.size = 0
        self._origin, self._intake, self._terms = origin, intake, terms
        self._head = bytearray()
        self._head_bytes = HEAD_BYTES
        self._meta: FileMeta | None = None
        self._walker: Walker | None = None
        self._entry: Entry | None = None
        self._error: Exception | None = None

    def fail(self, error: Exception) -> None:
        """Say that it will not be kept, and why."""
        self._error = error
        if self._meta is None:
            with suppress(Malformed):  # whatever is wrong, its sender wants to know with which instance
                self._read_head()
        self.abort()
        if not isinstance(error, Malformed | Refused | Unavailable):
            log.error("deposit_failed", exc_info=error)

    def write(self, view: memoryview | bytes) -> None:
        """Take the next bytes of the file."""
        self.size += len(view)
        if self._error is not None:
            return
        try:
            if self._entry is None:
                self._head += view
                if len(self._head) >= self._head_bytes:
                    self._open(is_whole=False)
            else:
                self._feed(view)
        except Exception as error:  # every file has an outcome
            self.fail(error)

    def abort(self) -> None:
        """The file will not come to its end: keep nothing."""
        self._head.clear()
        if self._entry is not None:
            self._entry.abort()
            self._entry = None

    async def outcome(self) -> Outcome:
        """The file is whole: success once it is durable, else why not."""
        try:
            if self._error is None:
                await self._commit()
        except Exception as error:  # every file has an outcome
            self.fail(error)
        return Outcome(
            status=SUCCESS if self._error is None else reason_of(self._error),
            sop_class_uid=self._name(SOP_CLASS_UID),
            sop_instance_uid=self._name(SOP_INSTANCE_UID),
            study_instance_uid=self._name(_STUDY_INSTANCE_UID),
            series_instance_uid=self._name(_SERIES_INSTANCE_UID),
            size_bytes=self.size,
        )

    async def _commit(self) -> None:
        if self._entry is None:
            self._open(is_whole=True)
        assert self._entry is not None and self._walker is not None  # it is open
        self._walker.finish()
        for tag, stated in self._stated(self._walker):
            check_name(self._walker, tag, stated)
        study = self._terms.study_instance_uid
        if study and name_in(self._walker, _STUDY_INSTANCE_UID) != study:
            raise StudyMismatch("Study Instance UID is not that of the request", _STUDY_INSTANCE_UID)
        await self._entry.commit()
        self._entry = None

    def _open(self, *, is_whole: bool) -> None:
        """Read the file meta information, and begin the journal's record with what there is so far."""
        if not self._head:
            raise NoDicomFile("the file is empty")
        try:
            walker = self._read_head()
        except NoDicomFile:
            raise
        except Malformed:
            if is_whole or self._meta is not None or self._head_bytes == LARGEST_HEAD_BYTES:
                raise
            self._head_bytes = (
                LARGEST_HEAD_BYTES  # perhaps the meta information is only longer than others are
            )
            return
        assert self._meta is not None  # it was read
        (_, sop_class_uid), (_, sop_instance_uid) = self._stated(walker)
        if sop_class_uid and not is_storage(sop_class_uid, accept_unknown=self._terms.accept_unknown_storage):
            raise UnsupportedClass(f"{sop_class_uid[:64]} is no class that is stored")
        if not is_name(sop_instance_uid):
            raise InvalidInstanceUid("SOP Instance UID is missing or names nothing")
        self._entry = self._intake.open(
            "dicom.instance",
            {
                **self._origin,
                "transfer_syntax_uid": self._meta.transfer_syntax_uid,
                "sop_class_uid": sop_class_uid,
                "sop_instance_uid": sop_instance_uid,
                "data_set_offset": self._meta.data_set_offset,
                "received_at": datetime.now(UTC).isoformat(timespec="microseconds"),
            },
        )
        self._entry.write(self._head)
        self._head.clear()

    def _read_head(self) -> Walker:
        self._meta = read_file_meta(BytesIO(self._head))
        syntax = self._meta.transfer_syntax_uid
        if syntax not in ENCODINGS:
            raise UnsupportedSyntax(f"transfer syntax {syntax[:64]} is not known")
        self._walker = open_walker(ENCODINGS[syntax], _NAMED)
        self._walker.feed(bytes(self._head[self._meta.data_set_offset :]))
        return self._walker

    def _feed(self, view: memoryview | bytes) -> None:
        assert self._entry is not None and self._walker is not None
        self._walker.feed(view)
        self._entry.write(view)

    def _stated(self, walker: Walker) -> tuple[tuple[int, str], tuple[int, str]]:
        """What the file says that it is: its header, or where that is silent the data set itself."""
        assert self._meta is not None  # it was read
        return (
            (SOP_CLASS_UID, self._meta.sop_class_uid or name_in(walker, SOP_CLASS_UID)),
            (SOP_INSTANCE_UID, self._meta.sop_instance_uid or name_in(walker, SOP_INSTANCE_UID)),
        )

    def _name(self, tag: int) -> str:
        found = name_in(self._walker, tag) if self._walker is not None else ""
        if not found and self._meta is not None:
            found = {
                SOP_CLASS_UID: self._meta.sop_class_uid,
                SOP_INSTANCE_UID: self._meta.sop_instance_uid,
            }.get(tag, "")
        return found if is_name(found) else ""
