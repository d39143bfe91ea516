"""Sending as an analyser does: delivered, or said why not."""

import pytest

from adapters.errors import Malformed, PeerRejected, PeerUnreachable
from adapters.lab.sending import send
from tests.adapters.lab.astm_server import QUICK, Memory, Served
from tests.servers import free_ports

MESSAGE = b"H|\\^&|||BS-240\rP|1\rO|1|B001\rR|1|^^^GLU|5.1|mmol/L\rL|1|N\r"


def test_messages_arrive_whole_one_after_the_other() -> None:
    memory = Memory()
    other = MESSAGE.replace(b"B001", b"B002")
    with Served(memory) as served:
        assert len(list(send([MESSAGE, other], "127.0.0.1", served.port, settings=QUICK))) == 2

    assert [one.body for one in memory.kept] == [MESSAGE, other]


def test_a_refusal_is_the_peer_s_word() -> None:
    memory = Memory(refused="unknown_sender")
    with Served(memory) as served, pytest.raises(PeerRejected):
        list(send([MESSAGE], "127.0.0.1", served.port, settings=QUICK))

    assert memory.kept == []


def test_nobody_there_is_unreachable() -> None:
    (port,) = free_ports(1)
    with pytest.raises(PeerUnreachable):
        list(send([MESSAGE], "127.0.0.1", port, settings=QUICK))


def test_a_message_without_a_record_is_not_sent() -> None:
    memory = Memory()
    with Served(memory) as served, pytest.raises(Malformed):
        list(send([b""], "127.0.0.1", served.port, settings=QUICK))
