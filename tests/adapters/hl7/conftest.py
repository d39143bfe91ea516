from collections.abc import Iterator

import pytest

from tests.adapters.hl7.memory import Peer, Server


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def peer(server: Server) -> Iterator[Peer]:
    with Peer(server.port) as connected:
        yield connected
