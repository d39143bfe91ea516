"""The other nodes: where each serves the segments of its journals, and reading from there what is not filed yet.

A node says its own address (GATEWAY_NODE_URL) in the database again and again. Both sides prove themselves by a
secret that they share (GATEWAY_NODE_SECRET); without it nobody is asked and nobody is answered.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime

import structlog
import urllib3
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.orm import Session, sessionmaker

from gateway.index import Node
from gateway.journal import Location, SegmentGone
from gateway.momentary import Momentary
from gateway.settings import Settings

log = structlog.get_logger()

REGISTER_S = 60.0
AGAIN_S = 5.0  # before an absent node, or database, is asked again
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 2.0, 20.0
CONNECTIONS = 16  # to each node, kept open; who needs more waits
ADDRESS_FOR_S = 15.0
# ProgrammingError: the table is not there, because the database is of an older revision or being prepared.
_NOT_NOW = (OperationalError, InterfaceError, ProgrammingError)


class NodeAway(Exception):
    """Another node cannot be read from now; says why."""


class OtherNodes:
    """Safe to use from threads. Connects to nothing until it is asked."""

    def __init__(self, settings: Settings) -> None:
        self._secret = settings.node_secret
        self._own = settings.node
        self._http = urllib3.PoolManager(
            num_pools=20,
            maxsize=CONNECTIONS,
            block=True,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S),
        )
        self._addresses: Momentary[str, str] = Momentary(for_s=ADDRESS_FOR_S, limit=1000)
        self._away_until: dict[str, float] = {}

    def read(self, sessions: Callable[[], Session], place: Location, offset: int, length: int) -> bytes:
        """Bytes of a body that lies with another node. Raises NodeAway, SegmentGone."""
        if place.node == self._own:
            raise SegmentGone(place.journal, place.segment)
        if not self._secret:
            raise NodeAway("GATEWAY_NODE_SECRET is not set")
        if time.monotonic() < self._away_until.get(place.node, 0.0):
            raise NodeAway("it did not answer a moment ago")
        url = self._addresses.get(place.node, lambda: _find_address(sessions, place.node))
        first = place.offset + offset
        try:
            answer = self._http.request(
                "GET",
                f"{url}/internal/journals/{place.journal}/segments/{place.segment}",
                headers={
                    "Authorization": f"Bearer {self._secret}",
                    "Range": f"bytes={first}-{first + length - 1}",
                },
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            self._away_until[place.node] = time.monotonic() + AGAIN_S
            log.warning("node_away", node=place.node, error=type(error).__name__)
            raise NodeAway("it does not answer") from error
        if answer.status == 404:
            raise SegmentGone(place.journal, place.segment)
        if answer.status != 206 or len(answer.data) != length:
            raise NodeAway(f"it answered {answer.status}")
        return bytes(answer.data)


def _find_address(sessions: Callable[[], Session], node: str) -> str:
    with sessions() as session:
        url = session.scalar(select(Node.url).where(Node.name == node))
    if url is None:
        raise NodeAway("it has no address (GATEWAY_NODE_URL)")
    return url.rstrip("/")


def register(sessions: sessionmaker[Session], name: str, url: str, now: datetime) -> None:
    """Say where this node is read from."""
    with sessions.begin() as session:
        insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
        statement = insert(Node).values(name=name, url=url, seen_at=now)
        session.execute(
            statement.on_conflict_do_update(index_elements=[Node.name], set_={"url": url, "seen_at": now})
        )


def register_until(
    stop: threading.Event, settings: Settings, sessions: sessionmaker[Session], now: Callable[[], datetime]
) -> None:
    """Say it once a minute, also after the database was away; nothing without an address and a secret."""
    if not (settings.node_url and settings.node_secret):
        return
    while not stop.is_set():
        try:
            register(sessions, settings.node, settings.node_url, now())
        except _NOT_NOW as error:
            log.warning("node_not_registered", error=type(error).__name__)
            stop.wait(AGAIN_S)
        else:
            stop.wait(REGISTER_S)
