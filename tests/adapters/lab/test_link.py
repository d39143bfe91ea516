"""The LIS1-A link as a pure state machine: every timer, refusal and contention, on a clock of the test's own."""

import pytest

from adapters.lab.framing import checksum, find_frame, write_frame, write_frames
from adapters.lab.link import (
    Arrived,
    Delivered,
    Ended,
    Enquired,
    Event,
    Link,
    LinkSettings,
    Say,
    Stray,
    Undelivered,
)
from tests.instruments import ACK, ENQ, EOT, ETB, ETX, NAK, STX, frame

H = b"H|\\^&\r"


class Line:
    """A link, and the clock that it is told."""

    def __init__(self, settings: LinkSettings | None = None) -> None:
        self.link, self.now = Link(settings), 0.0

    def hear(self, *data: bytes) -> list[Event]:
        return self.link.receive(b"".join(data), self.now)

    def accept(self) -> list[Event]:
        return self.link.accept(self.now)

    def refuse(self) -> list[Event]:
        return self.link.refuse(self.now)

    def send(self, *texts: bytes) -> list[Event]:
        return self.link.send([write_frame(at, text) for at, text in enumerate(texts, 1)], self.now)

    def wait(self, seconds: float) -> list[Event]:
        """As its driver does: a tick when the link wants one."""
        until, events = self.now + seconds, []
        while self.link.deadline is not None and self.link.deadline <= until:
            self.now = max(self.now, self.link.deadline)
            events += self.link.tick(self.now)
        self.now = until
        return events

    def begin(self) -> None:
        assert self.hear(ENQ) == [Enquired()]
        assert self.accept() == [Say(ACK)]

    def take(self, number: int, text: bytes, end: bytes = ETX) -> None:
        (event,) = self.hear(frame(number, text, end=end))
        assert isinstance(event, Arrived)
        assert event.frame.text == text
        assert self.accept() == [Say(ACK)]


@pytest.fixture
def line() -> Line:
    return Line()


# frames


def test_the_known_frame_has_the_known_checksum() -> None:
    assert checksum(b"1H|\\^&\r\x03") == 0xE5
    assert write_frame(1, H) == b"\x021H|\\^&\r\x03E5\r\n"


def test_frames_are_numbered_modulo_eight_from_one() -> None:
    made = write_frames(b"".join(b"C|%d\r" % at for at in range(10)))

    assert [one[1:2] for one in made] == [b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"0", b"1", b"2"]


def test_a_long_record_goes_over_frames_of_the_limit_and_is_the_same_joined() -> None:
    record = b"R|1|" + bytes(range(0x20, 0x7F)) * 9 + b"\r"

    made = write_frames(record, text_limit=240)

    read = [find_frame(bytearray(one), 240)[0] for one in made]
    assert [one.more for one in read] == [True, True, True, False]  # type: ignore[union-attr]
    assert b"".join(one.text for one in read) == record  # type: ignore[union-attr]


# receiving


def test_a_transfer_is_acknowledged_frame_by_frame_and_ends_in_order(line: Line) -> None:
    line.begin()
    for number in range(1, 18):
        line.take(number, b"C|%d\r" % number)

    assert line.hear(EOT) == [Ended("")]
    line.begin()
    line.take(1, H)


def test_a_checksum_in_lower_case_is_read(line: Line) -> None:
    line.begin()
    (event,) = line.hear(b"\x021H|\\^&\r\x03e5\r\n")
    assert isinstance(event, Arrived)


@pytest.mark.parametrize(
    "damaged",
    [
        frame(1, H).replace(b"E5", b"E4"),
        frame(1, H).replace(b"E5", b"ZZ"),
        frame(2, H),
        frame(0, H),
        frame(1, H).replace(b"H", b"I"),
        b"\x021H|\\^&\r\x03\r\n",
    ],
    ids=["checksum", "no hex", "number ahead", "number behind", "text changed", "no checksum"],
)
def test_a_wrong_frame_is_refused_and_the_right_one_taken_after_it(line: Line, damaged: bytes) -> None:
    line.begin()

    events = line.hear(damaged)
    assert (events or line.wait(4)) == [Say(NAK)]

    line.take(1, H)


def test_a_frame_sent_again_is_acknowledged_again_and_taken_once(line: Line) -> None:
    line.begin()
    line.take(1, H)

    assert line.hear(frame(1, H)) == [Say(ACK)]
    line.take(2, b"L|1\r")


def test_another_frame_of_the_last_number_is_refused_and_not_taken_for_a_repeat(line: Line) -> None:
    line.begin()
    line.take(1, H)

    assert line.hear(frame(1, b"P|1\r")) == [Say(NAK)]


def test_numbers_can_be_ignored_for_analysers_that_always_say_one() -> None:
    line = Line(LinkSettings(check_frame_numbers=False))
    line.begin()
    line.take(1, H)
    line.take(1, b"P|1\r")
    assert line.hear(frame(1, b"P|1\r")) == [Say(ACK)]


def test_our_nak_lets_the_same_frame_arrive_again(line: Line) -> None:
    line.begin()
    assert isinstance(line.hear(frame(1, H))[0], Arrived)
    assert line.refuse() == [Say(NAK)]
    line.take(1, H)


def test_busy_is_nak_and_frames_without_leave_are_told_of(line: Line) -> None:
    assert line.hear(ENQ) == [Enquired()]
    assert line.refuse() == [Say(NAK)]
    assert line.hear(frame(1, H)) == [Stray()]


@pytest.mark.parametrize("trailer", [b"", b"\r", b"\n", b"\r\n", b"\n\r\r\n"])
def test_what_follows_the_checksum_does_not_matter(line: Line, trailer: bytes) -> None:
    line.begin()
    for number, text in enumerate((H, b"P|1\r", b"L|1\r"), 1):
        (event,) = line.hear(frame(number, text)[:-2] + trailer)
        assert isinstance(event, Arrived)
        assert line.accept() == [Say(ACK)]
    assert line.hear(EOT) == [Ended("")]


def test_frames_arrive_byte_by_byte(line: Line) -> None:
    line.begin()
    events = [event for byte in frame(1, H) for event in line.hear(bytes((byte,)))]
    assert [type(event) for event in events] == [Arrived]


@pytest.mark.parametrize(
    "inside", [b"\x01", b"\x02", b"\x03", b"\x04", b"\x05", b"\x06", b"\x0a", b"\x15", b"\x17", b"\x11"]
)
def test_a_control_character_in_a_text_is_borne_where_the_checksum_is_right(
    line: Line, inside: bytes
) -> None:
    line.begin()
    text = b"C|1|I|be" + inside + b"fore\r"
    (event,) = line.hear(frame(1, text))
    assert isinstance(event, Arrived)
    assert event.frame.text == text


def test_a_lost_end_is_found_by_the_next_frame(line: Line) -> None:
    line.begin()
    (event,) = line.hear(frame(1, b"H|\\^&|lost")[:-9], frame(1, H))
    assert isinstance(event, Arrived)
    assert event.frame.text == H


def test_a_doubled_stx_and_a_doubled_enq_are_one(line: Line) -> None:
    assert line.hear(ENQ, ENQ, ENQ) == [Enquired()]
    assert line.accept() == [Say(ACK)]
    assert isinstance(line.hear(STX, frame(1, H))[0], Arrived)


def test_half_a_frame_and_silence_is_refused_then_given_up(line: Line) -> None:
    line.begin()
    line.take(1, H)
    assert line.hear(frame(2, b"P|1|patient\r")[:8]) == []

    assert line.wait(2.9) == []
    assert line.wait(0.2) == [Say(NAK)]
    assert line.wait(26) == []
    assert line.wait(2) == [Ended("timeout")]
    assert line.link.deadline is None
    line.begin()


def test_silence_is_given_up_after_thirty_seconds(line: Line) -> None:
    line.begin()
    line.take(1, H)
    assert line.wait(29.9) == []
    assert line.wait(0.2) == [Ended("timeout")]


def test_an_idle_line_has_no_timer(line: Line) -> None:
    assert line.link.deadline is None


def test_eot_in_the_middle_of_a_frame_breaks_the_transfer_off(line: Line) -> None:
    line.begin()
    line.take(1, H)
    assert line.hear(b"\x022P|1", EOT) == []
    assert line.wait(3.1) == [Ended("broken_off")]


def test_eot_within_a_record_breaks_the_transfer_off(line: Line) -> None:
    line.begin()
    line.take(1, H + b"P|1|begi", ETB)
    assert line.hear(EOT) == [Ended("broken_off")]


def test_eot_after_a_refusal_is_a_sender_that_gives_up(line: Line) -> None:
    line.begin()
    line.take(1, H)
    for _ in range(6):
        assert line.hear(frame(2, b"P\r").replace(b"P", b"Q")) == [Say(NAK)]
    assert line.hear(EOT) == [Ended("given_up")]


def test_a_late_eot_is_of_a_sender_that_did_not_hear_us(line: Line) -> None:
    line.begin()
    line.take(1, H)
    line.wait(15)
    assert line.hear(EOT) == [Ended("late")]


def test_enq_in_the_middle_begins_anew(line: Line) -> None:
    line.begin()
    line.take(1, H)
    assert line.hear(ENQ) == [Ended("restarted"), Enquired()]
    assert line.accept() == [Say(ACK)]
    line.take(1, H)


def test_enq_in_half_a_frame_begins_anew_when_nothing_follows(line: Line) -> None:
    line.begin()
    line.take(1, H)
    assert line.hear(b"\x022P|1|", ENQ) == []
    assert line.wait(3.1) == [Ended("restarted"), Enquired()]


def test_a_frame_beyond_the_limit_is_refused(line: Line) -> None:
    line.begin()
    assert isinstance(line.hear(frame(1, b"H" * 64_000))[0], Arrived)
    line.accept()
    assert line.hear(frame(2, b"H" * 64_001)) == [Say(NAK)]
    assert line.hear(b"\x022" + b"H" * 70_000) == []
    assert line.link.pending == 0
    assert line.wait(3.1) == [Say(NAK)]


def test_a_sender_that_has_gone_on_is_not_acknowledged_late(line: Line) -> None:
    line.begin()
    line.hear(frame(1, H))
    line.hear(EOT, ENQ)
    assert line.accept() == [Ended(""), Enquired()]


def test_false_ends_without_number_cost_no_time(line: Line) -> None:
    line.begin()
    assert line.hear(b"\x021" + b"\x0300" * 21_000)[0] == Say(NAK)


# sending


def test_a_message_is_sent_frame_by_frame(line: Line) -> None:
    assert line.send(H, b"L|1\r") == [Say(ENQ)]
    assert line.hear(ACK) == [Say(frame(1, H))]
    assert line.hear(ACK) == [Say(frame(2, b"L|1\r"))]
    assert line.hear(ACK) == [Say(EOT), Delivered()]


def test_six_tries_and_then_eot(line: Line) -> None:
    line.send(H)
    assert line.hear(ACK) == [Say(frame(1, H))]
    for _ in range(5):
        assert line.hear(NAK) == [Say(frame(1, H))]
    assert line.hear(NAK) == [Say(EOT), Undelivered("refused")]


def test_ten_seconds_after_nak_to_enq(line: Line) -> None:
    line.send(H)
    assert line.hear(NAK) == []
    assert line.wait(9.9) == []
    assert line.wait(0.2) == [Say(ENQ)]
    assert line.hear(ACK) == [Say(frame(1, H))]


def test_fifteen_seconds_for_an_answer(line: Line) -> None:
    line.send(H)
    line.hear(ACK)
    assert line.wait(14.9) == []
    assert line.wait(0.2) == [Say(EOT)]
    assert line.wait(10) == [Say(ENQ)]


def test_bids_that_nobody_answers_end(line: Line) -> None:
    line.send(H)
    events = line.wait(300)
    assert events.count(Say(ENQ)) == 5  # and the first one
    assert events[-1] == Undelivered("no_answer")
    assert line.link.deadline is None


def test_the_analyser_wins_a_contention_and_we_bid_twenty_seconds_later(line: Line) -> None:
    line.send(H)
    assert line.hear(ENQ) == [Enquired()]
    assert line.accept() == [Say(ACK)]
    assert line.wait(1) == []
    assert line.hear(ENQ) == [Enquired()]  # one that knows the rule asks again
    assert line.accept() == [Say(ACK)]
    line.take(1, H)
    assert line.hear(EOT) == [Ended("")]
    assert line.wait(18.9) == []
    assert line.wait(0.2) == [Say(ENQ)]


def test_enq_while_we_send_takes_the_line_and_we_send_all_of_it_again(line: Line) -> None:
    line.send(H, b"L|1\r")
    line.hear(ACK)
    assert line.hear(ENQ) == [Enquired()]
    line.accept()
    assert line.hear(EOT) == []
    assert line.wait(21) == [Say(ENQ)]
    assert line.hear(ACK) == [Say(frame(1, H))]


def test_eot_for_ack_is_an_ack(line: Line) -> None:
    line.send(H)
    line.hear(ACK)
    assert line.hear(EOT) == [Say(EOT), Delivered()]


def test_a_doubled_ack_answers_one_frame(line: Line) -> None:
    line.send(H, b"L|1\r")
    assert line.hear(ACK, ACK) == [Say(frame(1, H))]
    assert line.hear(ACK, ACK) == [Say(frame(2, b"L|1\r"))]


def test_what_is_to_be_sent_waits_until_the_line_is_free(line: Line) -> None:
    line.begin()
    line.take(1, H)
    assert line.send(H) == []
    assert line.hear(EOT) == [Ended(""), Say(ENQ)]


def test_host_and_analyser_that_bid_at_once_both_get_through() -> None:
    host, analyser = Line(), Line(LinkSettings(is_analyser=True))
    to_analyser, to_host = host.send(H), analyser.send(H)
    taken: list[str] = []
    while len(taken) < 4 and host.now < 60:
        said = {"analyser": heard(to_host), "host": heard(to_analyser)}
        to_analyser, to_host = [], []
        for line, name, other in ((host, "host", "analyser"), (analyser, "analyser", "host")):
            events = line.hear(said[other]) if said[other] else line.wait(0.5)
            for event in events:
                if isinstance(event, Enquired | Arrived):
                    events = [*events, *line.accept()]
                if isinstance(event, Delivered | Arrived):
                    taken.append(f"{name} {type(event).__name__}")
            if name == "host":
                to_analyser = events
            else:
                to_host = events

    assert taken == ["host Arrived", "analyser Delivered", "analyser Arrived", "host Delivered"]


def heard(events: list[Event]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Say))
