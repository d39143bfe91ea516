"""ASTM against bytes that nobody meant: only the protocol's own answers come out, and the next good message is taken.

Fixed seed, bounded time; GATEWAY_LONG_TESTS=1 goes on for ten times as long.
"""

import os
import random
import time

from adapters.errors import Malformed
from adapters.lab.astm_files import split_messages
from adapters.lab.astm_reading import read_message
from adapters.lab.link import Arrived, Ended, Enquired, Event, Link, Say, Stray
from tests.adapters.lab.astm_server import Memory, Served, until
from tests.instruments import ACK, EOT, RESULTS, Instrument, frame, frames

LONG = os.environ.get("GATEWAY_LONG_TESTS") == "1"
SECONDS = 20.0 if LONG else 1.5
BODY = "".join(f"{record}\r" for record in RESULTS).encode("gb18030")
CONTROL = bytes(range(0x20)) + b"|\\^&"


def disturbed(noise: random.Random, good: bytes) -> bytes:
    made = bytearray(good)
    for _ in range(noise.randrange(1, 8)):
        at = noise.randrange(len(made) + 1)
        match noise.randrange(5):
            case 0:
                made[at : at + noise.randrange(40)] = b""
            case 1:
                made[at:at] = noise.choice(CONTROL).to_bytes() * noise.randrange(1, 4)
            case 2:
                made[at:at] = noise.randbytes(noise.randrange(1, 9))
            case 3:
                made[at:at] = made[max(0, at - noise.randrange(60)) : at]
            case _:
                made = bytearray(made[:at] or b"H")
    return bytes(made)


def test_the_reader_gives_messages_or_malformed() -> None:
    noise = random.Random(1)
    deadline, read = time.monotonic() + SECONDS, 0
    while time.monotonic() < deadline:
        body = disturbed(noise, BODY)
        for attempt in (read_message, split_messages):
            try:
                attempt(body)
                read += 1
            except Malformed:
                continue
    assert read > 20


def test_the_link_answers_with_ack_and_nak_and_takes_the_next_transfer() -> None:
    noise = random.Random(2)
    deadline, transfers = time.monotonic() + SECONDS, 0
    link, now = Link(), 0.0
    good = b"".join((b"\x05", *frames(RESULTS), EOT))
    while time.monotonic() < deadline:
        data = disturbed(noise, good)
        while data:
            size = noise.randrange(1, 200)
            now = follow(link, link.receive(data[:size], now), now, noise)
            data = data[size:]
            if link.deadline is not None and noise.randrange(3) == 0:
                now = max(now, link.deadline)
                now = follow(link, link.tick(now), now, noise)
        while link.deadline is not None:
            now = max(now, link.deadline)
            now = follow(link, link.tick(now), now, noise)
        assert link.receive(b"\x05", now) == [Enquired()]
        assert link.accept(now) == [Say(ACK)]
        assert isinstance(link.receive(frame(1, b"H|\\^&\r"), now)[0], Arrived)
        link.accept(now)
        assert link.receive(EOT, now) == [Ended("")]
        transfers += 1
    assert transfers > 10


def follow(link: Link, events: list[Event], now: float, noise: random.Random) -> float:
    for event in events:
        assert isinstance(event, Say | Enquired | Arrived | Ended | Stray)
        if isinstance(event, Say):
            assert event.data in (ACK, b"\x15")
        if isinstance(event, Enquired | Arrived):
            decide = link.accept if noise.randrange(5) else link.refuse
            follow(link, decide(now), now, noise)
    return now


def test_the_listener_takes_the_next_good_message_after_anything() -> None:
    noise = random.Random(3)
    memory = Memory()
    good = b"".join((b"\x05", *frames(RESULTS), EOT))
    with Served(memory) as served:
        for _ in range(300 if LONG else 40):
            with Instrument(served.port) as analyser:
                analyser.say(disturbed(noise, good))
        with Instrument(served.port) as analyser:
            assert analyser.send([record.replace("017", "099") for record in RESULTS]) == ACK * 8
        until(lambda: served.server.counters.connections_open == 0)
        assert served.server.bytes_in_hand == 0
    assert any(b"K26112200099" in one.body for one in memory.kept)
    assert {one.kind for one in memory.kept} <= {"astm.message", "astm.incomplete"}
