"""An ASTM listener that is served, what it keeps, and an analyser on its line."""

from collections.abc import Iterator

import pytest

from tests.adapters.lab.astm_server import Memory, Served
from tests.instruments import Instrument


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
