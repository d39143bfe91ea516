"""C-STORE as a provider (PS3.4 Annex B, PS3.7 9.1.1): check the bytes, keep them, answer.

Before acceptance only the bytes themselves may refuse an instance: the data set parses to its end, and names the
SOP class and instance that the request names. A missing or malformed Study or Series UID is no reason to refuse,
nor is a SOP Instance UID that names the instance although it is no UID.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from adapters.dicom.dimse import SUCCESS, Request, Status
from adapters.dicom.part10 import write_file_meta
from adapters.dicom.ports import Entry, Intake
from adapters.dicom.status import (
    CannotUnderstand,
    Contradiction,
    InvalidInstanceUid,
    NotAuthorised,
    UnsupportedClass,
    status_of,
)
from adapters.dicom.structure import Walker, open_walker
from adapters.dicom.transfer_syntaxes import ENCODINGS
from adapters.errors import Malformed, Refused, Unavailable

log = structlog.get_logger()

SOP_CLASS_UID, SOP_INSTANCE_UID = 0x00080016, 0x00080018
_NAMED = (SOP_CLASS_UID, SOP_INSTANCE_UID)
_KEYWORDS = {SOP_CLASS_UID: "SOP Class UID", SOP_INSTANCE_UID: "SOP Instance UID"}
# What names an instance at all. Whether it is a UID (PS3.5 9.1) is looked at later: one that is none is kept, and held.
_NAME = re.compile(r"[0-9A-Za-z.-]{1,64}")


def is_name(text: str) -> bool:
    """Whether an instance can be called so."""
    return _NAME.fullmatch(text) is not None


def name_in(walker: Walker, tag: int) -> str:
    """A UID of the data set that was walked; empty when there is none."""
    return walker.values.get(tag, b"").rstrip(b"\0 ").decode("latin-1")


def check_name(walker: Walker, tag: int, asked: str) -> None:
    """The data set must be of the SOP class, or be the instance, that was asked for. Raises Contradiction."""
    found = name_in(walker, tag)
    if not found:
        raise Contradiction(f"{_KEYWORDS[tag]} is missing in the data set", tag)
    if found != asked:
        raise Contradiction(f"{_KEYWORDS[tag]} in the data set is not the request's", tag)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """An accepted presentation context."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str


class Store:
    """One instance being received. The first thing wrong with it is its answer; the rest is read past."""

    def __init__(
        self, request: Request, context: Context, association: Mapping[str, Any], intake: Intake
    ) -> None:
        self.request = request
        self.size = 0  # bytes of the data set so far
        self._walker = open_walker(ENCODINGS[context.transfer_syntax], _NAMED)
        self._entry: Entry | None = None
        self._last: Sequence[memoryview | bytes] = ()  # the end of the data set, not yet given to the entry
        self._error: Exception | None = None
        try:
            self._check_request(context, association)
            self._entry = self._open(context, association, intake)
        except Exception as error:  # every outcome is an answer
            self._fail(error)

    def write(self, runs: Sequence[memoryview | bytes], *, lasting: bool) -> None:
        """Take the next runs of the data set."""
        if self._entry is None:
            return
        try:
            for run in runs:
                self.size += len(run)
                self._walker.feed(run)
            if lasting:
                self._last = runs
            else:
                self._entry.write(*runs)
        except Exception as error:  # every outcome is an answer
            self._fail(error)

    def abort(self) -> None:
        """The data set will not come to its end: keep nothing."""
        if self._entry is not None:
            self._entry.abort()
            self._entry = None

    async def answer(self) -> Status:
        """Success once the instance is durable, else why not."""
        try:
            if self._entry is not None:
                self._walker.finish()
                check_name(self._walker, SOP_CLASS_UID, self.request.sop_class_uid)
                check_name(self._walker, SOP_INSTANCE_UID, self.request.sop_instance_uid)
                await self._entry.commit(self._last)
                self._entry = None
        except Exception as error:  # every outcome is an answer
            self._fail(error)
        return SUCCESS if self._error is None else status_of(self._error)

    def _check_request(self, context: Context, association: Mapping[str, Any]) -> None:
        if not association.get("storage_allowed", True):
            raise NotAuthorised("this device may not store")
        if self.request.sop_class_uid != context.abstract_syntax:
            raise UnsupportedClass("SOP class is not that of the presentation context")
        if not is_name(self.request.sop_instance_uid):
            raise InvalidInstanceUid("Affected SOP Instance UID is not a UID")
        if not self.request.has_data_set:
            raise CannotUnderstand("C-STORE without a data set", 0x00000800)

    def _open(self, context: Context, association: Mapping[str, Any], intake: Intake) -> Entry:
        meta = write_file_meta(
            sop_class_uid=self.request.sop_class_uid,
            sop_instance_uid=self.request.sop_instance_uid,
            transfer_syntax_uid=context.transfer_syntax,
            source_ae_title=association["calling_ae_title"],
        )
        origin = {
            **association,
            "transfer_syntax_uid": context.transfer_syntax,
            "sop_class_uid": self.request.sop_class_uid,
            "sop_instance_uid": self.request.sop_instance_uid,
            "data_set_offset": len(meta),
            "received_at": datetime.now(UTC).isoformat(timespec="microseconds"),
        }
        entry = intake.open("dicom.instance", origin)
        try:
            entry.write(meta)
        except Exception:
            entry.abort()
            raise
        return entry

    def _fail(self, error: Exception) -> None:
        self._error = error
        self.abort()
        if not isinstance(error, Malformed | Refused | Unavailable):
            log.error("store_failed", sop_instance_uid=self.request.sop_instance_uid, exc_info=error)
