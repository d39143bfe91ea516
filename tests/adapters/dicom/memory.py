"""The ports of the DICOM edge kept in memory, and an acceptor on a loopback port in a thread of its own."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import uvloop

from adapters.dicom.acceptor import Acceptor
from adapters.dicom.association import Config
from adapters.dicom.ports import AssociationRefused, Tls
from adapters.dicom.tally import ProcessTally
from adapters.dicom.tls import TlsServer
from adapters.errors import Unavailable


@dataclass
class Record:
    kind: str
    origin: dict[str, Any]
    payload: bytes

    @property
    def data_set(self) -> bytes:
        return self.payload[self.origin["data_set_offset"] :]


class MemoryEntry:
    def __init__(self, intake: "MemoryIntake", kind: str, origin: Mapping[str, Any]) -> None:
        self.intake, self.kind = intake, kind
        self.origin = json.loads(json.dumps(origin))  # an origin must survive this
        self.payload = bytearray()
        self.size = 0

    def write(self, *views: bytes | bytearray | memoryview) -> None:
        self.size += sum(map(len, views))
        if self.size > self.intake.room:
            raise Unavailable("journal is full")
        self.intake.writes += 1
        if self.intake.keeps_payloads:
            self.payload += b"".join(views)

    async def commit(self, rest: Sequence[bytes | memoryview] = ()) -> None:
        for view in rest:
            if self.size + len(view) > self.intake.room:
                raise Unavailable("journal is full")
            self.size += len(view)
        self.intake.committing.set()
        if self.intake.gate is not None:
            await self.intake.gate.wait()
        if self.intake.commit_error is not None:
            raise self.intake.commit_error
        if self.intake.keeps_payloads:
            self.payload += b"".join(rest)  # only now: nobody may have written over it
        self.intake.open_entries.discard(self)
        self.intake.records.append(Record(self.kind, self.origin, bytes(self.payload)))

    def abort(self) -> None:
        self.intake.open_entries.discard(self)


@dataclass
class MemoryIntake:
    """A whole implementation of the port; its limits and failures are set by the test that wants them."""

    room: int = 1 << 40  # bytes of one payload
    keeps_payloads: bool = True
    open_error: Exception | None = None
    commit_error: Exception | None = None
    gate: asyncio.Event | None = None
    committing: threading.Event = field(default_factory=threading.Event)
    records: list[Record] = field(default_factory=list)
    notes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    open_entries: set[MemoryEntry] = field(default_factory=set)
    writes: int = 0

    def open(self, kind: str, origin: Mapping[str, Any], *, size_hint: int | None = None) -> MemoryEntry:
        if self.open_error is not None:
            raise self.open_error
        entry = MemoryEntry(self, kind, origin)
        self.open_entries.add(entry)
        return entry

    def note(self, kind: str, origin: Mapping[str, Any]) -> None:
        self.notes.append((kind, json.loads(json.dumps(origin))))

    def noted(self, kind: str) -> list[dict[str, Any]]:
        return [origin for noted, origin in self.notes if noted == kind]


@dataclass
class Directory:
    """Devices by calling AE title; None as title lets everybody in."""

    called: str = "GATEWAY"
    devices: dict[str | None, dict[str, Any]] = field(
        default_factory=lambda: {None: {"device_id": "d1", "institution_id": "township"}}
    )
    heard_over: list[Tls | None] = field(default_factory=list)

    def admit(
        self, *, calling_ae_title: str, called_ae_title: str, peer_address: str, tls: Tls | None
    ) -> Mapping[str, Any]:
        self.heard_over.append(tls)
        if called_ae_title != self.called:
            raise AssociationRefused(1, 1, 7, f"called AE title {called_ae_title} is not ours")
        device = self.devices.get(calling_ae_title, self.devices.get(None))
        if device is None:
            raise AssociationRefused(1, 1, 3, f"calling AE title {calling_ae_title} is not known")
        return device


class Server:
    """An acceptor in its own thread and event loop, for peers that block."""

    def __init__(
        self, *, on_uvloop: bool = True, listener: socket.socket | None = None, **config: Any
    ) -> None:
        self.intake = MemoryIntake()
        self.directory = Directory()
        self.config = Config(**{"artim_s": 5.0, **config})
        self.tls: TlsServer | None = None
        self.tally: ProcessTally | None = None
        self.listener = listener or socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.loop = uvloop.new_event_loop() if on_uvloop else asyncio.new_event_loop()
        self.errors: list[dict[str, Any]] = []
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self.loop.set_exception_handler(lambda _, context: self.errors.append(context))
        self.thread.start()
        self.acceptor = self.call(self._start)
        return self

    def __exit__(self, *_: object) -> None:
        if self.thread.is_alive():
            self.close(0.2)
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join(10)
        self.listener.close()
        self.loop.close()
        assert not self.errors, self.errors  # nothing may escape into the event loop
        assert not self.intake.open_entries, "a payload was left half kept"

    def close(self, grace_s: float) -> None:
        asyncio.run_coroutine_threadsafe(self.acceptor.close(grace_s), self.loop).result(20)

    def call(self, function: Callable[[], Any]) -> Any:
        async def run() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(10)

    def connect(self) -> socket.socket:
        peer = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return peer

    def _start(self) -> Acceptor:
        acceptor = Acceptor(
            self.listener, intake=self.intake, admission=self.directory, config=self.config, tls=self.tls,
            tally=self.tally,
        )  # fmt: skip
        acceptor.start()
        return acceptor

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
