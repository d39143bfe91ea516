"""One store request of STOW-RS (PS3.18 10.5): its files go to the journal as they arrive.

A file is being made durable while the next one arrives, so that those of one request share the journal's syncs.
Memory is bounded by what may wait for a sync at a time. The request is told to the journal as an association is:
opened, closed, and each file that was refused.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.dicom.deposit import Deposit, Outcome, Terms
from adapters.dicom.multipart import read_media_type
from adapters.dicom.notes import keep_note
from adapters.dicom.ports import Intake
from adapters.dicom.status import OUT_OF_RESOURCES, CannotUnderstand
from adapters.errors import Malformed, Unavailable

DICOM = "application/dicom"
WAITING_LIMIT_BYTES = 16 << 20  # of files that wait for their sync; the sender waits when there are more
MOST_FILES = 50_000  # of one request; the largest studies have twenty thousand
MOST_REFUSALS_NOTED = 100  # of one request: a hundred lines say what is wrong with a sender


class Submission:
    """The files of one request, one after another: `begin`, `write`…, `end`; `ease` now and then; `finish`.

    Lives on the event loop of its intake. Unavailable from `ease`: the first files found no room, so the rest of the
    request need not come.
    """

    def __init__(self, origin: Mapping[str, Any], intake: Intake, terms: Terms) -> None:
        self._origin, self._intake, self._terms = origin, intake, terms
        self._deposit: Deposit | None = None
        self._waiting: deque[tuple[asyncio.Task[Outcome], int]] = deque()
        self._waiting_bytes = 0
        self._outcomes: list[Outcome] = []
        self._files = 0
        self._refused = 0
        self._no_room = False  # a file was refused for that
        keep_note(intake, "dicom.association", {**origin, "event": "opened"})

    def begin(self, headers: Mapping[str, str]) -> None:
        """A file begins; a part without a Content-Type is what the request says that parts are."""
        self._files += 1
        if self._files > MOST_FILES:
            raise Malformed(f"more than {MOST_FILES} instances in one request")
        self._deposit = Deposit(self._origin, self._intake, self._terms)
        stated = headers.get("content-type", DICOM)
        try:
            name = read_media_type(stated).name
        except Malformed:
            name = stated
        if name != DICOM:
            self._deposit.fail(CannotUnderstand("the part is not application/dicom"))

    def write(self, view: memoryview | bytes) -> None:
        assert self._deposit is not None  # a part has begun
        self._deposit.write(view)

    def end(self) -> None:
        """The file is whole: it is made durable while the next one arrives."""
        deposit, self._deposit = self._deposit, None
        assert deposit is not None  # a part has begun
        self._waiting.append((asyncio.ensure_future(deposit.outcome()), deposit.size))
        self._waiting_bytes += deposit.size

    async def ease(self) -> None:
        """Return when there is room for more."""
        await self._settle(WAITING_LIMIT_BYTES)
        if self._no_room:
            await self._settle(0)
            if not any(outcome.is_stored for outcome in self._outcomes):
                raise Unavailable("the journal has no room")
            self._no_room = False

    async def finish(self, *, broken: Malformed | None = None) -> Sequence[Outcome]:
        """What became of each file, in the order of the request; where the request broke off, that is the last."""
        if broken is not None:
            self._deposit = self._deposit or Deposit(self._origin, self._intake, self._terms)
            self._deposit.fail(broken)
            self.end()
        await self._settle(0)
        self._close("released")
        return self._outcomes

    async def abort(self) -> None:
        """The sender is gone. What was whole is kept, and the sender may send it again."""
        if self._deposit is not None:
            self._deposit.abort()
            self._deposit = None
        await self._settle(0)
        self._close("aborted")

    async def _settle(self, limit_bytes: int) -> None:
        """Hear of the files that are done; wait for the others until no more than so many bytes wait."""
        while self._waiting and (self._waiting_bytes > limit_bytes or self._waiting[0][0].done()):
            task, size = self._waiting.popleft()
            self._waiting_bytes -= size
            outcome = await task
            self._outcomes.append(outcome)
            if not outcome.is_stored:
                self._no_room |= outcome.status.code == OUT_OF_RESOURCES
                self._note_refusal(outcome)

    def _note_refusal(self, outcome: Outcome) -> None:
        self._refused += 1
        if self._refused <= MOST_REFUSALS_NOTED:
            facts = {
                "what": "file",
                "status": f"{outcome.status.code:04X}",
                "comment": outcome.status.comment,
                "sop_instance_uid": outcome.sop_instance_uid,
            }
            keep_note(self._intake, "dicom.refusal", {**self._origin, **facts})

    def _close(self, how: str) -> None:
        stored = sum(outcome.is_stored for outcome in self._outcomes)
        facts = {"event": "closed", "how": how, "stored": stored, "refused": self._refused}
        keep_note(self._intake, "dicom.association", {**self._origin, **facts})
