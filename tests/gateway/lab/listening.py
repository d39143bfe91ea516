"""The laboratory's listeners on loopback ports, as their process runs them, in a thread; and an HL7 sender."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Self

import uvloop

from gateway.doors import Door, listen
from gateway.intake import Drain
from gateway.lab.process import serve
from gateway.runtime import Runtime, utc_now
from gateway.settings import Settings
from gateway.snapshot import write_snapshot
from tests.journeys.gateways import wait_for

ORU = (
    "MSH|^~\\&|{sender}||LIS||20261121143000||ORU^R01|{control_id}|P|2.3.1||||||UNICODE UTF-8",
    "PID|1||P001||仇^明|||M",
    "OBR|1||{barcode}|CBC|||20261121142500",
    "OBX|1|NM|WBC||5.5|10*9/L|3.5-9.5|N|||F|||20261121142900",
    "OBX|2|NM|HGB||142|g/L|130-175|N|||F|||20261121142900",
    "OBX|3|NM|PLT||210|10*9/L|125-350|N|||F|||20261121142900",
)


def oru(barcode: str = "B001", *, sender: str = "BC-5300", control_id: str = "1") -> str:
    return "\r".join(ORU).format(barcode=barcode, sender=sender, control_id=control_id) + "\r"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    hl7: int
    astm: int


@contextmanager
def listening(settings: Settings, doors: Sequence[Door] = ()) -> Iterator[Ports]:
    """Until the block ends; without doors on two of its own."""
    settings.journal_dir.mkdir(parents=True, exist_ok=True)
    doors = doors or (
        Door(name="hl7", listener=listen("127.0.0.1", 0)),
        Door(name="astm", listener=listen("127.0.0.1", 0)),
    )
    ports = {door.name: door.port for door in doors}
    loop, stop = uvloop.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(settings, doors, stop)))
    thread.start()
    try:
        yield Ports(hl7=ports["hl7"], astm=ports["astm"])
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
        for door in doors:
            door.listener.close()


def tell_listeners(runtime: Runtime) -> None:
    """What the directory says now."""
    with runtime.reading() as session:
        write_snapshot(session, runtime.settings.directory_snapshot)


def drain(runtime: Runtime) -> None:
    """Until everything that was accepted has its rows."""
    one = Drain(replace(runtime, now=utc_now))  # messages came when they came, whatever the test's clock says
    wait_for(lambda: one.index_new() == 0, 20, "the drain has caught up")


class Hl7Line:
    """An analyser that speaks MLLP, in plain blocking calls."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None, patience_s: float = 10.0) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=patience_s)
        self.socket = tls.wrap_socket(plain, server_hostname="127.0.0.1") if tls else plain

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, message: str | bytes) -> str:
        """Send a message; the answer's text, "" when the line is closed instead."""
        body = message if isinstance(message, bytes) else message.encode()
        self.socket.sendall(b"\x0b" + body + b"\x1c\r")
        return self.hear()

    def hear(self) -> str:
        heard = b""
        while not heard.endswith(b"\x1c\r"):
            more = self.socket.recv(65536)
            if not more:
                return ""
            heard += more
        return heard[1:-2].decode()
