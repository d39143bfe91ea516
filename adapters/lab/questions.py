"""Questions of one analyser's line, answered in their order while the line goes on."""

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import structlog

from adapters.errors import Malformed, Unavailable
from adapters.lab.assembly import Parcel
from adapters.lab.astm_reading import read_message
from adapters.lab.astm_writing import read_question, write_answer, write_apology
from adapters.lab.dialect import read_dialect
from adapters.lab.framing import write_frames
from adapters.lab.ports import Admitted, Door

if TYPE_CHECKING:
    from adapters.lab.listener import AstmServer

log = structlog.get_logger()

_WAITING = 16  # for the desk; one more takes the place of the oldest


class Line(Protocol):
    """Where an answer goes."""

    door: Door

    def send(self, frames: Sequence[bytes]) -> None: ...


class Questions:
    """What one line asks."""

    def __init__(self, server: "AstmServer", line: Line) -> None:
        self._server, self._line = server, line
        self._waiting: deque[tuple[Admitted, bytes]] = deque(maxlen=_WAITING)
        self._answering: asyncio.Task[None] | None = None

    def ask(self, admitted: Admitted, parcel: Parcel) -> None:
        """A question that was kept. Asked again it is answered again."""
        counters = self._server.counters
        counters.queries += 1
        if parcel.size_bytes > self._server.settings.query_bytes:
            counters.answers["too_long"] += 1
            return
        if len(self._waiting) == self._waiting.maxlen:
            counters.answers["overtaken"] += 1
        self._waiting.append((admitted, b"".join(parcel.body)))
        if self._answering is None:
            self._answering = asyncio.get_running_loop().create_task(self._answer_all())

    async def _answer_all(self) -> None:
        try:
            while self._waiting:
                await self._answer(*self._waiting.popleft())
        except Exception:  # of the desk: the line goes on
            self._server.counters.answers["failed"] += 1
            log.exception("astm_answer_failed", peer_address=self._line.door.peer_address)
        finally:
            self._answering = None

    async def _answer(self, admitted: Admitted, body: bytes) -> None:
        now, address = datetime.now(UTC), self._line.door.peer_address
        try:
            dialect = read_dialect(admitted.dialect)
            question = read_question(body, character_set=admitted.character_set)
            message = read_message(body, character_set=admitted.character_set, dialect=dialect)
        except Malformed as error:
            self._server.tell("astm.refusal", self._line.door, "question", str(error))
            return
        if message.query is None or message.query.cancelled:
            return
        try:
            desk = self._server.desk.answer(admitted, message, message.query)
            specimens = await asyncio.wait_for(desk, self._server.settings.desk_s)
        except (Unavailable, TimeoutError) as error:
            log.error("astm_question_not_answered", peer_address=address, cause=str(error) or "too slow")
            answer = write_apology(question, now=now)
        else:
            answer = write_answer(question, specimens, now=now, dialect=dialect)
        limit, one_each = dialect.answer_text_limit, dialect.answer_one_record_each
        self._line.send(write_frames(answer, text_limit=limit, one_record_each=one_each))
