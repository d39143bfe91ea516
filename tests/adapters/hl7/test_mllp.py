"""Messages are found in what comes over a connection, however senders split, join and spoil it."""

import random
import time

import pytest

from adapters.hl7.mllp import HEAD_BYTES, Flaw, Frame, Framer, frame

MESSAGE = b"MSH|^~\\&|A\rPID|1\r"


def test_a_message_is_found_however_it_is_split() -> None:
    raw = b"\r\n" + frame(MESSAGE) + frame(b"MSH|2\r")
    for size in range(1, len(raw)):
        framer = Framer()
        found = [one for at in range(0, len(raw), size) for one in framer.feed(raw[at : at + size])]
        assert found == [Frame(MESSAGE), Frame(b"MSH|2\r")], size
        assert not framer.is_inside and framer.size == 0


def test_messages_that_come_together_are_apart() -> None:
    assert Framer().feed(frame(MESSAGE) * 5) == [Frame(MESSAGE)] * 5


def test_bytes_between_messages_are_passed_over_and_counted() -> None:
    framer = Framer()
    assert (
        framer.feed(b"noise" + frame(MESSAGE) + b"\r\n  " + b"more" + frame(MESSAGE)) == [Frame(MESSAGE)] * 2
    )
    assert framer.junk_bytes == 9


def test_1c_within_a_message_does_not_end_it() -> None:
    body = b"MSH|^~\\&|A\rOBX|1|ED|||a\x1cb\x1c\x1cc\x1c\nd\x0be\r"
    raw = frame(body)
    for size in (1, 2, 3, 7, len(raw)):
        framer = Framer()
        found = [one for at in range(0, len(raw), size) for one in framer.feed(raw[at : at + size])]
        assert found == [Frame(body)], size


@pytest.mark.parametrize("end", [b"\x1c\n", b"\x1c"])
def test_an_end_without_0d_is_understood_behind_a_segment(end: bytes) -> None:
    framer = Framer()
    raw = (b"\x0b" + MESSAGE + end) * 2 + frame(MESSAGE)
    assert framer.feed(raw) == [Frame(MESSAGE)] * 3
    assert [one for at in range(len(raw)) for one in framer.feed(raw[at : at + 1])] == [Frame(MESSAGE)] * 3


def test_an_end_without_0d_counts_when_nothing_follows() -> None:
    framer = Framer()
    assert framer.feed(b"\x0b" + MESSAGE + b"\x1c") == []
    assert framer.may_be_complete
    assert framer.settle() == [Frame(MESSAGE)]
    assert framer.feed(b"\r" + frame(MESSAGE)) == [Frame(MESSAGE)]


def test_1c_at_the_end_of_what_came_is_no_end_in_the_middle_of_a_field() -> None:
    framer = Framer()
    framer.feed(b"\x0bMSH|^~\\&|A\rOBX|1|ED|abc\x1c")
    assert not framer.may_be_complete and framer.settle() == []
    assert framer.feed(b"def\r\x1c\r") == [Frame(b"MSH|^~\\&|A\rOBX|1|ED|abc\x1cdef\r")]


def test_a_new_beginning_gives_up_what_was_unfinished() -> None:
    framer = Framer()
    found = framer.feed(b"\x0bMSH|^~\\&|A\rPID|1|half" + frame(MESSAGE))
    assert found == [Frame(b"MSH|^~\\&|A\rPID|1|half", Flaw.UNFINISHED), Frame(MESSAGE)]


def test_a_message_without_its_beginning_is_told_of_with_its_head() -> None:
    raw = MESSAGE + b"\x1c\r"
    assert Framer().feed(raw + frame(MESSAGE)) == [Frame(raw, Flaw.NO_START), Frame(MESSAGE)]
    framer = Framer()
    found = framer.feed(MESSAGE) + framer.feed(b"\x1c\r") + framer.feed(frame(MESSAGE))
    assert found == [Frame(MESSAGE, Flaw.NO_START), Frame(MESSAGE)]


def test_a_message_without_any_framing_is_told_of_when_nothing_follows() -> None:
    framer = Framer()
    assert framer.feed(MESSAGE) == []
    assert framer.settle() == [Frame(MESSAGE, Flaw.NO_START)]
    assert framer.settle() == []


def test_what_is_too_large_is_passed_over_and_the_next_message_found() -> None:
    framer = Framer(maximum_bytes=10_000)
    found = framer.feed(b"\x0b" + MESSAGE)
    for _ in range(100):
        found += framer.feed(b"x" * 1000)
        assert framer.size <= 10_000
    found += framer.feed(b"\x1c\r" + frame(MESSAGE))
    assert found[0].flaw is Flaw.TOO_LARGE and found[0].body.startswith(MESSAGE)
    assert len(found[0].body) == HEAD_BYTES
    assert found[1:] == [Frame(MESSAGE)]


def test_what_is_given_up_leaves_its_head() -> None:
    framer = Framer()
    assert framer.give_up() is None
    framer.feed(b"\x0b" + MESSAGE)
    assert framer.give_up() == Frame(MESSAGE, Flaw.UNFINISHED)
    assert framer.feed(b"rest\x1c\r" + frame(MESSAGE)) == [Frame(MESSAGE)]


def test_room_can_be_asked_for_in_the_middle() -> None:
    framer = Framer()
    framer.feed(b"\x0b" + MESSAGE)
    framer.pass_over()
    assert framer.size == 0
    assert framer.feed(b"more\x1c\r") == [Frame(MESSAGE + b"more", Flaw.GIVEN_UP)]


@pytest.mark.parametrize("filling", [b"x", b"\x1c", b"\x0b", b"\x1c\x0b", b"\r\x1cM"])
def test_megabytes_are_taken_in_time_that_grows_with_their_size(filling: bytes) -> None:
    body = b"MSH|^~\\&|A\rOBX|" + filling * (4_000_000 // len(filling)) + b"x\r"
    raw, framer, slowest = frame(body), Framer(), 0.0
    found = []
    for at in range(0, len(raw), 262_144):
        began = time.process_time()
        found += framer.feed(raw[at : at + 262_144])
        slowest = max(slowest, time.process_time() - began)
    assert found == [Frame(body)]
    assert slowest < 0.5  # the last piece puts all together


def test_nothing_that_comes_breaks_the_framing() -> None:
    chance = random.Random(20261122)
    alphabet = [b"\x0b", b"\x1c", b"\r", b"\n", b"MSH|^~\\&|A", b"x", b" ", b"\x1c\r", b"\x0bMSH"]
    for _ in range(3000):
        raw = b"".join(chance.choices(alphabet, k=chance.randint(1, 30)))
        whole, split = Framer(maximum_bytes=40), Framer(maximum_bytes=40)
        at_once = whole.feed(raw)
        one_by_one = [one for at in range(len(raw)) for one in split.feed(raw[at : at + 1])]
        assert [(one.flaw, one.body) for one in at_once if one.flaw is None] == [
            (one.flaw, one.body) for one in one_by_one if one.flaw is None
        ], raw
        assert whole.size <= 40
        # Whatever came, an end brings it back to where the next message is found.
        assert whole.feed(b"\r\x1c\r" + frame(b"MSH|^~\\&|Z\r"))[-1] == Frame(b"MSH|^~\\&|Z\r"), raw
