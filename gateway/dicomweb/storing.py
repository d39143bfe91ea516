"""STOW-RS (PS3.18 10.5): the body of a store request goes to the journal as it arrives, and is answered after the sync.

No database is asked on the way. What only it could find wrong is found by the drain, and held.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence

from adapters.dicom.deposit import Outcome, Terms
from adapters.dicom.multipart import MediaType, MultipartReader, read_media_type
from adapters.dicom.submission import DICOM, Submission
from adapters.errors import Malformed
from gateway.dicomweb.errors import NothingSent, UnsupportedMediaType
from gateway.journal import Journal
from gateway.notes import STOW
from gateway.reading import Who
from gateway.runtime import Runtime

RUN_BYTES = 1 << 20  # handed to the journal's thread at a time
SILENCE_LIMIT_S = 60.0  # a sender that says nothing for so long is gone
MULTIPART = "multipart/related"


class SenderSilent(Exception):
    """The sender stopped in the middle of its request."""


def check_content(content_type: str | None, content_encoding: str | None) -> MediaType:
    """The media type of a store request. Raises UnsupportedMediaType."""
    if (content_encoding or "identity").strip().lower() != "identity":
        raise UnsupportedMediaType(f"Content-Encoding {content_encoding}")
    try:
        found = read_media_type(content_type or "")
    except Malformed as error:
        raise UnsupportedMediaType(content_type or "none") from error
    stated = found.parameters.get("type", "").lower()
    if found.name == DICOM or (found.name == MULTIPART and stated in {DICOM, ""}):
        return found
    raise UnsupportedMediaType(f"{found.name}; type={stated}" if stated else found.name)


async def receive_instances(
    runtime: Runtime,
    who: Who,
    content: MediaType,
    body: AsyncIterator[bytes],
    *,
    study_instance_uid: str = "",
) -> Sequence[Outcome]:
    """Keep what a request brings; what is named as stored is durable on return.

    Raises Malformed when the body breaks before anything could be stored, NothingSent, Unavailable, SenderSilent.
    """
    terms = Terms(
        study_instance_uid=study_instance_uid,
        accept_unknown_storage=runtime.settings.dicom_accept_unknown_storage,
    )
    origin = _origin(who)

    async def open_desk(journal: Journal) -> _Desk:
        return _Desk(Submission(origin, journal, terms), content)

    desk = await runtime.journal.run(open_desk)
    try:
        async for run in _runs(body):
            await _hand_over(runtime, desk, run)
        return await runtime.journal.run(lambda _: desk.finish())
    except BaseException:
        await asyncio.shield(runtime.journal.run(lambda _: desk.abort()))
        raise


class _Desk:
    """Where the body of one request is taken apart; lives on the journal's loop."""

    def __init__(self, submission: Submission, content: MediaType) -> None:
        self._submission = submission
        self._reader: MultipartReader | None = None
        self._bytes = 0
        self._broken: Malformed | None = None
        if content.name == MULTIPART:
            self._reader = MultipartReader(
                content.parameters.get("boundary", ""),
                begin=submission.begin, data=submission.write, end=submission.end,
            )  # fmt: skip

    async def take(self, run: bytes) -> None:
        if self._broken is not None:
            return
        self._bytes += len(run)
        if self._reader is None:
            if self._bytes == len(run):
                self._submission.begin({})
            self._submission.write(run)
        else:
            try:
                self._reader.feed(run)
            except Malformed as error:
                self._broken = error
        await self._submission.ease()

    async def finish(self) -> Sequence[Outcome]:
        if self._reader is None and self._bytes:
            self._submission.end()
        elif self._reader is not None and self._bytes and self._broken is None:
            try:
                self._reader.finish()
            except Malformed as error:
                self._broken = error
        outcomes = list(await self._submission.finish(broken=self._broken))
        if self._broken is not None and not any(outcome.is_stored for outcome in outcomes):
            raise self._broken
        if not outcomes:
            raise NothingSent
        return outcomes

    async def abort(self) -> None:
        await self._submission.abort()


async def _hand_over(runtime: Runtime, desk: _Desk, run: bytes) -> None:
    await runtime.journal.run(lambda _: desk.take(run))


async def _runs(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The body in runs that are worth a journey to another thread."""
    collected: list[bytes] = []
    size = 0
    while True:
        try:
            async with asyncio.timeout(SILENCE_LIMIT_S):
                chunk = await anext(body, None)
        except TimeoutError as error:
            raise SenderSilent from error
        if chunk is None:
            break
        collected.append(chunk)
        size += len(chunk)
        if size >= RUN_BYTES:
            yield b"".join(collected)
            collected, size = [], 0
    if size:
        yield b"".join(collected)


def _origin(who: Who) -> dict[str, str | None]:
    return {
        "association_id": uuid.uuid4().hex,
        "institution_id": str(who.subject.institution_id),
        **who.sent_from(),
        "wire": STOW,
        "uploaded_by": who.actor.name,
        "uploaded_by_id": str(who.actor.person_id) if who.actor.person_id else None,
        "peer_address": who.actor.address,
    }
