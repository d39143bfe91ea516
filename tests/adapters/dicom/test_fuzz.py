"""Broken peers by the hundred, from fixed seeds: none harms the acceptor, and the next good study goes through."""

import random
import time
from contextlib import suppress

import pytest

from tests.adapters.dicom import wire
from tests.adapters.dicom.memory import Server
from tests.adapters.dicom.wire import Peer, p_data, pdu


def conversation() -> list[bytes]:
    data_set = wire.ct_data_set(pixels=3000)
    return [
        wire.associate_rq(),
        p_data(1, 3, wire.echo_rq()),
        p_data(3, 3, wire.store_rq()),
        p_data(3, 0, data_set[:1500]),
        p_data(3, 2, data_set[1500:]),
        pdu(5, bytes(4)),
    ]


def damaged(chance: random.Random) -> bytes:
    parts = conversation()
    for _ in range(chance.randint(0, 2)):
        at = chance.randrange(len(parts))
        parts.insert(at, parts.pop(chance.randrange(len(parts))))
    stream = bytearray(b"".join(parts))
    for _ in range(chance.randint(0, 6)):
        at = chance.randrange(len(stream))
        match chance.randrange(3):
            case 0:
                stream[at] = chance.randrange(256)
            case 1:
                del stream[at : at + chance.randint(1, 30)]
            case 2:
                stream[at:at] = chance.randbytes(chance.randint(1, 30))
    return bytes(stream)


@pytest.mark.parametrize("on_uvloop", [True, False], ids=["uvloop", "asyncio"])
def test_damaged_conversations_do_no_harm(on_uvloop):
    with Server(on_uvloop=on_uvloop, artim_s=0.3, idle_timeout_s=0.3) as server:
        chance = random.Random(20260301)
        for _ in range(300):
            connection = server.connect()
            with suppress(OSError):  # it may be cut while we still send
                connection.sendall(damaged(chance))
            connection.close()
        deadline = time.monotonic() + 5
        while server.acceptor._connections:
            assert time.monotonic() < deadline, server.acceptor._connections
            time.sleep(0.01)
        assert server.acceptor.counters.associations_open == 0
        for record in server.intake.records:
            assert record.data_set  # whatever was kept was answered for, whole
        with Peer(server.connect()) as good:
            good.associate()
            assert good.store(wire.ct_data_set()).status == 0
            good.release()
