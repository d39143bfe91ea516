"""The event stream over a real server: a test client would wait for its end."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import AsyncExitStack
from datetime import datetime
from itertools import islice

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy.orm import Session

from gateway import accounts, live
from gateway.runtime import Runtime
from gateway.web.live import heard_by
from tests.conftest import Clock
from tests.gateway.web.conftest import Client
from worklists.directory import Role


@pytest.fixture
def address(app: FastAPI) -> Iterator[str]:
    app.state.heartbeat_s = 0.2
    app.state.feed = live.Feed(app.state.runtime, accounts.find_valid, interval_s=0.05, sessions_every_s=0.2)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()


class Stream:
    """What one page hears."""

    def __init__(self, lines: Iterator[str]):
        self._lines = lines

    def heard(self) -> list[str]:
        """The topics of the next event."""
        for line in self._lines:
            if line.startswith("data: "):
                topics: list[str] = json.loads(line.removeprefix("data: "))["topics"]
                return topics
        raise AssertionError("the stream ended")

    def heartbeat(self) -> None:
        for line in self._lines:
            if line.startswith(":"):
                return
        raise AssertionError("the stream ended")

    def ends(self) -> bool:
        """Whatever is heard until then; not within 2,000 lines, half a minute at least: never."""
        return sum(1 for _ in islice(self._lines, 2000)) < 2000

    def ended(self) -> bool:
        return not [line for line in self._lines if line.startswith("data: ")]


def follow(address: str, client: Client, username: str):
    headers = client(username).cookies
    return httpx.stream("GET", f"{address}/api/v1/events", cookies=dict(headers), timeout=10)


def change(runtime: Runtime, *topics: str) -> None:
    with runtime.sessions.begin() as session:
        live.bump(session, *topics)


def test_a_page_hears_that_something_changed_and_never_what(address: str, client: Client, runtime: Runtime):
    with follow(address, client, "reader") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        stream = Stream(answer.iter_lines())
        stream.heartbeat()
        change(runtime, "worklist", "system")

        assert stream.heard() == ["worklist"]


def test_it_people_hear_of_the_system(address: str, client: Client, runtime: Runtime):
    with follow(address, client, "it") as answer:
        stream = Stream(answer.iter_lines())
        stream.heartbeat()
        change(runtime, "worklist")
        change(runtime, "system")

        assert stream.heard() == ["system"]


@pytest.mark.parametrize("username", ["radiographer", "reader", "village", "it", "auditor"])
def test_everybody_hears_of_critical_values(
    address: str, client: Client, runtime: Runtime, username: str
) -> None:
    with follow(address, client, username) as answer:
        stream = Stream(answer.iter_lines())
        stream.heartbeat()
        change(runtime, "critical")

        assert stream.heard() == ["critical"]


def test_every_topic_is_heard_by_somebody() -> None:
    assert heard_by(frozenset(Role)) == set(live.TOPICS)
    assert heard_by(frozenset()) == {"critical"}  # a leader whom the chain calls has no role


def test_the_stream_ends_with_the_session(address: str, client: Client, clock: Clock):
    with follow(address, client, "reader") as answer:
        stream = Stream(answer.iter_lines())
        stream.heartbeat()
        clock.advance(hours=9)

        assert stream.ended()


def test_the_stream_ends_with_the_session_although_much_changes(
    address: str, client: Client, runtime: Runtime, clock: Clock
):
    over = threading.Event()

    def change_without_end() -> None:
        while not over.wait(0.02):
            change(runtime, "worklist")

    with follow(address, client, "reader") as answer:
        stream = Stream(answer.iter_lines())
        stream.heartbeat()
        changing = threading.Thread(target=change_without_end)
        changing.start()
        try:
            assert stream.heard() == ["worklist"]
            clock.advance(hours=9)

            assert stream.ends()
        finally:
            over.set()
            changing.join()


def test_however_many_listen_their_sessions_are_looked_at_together(runtime: Runtime):
    looked: list[frozenset[str]] = []

    def find_valid(_session: Session, asked: Collection[str], _now: datetime) -> frozenset[str]:
        looked.append(frozenset(asked))
        return frozenset(asked) - {"left"}

    async def listen() -> list[bool]:
        feed = live.Feed(runtime, find_valid, interval_s=0.01, sessions_every_s=0)
        async with AsyncExitStack() as stack:
            names = ["stays", "left", "left", *(f"other{n}" for n in range(50))]
            open_now = [await stack.enter_async_context(feed.subscribe(name)) for name in names]
            poller = asyncio.create_task(feed.run())
            await open_now[1].next(30)
            feed.close()
            await poller
            return [one.ended for one in open_now[:3]]

    assert asyncio.run(listen()) == [False, True, True]
    assert looked[0] == {"stays", "left", *(f"other{n}" for n in range(50))}


def test_nobody_follows_without_signing_in(address: str, county: object):
    assert httpx.get(f"{address}/api/v1/events").status_code == 401


def test_a_change_that_is_rolled_back_is_not_told(runtime: Runtime):
    with runtime.sessions() as session:
        live.bump(session, "worklist")
        live.read_numbers(session)
        session.rollback()
        session.commit()

    with runtime.reading() as session:
        assert live.read_numbers(session) == {}


def test_numbers_rise_once_for_each_transaction(runtime: Runtime):
    for _ in range(3):
        with runtime.sessions.begin() as session:
            live.bump(session, "worklist")
            live.bump(session, "returns", "worklist")

    with runtime.reading() as session:
        assert live.read_numbers(session) == {"worklist": 3, "returns": 3}


def test_a_slow_reader_is_told_once_of_many_changes():
    async def listen() -> tuple[frozenset[str], frozenset[str]]:
        subscription = live.Subscription()
        for _ in range(1000):
            subscription.note(["worklist"])
        return await subscription.next(1), await subscription.next(0.01)

    assert asyncio.run(listen()) == (frozenset({"worklist"}), frozenset())
