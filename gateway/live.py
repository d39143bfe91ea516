"""That something changed, never what: a number per topic, raised with the fact, read once a second, fanned out.

A transaction says `bump(session, "worklist")`; the numbers are raised just before it commits, so that no two
transactions wait for each other for longer than a commit takes. Each process has one poller.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import datetime

import structlog
from sqlalchemy import BigInteger, Connection, event, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Mapper, Session, mapped_column, object_session

from gateway.runtime import Runtime
from worklists.base import Base
from worklists.critical import CriticalStep

log = structlog.get_logger()

TOPICS = ("worklist", "returns", "system", "held", "patients", "duty", "lab", "critical", "devices")
DIRECTORY = "directory"  # of listeners, not of people: what they know of devices is out of date
POLL_INTERVAL_S = 1.0
SESSIONS_EVERY_S = 15.0  # so long a page may listen on whose session has ended
MOST_SUBSCRIBERS = 2000  # open pages of one process; each costs a connection
_BUMPED = "gateway.live.bumped"


class TooManySubscribers(Exception):
    """This process has as many open event streams as it may have."""


class ChangeCounter(Base):
    """How often a topic has changed."""

    __tablename__ = "change_counter"

    topic: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, default=0)


def bump(session: Session, *topics: str) -> None:
    """Say that these have changed, once this transaction is committed."""
    session.info.setdefault(_BUMPED, set()).update(topics)


def read_numbers(session: Session) -> dict[str, int]:
    return {row.topic: row.number for row in session.scalars(select(ChangeCounter))}


class Subscription:
    """What one open page has not yet been told. A slow reader loses no topic and takes no room."""

    def __init__(self, token_hash: str = "") -> None:
        self.token_hash = token_hash  # of the session that it ends with
        self.ended = False
        self._pending: set[str] = set()
        self._something = asyncio.Event()

    def note(self, topics: Iterable[str]) -> None:
        self._pending.update(topics)
        self._something.set()

    def end(self) -> None:
        self.ended = True
        self._something.set()

    async def next(self, timeout_s: float) -> frozenset[str]:
        """The topics that changed since the last call; empty when none did for so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._something.wait(), timeout_s)
        topics, self._pending = frozenset(self._pending), set()
        self._something.clear()
        return topics


# Which of these sessions are valid now, by the hashes of their tokens.
FindValid = Callable[[Session, Collection[str], datetime], frozenset[str]]


class Feed:
    """The one poller of a process and the pages that listen to it. However many there are, it asks for them all."""

    def __init__(
        self,
        runtime: Runtime,
        find_valid: FindValid,
        *,
        interval_s: float = POLL_INTERVAL_S,
        sessions_every_s: float = SESSIONS_EVERY_S,
    ):
        self._runtime, self._interval_s = runtime, interval_s
        self._find_valid, self._sessions_every_s = find_valid, sessions_every_s
        self._looked_at_s = time.monotonic()  # when the sessions were looked at last
        self._subscriptions: set[Subscription] = set()
        self._numbers: dict[str, int] | None = None
        self.closed = False

    def refuse_when_full(self) -> None:
        """Raises TooManySubscribers."""
        if len(self._subscriptions) >= MOST_SUBSCRIBERS:
            raise TooManySubscribers

    @asynccontextmanager
    async def subscribe(self, token_hash: str) -> AsyncIterator[Subscription]:
        """Until the session of this token ends."""
        subscription = Subscription(token_hash)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def publish(self, topics: Iterable[str]) -> None:
        """Tell the open pages. On the event loop."""
        told = frozenset(topics)
        for subscription in self._subscriptions:
            subscription.note(told)

    def close(self) -> None:
        """End every stream: the process stops."""
        self.closed = True
        self.publish(())

    async def run(self) -> None:
        """Poll until cancelled. While the database is away nothing has changed for anybody."""
        while not self.closed:
            try:
                await self._poll()
            except SQLAlchemyError as error:
                log.warning("change_numbers_unread", error=type(error).__name__)
            await asyncio.sleep(self._interval_s)

    async def _poll(self) -> None:
        listening = {subscription.token_hash for subscription in self._subscriptions}
        due = time.monotonic() - self._looked_at_s >= self._sessions_every_s
        numbers, gone = await asyncio.to_thread(self._read, listening if due else set())
        if due:
            self._looked_at_s = time.monotonic()
        for subscription in self._subscriptions:
            if subscription.token_hash in gone:
                subscription.end()
        if self._numbers is not None:
            changed = {topic for topic, number in numbers.items() if number != self._numbers.get(topic, 0)}
            if changed:
                self.publish(changed)
        self._numbers = numbers

    def _read(self, listening: set[str]) -> tuple[dict[str, int], set[str]]:
        """The numbers, and which of the sessions are over. Looking does not count as using: an abandoned page does
        not keep its session alive."""
        with self._runtime.reading() as session:
            numbers = read_numbers(session)
            valid = self._find_valid(session, listening, self._runtime.now()) if listening else frozenset()
            return numbers, listening - valid


@event.listens_for(Session, "before_commit")
def _raise_numbers(session: Session) -> None:
    if session.in_nested_transaction():
        return
    session.flush()  # rows may raise numbers as they are written
    topics = session.info.pop(_BUMPED, None)
    if topics:
        dialect = session.get_bind().dialect.name
        insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
        for topic in sorted(topics):  # always in one order, so that no two transactions block each other
            statement = insert(ChangeCounter).values(topic=topic, number=1)
            session.execute(
                statement.on_conflict_do_update(
                    index_elements=[ChangeCounter.topic], set_={"number": ChangeCounter.number + 1}
                )
            )


@event.listens_for(CriticalStep, "after_insert")
def _ring(_mapper: Mapper[CriticalStep], _connection: Connection, step: CriticalStep) -> None:
    """Whoever is to act on a critical value hears of it at once, also of what a drain found."""
    session = object_session(step)
    if session is not None:
        bump(session, "critical")


@event.listens_for(Session, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop(_BUMPED, None)
