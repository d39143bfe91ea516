"""The ports of the laboratory's listeners kept in memory, and an MLLP listener on a loopback port in a thread of its own."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import uvloop

from adapters.dicom.tls import TlsServer
from adapters.hl7.known import Known
from adapters.hl7.listener import Config, MllpServer
from adapters.lab.ports import Admitted, Door, NotAdmitted
from adapters.lab.said import Message, Query, Sender, Specimen

ALL = "all"


@dataclass
class Record:
    kind: str
    origin: dict[str, Any]
    body: bytes


@dataclass
class MemoryLaboratory:
    """A whole implementation of the ports; its limits and failures are set by the test that wants them."""

    admitted: Admitted = field(default_factory=lambda: Admitted(origin={"device_id": "analyser"}))
    admission_error: Exception | None = None
    closed_to: str = ""  # an application that is not admitted; ALL: nobody may even connect
    keep_error: Exception | None = None
    gate: asyncio.Event | None = None  # keeping waits for it
    desk_error: Exception | None = None
    work: dict[str, Specimen] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    notes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    asked: list[Query] = field(default_factory=list)
    doors: list[Door] = field(default_factory=list)
    keeping: int = 0
    most_keeping: int = 0

    def admit(self, door: Door, sender: Sender | None) -> Admitted:
        self.doors.append(door)
        if self.admission_error is not None:
            raise self.admission_error
        if self.closed_to == ALL or (sender is not None and self.closed_to == sender.application != ""):
            raise NotAdmitted("unknown", "this sender is not known here")
        return self.admitted

    async def keep(self, kind: str, origin: Mapping[str, Any], body: Sequence[bytes]) -> None:
        self.keeping += 1
        self.most_keeping = max(self.most_keeping, self.keeping)
        record = Record(
            kind, json.loads(json.dumps(dict(origin))), b"".join(body)
        )  # an origin must survive this
        try:
            await asyncio.sleep(0)
            if self.gate is not None:
                await self.gate.wait()
            if self.keep_error is not None:
                raise self.keep_error
        finally:
            self.keeping -= 1
        self.records.append(record)

    def notice(self, kind: str, origin: Mapping[str, Any]) -> None:
        self.notes.append((kind, json.loads(json.dumps(dict(origin)))))

    async def answer(self, admitted: Admitted, message: Message, query: Query) -> tuple[Specimen, ...]:
        self.asked.append(query)
        if self.desk_error is not None:
            raise self.desk_error
        if query.everything:
            return tuple(self.work.values())
        return tuple(self.work[barcode] for barcode in query.barcodes if barcode in self.work)


class Server:
    """An MLLP listener that runs while the `with` block does."""

    def __init__(
        self,
        *,
        tls: TlsServer | None = None,
        on_uvloop: bool = True,
        known: Known | None = None,
        send_buffer_bytes: int = 0,
        **config: Any,
    ) -> None:
        self.laboratory = MemoryLaboratory()
        self.tls, self._on_uvloop, self._known, self._config = tls, on_uvloop, known, Config(**config)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        if send_buffer_bytes:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
        self.port = int(self._listener.getsockname()[1])
        self._ready, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.mllp: MllpServer
        self.loop: asyncio.AbstractEventLoop

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(20)
        assert not self._thread.is_alive()
        self._listener.close()

    def call(self, work: Callable[[], Any]) -> Any:
        """Run something on the listener's loop."""

        async def run() -> Any:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(10)

    @property
    def bodies(self) -> list[bytes]:
        return [record.body for record in self.laboratory.records]

    def _run(self) -> None:
        factory = uvloop.new_event_loop if self._on_uvloop else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self.loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        laboratory = self.laboratory
        self.mllp = MllpServer(
            self._listener, admission=laboratory, keep=laboratory.keep, notice=laboratory.notice, desk=laboratory,
            config=self._config, tls=self.tls, known=self._known,
        )  # fmt: skip
        self.mllp.start()
        self._ready.set()
        await self._stopping.wait()
        await self.mllp.close(grace_s=2)


class Peer:
    """A sender, byte by byte."""

    def __init__(self, port: int, *, tls: Any = None, timeout_s: float = 10) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self._heard = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, raw: bytes) -> None:
        self.socket.sendall(raw)

    def hear(self) -> bytes:
        """The next message, without its framing bytes."""
        while b"\x1c\r" not in self._heard:
            piece = self.socket.recv(1 << 16)
            if not piece:
                raise EOFError(self._heard)
            self._heard += piece
        message, _, self._heard = self._heard.partition(b"\x1c\r")
        assert message.startswith(b"\x0b")
        return message[1:]

    def ask(self, body: bytes) -> bytes:
        self.send(b"\x0b" + body + b"\x1c\r")
        return self.hear()

    def is_silent(self, seconds: float = 0.3) -> bool:
        """Whether nothing comes."""
        if self._heard:
            return False
        self.socket.settimeout(seconds)
        try:
            return not self.socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(10)

    def is_closed(self) -> bool:
        """Whether the other end hangs up."""
        try:
            return not self.socket.recv(1)
        except ConnectionError:
            return True
