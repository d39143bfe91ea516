"""Peers that only take up room: those who mean it get through, and nobody else costs memory or notes."""

import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from adapters.dicom.notes import Doorbook
from tests.adapters.dicom import wire
from tests.adapters.dicom.memory import Server
from tests.adapters.dicom.wire import Peer, p_data

ABORT = 7
PAGE_BYTES = 4096


def connect_many(server: Server, stack: ExitStack, count: int) -> list[socket.socket]:
    return [stack.enter_context(server.connect()) for _ in range(count)]


def wait_until(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def test_the_one_that_has_been_silent_for_longest_gives_way():
    with Server(max_associations=2, spare_connections=8) as server, ExitStack() as stack:
        silent = connect_many(server, stack, 10)
        wait_until(lambda: len(server.acceptor._connections) == 10)

        with Peer(server.connect()) as good:
            good.associate()
            assert good.store(wire.ct_data_set()).status == 0
            good.release()

        assert Peer(silent[0]).is_closed()
        silent[-1].sendall(wire.associate_rq())
        assert Peer(silent[-1]).read_pdu()[0] == 2  # it may still ask
        assert server.acceptor.counters.connections_refused["gave_way"] == 1


def test_established_associations_never_give_way():
    with Server(max_associations=3, spare_connections=2) as server, ExitStack() as stack:
        established = [Peer(stack.enter_context(server.connect())) for _ in range(3)]
        for peer in established:
            peer.associate()
        connect_many(server, stack, 20)
        wait_until(lambda: server.acceptor.counters.connections_refused["gave_way"] == 18)

        assert [peer.store(wire.ct_data_set()).status for peer in established] == [0, 0, 0]


def test_silent_connections_cost_next_to_no_memory():
    with Server() as server, ExitStack() as stack:
        connect_many(server, stack, 10)
        before = resident_bytes()
        connect_many(server, stack, 500)
        wait_until(lambda: len(server.acceptor._connections) == 510)

        assert resident_bytes() - before < 500 * 32 * 1024


def test_a_message_that_only_drips_is_ended():
    limits = {"idle_timeout_s": 0.4, "artim_s": 0.4, "minimum_progress_bytes": 2000}
    with Server(**limits) as server, Peer(server.connect()) as dripping:
        dripping.associate()
        dripping.send(p_data(3, 3, wire.store_rq()))
        ended = time.monotonic() + 10
        with pytest.raises(OSError):  # cut while it drips, never silent for as long as the timeout
            while time.monotonic() < ended:
                dripping.send(p_data(3, 0, bytes(2)))
                time.sleep(0.1)
        wait_until(lambda: server.acceptor.counters.associations_ended["timeout"] == 1)
        assert not server.intake.records


def test_a_slow_line_is_waited_for():
    limits = {"idle_timeout_s": 0.4, "minimum_progress_bytes": 500}
    data_set = wire.ct_data_set(pixels=8000)
    with Server(**limits) as server, Peer(server.connect()) as slow:
        slow.associate()
        slow.send(p_data(3, 3, wire.store_rq()))
        for start in range(0, len(data_set), 500):
            last = start + 500 >= len(data_set)
            slow.send(p_data(3, 2 if last else 0, data_set[start : start + 500]))
            time.sleep(0.1)
        assert slow.read_answer().status == 0


def test_a_peer_that_is_rejected_again_and_again_is_counted_each_time_and_noted_once():
    with Server() as server:
        for _ in range(20):
            with Peer(server.connect()) as stranger:
                stranger.send(wire.associate_rq(called=b"NOBODY"))
                assert stranger.read_pdu()[0] == 3
        with Peer(server.connect()) as other:
            other.send(wire.associate_rq(called=b"NOBODY", calling=b"OTHER"))
            assert other.read_pdu()[0] == 3

        assert server.acceptor.counters.associations_rejected["1/1/7"] == 21
        assert [note["calling_ae_title"] for note in server.intake.noted("dicom.rejection")] == [
            "DEMO_CT",
            "OTHER",
        ]


def test_the_doorbook_remembers_a_bounded_number():
    doorbook = Doorbook()
    assert all(doorbook.is_news(str(number)) for number in range(5000))
    assert not doorbook.is_news("4999")
    assert len(doorbook._noted) <= 1024
