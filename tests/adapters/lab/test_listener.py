"""The ASTM listener over real sockets: what is acknowledged is kept, and what is not is not."""

import random
import re
import socket
import ssl
import time
from pathlib import Path

import pytest

from adapters.dicom.tls import TlsServer
from adapters.lab.connection import AstmSettings
from adapters.lab.receiver import Phase
from tests.adapters.dicom.tls_files import Pki
from tests.adapters.lab.astm_server import QUICK, Memory, Served, until
from tests.instruments import ACK, ENQ, EOT, ETB, NAK, RESULTS, Instrument, NoisyFrames, frame, frames

BODY = "".join(f"{record}\r" for record in RESULTS).encode()


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


def test_eot_is_acknowledged_though_nothing_is_answered(served: Served, analyser: Instrument) -> None:
    """The kernel says whether it delays what it acknowledges: after an exchange like this one it does, left alone."""
    for _ in range(3):
        analyser.send()

    (line,) = served.server._connections
    assert line._transport is not None
    connection = line._transport.get_extra_info("socket")

    def heard_all() -> int:
        """Whether it delays, once EOT was heard; -1 before."""
        if line._link._receiver.phase is not Phase.NEUTRAL:
            return -1
        return int(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK))

    prompt = -1

    def is_heard() -> bool:
        nonlocal prompt
        prompt = served.call(heard_all)
        return prompt >= 0

    until(is_heard)
    assert prompt  # when it was heard: once the delay is over, the kernel forgets it by itself


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


def test_several_messages_in_one_transfer_are_kept_apart(memory: Memory, analyser: Instrument) -> None:
    both = frames([*RESULTS, *(record.replace("K26112200017", "K26112200018") for record in RESULTS)])

    analyser.send_frames(both)

    assert memory.kinds() == ["astm.message"] * 2
    assert memory.kept[1].body == BODY.replace(b"K26112200017", b"K26112200018")


def test_several_messages_in_one_frame_are_kept_apart(memory: Memory, analyser: Instrument) -> None:
    analyser.send_frames([frame(1, BODY + BODY.replace(b"017", b"018"))])

    assert [len(one.body) for one in memory.kept] == [len(BODY)] * 2


def test_a_message_without_l_before_the_next_h_is_kept(memory: Memory, analyser: Instrument) -> None:
    other = [record.replace("017", "018") for record in RESULTS]

    analyser.send([*RESULTS[:-1], *other])

    assert [one.origin["terminated"] for one in memory.kept] == [False, True]
    assert memory.kept[0].body == "".join(f"{record}\r" for record in RESULTS[:-1]).encode()


def test_frames_without_cr_between_records_are_joined_as_records(
    memory: Memory, analyser: Instrument
) -> None:
    analyser.send_frames([frame(at, record.encode()) for at, record in enumerate(RESULTS, 1)])

    assert [one.body for one in memory.kept] == [BODY]


def test_a_record_that_goes_on_after_etx_is_joined(memory: Memory, analyser: Instrument) -> None:
    pieces = [BODY[at : at + 64] for at in range(0, len(BODY), 64)]
    assert not any(piece.startswith((b"H|", b"P|", b"O|", b"R|", b"C|", b"L|")) for piece in pieces[1:])

    analyser.send_frames([frame(at, one) for at, one in enumerate(pieces, 1)])

    assert [one.body for one in memory.kept] == [BODY]


def test_line_feeds_between_records_stay_as_they_came(memory: Memory, analyser: Instrument) -> None:
    body = BODY.replace(b"\r", b"\n")
    analyser.send_frames([frame(1, body)])
    assert [one.body for one in memory.kept] == [body]


def test_a_message_whose_last_ack_was_lost_is_kept_once(memory: Memory, served: Served) -> None:
    memory.slow_s = 0.2
    with Instrument(served.port) as analyser:
        analyser.ask(ENQ)
        for one in frames(RESULTS)[:-1]:
            analyser.ask(one)
        analyser.say(frames(RESULTS)[-1])  # and gone before it is answered
    until(lambda: len(memory.kept) == 1)

    with Instrument(served.port) as analyser:
        assert analyser.send() == ACK * 8

    assert memory.kinds() == ["astm.message"]
    assert served.server.counters.duplicates == 1


def test_an_aborted_message_is_not_filed(memory: Memory, analyser: Instrument) -> None:
    analyser.send([*RESULTS[:-1], "L|1|T"])

    assert memory.kinds() == ["astm.incomplete"]
    assert memory.kept[0].origin["cause"] == "aborted_T"


def test_a_lost_connection_leaves_what_it_brought(memory: Memory, served: Served) -> None:
    with Instrument(served.port) as analyser:
        analyser.ask(ENQ)
        for one in frames(RESULTS)[:5]:
            analyser.ask(one)

    until(lambda: memory.kinds() == ["astm.incomplete"])
    assert memory.kept[0].origin["cause"] == "connection_lost"
    until(lambda: served.server.counters.connections_open == 0)
    assert served.server.bytes_in_hand == 0


def test_an_unterminated_message_is_kept_when_the_disk_is_back(memory: Memory, analyser: Instrument) -> None:
    analyser.ask(ENQ)
    for one in frames(RESULTS[:-1]):
        assert analyser.ask(one) == ACK
    memory.away = True
    analyser.say(EOT)
    assert analyser.hears_nothing(for_s=0.3)
    assert memory.kept == []

    memory.away = False

    until(lambda: memory.kinds() == ["astm.message"])


def test_nothing_is_begun_while_nothing_can_be_kept(memory: Memory, served: Served) -> None:
    memory.away = True
    with Instrument(served.port) as analyser:
        analyser.ask(ENQ)
        assert analyser.ask(frame(1, BODY)) == NAK
        with Instrument(served.port) as other:
            assert other.ask(ENQ) == NAK
    assert served.server.counters.unavailable >= 2


# who may send


def test_an_unknown_peer_hears_nak_and_is_told_of_once(memory: Memory, served: Served) -> None:
    memory.refused = "unknown_address"
    with Instrument(served.port) as analyser:
        for _ in range(3):
            assert analyser.ask(ENQ) == NAK

    ((kind, told),) = memory.notices
    assert (kind, told["cause"], told["peer_address"]) == ("astm.refusal", "unknown_address", "127.0.0.1")
    assert served.server.counters.refusals["unknown_address"] == 3


def test_an_unknown_sender_hears_nak_for_its_h_record_until_it_gives_up(
    memory: Memory, analyser: Instrument
) -> None:
    memory.refused_senders = ("BC-5300",)

    assert analyser.send() == ACK + NAK * 6

    assert memory.kept == []
    ((_, told),) = memory.notices
    assert told["cause"] == "unknown_sender"


def test_one_line_may_carry_known_and_unknown_analysers(memory: Memory, analyser: Instrument) -> None:
    memory.refused_senders = ("stranger",)
    analyser.send(["H|\\^&|||stranger", "L|1"])

    assert analyser.send() == ACK * 8


def test_an_analyser_that_says_the_same_h_record_each_time_is_asked_for_anew(
    memory: Memory, analyser: Instrument
) -> None:
    assert analyser.send() == ACK * 8

    memory.refused_senders = ("BC-5300",)

    assert analyser.send() == ACK + NAK * 6


def test_only_a_few_strangers_are_borne(memory: Memory) -> None:
    memory.refused = "unknown_address"
    with Served(memory, AstmSettings(link=QUICK, max_strangers=2)) as served:
        with Instrument(served.port), Instrument(served.port), Instrument(served.port) as third:
            assert third.hear() == b""
        until(lambda: served.server.counters.connections_open == 0)
        with Instrument(served.port) as again:
            assert again.ask(ENQ) == NAK
    assert served.server.counters.connections_refused["strangers"] == 1


def test_a_peer_has_so_many_connections_and_others_go_on(memory: Memory) -> None:
    with Served(memory, AstmSettings(link=QUICK, max_connections_per_peer=2)) as served:
        with Instrument(served.port) as one, Instrument(served.port) as two:
            assert (one.ask(ENQ), two.ask(ENQ)) == (ACK, ACK)
            with Instrument(served.port) as three:
                assert three.hear() == b""
        until(lambda: served.server.counters.connections_open == 0)
        with Instrument(served.port) as again:
            assert again.ask(ENQ) == ACK
    assert served.server.counters.connections_refused["limit_of_peer"] == 1


def test_frames_without_enq_are_told_of(memory: Memory, analyser: Instrument) -> None:
    analyser.say(*frames(RESULTS))

    until(lambda: [told["cause"] for _, told in memory.notices] == ["no_enquiry"])
    assert analyser.hears_nothing()
    assert analyser.send() == ACK * 8


def test_over_tls_it_is_the_same(memory: Memory, tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    context = ssl.create_default_context(cafile=pki.authority)
    context.load_cert_chain(*pki.device("BC-5300"))
    with Served(memory, tls=TlsServer(pki.files)) as served:
        with Instrument(served.port, tls=context) as analyser:
            assert analyser.send() == ACK * 8
        with Instrument(served.port, patience_s=0.3) as plain:
            assert plain.ask(ENQ) != ACK

    assert memory.kept[0].origin["tls"] is True
    assert memory.doors[0].certificate["common_name"] == "BC-5300"
    assert memory.kept[0].origin["certificate"] == memory.doors[0].certificate["fingerprint"]


# misbehaving


def test_a_flood_of_enq_is_answered_and_the_line_goes_on(memory: Memory, analyser: Instrument) -> None:
    analyser.say(ENQ * 20_000)
    heard = b""
    while one := analyser.hear(4096, within_s=0.3):
        heard += one
    assert set(heard) == {0x06}

    assert analyser.send() == ACK * 8
    assert memory.kinds() == ["astm.message"]


def test_a_sender_that_gives_up_is_told_of_with_what_was_wrong(memory: Memory, analyser: Instrument) -> None:
    answers = analyser.send_frames([frame(0, BODY)])

    assert answers == ACK + NAK * 6
    until(lambda: bool(memory.notices))
    assert memory.notices[0][1]["explanation"] == "frame 0 came where 1 was due"


def test_one_that_only_asks_is_answered_at_a_pace_and_others_go_on(memory: Memory, served: Served) -> None:
    with Instrument(served.port) as asking, Instrument(served.port) as other:
        asking.say((ENQ + EOT) * 20_000)
        began = time.monotonic()
        assert other.send() == ACK * 8
        assert time.monotonic() - began < 3.0
        time.sleep(0.5)
        assert len(asking.hear(20_000)) < 50


def test_two_clients_on_one_port_do_not_mix(memory: Memory, served: Served) -> None:
    other = [record.replace("017", "018") for record in RESULTS]
    with Instrument(served.port) as one, Instrument(served.port) as two:
        assert (one.ask(ENQ), two.ask(ENQ)) == (ACK, ACK)
        for mine, theirs in zip(frames(RESULTS), frames(other), strict=True):
            assert (one.ask(mine), two.ask(theirs)) == (ACK, ACK)

    assert [one.body for one in memory.kept] == [BODY, BODY.replace(b"017", b"018")]


def test_a_line_that_loses_and_doubles_bytes_brings_its_results_or_nothing(
    memory: Memory, served: Served
) -> None:
    noise = random.Random(20261122)
    delivered = 0
    with Instrument(served.port, patience_s=3.0) as analyser:
        for number in range(100, 112):
            records = [record.replace("017", str(number)) for record in RESULTS]
            answers = analyser.send_frames(NoisyFrames(frames(records), noise))
            if answers.count(ACK) == 8:
                delivered += 1
            else:
                time.sleep(1.0)  # what is left of a broken frame is given up meanwhile
        assert analyser.send() == ACK * 8

    whole = [one for one in memory.kept if one.kind == "astm.message"]
    assert delivered > 3
    assert len(whole) >= delivered + 1
    for one in whole:
        assert re.sub(rb"K26112200\d{3}", b"K26112200017", one.body) == BODY


def test_half_a_frame_and_silence_leaves_the_line_usable(memory: Memory, analyser: Instrument) -> None:
    analyser.ask(ENQ)
    analyser.ask(frames(RESULTS)[0])
    analyser.say(frames(RESULTS)[1][:5])

    assert analyser.hear() == NAK
    assert analyser.ask(frames(RESULTS)[1]) == ACK
    until(lambda: memory.kinds() == ["astm.incomplete"])
    assert memory.kept[0].origin["cause"] == "timeout"
    assert analyser.send() == ACK * 8


def test_a_frame_byte_by_byte_is_taken(memory: Memory, analyser: Instrument) -> None:
    analyser.ask(ENQ)
    analyser.dribble(frame(1, BODY))
    assert analyser.hear() == ACK
    assert [one.body for one in memory.kept] == [BODY]


def test_a_message_beyond_the_limit_is_refused_and_kept_nowhere(memory: Memory) -> None:
    with (
        Served(memory, AstmSettings(link=QUICK, message_bytes=100_000)) as served,
        Instrument(served.port) as analyser,
    ):
        analyser.ask(ENQ)
        assert analyser.ask(frame(1, b"H|\\^&\rC|1|" + b"x" * 60_000, end=ETB)) == ACK
        assert analyser.ask(frame(2, b"x" * 60_000, end=ETB)) == NAK
        analyser.say(EOT)
        assert analyser.send() == ACK * 8
        assert served.server.bytes_in_hand == 0
    assert memory.kinds() == ["astm.message"]
    assert [told["cause"] for _, told in memory.notices] == ["too_long"]


def test_what_is_no_astm_is_refused_with_a_sentence(memory: Memory, analyser: Instrument) -> None:
    analyser.ask(ENQ)

    assert analyser.ask(frame(1, b"mtrsl|pi|pn|si|ciZ1G021SCR|\r")) == NAK

    ((_, told),) = memory.notices
    assert told["explanation"] == "a message begins with an H record, this one with 'mtrsl|pi|pn|'"


def test_a_sender_that_floods_while_it_should_wait_is_held_back(memory: Memory) -> None:
    memory.slow_s = 0.5
    with (
        Served(memory, AstmSettings(link=QUICK, pending_bytes=10_000)) as served,
        Instrument(served.port) as analyser,
    ):
        analyser.ask(ENQ)
        analyser.say(frame(1, BODY))
        analyser.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            for _ in range(10_000):
                analyser.say(b"x" * 10_000)


# many


def test_ten_megabytes_delay_nobody(memory: Memory, served: Served) -> None:
    record = b"M|1|" + b"x" * 63_000
    big = [
        frame(1, b"H|\\^&|||BIG\r"),
        *(frame(at, record, end=ETB) for at in range(2, 170)),
        frame(170, b"\rL|1\r"),
    ]
    longest = 0.0
    with Instrument(served.port) as heavy, Instrument(served.port) as light:
        heavy.ask(ENQ)
        for one in big:
            heavy.say(one)
            began = time.monotonic()
            assert light.ask(ENQ) == light.ask(frame(1, b"H|\\^&\r")) == ACK
            light.say(EOT)
            longest = max(longest, time.monotonic() - began)
            assert heavy.hear() == ACK
    until(lambda: memory.kinds() == ["astm.message"])
    assert len(memory.kept[0].body) > 10_000_000
    assert longest < 2.0  # what a busy machine keeps; 50 ms on a quiet one
