"""A segment of its own for one large body, written while it arrives.

It becomes visible by its rename, after its bytes are synced; its record header is written last.
"""

import contextlib
import ctypes
import os
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

from google_crc32c import value

from gateway.fault_points import reach
from gateway.journal.direct import DirectFile, Pieces
from gateway.journal.format import (
    RECORD_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    Buffer,
    RecordHeader,
    SegmentHeader,
    new_marker,
    write_record_header,
    write_segment_header,
    write_trailer,
)
from gateway.journal.segment import segment_path, sync_folder, write_all

WRITE_BACK_BYTES = 2 * 1024 * 1024  # after which the kernel is asked to start writing
_SYNC_FILE_RANGE_WRITE = 2
_libc = ctypes.CDLL(None, use_errno=True)


class CachedFile:
    """A file that is written through the page cache: where it cannot be otherwise, or too many are."""

    def __init__(self, handle: int, pool: Executor) -> None:
        self._handle, self._pool = handle, pool
        self.end = 0
        self.is_flying = False  # a write is done when its call returns

    def append(self, chunks: Sequence[Buffer]) -> None:
        self.end = write_all(self._handle, chunks, self.end)

    def start_write_back(self) -> None:
        """Ask the kernel to begin writing now, so that the sync at the end finds little left to do."""
        self._pool.submit(
            _libc.sync_file_range,
            self._handle,
            ctypes.c_int64(0),
            ctypes.c_int64(0),
            ctypes.c_uint(_SYNC_FILE_RANGE_WRITE),
        )

    def finish(self, beginning: bytes, ending: bytes) -> None:
        write_all(self._handle, [ending], self.end)
        write_all(self._handle, [beginning], 0)

    def close(self) -> None:
        """The handle is whoever's gave it."""


class SingleSegment:
    """One large body under way: written on the loop, finished in a thread, or discarded."""

    def __init__(
        self, folder: Path, journal: str, number: int, head: bytes, *, pieces: Pieces, pool: Executor
    ) -> None:
        self._folder, self._pool = folder, pool
        self._part = segment_path(folder, number, "part")
        self._final = segment_path(folder, number, "single")
        self._marker = new_marker()
        self._head = head
        self._header = write_segment_header(
            SegmentHeader(journal=journal, number=number, marker=self._marker)
        )
        self._body_offset = SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES + len(head)
        self._handle = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
        try:
            self._file = self._open_file(pieces)
        except OSError:
            os.close(self._handle)
            self._part.unlink()
            raise
        try:
            self._file.append([self._header, bytes(RECORD_HEADER_BYTES), head])
        except OSError:
            self.discard()
            raise

    def _open_file(self, pieces: Pieces) -> DirectFile | CachedFile:
        try:
            return DirectFile(self._part, self._handle, pieces, self._pool)
        except BlockingIOError:  # not on this file system, or too many at once
            return CachedFile(self._handle, self._pool)

    @property
    def body_length(self) -> int:
        return self._file.end - self._body_offset

    def write(self, chunks: Sequence[Buffer]) -> None:
        reach("single.writing")
        self._file.append(chunks)

    def start_write_back(self) -> None:
        self._file.start_write_back()

    def finish(self, sequence: int, body_crc: int) -> None:
        """Durable and visible when it returns. When it raises, nothing is left of it, unless it was seen already.

        Once renamed it stays, though nobody was told that it is safe: the drain may have rows that point to it,
        and whoever sends it again sends what is known.
        """
        header = RecordHeader(
            sequence=sequence,
            head_length=len(self._head),
            head_crc=value(self._head),
            body_length=self.body_length,
        )
        try:
            self._file.finish(
                self._header + write_record_header(self._marker, SEGMENT_HEADER_BYTES, header),
                write_trailer(self._marker, self._body_offset, header.body_length, body_crc),
            )
            reach("single.written")
            os.fdatasync(self._handle)
            reach("single.synced")
            self._part.rename(self._final)
        except OSError:
            self._remove()
            raise
        try:
            reach("single.renamed")
            sync_folder(self._folder)
        finally:
            self._close()

    def discard(self) -> None:
        """Nothing is left of it. On the loop, which waits for nothing: a thread lets go of what is being written."""
        with contextlib.suppress(OSError):
            self._part.unlink()
        if self._file.is_flying:
            self._pool.submit(self._close)
        else:
            self._close()

    def _remove(self) -> None:
        self._close()
        with contextlib.suppress(OSError):
            self._part.unlink()

    def _close(self) -> None:
        self._file.close()
        handle, self._handle = self._handle, -1  # a late write must not meet a file that got the same number
        os.close(handle)
