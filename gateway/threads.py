"""The journal for code that runs in threads: an upload or a signed document is appended, durable on return."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from gateway.journal import Journal

T = TypeVar("T")


class JournalThread:
    """One journal of this process on an event loop of its own, opened when first needed."""

    def __init__(self, root: Path, *, node: str, limit_bytes: int):
        self._root, self._node, self._limit_bytes = root, node, limit_bytes
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._journal: Journal | None = None
        self._thread: threading.Thread | None = None

    def append(
        self, kind: str, origin: Mapping[str, Any], chunks: Iterable[bytes], *, size_bytes: int | None = None
    ) -> tuple[str, int]:
        """Append one record and return its id (journal, sequence) once it is durable. Raises Unavailable.

        With `size_bytes` what has no room is not begun.
        """
        journal, loop = self._open()
        entry = asyncio.run_coroutine_threadsafe(_begin(journal, kind, origin, size_bytes), loop).result()
        try:
            for chunk in chunks:
                asyncio.run_coroutine_threadsafe(_write(entry, chunk), loop).result()
            asyncio.run_coroutine_threadsafe(entry.commit(), loop).result()
        except BaseException:
            loop.call_soon_threadsafe(entry.abort)
            raise
        if entry.record_id is None:
            raise RuntimeError("a committed entry has no id")
        return entry.record_id.journal, entry.record_id.sequence

    def note(self, kind: str, origin: Mapping[str, Any]) -> None:
        """Append a record without payload; nobody waits for it."""
        journal, loop = self._open()
        loop.call_soon_threadsafe(journal.note, kind, dict(origin))

    async def run(self, work: Callable[[Journal], Coroutine[Any, Any, T]]) -> T:
        """Do something with the journal on its own loop, awaited from another. Raises Unavailable."""
        if self._journal is None:
            await asyncio.to_thread(self._open)
        journal, loop = self._open()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(journal), loop))

    def close(self) -> None:
        with self._lock:
            if self._loop is None or self._thread is None:
                return
            if self._journal is not None:
                asyncio.run_coroutine_threadsafe(self._journal.close(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._journal = self._loop = self._thread = None

    def _open(self) -> tuple[Journal, asyncio.AbstractEventLoop]:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="journal", daemon=True)
                self._thread.start()
            if self._journal is None:  # perhaps for the second time: the disk was full
                opened: Future[Journal] = asyncio.run_coroutine_threadsafe(self._create(), self._loop)
                self._journal = opened.result()
            return self._journal, self._loop

    async def _create(self) -> Journal:
        return Journal.create(self._root, node=self._node, limit_bytes=self._limit_bytes)


async def _begin(journal: Journal, kind: str, origin: Mapping[str, Any], size_bytes: int | None) -> Any:
    return journal.open(kind, origin, size_hint=size_bytes)


async def _write(entry: Any, chunk: bytes) -> None:
    entry.write(chunk)
