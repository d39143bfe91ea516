"""Small real disks: ext4 on a loop device, which can be filled, and from which the power can be taken.

A power cut is the kernel's own: the file system goes down without writing what it still had in memory or in its log
(`EXT4_IOC_SHUTDOWN` with NOLOGFLUSH), and what comes back at the next mount is what had been synced.
"""

import contextlib
import fcntl
import os
import struct
import subprocess
import time
from pathlib import Path
from typing import Self

import pytest

from tests.torture.tally import count

_EXT4_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
_NOLOGFLUSH = 2
LET_GO_S = 60.0


class SmallDisk:
    """A file system of its own in a file; skips the test, saying why, where none can be mounted."""

    def __init__(self, folder: Path, *, size_mb: int) -> None:
        self.path = folder / "disk"
        self._image = folder / "disk.img"
        self._size_mb = size_mb

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True)
        with self._image.open("wb") as image:
            image.truncate(self._size_mb << 20)
        try:
            run("mkfs.ext4", "-q", "-m", "0", str(self._image))
            self._mount()
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no loop file system can be mounted here: {getattr(error, 'stderr', '') or error}")
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            run("umount", "--lazy", str(self.path))

    def fill(self, *, leave_bytes: int = 0) -> None:
        """Let something else take the room: a log, a backup, somebody's film."""
        count("full disks")
        status = os.statvfs(self.path)
        wanted = status.f_bavail * status.f_frsize - leave_bytes
        handle = os.open(self.path / "ballast", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            for step in (1 << 20, 1 << 12):
                while wanted >= step:
                    try:
                        os.posix_fallocate(handle, os.fstat(handle).st_size, step)
                    except OSError:
                        break
                    wanted -= step
        finally:
            os.close(handle)

    def make_room(self) -> None:
        (self.path / "ballast").unlink()

    def cut_power(self) -> None:
        """From this moment nothing reaches the disk any more; every sync fails."""
        count("power cuts")
        handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(handle, _EXT4_IOC_SHUTDOWN, struct.pack("I", _NOLOGFLUSH))
        finally:
            os.close(handle)

    def restore_power(self) -> None:
        """Mount what is on the disk; whoever was killed may need a moment to let go of it."""
        deadline = time.monotonic() + LET_GO_S
        while True:
            try:
                run("umount", str(self.path))
                break
            except subprocess.CalledProcessError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        self._mount()

    def _mount(self) -> None:
        run("mount", "-o", "loop", str(self._image), str(self.path))


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
