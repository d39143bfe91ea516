"""Files are read in processes of their own (`gateway.carts.reader`), with bounds on time and memory.

A reader that hangs is killed, and one that died is asked once more: whatever it was, the file is refused and not us.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import structlog

from adapters.errors import Malformed, Unavailable

log = structlog.get_logger()

LONGEST_READ_S = 60.0  # a recording of a day on a busy machine takes two
READERS = 2  # at a time, for one process of ours: each may take the memory of a whole recording
ANSWER_BYTES = 1 << 20


class NotTaken(Malformed):
    """A file that is refused: `reason` is a key of what is explained of files, `about` a detail for a technician."""

    def __init__(self, reason: str, about: str = "") -> None:
        super().__init__(f"{reason}: {about}" if about else reason)
        self.reason, self.about = reason, about


class _Died(Exception):
    """The process ended without an answer."""


class Readers:
    """Starts a reader when one is needed. For any thread."""

    def __init__(self, *, longest_read_s: float = LONGEST_READ_S) -> None:
        self._longest_read_s = longest_read_s
        self._turns = threading.BoundedSemaphore(READERS)
        self._idle: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()

    def read(self, path: Path, name: str) -> dict[str, Any]:
        """The description of a recording. Raises NotTaken, Unavailable."""
        with self._turns:
            for last in (False, True):
                try:
                    return _understand(self._ask(path, name))
                except _Died as error:
                    log.warning("ecg_reader_died", size_bytes=path.stat().st_size, again=not last)
                    if last:
                        raise NotTaken("reader_died") from error
        raise AssertionError("unreachable")

    def warm(self) -> None:
        """Start one before it is needed: loading takes seconds, and what is coming may be chest pain."""
        with self._lock:
            if self._idle:
                return
        with contextlib.suppress(Unavailable):  # whoever needs it is told
            process = self._take()
            with self._lock:
                self._idle.append(process)

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            _end(process)

    def _ask(self, path: Path, name: str) -> bytes:
        process = self._take()
        try:
            answer = self._exchange(
                process, json.dumps({"path": str(path.absolute()), "name": name}).encode() + b"\n"
            )
        except BaseException:
            _end(process)
            raise
        with self._lock:
            self._idle.append(process)
        return answer

    def _exchange(self, process: "subprocess.Popen[bytes]", asked: bytes) -> bytes:
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(asked)
            process.stdin.flush()
        except OSError as error:
            raise _Died from error
        answer, until = b"", time.monotonic() + self._longest_read_s
        while not answer.endswith(b"\n"):
            if not select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
                raise NotTaken("takes_too_long")
            chunk = os.read(process.stdout.fileno(), 1 << 16)
            if not chunk or len(answer) > ANSWER_BYTES:
                raise _Died
            answer += chunk
        return answer

    def _take(self) -> "subprocess.Popen[bytes]":
        with self._lock:
            while self._idle:
                process = self._idle.pop()
                if process.poll() is None:
                    return process
                _end(process)
        try:
            return subprocess.Popen(
                [sys.executable, "-m", "gateway.carts.reader"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                # What libraries say of a file may be a patient's name.
                stderr=subprocess.DEVNULL, env=_environment(), cwd="/",
            )  # fmt: skip
        except OSError as error:
            raise Unavailable(f"no reader can be started: {error.strerror}") from error


def _environment() -> dict[str, str]:
    """No secrets of ours; one thread is enough, and each more takes address space."""
    root = str(Path(__file__).resolve().parents[2])
    return {"PYTHONPATH": root, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}


def _understand(answer: bytes) -> dict[str, Any]:
    content = json.loads(answer)
    if "refused" in content:
        raise NotTaken(str(content["refused"]["code"]), str(content["refused"]["about"])[:200])
    if "unavailable" in content:
        raise Unavailable(f"the file cannot be read: {content['unavailable']}")
    found: dict[str, Any] = content["ecg"]
    return found


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):  # of a question that it did not live to read
                stream.close()
