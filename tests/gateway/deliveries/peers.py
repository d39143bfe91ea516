"""Independent peers on loopback: a hospital's system that listens with python's `hl7` package."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import hl7
from hl7.mllp import HL7StreamReader, HL7StreamWriter, start_hl7_server

Answer = Callable[[hl7.Message], list[Any]]  # messages to send back; a float is so many seconds of silence


def accept(message: hl7.Message) -> list[Any]:
    return [message.create_ack("AA")]


class HospitalSystem:
    """Keeps one report for each MSH-10, as a system that honours identifiers does, and every message that came."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self.received: list[hl7.Message] = []
        self.answer: Answer = accept
        self.encoding = encoding
        self.port = 0
        self._loop = asyncio.new_event_loop()

    @property
    def reports(self) -> dict[str, hl7.Message]:
        return {str(one.segment("MSH")[10]): one for one in self.received}

    async def hear(self, reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
        try:
            # Whoever sends hangs up when it is done, or is killed.
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    message = await reader.readmessage()
                    self.received.append(message)
                    for one in self.answer(message):
                        if isinstance(one, float):
                            await asyncio.sleep(one)
                        else:
                            writer.writemessage(one)
                            await writer.drain()
        finally:
            writer.close()

    @contextmanager
    def listening(self, port: int = 0, **options: Any) -> Iterator["HospitalSystem"]:
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        beginning = start_hl7_server(
            self.hear, "127.0.0.1", port, encoding=self.encoding, limit=1 << 24, **options
        )
        server = asyncio.run_coroutine_threadsafe(beginning, self._loop).result(10)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server_gone = asyncio.run_coroutine_threadsafe(_end(server), self._loop)
            server_gone.result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(10)
            self._loop.close()


async def _end(server: asyncio.Server) -> None:
    """Nobody is heard any more, and no conversation is left behind."""
    server.close()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for one in left:
        one.cancel()
    await asyncio.gather(*left, return_exceptions=True)
