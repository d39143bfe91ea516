"""PS3.8 from the outside: a peer made by hand against the acceptor."""

import asyncio
import random
import socket
import struct
import threading
import time

import pytest

from tests.adapters.dicom import wire
from tests.adapters.dicom.memory import Server
from tests.adapters.dicom.wire import Peer, p_data, pdu, pdv

ABORT, RELEASE_RQ, RELEASE_RP, REJECT = 7, 5, 6, 3


@pytest.fixture
def peer(server):
    with Peer(server.connect()) as connected:
        yield connected


def wait_for(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def good_study_still_goes_through(server):
    before = len(server.intake.records)
    with Peer(server.connect()) as another:
        another.associate()
        assert another.store(wire.ct_data_set()).status == 0
        another.release()
    return len(server.intake.records) == before + 1


# establishment


@pytest.mark.parametrize(
    ("request_fields", "rejection"),
    [
        ({"called": b"ELSEWHERE"}, (1, 1, 7)),
        ({"called": b""}, (1, 1, 7)),
        ({"called": b"GATE\\WAY"}, (1, 1, 7)),
        ({"calling": b"STRANGER"}, (1, 1, 3)),
        ({"calling": b"DEMO\x07CT"}, (1, 1, 3)),
        ({"calling": "影像".encode()}, (1, 1, 3)),
        ({"application": b"1.2.3"}, (1, 1, 2)),
        ({"version": 2}, (1, 2, 2)),
        ({"max_length": 7}, (1, 2, 1)),
    ],
)
def test_association_is_rejected_with_its_reason(server, peer, request_fields, rejection):
    server.directory.devices = {"DEMO_CT": {"device_id": "ct"}}

    peer.send(wire.associate_rq(**request_fields))

    kind, body = peer.read_pdu()
    assert (kind, tuple(body[1:])) == (REJECT, rejection)
    [noted] = server.intake.noted("dicom.rejection")
    assert (noted["result"], noted["source"], noted["reason"]) == rejection
    assert noted["explanation"]
    assert server.acceptor.counters.associations_rejected == {"/".join(map(str, rejection)): 1}
    assert good_study_still_goes_through(server)


def test_failing_admission_is_a_transient_rejection(server, peer):
    server.directory.devices = None

    peer.send(wire.associate_rq())

    assert peer.read_pdu() == (REJECT, bytes((0, 2, 2, 1)))


def test_ae_titles_are_trimmed_and_returned_as_sent(peer, server):
    peer.send(wire.associate_rq(called=b" GATEWAY", calling=b"  DEMO_CT"))

    _, body = peer.read_pdu()

    assert body[4:20] == b" GATEWAY".ljust(16)
    assert server.intake.noted("dicom.association")[0]["calling_ae_title"] == "DEMO_CT"


def test_too_many_associations_are_turned_away_until_one_ends():
    with Server(max_associations=3, max_associations_per_peer=2) as server:
        first, second, third = (Peer(server.connect()) for _ in range(3))
        with first, second, third:
            first.associate()
            second.associate()
            third.send(wire.associate_rq())
            assert third.read_pdu() == (REJECT, bytes((0, 2, 3, 2)))
            first.release()
            assert good_study_still_goes_through(server)
            second.release()
        assert server.acceptor.counters.associations_open == 0


def test_every_context_gets_its_own_result(peer):
    results = peer.associate(
        contexts=(
            (1, wire.CT, ("1.2.3.4", wire.IMPLICIT, wire.EXPLICIT)),
            (3, "1.2.840.10008.5.1.4.1.2.2.1", (wire.IMPLICIT,)),
            (5, wire.MR, ("1.2.3.4",)),
            (7, wire.VERIFICATION, (wire.EXPLICIT, wire.IMPLICIT)),
            (255, wire.MR, ("1.2.840.10008.1.2.4.90", wire.EXPLICIT)),
        )
    )

    assert {number: result for number, (result, _) in results.items()} == {1: 0, 3: 3, 5: 4, 7: 0, 255: 0}
    assert results[1][1] == wire.IMPLICIT
    assert results[7][1] == wire.EXPLICIT
    assert results[255][1] == "1.2.840.10008.1.2.4.90"


def test_unknown_items_and_user_identity_are_passed_over_and_no_window_is_promised(peer):
    user_identity = wire.item(0x58, b"\x02\x01\x00\x04user\x00\x04pass")
    async_window = wire.item(0x53, struct.pack(">HH", 0, 0))
    role = wire.item(0x54, struct.pack(">H", len(wire.CT)) + wire.CT.encode() + b"\x01\x01")
    extras = user_identity + async_window + role + wire.item(0x7E, b"future")

    peer.send(wire.associate_rq(extra_user_items=extras, extra_items=wire.item(0x6F, b"what")))

    kind, body = peer.read_pdu()
    assert kind == 2
    [user] = [value for number, value in wire.items(body[68:]) if number == 0x50]
    answered = dict(wire.items(user))
    assert 0x53 not in answered
    assert 0x58 not in answered
    assert answered[0x54].endswith(b"\x01\x00")  # the peer is the client, never the provider
    assert len(answered[0x55]) <= 16
    assert peer.echo().status == 0


def test_context_that_wants_us_as_client_is_rejected(peer):
    role = wire.item(0x54, struct.pack(">H", len(wire.CT)) + wire.CT.encode() + b"\x00\x01")

    results = peer.associate(extra_user_items=role)

    assert (results[1][0], results[3][0]) == (0, 1)


@pytest.mark.parametrize(
    "contexts",
    [((2, wire.CT, (wire.IMPLICIT,)),), ((1, wire.CT, (wire.IMPLICIT,)), (1, wire.MR, (wire.IMPLICIT,)))],
    ids=["even id", "same id twice"],
)
def test_impossible_context_ids_are_aborted(peer, contexts):
    peer.send(wire.associate_rq(contexts=contexts))

    assert peer.read_pdu()[0] == ABORT


# silence, garbage


def test_peer_that_says_nothing_is_cut_after_artim():
    with Server(artim_s=0.2) as server, Peer(server.connect()) as silent:
        started = time.monotonic()
        assert silent.is_closed()
        assert 0.1 < time.monotonic() - started < 2


def test_peer_that_dribbles_its_request_is_cut_after_artim():
    with Server(artim_s=0.3) as server, Peer(server.connect()) as slow:
        with pytest.raises(OSError):  # reset or broken pipe, as the kernel likes
            for byte in wire.associate_rq():
                slow.send(bytes((byte,)))
                time.sleep(0.02)
        assert good_study_still_goes_through(server)


def test_peer_that_stays_after_rejection_is_cut_after_artim():
    with Server(artim_s=0.2) as server, Peer(server.connect()) as lingering:
        lingering.send(wire.associate_rq(called=b"NOBODY"))
        assert lingering.read_pdu()[0] == REJECT
        assert lingering.is_closed()


def test_idle_association_is_aborted_and_noted():
    with Server(idle_timeout_s=0.2, artim_s=0.2) as server, Peer(server.connect()) as idle:
        idle.associate()
        assert idle.read_pdu() == (ABORT, bytes(4))
        assert server.intake.noted("dicom.association")[-1]["how"] == "timeout"


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),  # a TLS ClientHello on the plain port
        b"\x0bMSH|^~\\&|LAB|\r\x1c\r",
        bytes(100),
        b"\xff" * 100,
        pdu(1, b""),
        pdu(1, bytes(68)[:40]),
        pdu(1, b"\0\1" + bytes(66) + b"\x10\0\xff\xff"),
        b"\x01\0\xff\xff\xff\xff",
        pdu(2, bytes(70)),
        pdu(4, bytes(10)),
        pdu(5, bytes(4)),
        pdu(6, bytes(4)),
    ],
)
def test_what_is_no_association_request_is_aborted_as_user(server, peer, garbage):
    peer.send(garbage)

    assert peer.read_pdu() == (ABORT, bytes(4))  # AA-1
    assert good_study_still_goes_through(server)


@pytest.mark.parametrize(
    ("breach", "reason"),
    [
        (pdu(9, b"what"), 1),
        (wire.associate_rq(), 2),
        (pdu(2, bytes(70)), 2),
        (pdu(3, bytes(4)), 2),
        (pdu(6, bytes(4)), 2),
        (pdu(5, bytes(5)), 6),
        (pdu(4, b""), 6),
        (pdu(4, struct.pack(">IBB", 1, 1, 3)), 6),
        (pdu(4, struct.pack(">IBB", 50, 1, 3) + bytes(10)), 6),
        (pdu(4, pdv(1, 3, wire.echo_rq()) + b"\0"), 6),
        (struct.pack(">BBI", 4, 0, 131073), 6),
    ],
)
def test_breach_of_the_upper_layer_is_aborted_with_its_reason(server, peer, breach, reason):
    peer.associate()

    peer.send(breach)

    assert peer.read_pdu() == (ABORT, bytes((0, 0, 2, reason)))
    assert server.intake.noted("dicom.association")[-1]["how"] == "aborted"
    assert good_study_still_goes_through(server)


@pytest.mark.parametrize(
    "breach",
    [
        p_data(9, 3, wire.echo_rq()),  # a context that was not proposed
        p_data(3, 2, b"data without command"),
        p_data(3, 3, wire.store_rq()) + p_data(3, 3, wire.echo_rq()),
        p_data(3, 3, wire.store_rq()) + p_data(5, 0, b"another context"),
        p_data(1, 1, wire.echo_rq()[:20]) + p_data(3, 2, b"data"),
        p_data(1, 3, wire.echo_rq()[:-3]),
        p_data(1, 3, b"\1"),
        p_data(1, 3, wire.command((0x100, b"\x30\0"))),  # no message id
        p_data(1, 3, wire.command((0x100, wire.us(0x8030)), (0x120, b"\1\0"), (0x800, wire.us(0x101)))),
        b"".join(p_data(1, 1, bytes(16000)) for _ in range(5)),  # a command without end
    ],
)
def test_breach_of_dimse_is_aborted_as_user(server, peer, breach):
    peer.associate()

    peer.send(breach)

    assert peer.read_pdu() == (ABORT, bytes(4))
    assert good_study_still_goes_through(server)


# data


def recorded_association() -> bytes:
    data_set = wire.ct_data_set(pixels=200)
    return b"".join(
        (
            wire.associate_rq(contexts=((3, wire.CT, (wire.EXPLICIT,)),)),
            p_data(3, 1, wire.store_rq()[:50]),
            p_data(3, 3, wire.store_rq()[50:]),
            p_data(3, 0, data_set[:100]),
            pdu(4, pdv(3, 0, data_set[100:200]) + pdv(3, 2, data_set[200:])),
        )
    )


@pytest.mark.parametrize("ending", ["close", "reset", "abort"])
def test_association_cut_at_any_byte_leaves_nothing(server, ending):
    recorded = recorded_association()
    if ending == "abort":  # inside the last ten bytes an A-ABORT would itself be the end of the data set
        recorded = recorded[:-10]
    for cut in range(0, len(recorded), 1 if ending == "close" else 7):
        connection = server.connect()
        connection.sendall(recorded[:cut])
        if ending == "abort":
            connection.sendall(pdu(7, bytes(4)))
        if ending == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    assert good_study_still_goes_through(
        server
    )  # connections are accepted in order: all others were before it
    wait_for(lambda: not server.acceptor._connections)
    assert len(server.intake.records) == 1
    assert not server.intake.open_entries
    assert server.acceptor.counters.associations_open == 0
    opened, closed = (
        [note for note in server.intake.noted("dicom.association") if note["event"] == event]
        for event in ("opened", "closed")
    )
    assert len(opened) == len(closed) >= 1


def test_release_in_the_middle_of_a_data_set_keeps_nothing(server, peer):
    peer.associate()
    peer.send(p_data(3, 3, wire.store_rq()), p_data(3, 0, wire.ct_data_set()[:60]), pdu(RELEASE_RQ, bytes(4)))

    assert peer.read_pdu()[0] == RELEASE_RP
    assert server.intake.records == []
    assert not server.intake.open_entries


def test_whole_recorded_association_is_kept_even_when_cut_before_the_answer(server):
    server.intake.gate = asyncio.Event()
    connection = server.connect()
    connection.sendall(recorded_association())
    assert server.intake.committing.wait(5)
    connection.close()
    wait_for(lambda: server.acceptor.counters.associations_open == 0)

    server.call(server.intake.gate.set)

    wait_for(lambda: server.intake.noted("dicom.association")[-1]["event"] == "closed")
    [record] = server.intake.records
    assert record.data_set == wire.ct_data_set(pixels=200)
    assert server.intake.noted("dicom.association")[-1]["stored"] == 1


def test_abort_is_noticed_while_an_instance_is_being_kept(server, peer):
    server.intake.gate = asyncio.Event()
    peer.associate()
    peer.send(p_data(3, 3, wire.store_rq()), p_data(3, 2, wire.ct_data_set()))
    assert server.intake.committing.wait(5)

    peer.send(pdu(7, bytes(4)))

    assert peer.is_closed()
    server.call(server.intake.gate.set)
    wait_for(lambda: server.intake.noted("dicom.association")[-1]["event"] == "closed")
    assert server.intake.noted("dicom.association")[-1]["how"] == "aborted"


def test_what_is_being_kept_is_not_written_over_by_what_follows(server, peer):
    server.intake.gate = asyncio.Event()
    peer.associate()
    first, second = wire.ct_data_set(pixels=300_000), wire.ct_data_set(pixels=500_000)
    peer.send(p_data(3, 3, wire.store_rq()), *fragments(first))
    assert server.intake.committing.wait(5)
    peer.send(p_data(3, 3, wire.store_rq()), *fragments(second))
    time.sleep(0.2)  # the second one has arrived behind the first by now
    server.call(server.intake.gate.set)

    assert [peer.read_answer().status, peer.read_answer().status] == [0, 0]
    assert [record.data_set for record in server.intake.records] == [first, second]


def test_what_is_being_kept_is_not_written_over_after_our_abort(server, peer):
    server.intake.gate = asyncio.Event()
    peer.associate()
    data_set = wire.ct_data_set(pixels=300_000)
    peer.send(p_data(3, 3, wire.store_rq()), *fragments(data_set))
    assert server.intake.committing.wait(5)
    closing = threading.Thread(target=server.close, args=(0.5,))
    closing.start()
    assert peer.read_pdu()[0] == 7
    peer.send(bytes(1 << 20))  # read past: nobody knows any more what it is
    server.call(server.intake.gate.set)
    closing.join()

    assert server.intake.records[0].data_set == data_set


def fragments(data_set: bytes, size: int = 100_000) -> list[bytes]:
    """A data set in PDUs of one fragment each."""
    pieces = [data_set[start : start + size] for start in range(0, len(data_set), size)]
    return [p_data(3, 2 if n == len(pieces) else 0, piece) for n, piece in enumerate(pieces, start=1)]


def test_release_that_comes_before_the_answer_waits_for_it(server, peer):
    server.intake.gate = asyncio.Event()
    peer.associate()
    peer.send(p_data(3, 3, wire.store_rq()), p_data(3, 2, wire.ct_data_set()), pdu(RELEASE_RQ, bytes(4)))
    assert server.intake.committing.wait(5)
    server.call(server.intake.gate.set)

    assert peer.read_answer().status == 0
    assert peer.read_pdu()[0] == RELEASE_RP


def test_messages_sent_ahead_are_answered_one_after_another(server, peer):
    peer.associate()
    for number in range(1, 40):
        data_set = wire.ct_data_set(instance=f"1.2.{number}", pixels=100_000)
        request = wire.store_rq(instance=f"1.2.{number}", message_id=number)
        peer.send(p_data(3, 3, request), p_data(3, 2, data_set))

    assert [peer.read_answer().message_id for _ in range(1, 40)] == list(range(1, 40))
    assert [record.origin["sop_instance_uid"] for record in server.intake.records] == [
        f"1.2.{number}" for number in range(1, 40)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_fragments_may_be_cut_and_packed_in_any_way(server, peer, seed):
    chance = random.Random(seed)
    data_set = wire.ct_data_set(pixels=chance.choice((0, 10, 5000, 90_000)))
    stream = b""
    for control, message in ((1, wire.store_rq()), (0, data_set)):
        stream += random_pdus(chance, control, message)
    peer.associate()

    while stream:
        size = chance.choice((1, 5, 6, 7, 11, 12, 13, 100, 1000, 60_000))
        peer.send(stream[:size])
        stream = stream[size:]

    assert peer.read_answer().status == 0
    assert server.intake.records[0].data_set == data_set


def random_pdus(chance: random.Random, control: int, message: bytes) -> bytes:
    parts, position = [], 0
    while position < len(message):
        size = chance.choice((0, 1, 2, 17, 4000, 16000))
        parts.append(message[position : position + size])
        position += size
    values = [pdv(3, control | (2 if at == len(parts) - 1 else 0), part) for at, part in enumerate(parts)]
    out = b""
    while values:
        together = chance.choice((1, 1, 2, 5))
        out += pdu(4, b"".join(values[:together]))
        values = values[together:]
    return out


@pytest.mark.parametrize("limit", [0, 8, 9, 33, 64, 4096, 16384, 16385])
def test_answers_never_exceed_the_peers_limit(server, peer, limit):
    peer.associate(max_length=limit)
    peer.send(p_data(3, 3, wire.store_rq()), p_data(3, 2, b"not a data set at all"))

    lengths = []
    data = b""
    while True:
        kind, body = peer.read_pdu()
        assert kind == 4
        lengths.append(len(body))
        data += body[6:]
        if body[5] & 2:
            break

    assert wire.read_answer(data).status == 0xC000
    assert limit == 0 or max(lengths) <= limit


@pytest.mark.parametrize("limit", [0, 4096])
def test_our_own_limit_is_advertised_and_enforced(limit):
    with Server(maximum_length=limit) as server, Peer(server.connect()) as peer:
        peer.send(wire.associate_rq())
        _, body = peer.read_pdu()
        [user] = [value for number, value in wire.items(body[68:]) if number == 0x50]
        assert struct.unpack(">I", dict(wire.items(user))[0x51])[0] == limit
        data_set = wire.ct_data_set(pixels=3_000_000)
        peer.send(p_data(3, 3, wire.store_rq()), p_data(3, 2, data_set))
        if limit:
            assert peer.read_pdu() == (ABORT, bytes((0, 0, 2, 6)))
        else:
            assert peer.read_answer().status == 0
            assert server.intake.records[0].data_set == data_set


# the end


def test_release_is_answered_and_noted(server, peer):
    peer.associate()
    peer.store(wire.ct_data_set())
    peer.store(wire.ct_data_set(), sop_class=wire.MR)
    peer.release()

    closed = server.intake.noted("dicom.association")[-1]
    assert (closed["event"], closed["how"], closed["stored"], closed["refused"]) == (
        "closed",
        "released",
        1,
        1,
    )
    assert closed["association_id"] == server.intake.records[0].origin["association_id"]


def test_closing_acceptor_asks_for_release_and_the_peer_agrees(server, peer):
    peer.associate()
    closing = asyncio.run_coroutine_threadsafe(server.acceptor.close(5), server.loop)

    assert peer.read_pdu() == (RELEASE_RQ, bytes(4))
    peer.send(pdu(RELEASE_RP, bytes(4)))

    assert peer.is_closed()
    closing.result(2)
    assert server.intake.noted("dicom.association")[-1]["how"] == "released"


def test_release_collision_ends_as_the_standard_says(server, peer):
    peer.associate()
    closing = asyncio.run_coroutine_threadsafe(server.acceptor.close(5), server.loop)
    assert peer.read_pdu()[0] == RELEASE_RQ

    peer.send(pdu(RELEASE_RQ, bytes(4)))  # both have asked: the acceptor hears the reply first (Sta10)
    peer.send(pdu(RELEASE_RP, bytes(4)))

    assert peer.read_pdu()[0] == RELEASE_RP
    peer.connection.close()
    closing.result(2)
    assert server.intake.noted("dicom.association")[-1]["how"] == "released"


def test_data_that_crosses_our_release_is_read_past(server, peer):
    peer.associate()
    closing = asyncio.run_coroutine_threadsafe(server.acceptor.close(5), server.loop)
    assert peer.read_pdu()[0] == RELEASE_RQ

    peer.send(p_data(3, 3, wire.store_rq()), p_data(3, 2, wire.ct_data_set()), pdu(RELEASE_RP, bytes(4)))

    assert peer.is_closed()
    closing.result(2)
    assert server.intake.records == []


def test_closing_acceptor_finishes_the_instance_under_way(server, peer):
    server.intake.gate = asyncio.Event()
    peer.associate()
    peer.send(p_data(3, 3, wire.store_rq()), p_data(3, 2, wire.ct_data_set()))
    assert server.intake.committing.wait(5)
    closing = asyncio.run_coroutine_threadsafe(server.acceptor.close(5), server.loop)
    server.call(server.intake.gate.set)

    assert peer.read_answer().status == 0
    assert peer.read_pdu()[0] == RELEASE_RQ
    peer.send(pdu(RELEASE_RP, bytes(4)))
    closing.result(2)


def test_peer_that_ignores_our_release_is_aborted_after_the_grace(server, peer):
    peer.associate()
    closing = asyncio.run_coroutine_threadsafe(server.acceptor.close(0.2), server.loop)

    assert [peer.read_pdu()[0] for _ in range(2)] == [RELEASE_RQ, ABORT]
    peer.connection.close()
    closing.result(5)
    assert server.acceptor.counters.associations_open == 0
