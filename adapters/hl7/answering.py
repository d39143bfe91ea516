"""From a frame to what is said to it: translate, keep, answer. Every outcome is an answer; nothing escapes.

"Accepted" is said after Keep returned. A message that comes again is answered again without being kept again.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import partial
from traceback import extract_tb
from typing import Any, TypeVar

import structlog

from adapters.dicom.notes import Doorbook
from adapters.errors import Malformed, Refused, Unavailable
from adapters.hl7.accepting import ANSWERS, check, is_question
from adapters.hl7.acknowledging import (
    Refusal,
    Verdict,
    acknowledgement_code,
    msa_code,
    refusal_of,
    write_acknowledgement,
)
from adapters.hl7.counters import Counters
from adapters.hl7.errors import Condition, NotAccepted
from adapters.hl7.header import Header, read_header, salvage_header
from adapters.hl7.known import Key, Known, digest_of
from adapters.hl7.mllp import MEBIBYTE, Flaw, Frame
from adapters.hl7.queries import Answers, write_answers
from adapters.hl7.reading import read_message
from adapters.hl7.values import read_time
from adapters.hl7.writing import COUNTY_TIME
from adapters.lab.ports import Admission, Admitted, Desk, Door, Keep, Notice

log = structlog.get_logger()

LARGE_BYTES = MEBIBYTE // 2  # of a message whose digest and parse are made in a thread
NOTES_A_MINUTE = 60  # of one address
_MINUTE_S, _NOTED_ADDRESSES = 60.0, 4096
_WIRE = "hl7"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back over the connection: at once, and then one by one as the peer acknowledges."""

    now: tuple[bytes, ...] = ()
    then: tuple[bytes, ...] = ()
    acknowledges: bool = False  # what came is the acknowledgement of a message of ours


@dataclass(slots=True, kw_only=True)
class Answering:
    """All that answering a message needs, whichever connection it came over."""

    admission: Admission
    keep: Keep
    notice: Notice
    desk: Desk
    counters: Counters
    known: Known = field(default_factory=Known)
    notes: Doorbook = field(default_factory=Doorbook)
    noted: dict[str, tuple[float, int]] = field(default_factory=dict)  # by address: since when, how many
    zone: tzinfo = COUNTY_TIME
    clock: Callable[[], float] = lambda: asyncio.get_running_loop().time()

    async def answer(self, door: Door, frame: Frame, *, awaited: bool = False) -> Answer:
        """Answer one frame. `awaited`: a message of ours waits to be acknowledged on this connection."""
        header: Header | None = None
        facts: dict[str, Any] = {}
        try:
            header = read_header(frame.body)
            if frame.flaw is not None:
                raise _flawed(frame.flaw)
            admitted = self.admission.admit(door, header.sender)
            if admitted.character_set:
                header = read_header(frame.body, character_set=admitted.character_set)
            facts = origin_of(door, admitted, header)
            await _maybe_in_thread(frame.body, partial(check, header))
            return await self._take(header, admitted, facts, frame.body, awaited=awaited)
        except Exception as error:
            header = header or salvage_header(frame.body)
            # That the MSH of a flawed frame cannot be read either says less.
            cause = _flawed(frame.flaw) if frame.flaw is not None else error
            return self._refuse(
                door,
                header,
                facts,
                cause,
                worth_a_note=not isinstance(cause, Unavailable) or frame.flaw is Flaw.UNFINISHED,
            )

    async def _take(
        self, header: Header, admitted: Admitted, facts: Mapping[str, Any], body: bytes, *, awaited: bool
    ) -> Answer:
        if is_question(header, body):
            await self._keep(header, facts, body)  # it may be asked again as often as one likes
            return await self._reply(header, admitted, body)
        key, sent_at = _key_of(admitted, facts, header), read_time(header.component(7), self.zone)
        digest = await _maybe_in_thread(body, digest_of)
        try:
            keeping = self.known.look(key, digest, sent_at, self.clock())
        except NotAccepted:
            # What answers us says so by our number; its own is often the same each time.
            if not admitted.control_ids_restart and header.message_type not in ANSWERS:
                raise
            keeping = False
        if keeping is False:
            await self._keep_once(key, digest, sent_at, header, facts, body)
        else:
            self.counters.repeated += 1
            if not isinstance(keeping, bool):
                await asyncio.shield(keeping)
        if awaited and header.message_type in ANSWERS:
            self._note_heard(header, facts, body)
            return Answer(acknowledges=True)
        code = acknowledgement_code(header, Verdict.ACCEPT)
        return Answer(now=(write_acknowledgement(header, code, datetime.now(UTC)),) if code else ())

    async def _keep_once(
        self,
        key: Key,
        digest: bytes,
        sent_at: datetime | None,
        header: Header,
        facts: Mapping[str, Any],
        body: bytes,
    ) -> None:
        keeping = self.known.begin(key, digest, sent_at, self.clock())
        try:
            await self._keep(header, facts, body)
        except BaseException as error:
            self.known.settle(key, keeping, error)
            raise
        self.known.settle(key, keeping, None)

    async def _keep(self, header: Header, facts: Mapping[str, Any], body: bytes) -> None:
        await self.keep("hl7.message", facts, [body])
        self.counters.messages[header.type] += 1
        self.counters.bytes += len(body)

    def _note_heard(self, header: Header, facts: Mapping[str, Any], body: bytes) -> None:
        """The peer has answered a message of ours, perhaps with a refusal."""
        code = msa_code(header, body)
        if code[1:] in (Verdict.ERROR, Verdict.REJECT):
            self.counters.refused_by_peers += 1
            log.warning("message_refused_by_peer", peer_address=facts["peer_address"], code=code)

    async def _reply(self, header: Header, admitted: Admitted, body: bytes) -> Answer:
        message = await _maybe_in_thread(
            body, partial(read_message, character_set=admitted.character_set, zone=self.zone)
        )
        if message.query is None:
            raise NotAccepted(Condition.REQUIRED_FIELD, "the question does not say what is asked for")
        specimens = await self.desk.answer(admitted, message, message.query)
        self.counters.questions["work" if specimens else "no_work"] += 1
        answers: Answers = write_answers(
            header,
            body,
            message,
            specimens,
            datetime.now(UTC),
            character_set=admitted.character_set,
            zone=self.zone,
        )
        return Answer(now=answers.now, then=answers.then)

    def _refuse(
        self,
        door: Door,
        header: Header | None,
        facts: Mapping[str, Any],
        error: Exception,
        *,
        worth_a_note: bool,
    ) -> Answer:
        refusal = refusal_of(error)
        self.counters.refusals[str(int(refusal.condition))] += 1
        if not isinstance(error, Malformed | Refused | Unavailable):
            # Its words may quote the message: only what broke, and where, is logged.
            places = [f"{one.name}:{one.lineno}" for one in extract_tb(error.__traceback__)[-4:]]
            log.error(
                "message_answer_failed",
                peer_address=door.peer_address,
                error=type(error).__name__,
                places=places,
            )
        if worth_a_note:  # what we could not take now will come again
            self._tell(door, header, facts, refusal, error)
        code = acknowledgement_code(header, refusal.verdict) if header else f"A{refusal.verdict}"
        if not code:
            return Answer()
        return Answer(now=(write_acknowledgement(header, code, datetime.now(UTC), refusal=refusal),))

    def _may_note(self, door: Door) -> bool:
        """Notes take room in the journal: whoever sends nothing but refusals shall not fill it."""
        now = self.clock()
        began, count = self.noted.get(door.peer_address, (now, 0))
        if now - began > _MINUTE_S:
            began, count = now, 0
        if len(self.noted) > _NOTED_ADDRESSES:
            self.noted.clear()
        self.noted[door.peer_address] = (began, count + 1)
        return count < NOTES_A_MINUTE

    def _tell(
        self, door: Door, header: Header | None, facts: Mapping[str, Any], refusal: Refusal, error: Exception
    ) -> None:
        sender = header.sender if header else None
        said = (header.type, header.control_id) if header else ("", "")
        if not self.notes.is_news(door.peer_address, *said, refusal.explanation) or not self._may_note(door):
            return
        told = {
            **(facts or _place_of(door)),
            "at": datetime.now(UTC).isoformat(timespec="microseconds"),
            "application": sender.application if sender else "",
            "facility": sender.facility if sender else "",
            "message_type": header.type[:16] if header else "",
            "control_id": header.control_id[:64] if header else "",
            "verdict": f"A{refusal.verdict}",
            "condition": int(refusal.condition),
            "location": refusal.location,
            "explanation": refusal.explanation,
            "cause": getattr(error, "cause", ""),
        }
        try:
            self.notice("hl7.refusal", told)
        except Exception:  # whatever is wrong with the notes, the peer is told about its own message
            log.exception("note_lost", kind="hl7.refusal")


def origin_of(door: Door, admitted: Admitted, header: Header) -> dict[str, Any]:
    """What a record of the journal says of where its message came from."""
    return {
        **admitted.origin,
        **_place_of(door),
        "message_type": header.type[:16],
        "control_id": header.control_id[:199],
        "application": header.sender.application[:227],
        "facility": header.sender.facility[:227],
        "received_at": datetime.now(UTC).isoformat(timespec="microseconds"),
        "character_set": admitted.character_set
        or "",  # as the device is set: what the message is to be read with
    }


def _place_of(door: Door) -> dict[str, Any]:
    certificate = {"certificate": door.certificate["fingerprint"]} if door.certificate else {}
    return {
        "wire": _WIRE, "peer_address": door.peer_address, "peer_port": door.peer_port, "tls": door.tls, **certificate,
    }  # fmt: skip


def _key_of(admitted: Admitted, facts: Mapping[str, Any], header: Header) -> Key:
    """What a control ID is unique in: Mindray's analysers give a question and its result the same one."""
    device = admitted.origin.get("device_id")
    who = (str(device),) if device else (str(facts["peer_address"]), header.field(3), header.field(4))
    return (*who, header.type, header.control_id)


def _flawed(flaw: Flaw) -> Exception:
    if flaw is Flaw.TOO_LARGE:
        return NotAccepted(Condition.INTERNAL, "the message is larger than is accepted here")
    if flaw is Flaw.NO_START:
        return NotAccepted(Condition.SEGMENT_SEQUENCE, "the message does not begin with the byte 0BH (MLLP)")
    if flaw is Flaw.UNFINISHED:
        return Unavailable("the message stopped before its end (1CH 0DH): send it again")
    return Unavailable("too much is under way here, send it again later")


async def _maybe_in_thread(body: bytes, work: Callable[[bytes], T]) -> T:
    return work(body) if len(body) <= LARGE_BYTES else await asyncio.to_thread(work, body)
