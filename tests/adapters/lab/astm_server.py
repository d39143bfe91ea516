"""An ASTM listener on a loopback port in a thread of its own, its ports kept in memory."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import uvloop

from adapters.dicom.tls import TlsServer
from adapters.errors import Unavailable
from adapters.lab.connection import AstmSettings
from adapters.lab.link import LinkSettings
from adapters.lab.listener import AstmServer
from adapters.lab.ports import Admitted, Door, NotAdmitted
from adapters.lab.said import Message, Query, Sender, Specimen

T = TypeVar("T")
QUICK = LinkSettings(
    reply_s=4.0, receive_s=2.0, after_nak_s=0.2, after_contention_s=0.4, stall_s=0.5, prompt_s=5.0
)


@dataclass
class Kept:
    kind: str
    origin: dict[str, Any]
    body: bytes


@dataclass
class Memory:
    """Everything that a listener asks of whoever runs it."""

    kept: list[Kept] = field(default_factory=list)
    notices: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    away: bool = False  # nothing can be kept
    slow_s: float = 0.0
    refused: str = ""  # why nobody is admitted
    refused_senders: tuple[str, ...] = ()
    character_set: str | None = None
    work: dict[str, Specimen] = field(default_factory=dict)
    asked: list[Query] = field(default_factory=list)
    desk_away: bool = False
    doors: list[Door] = field(default_factory=list)

    def admit(self, door: Door, sender: Sender | None) -> Admitted:
        self.doors.append(door)
        if self.refused:
            raise NotAdmitted(self.refused, "nobody is known here")
        if sender is not None and sender.application in self.refused_senders:
            raise NotAdmitted("unknown_sender", f"{sender.application} is not known here")
        origin = {"device_id": f"device at {door.peer_address}"}
        return Admitted(origin=origin, character_set=self.character_set)

    async def keep(self, kind: str, origin: Mapping[str, Any], body: Sequence[bytes]) -> None:
        if self.slow_s:
            await asyncio.sleep(self.slow_s)
        if self.away:
            raise Unavailable("the disk is full")
        self.kept.append(Kept(kind, json.loads(json.dumps(origin)), b"".join(body)))

    def notice(self, kind: str, origin: Mapping[str, Any]) -> None:
        self.notices.append((kind, json.loads(json.dumps(origin))))

    async def answer(self, admitted: Admitted, message: Message, query: Query) -> tuple[Specimen, ...]:
        if self.desk_away:
            raise Unavailable("the database is away")
        self.asked.append(query)
        return tuple(self.work[one] for one in query.barcodes if one in self.work)

    def kinds(self) -> list[str]:
        return [one.kind for one in self.kept]


class Served:
    """A listener at work."""

    def __init__(
        self,
        memory: Memory,
        settings: AstmSettings | None = None,
        tls: TlsServer | None = None,
        port: int = 0,
    ) -> None:
        self.memory = memory
        self.settings = settings or AstmSettings(link=QUICK, hold_s=0.1)
        self.loop = uvloop.new_event_loop()
        self._tls, self.port = tls, port
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.run(self._start())
        return self

    async def _start(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        self.port = listener.getsockname()[1]
        memory = self.memory
        self.server = AstmServer(
            listener,
            admission=memory,
            keep=memory.keep,
            notice=memory.notice,
            desk=memory,
            settings=self.settings,
            tls=self._tls,
        )
        self.server.start()
        self.listener = listener

    def __exit__(self, *_: object) -> None:
        self.run(self.server.close(grace_s=1.0))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=5)
        self.listener.close()
        self.loop.close()

    def call(self, work: Callable[[], T]) -> T:
        """Run something on the listener's loop."""

        async def run() -> T:
            return work()

        return self.run(run())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=10)


def until(condition: Callable[[], bool], *, within_s: float = 5.0) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
