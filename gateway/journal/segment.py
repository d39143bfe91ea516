"""The segment file that ordinary records are appended to, and what every segment file is written with.

Blocking calls on one file at a time; `commit` decides in which thread. Names in a journal's folder:

    00000001.seg     records one after another, up to SEGMENT_BYTES; 00000001.mark beside it: its synced offset
    00000002.single  one committed record with a large body (`single`)
    00000003.part    a large body that is still arriving; nobody reads it, and without its writer it is rubbish
"""

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from google_crc32c import value

from gateway.fault_points import reach
from gateway.journal.format import (
    RECORD_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    Buffer,
    Mark,
    RecordHeader,
    SegmentHeader,
    new_marker,
    write_mark,
    write_record_header,
    write_segment_header,
    write_trailer,
)

SEGMENT_BYTES = 256 * 1024 * 1024
IOV_MAX = 1024  # Linux: buffers in one writev
PREPARE_BYTES = 1024 * 1024  # of zeros, written and synced at once
PAGE_BYTES = 4096
_ZEROS = memoryview(bytes(PREPARE_BYTES))


def segment_path(folder: Path, number: int, suffix: str) -> Path:
    return folder / f"{number:08d}.{suffix}"


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_all(handle: int, buffers: Sequence[Buffer], offset: int) -> int:
    """Write every buffer, in as few calls as the kernel allows; returns the offset behind the last byte."""
    end = offset + sum(map(len, buffers))
    offset += os.pwritev(handle, buffers[:IOV_MAX], offset)
    while offset < end:  # a disk that is nearly full, or very many buffers
        buffers = _last_bytes(buffers, end - offset)
        offset += os.pwritev(handle, buffers[:IOV_MAX], offset)
    return end


def _last_bytes(buffers: Sequence[Buffer], length: int) -> list[Buffer]:
    last: list[Buffer] = []
    for buffer in reversed(buffers):
        taken = min(length, len(buffer))
        last.append(memoryview(buffer)[len(buffer) - taken :])
        length -= taken
        if not length:
            break
    return last[::-1]


class SharedSegment:
    """The segment that ordinary records are appended to: append, sync, publish, and at last end or retire.

    Behind its records the file may hold zeros up to `_prepared_to`: what overwrites them needs no new blocks, so its
    sync does not wait for the file system's own journal.
    """

    def __init__(self, folder: Path, journal: str, number: int, limit_bytes: int) -> None:
        self.number = number
        self._limit_bytes = limit_bytes
        self._marker = new_marker()
        self._path = segment_path(folder, number, "seg")
        header = SegmentHeader(journal=journal, number=number, marker=self._marker)
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
        try:
            self._mark_handle = os.open(
                segment_path(folder, number, "mark"), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o640
            )
        except OSError:
            os.close(self._handle)
            raise
        self._growing = threading.Lock()  # held by whoever makes the file longer, or cuts it
        self._prepared_to = 0
        self._may_be_prepared = True
        self.synced_to = self._covered_to = self._syncing_to = 0
        try:
            self._end = write_all(self._handle, [write_segment_header(header)], 0)
            reach("journal.segment_made")
            sync_folder(folder)
        except OSError:
            self.retire()
            raise

    @property
    def is_empty(self) -> bool:
        return self._end == SEGMENT_HEADER_BYTES

    @property
    def is_half_full(self) -> bool:
        return self._end >= self._limit_bytes // 2

    @property
    def unprepared_bytes(self) -> int:
        return max(0, self._limit_bytes - max(self._end, self._prepared_to))

    def has_room_for(self, size_bytes: int) -> bool:
        return self._end + size_bytes <= self._limit_bytes

    def append(self, records: Sequence["PendingRecord"]) -> None:
        buffers: list[Buffer] = []
        offset = self._end
        for record in records:
            buffers += record.buffers(self._marker, offset)
            offset += record.length
        reach("journal.writing")
        if offset > self._prepared_to:
            with self._growing:
                self._end = write_all(self._handle, buffers, self._end)
            return
        # Whole pages, so that the kernel need not read what the last one held.
        padding = _ZEROS[: -offset % PAGE_BYTES]
        self._end = write_all(self._handle, [*buffers, padding], self._end) - len(padding)

    def prepare(self) -> Iterator[None]:
        """Write zeros behind the records, a piece at each step, as far as the segment goes. In another thread.

        It has a handle of its own: the error of a failed sync is told once to each, and the commit must hear of it.
        """
        handle = os.open(self._path, os.O_RDWR)
        try:
            while self._prepare_more(handle):
                os.fdatasync(handle)
                yield
        finally:
            os.close(handle)

    def _prepare_more(self, handle: int) -> bool:
        with self._growing:
            start = max(self._end, self._prepared_to)
            stop = min(start + PREPARE_BYTES, self._limit_bytes)
            if not self._may_be_prepared or start >= stop:
                return False
            reach("journal.preparing")
            self._prepared_to = start + os.pwrite(handle, _ZEROS[: stop - start], start)
            return True

    @property
    def end_of_records(self) -> int:
        """The offset behind the last record that was appended."""
        return self._end

    def sync(self) -> None:
        """Make durable what was appended until it began; more may be appended meanwhile, by another thread."""
        os.fdatasync(self.begin_sync())
        self.end_sync()

    def begin_sync(self) -> int:
        """A sync of this handle covers what was appended by now, once `end_sync` says that it is done."""
        reach("journal.written")
        self._syncing_to = self._end
        return self._handle

    def end_sync(self) -> None:
        self._covered_to = self._syncing_to
        reach("journal.synced")

    def publish(self) -> None:
        """Let other processes read what the last sync covered."""
        self.synced_to = self._covered_to
        self._publish(ended=False)
        reach("journal.marked")

    def end(self) -> None:
        """No more records: say so durably, so that nobody needs to search for the end later."""
        try:
            reach("journal.ending")
            self._cut(self._end)
            self._publish(ended=True)
            os.fsync(self._mark_handle)
        finally:
            self._close()

    def retire(self) -> None:
        """After a failed write or sync: cut off what was not acknowledged and never come back to this file.

        Each step may fail on a failing disk; the mark alone already keeps readers from what follows it.
        """
        with contextlib.suppress(OSError):
            self._publish(ended=True)
        with contextlib.suppress(OSError):
            self._cut(self.synced_to)
        with contextlib.suppress(OSError):
            os.fsync(self._mark_handle)
        with contextlib.suppress(OSError):
            os.fsync(self._handle)
        self._close()

    def _cut(self, end: int) -> None:
        with self._growing:
            self._may_be_prepared = False
            os.ftruncate(self._handle, end)

    def _publish(self, *, ended: bool) -> None:
        os.pwrite(self._mark_handle, write_mark(Mark(offset=self.synced_to, ended=ended)), 0)

    def _close(self) -> None:
        with self._growing:
            self._may_be_prepared = False
        os.close(self._handle)
        os.close(self._mark_handle)


class PendingRecord:
    """A record with a collected body, waiting for the next group commit."""

    __slots__ = ("_body", "_body_crc", "_body_length", "_head", "_header", "length")

    def __init__(
        self, *, sequence: int, head: bytes, body: Sequence[Buffer], body_length: int, body_crc: int
    ) -> None:
        self._head = head
        self._body = body
        self._body_length = body_length
        self._body_crc = body_crc
        self._header = RecordHeader(
            sequence=sequence, head_length=len(head), head_crc=value(head), body_length=body_length
        )
        self.length = self._header.record_length

    def buffers(self, marker: bytes, offset: int) -> list[Buffer]:
        body_offset = offset + RECORD_HEADER_BYTES + len(self._head)
        return [
            write_record_header(marker, offset, self._header),
            self._head,
            *self._body,
            write_trailer(marker, body_offset, self._body_length, self._body_crc),
        ]
