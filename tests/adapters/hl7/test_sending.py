"""Sending over MLLP: acknowledged, or said why not."""

import pytest

from adapters.errors import PeerRejected, PeerUnreachable
from adapters.hl7.sending import send
from tests.adapters.hl7.memory import Server
from tests.adapters.hl7.messages import msa, oru
from tests.servers import free_ports


def test_messages_are_acknowledged_one_after_the_other(server: Server) -> None:
    messages = [oru(control_id="1"), oru(control_id="2")]

    answers = list(send(messages, "127.0.0.1", server.port))

    assert [list(msa(one))[:2] for one in answers] == [["AA", "1"], ["AA", "2"]]
    assert server.bodies == messages


def test_a_refusal_is_raised_with_the_peer_s_words(server: Server) -> None:
    with pytest.raises(PeerRejected, match=r"A[ER]"):
        list(send([oru(control_id="1").replace(b"ORU^R01", b"NOT^Z99")], "127.0.0.1", server.port))

    assert server.bodies == []


def test_nobody_there_is_unreachable() -> None:
    (port,) = free_ports(1)
    with pytest.raises(PeerUnreachable):
        list(send([oru()], "127.0.0.1", port))
