"""The DIMSE messages of one association: fragments in, operations out, answers back (PS3.7 6.3, PS3.8 Annex E).

One message at a time: without an asynchronous operations window the peer waits for each answer (PS3.7 D.3.3.3).
A peer that breaks the order of fragments raises Malformed, which ends the association.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from adapters.dicom.counters import Counters
from adapters.dicom.dimse import (
    C_CANCEL_RQ,
    C_ECHO_RQ,
    C_STORE_RQ,
    RESPONSE,
    Request,
    Status,
    read_request,
    write_response,
)
from adapters.dicom.echo import Immediate
from adapters.dicom.notes import keep_note
from adapters.dicom.ports import Intake
from adapters.dicom.store import Context, Store
from adapters.errors import Malformed

COMMAND_LIMIT = 1 << 16  # bytes of a command set; real ones have a few hundred
# Runs shorter than this are joined before they go on: one copy is cheaper than many calls (small PDUs).
_SMALL_RUN = 1 << 13
_IS_COMMAND = 0x01


class Operation(Protocol):
    """A request being served: its data set passes by, then it is answered."""

    request: Request

    def write(self, runs: Sequence[memoryview | bytes], *, lasting: bool) -> None:
        """Take the next runs of the data set. Lasting ones are the end of it and stay as they are until the answer."""

    def abort(self) -> None:
        """The data set will not come to its end."""

    async def answer(self) -> Status:
        """How it ended."""


class Exchange:
    """Assembles messages and begins their operations."""

    def __init__(
        self,
        contexts: Mapping[int, Context],
        association: Mapping[str, Any],
        intake: Intake,
        counters: Counters,
    ) -> None:
        self.stored = 0
        self.refused = 0
        self._contexts, self._association, self._intake, self._counters = (
            contexts,
            association,
            intake,
            counters,
        )
        self._command = bytearray()
        self._context_id = 0  # of the message under way
        self._operation: Operation | None = None  # waiting for its data set
        self._control = 0

    @property
    def is_busy(self) -> bool:
        """Whether a message is half received."""
        return self._operation is not None or bool(self._command)

    def begin_fragment(self, context_id: int, control: int) -> None:
        """A presentation data value starts."""
        if context_id not in self._contexts:
            raise Malformed("fragment for a presentation context that was not accepted")
        if self.is_busy and context_id != self._context_id:
            raise Malformed("fragments of two messages are mixed")
        if bool(control & _IS_COMMAND) == (self._operation is not None):
            raise Malformed("fragment of a command inside a data set, or of a data set without a command")
        self._context_id, self._control = context_id, control

    def take_command(self, piece: bytes | memoryview) -> None:
        """Bytes of the command fragment that began last."""
        self._command += piece
        if len(self._command) > COMMAND_LIMIT:
            raise Malformed("command set too long")

    def take_data(self, pieces: Sequence[memoryview | bytes], *, lasting: bool) -> None:
        """Runs of the data set, in order."""
        assert self._operation is not None  # begin_fragment saw to it
        if len(pieces) > 1 and sum(map(len, pieces)) < len(pieces) * _SMALL_RUN:
            pieces = [b"".join(pieces)]
        self._operation.write(pieces, lasting=lasting)

    def end_message_part(self) -> tuple[int, Operation] | None:
        """The command or the data set has ended: the context and operation to be answered, if that is all."""
        if self._control & _IS_COMMAND:
            request = read_request(self._command)
            self._command.clear()
            if request.field & RESPONSE:
                raise Malformed("a response without a request")
            if request.field == C_CANCEL_RQ:  # nothing here can be cancelled, and C-CANCEL has no answer
                return None
            self._operation = self._begin(request)
            if request.has_data_set:
                return None
        operation, self._operation = self._operation, None
        assert operation is not None  # begin_fragment saw to it
        return self._context_id, operation

    def abort(self) -> None:
        """The association ended: forget what is under way."""
        if self._operation is not None:
            self._operation.abort()
            self._operation = None

    async def answer(self, operation: Operation) -> bytes:
        """The command set that answers an operation, once it is done."""
        status = await operation.answer()
        if isinstance(operation, Store):
            self._count(operation, status)
        elif operation.request.field == C_ECHO_RQ:
            self._counters.echoes += 1
        return write_response(operation.request, status)

    def _begin(self, request: Request) -> Operation:
        if request.field == C_STORE_RQ:
            return Store(request, self._contexts[self._context_id], self._association, self._intake)
        return Immediate(request)

    def _count(self, store: Store, status: Status) -> None:
        if status.code == 0:
            self.stored += 1
            self._counters.instances += 1
            self._counters.bytes += store.size
            return
        self.refused += 1
        self._counters.refusals[f"{status.code:04X}"] += 1
        keep_note(
            self._intake,
            "dicom.refusal",
            {
                **self._association,
                "sop_class_uid": store.request.sop_class_uid,
                "sop_instance_uid": store.request.sop_instance_uid,
                "status": f"{status.code:04X}",
                "comment": status.comment,
            },
        )
