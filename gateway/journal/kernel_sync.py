"""Syncs that the kernel does beside us (Linux AIO, io_submit(2)): asked for on the loop, heard of through an eventfd.

A thread that calls fdatasync needs the interpreter's lock before and after it, from a loop that hardly ever lets go
of it: with the kernel a sync takes half the time and less than half of the processor (docs/decisions/0001).
Where there is none (an older kernel, another system, a sandbox that forbids it) `open` says so, and a thread serves.
"""

import asyncio
import ctypes
import os
import platform
import sys
from collections.abc import Callable
from typing import Self

import structlog

_NUMBERS = {  # of io_setup, io_destroy, io_submit, io_getevents
    "x86_64": (206, 207, 209, 208),
    "aarch64": (0, 1, 2, 4),
}
_FDSYNC = 3  # IOCB_CMD_FDSYNC, since Linux 4.18
_BY_EVENTFD = 1  # IOCB_FLAG_RESFD

log = structlog.get_logger(__name__)

_libc = ctypes.CDLL(None, use_errno=True)


class _Request(ctypes.Structure):
    """struct iocb of linux/aio_abi.h, on a little-endian machine."""

    _fields_ = (
        ("data", ctypes.c_uint64),
        ("key", ctypes.c_uint32),
        ("rw_flags", ctypes.c_uint32),
        ("opcode", ctypes.c_uint16),
        ("priority", ctypes.c_int16),
        ("handle", ctypes.c_uint32),
        ("buffer", ctypes.c_uint64),
        ("length", ctypes.c_uint64),
        ("offset", ctypes.c_int64),
        ("reserved", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("eventfd", ctypes.c_uint32),
    )


class _Event(ctypes.Structure):
    """struct io_event of linux/aio_abi.h."""

    _fields_ = (
        ("data", ctypes.c_uint64),
        ("request", ctypes.c_uint64),
        ("result", ctypes.c_int64),
        ("result2", ctypes.c_int64),
    )


class KernelSync:
    """One sync at a time, of any file."""

    def __init__(self, numbers: tuple[int, int, int, int]) -> None:
        """Raises OSError where the kernel does not do it."""
        self._setup, self._destroy, self._submit, self._get_events = numbers
        self._context = ctypes.c_ulong(0)
        self._call(self._setup, 1, ctypes.byref(self._context))
        self._eventfd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._request = _Request(opcode=_FDSYNC, flags=_BY_EVENTFD, eventfd=self._eventfd)
        self._requests = ctypes.pointer(ctypes.pointer(self._request))
        self._event = _Event()
        self._loop: asyncio.AbstractEventLoop | None = None  # that listens to the eventfd
        self._taken: Callable[[Exception | None], None] | None = None  # hears how the sync under way went

    @classmethod
    def open(cls) -> Self | None:
        """None where the kernel does not do it."""
        numbers = _NUMBERS.get(platform.machine())
        if numbers is None or sys.platform != "linux" or sys.byteorder != "little":
            return None
        try:
            return cls(numbers)
        except OSError as error:
            log.info("kernel_sync_not_available", error=error.strerror)
            return None

    def start(self, handle: int, taken: Callable[[Exception | None], None]) -> None:
        """Ask for an fdatasync; `taken` hears on the running loop how it went. OSError: nothing was asked for."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._eventfd, self._ended)
        self._request.handle = handle
        self._call(self._submit, self._context, 1, self._requests)
        self._taken = taken

    def close(self) -> None:
        """No sync may be under way."""
        if self._loop is not None:
            self._loop.remove_reader(self._eventfd)
        self._call(self._destroy, self._context)
        os.close(self._eventfd)

    def _ended(self) -> None:
        try:
            os.read(self._eventfd, 8)
        except BlockingIOError:  # woken for nothing
            return
        self._call(self._get_events, self._context, 1, 1, ctypes.byref(self._event), None)
        result, taken = self._event.result, self._taken
        assert taken is not None  # a sync was under way
        self._taken = None
        taken(OSError(-result, os.strerror(-result)) if result < 0 else None)

    def _call(self, number: int, *arguments: object) -> None:
        if _libc.syscall(ctypes.c_long(number), *arguments) < 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
