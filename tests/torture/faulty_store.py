"""A proxy in front of an S3 server that does to requests what networks and servers do: delays, refuses, changes, cuts.

It understands as much of HTTP/1.1 as an S3 client speaks: one request a connection, its body by Content-Length.
"""

import asyncio
import contextlib
import re
import threading
from dataclasses import dataclass
from email.utils import formatdate
from typing import Self

CHUNK = 1 << 16
_ETAG = re.compile(rb'(etag(?:>|: *)(?:"|&#34;|&quot;)?)([0-9a-f]{31})([0-9a-f])', re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to requests, all of them or those that write. `cause`: the word that should be said of it."""

    name: str
    cause: str
    writes_only: bool = False
    bytes_per_s: float = 0.0  # over all connections, both ways
    status: int = 0  # answered with `cause` as the code, without asking the server
    retry_after_s: int = 0
    cut_after: int = 0  # bytes of a body, then the connection is gone
    hangs: bool = False  # nothing is answered, nothing is done
    withholds: bool = False  # all is done, and nothing is answered
    late_s: float = 0.0  # all is done so much later, when nobody waits any more
    wrong_etag: bool = False
    changes_body: bool = False


class FaultyStore:
    """The proxy, in a thread of its own; `fault` holds from the next request on. `asked` counts them."""

    def __init__(self, address: str) -> None:
        self._host, port = address.split(":")
        self._port = int(port)
        self.fault: Fault | None = None
        self.asked = 0
        self.late: list[asyncio.Task[None]] = []
        self._slow_until = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faulty-store", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20))
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _call(self, work):  # type: ignore[no-untyped-def]
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.asked += 1
            fault = self.fault
            if fault is not None and fault.writes_only and head.split()[0] not in {b"PUT", b"POST"}:
                fault = None
            await self._carry_out(fault, head, reader, writer)
        writer.close()

    async def _carry_out(
        self, fault: Fault | None, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if fault is not None and fault.hangs:
            await reader.read()  # until the client gives up
        elif fault is not None and fault.status:
            await _skip(reader, _length(head))
            writer.write(_refusal(fault, head.split()[0]))
            await writer.drain()
        elif fault is not None and fault.late_s:
            body = await reader.readexactly(_length(head))
            self.late.append(asyncio.create_task(self._do_late(fault.late_s, head, body)))
            await reader.read()
        else:
            await self._hand_on(fault, head, reader, writer)

    async def _hand_on(
        self, fault: Fault | None, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        server_reader, server = await asyncio.open_connection(self._host, self._port)
        try:
            server.write(_closing(head))
            left, sent = _length(head), 0
            while left:
                chunk = await reader.read(min(CHUNK, left))
                if not chunk:
                    return
                left -= len(chunk)
                sent += len(chunk)
                if fault is not None and fault.cut_after and sent > fault.cut_after:
                    return
                if fault is not None and fault.changes_body and not left:
                    chunk = chunk[:-1] + bytes([chunk[-1] ^ 1])
                await self._take_time(fault, len(chunk))
                server.write(chunk)
                await server.drain()
            if fault is not None and fault.withholds:
                await server_reader.read()
                await reader.read()
                return
            await self._answer(fault, server_reader, writer)
        finally:
            server.close()

    async def _answer(
        self, fault: Fault | None, server: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while chunk := await server.read(CHUNK):
            if fault is not None and fault.wrong_etag:
                chunk = _ETAG.sub(lambda hit: hit[1] + hit[2] + (b"0" if hit[3] != b"0" else b"1"), chunk)
            await self._take_time(fault, len(chunk))
            writer.write(chunk)
            await writer.drain()

    async def _do_late(self, late_s: float, head: bytes, body: bytes) -> None:
        await asyncio.sleep(late_s)
        reader, server = await asyncio.open_connection(self._host, self._port)
        server.write(_closing(head) + body)
        await reader.read()
        server.close()

    async def _take_time(self, fault: Fault | None, size: int) -> None:
        if fault is None or not fault.bytes_per_s:
            return
        now = self._loop.time()
        self._slow_until = max(now, self._slow_until) + size / fault.bytes_per_s
        await asyncio.sleep(self._slow_until - now)


def _length(head: bytes) -> int:
    found = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    return int(found[1]) if found else 0


def _closing(head: bytes) -> bytes:
    """The server says that it closes, and so the client asks over another connection the next time."""
    return head[:-2] + b"Connection: close\r\n\r\n"


async def _skip(reader: asyncio.StreamReader, size: int) -> None:
    while size and (chunk := await reader.read(min(CHUNK, size))):
        size -= len(chunk)


def _refusal(fault: Fault, method: bytes) -> bytes:
    body = f"<?xml version='1.0'?><Error><Code>{fault.cause}</Code><Message>-</Message></Error>".encode()
    lines = [
        f"HTTP/1.1 {fault.status} {fault.cause}",
        "Content-Type: application/xml",
        f"Content-Length: {len(body)}",
        f"Date: {formatdate(usegmt=True)}",
        "Connection: close",
        *([f"Retry-After: {fault.retry_after_s}"] if fault.retry_after_s else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + (b"" if method == b"HEAD" else body)
