"""The ASTM listener over real sockets: what is acknowledged is kept, and what is not is not."""

from collections.abc import Iterator

import pytest

from tests.adapters.lab.astm_server import Memory, Served, until
from tests.instruments import ACK, ENQ, EOT, ETB, NAK, RESULTS, Instrument, frame, frames

BODY = "".join(f"{record}\r" for record in RESULTS).encode()


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def served(memory: Memory) -> Iterator[Served]:
    with Served(memory) as served:
        yield served


@pytest.fixture
def analyser(served: Served) -> Iterator[Instrument]:
    with Instrument(served.port) as analyser:
        yield analyser


def test_a_message_is_kept_as_it_came_and_every_frame_acknowledged(
    memory: Memory, analyser: Instrument
) -> None:
    assert analyser.send() == ACK * 8

    (kept,) = memory.kept
    assert (kept.kind, kept.body) == ("astm.message", BODY)
    assert kept.origin["message_type"] == "HPORCL"
    assert kept.origin["frames"] == 7
    assert kept.origin["device_id"] == "device at 127.0.0.1"


def test_the_last_frame_is_acknowledged_only_when_its_message_is_kept(
    memory: Memory, analyser: Instrument
) -> None:
    memory.slow_s = 0.3
    assert analyser.ask(ENQ) == ACK
    *before, last = frames(RESULTS)
    for one in before:
        assert analyser.ask(one) == ACK

    analyser.say(last)

    assert analyser.hears_nothing(for_s=0.1)
    assert memory.kept == []
    assert analyser.hear() == ACK
    assert memory.kinds() == ["astm.message"]


def test_what_cannot_be_kept_is_answered_with_nak_and_taken_when_it_can(
    memory: Memory, analyser: Instrument
) -> None:
    memory.away = True
    assert analyser.ask(ENQ) == ACK
    *before, last = frames(RESULTS)
    for one in before:
        analyser.ask(one)
    assert analyser.ask(last) == NAK

    memory.away = False

    assert analyser.ask(last) == ACK
    assert [one.body for one in memory.kept] == [BODY]


def test_a_message_over_split_frames_is_whole(memory: Memory, analyser: Instrument) -> None:
    pieces = [BODY[at : at + 50] for at in range(0, len(BODY), 50)]
    made = [frame(at, one, end=ETB) for at, one in enumerate(pieces[:-1], 1)]

    answers = analyser.send_frames([*made, frame(len(pieces), pieces[-1])])

    assert answers == ACK * (len(pieces) + 1)
    assert [one.body for one in memory.kept] == [BODY]


def test_a_transfer_that_breaks_off_is_kept_as_incomplete(memory: Memory, analyser: Instrument) -> None:
    analyser.ask(ENQ)
    for one in frames(RESULTS)[:4]:
        analyser.ask(one)
    analyser.say(b"\x025R|2|^^^RB")

    analyser.say(EOT)

    until(lambda: memory.kinds() == ["astm.incomplete"])
    assert memory.kept[0].origin["cause"] == "broken_off"
    assert memory.kept[0].body == "".join(f"{record}\r" for record in RESULTS[:4]).encode()


def test_a_message_without_l_that_ends_in_order_is_a_message(memory: Memory, analyser: Instrument) -> None:
    analyser.send(RESULTS[:-1])

    until(lambda: memory.kinds() == ["astm.message"])
    assert memory.kept[0].origin["terminated"] is False
