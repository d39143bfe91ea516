"""That something changed, never what: a number per topic, raised with the fact, read once a second, fanned out.

A transaction says `bump(session, "worklist")`; the numbers are raised just before it commits, so that no two
transactions wait for each other for longer than a commit takes. Each process has one poller.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

import structlog
from sqlalchemy import BigInteger, Connection, event, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Mapper, Session, mapped_column, object_session

from gateway.runtime import Runtime
from worklists.base import Base
from worklists.critical import CriticalStep

log = structlog.get_logger()

TOPICS = ("worklist", "returns", "system", "held", "patients", "duty", "lab", "critical")
DIRECTORY = "directory"  # of listeners, not of people: what they know of devices is out of date
POLL_INTERVAL_S = 1.0
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

    def __init__(self) -> None:
        self._pending: set[str] = set()
        self._something = asyncio.Event()

    def note(self, topics: Iterable[str]) -> None:
        self._pending.update(topics)
        self._something.set()

    async def next(self, timeout_s: float) -> frozenset[str]:
        """The topics that changed since the last call; empty when none did for so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._something.wait(), timeout_s)
        topics, self._pending = frozenset(self._pending), set()
        self._something.clear()
        return topics


class Feed:
    """The one poller of a process and the pages that listen to it."""

    def __init__(self, runtime: Runtime, *, interval_s: float = POLL_INTERVAL_S):
        self._runtime, self._interval_s = runtime, interval_s
        self._subscriptions: set[Subscription] = set()
        self._numbers: dict[str, int] | None = None
        self.closed = False

    def refuse_when_full(self) -> None:
        """Raises TooManySubscribers."""
        if len(self._subscriptions) >= MOST_SUBSCRIBERS:
            raise TooManySubscribers

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[Subscription]:
        subscription = Subscription()
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
        numbers = await asyncio.to_thread(self._read)
        if self._numbers is not None:
            changed = {topic for topic, number in numbers.items() if number != self._numbers.get(topic, 0)}
            if changed:
                self.publish(changed)
        self._numbers = numbers

    def _read(self) -> dict[str, int]:
        with self._runtime.reading() as session:
            return read_numbers(session)


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
