"""A serial line at one end, the county at the other: bytes both ways, unchanged, on a computer beside the analyser.

The analyser keeps its results for as long as nobody acknowledges them, so nothing is stored here. While the county
cannot be reached an ENQ is answered with NAK: busy, ask again in ten seconds (LIS1-A §8.2); analysers that hear
nothing at all give up after a few tries and want somebody to press a key. What belongs to a transfer that was cut by
a new connection is not passed on: its frames would be stray at the county. Other protocols than ASTM: `astm` False.
"""

import asyncio
import contextlib
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import serial
import structlog

log = structlog.get_logger()

ENQ, NAK = b"\x05", b"\x15"
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_CONNECT_S = 10.0
_UNHEARD_MS = 20_000  # a county that takes our bytes no more is gone: sooner than an analyser gives up twice
_PIECE = 4096
_BUFFERED = 64 << 10  # of either way: more than an analyser sends without an answer
_GONE = (OSError, ssl.SSLError, TimeoutError, serial.SerialException)


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialLine:
    """How a port is to be set; the words of pyserial."""

    device: str
    baud: int = 9600
    data_bits: int = 8
    parity: str = "N"  # N, E, O
    stop_bits: float = 1
    rtscts: bool = False
    xonxoff: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class County:
    """Where the bytes go; `tls` with the authority that is believed, and a certificate of our own if one is asked for."""

    host: str
    port: int
    tls: bool = False
    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext | None:
        """Raises OSError, ssl.SSLError for files that cannot serve."""
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=self.authority)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context


class Gate:
    """What of the analyser's bytes the county is given, and what the analyser hears when it is away."""

    def __init__(self, *, astm: bool = True) -> None:
        self._astm, self._connected, self._open = astm, False, False

    def connect(self) -> None:
        """A new connection: nothing of a transfer that began before it."""
        self._connected, self._open = True, not self._astm

    def lose(self) -> None:
        self._connected = self._open = False

    def hear_county(self) -> None:
        """What the analyser says from now on answers it."""
        self._open = True

    def pass_on(self, heard: bytes) -> tuple[bytes, bytes]:
        """For the county, for the analyser."""
        if not self._connected:
            asks = self._astm and heard.rstrip(b"\r\n")[-1:] == ENQ
            return b"", NAK if asks else b""
        if self._open:
            return heard, b""
        begun = heard.find(ENQ)
        if begun < 0:
            return b"", b""
        self._open = True
        return heard[begun:], b""


class Port:
    """The serial port on the event loop."""

    def __init__(self, line: SerialLine) -> None:
        """Raises SerialException."""
        self._port = serial.Serial(
            line.device,
            line.baud,
            bytesize=line.data_bits,
            parity=line.parity,
            stopbits=line.stop_bits,
            rtscts=line.rtscts,
            xonxoff=line.xonxoff,
            timeout=0,
            exclusive=True,
        )
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        self._port.close()

    async def read(self) -> bytes:
        """What came; raises OSError when the port is gone."""
        await self._ready(self._loop.add_reader, self._loop.remove_reader)
        heard = os.read(self._port.fileno(), _PIECE)
        if not heard:
            raise OSError("the port was unplugged")
        return heard

    async def write(self, data: bytes) -> None:
        """At the line's own pace."""
        while data:
            with contextlib.suppress(BlockingIOError):
                data = data[os.write(self._port.fileno(), data) :]
            if data:
                await self._ready(self._loop.add_writer, self._loop.remove_writer)

    async def _ready(self, add: Callable[..., object], remove: Callable[[int], object]) -> None:
        number, ready = self._port.fileno(), asyncio.Event()
        add(number, ready.set)
        try:
            await ready.wait()
        finally:
            remove(number)


class Bridge:
    """One line for as long as it runs. Counts of bytes are for the log."""

    def __init__(self, line: SerialLine, county: County, *, astm: bool = True) -> None:
        self._line, self._county = line, county
        self._gate = Gate(astm=astm)
        self._port: Port | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._opened = asyncio.Event()
        self._up = self._down = 0

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._keep_port())
            both.create_task(self._keep_county())

    # the analyser's side

    async def _keep_port(self) -> None:
        async for _ in _again():
            try:
                self._port = Port(self._line)
                self._opened.set()
                log.info("serial_port_opened", device=self._line.device, baud=self._line.baud)
                await self._listen(self._port)
            except (OSError, serial.SerialException) as error:
                log.warning("serial_port_unusable", device=self._line.device, error=str(error))
            finally:
                self._opened.clear()
                self._hang_up()
                if self._port is not None:
                    self._port.close()
                self._port = None

    async def _listen(self, port: Port) -> None:
        while True:
            up, back = self._gate.pass_on(await port.read())
            if back:
                await port.write(back)
            writer = self._writer
            if up and writer is not None:
                self._up += len(up)
                writer.write(up)
                with contextlib.suppress(*_GONE):  # the other side notices, and says so
                    await writer.drain()

    # the county's side

    async def _keep_county(self) -> None:
        async for _ in _again():
            await self._opened.wait()  # else there is nobody to speak for
            try:
                reader, self._writer = await self._connect()
                self._gate.connect()
                log.info(
                    "county_connected", host=self._county.host, port=self._county.port, tls=self._county.tls
                )
                await self._carry_down(reader)
                log.warning("county_closed_the_connection", bytes_up=self._up, bytes_down=self._down)
            except _GONE as error:
                log.warning(
                    "county_not_reached", host=self._county.host, error=str(error) or type(error).__name__
                )
            finally:
                self._hang_up()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        opening = asyncio.open_connection(
            self._county.host, self._county.port, ssl=self._county.context(), limit=_BUFFERED
        )
        reader, writer = await asyncio.wait_for(opening, _CONNECT_S)
        connection: socket.socket = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNHEARD_MS)
        return reader, writer

    async def _carry_down(self, reader: asyncio.StreamReader) -> None:
        while heard := await reader.read(_PIECE):
            self._down += len(heard)
            self._gate.hear_county()
            if self._port is None:
                return
            await self._port.write(heard)

    def _hang_up(self) -> None:
        self._gate.lose()
        if self._writer is not None:
            self._writer.close()
        self._writer = None


async def _again() -> AsyncIterator[None]:
    """At once, and then after pauses that double; a turn that lasted begins anew with the shortest."""
    pause_s = _FIRST_PAUSE_S
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        yield
        if loop.time() - began > _LONGEST_PAUSE_S:
            pause_s = _FIRST_PAUSE_S
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def run_serial_bridge(line: SerialLine, county: County, *, astm: bool = True) -> None:
    """Until SIGINT or SIGTERM. Raises OSError, ssl.SSLError for TLS files that cannot serve."""
    county.context()  # what is wrong with it is wrong before an analyser waits

    async def run() -> None:
        work = asyncio.create_task(Bridge(line, county, astm=astm).run())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, work.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await work

    asyncio.run(run())
