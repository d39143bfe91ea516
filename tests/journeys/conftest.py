"""What journeys share: gateways that run as their users run them, and real senders."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.journeys.gateways import Gateway, dcmtk


@pytest.fixture(scope="session", autouse=True)
def _dcmtk_is_there() -> None:
    try:
        dcmtk("storescu")
    except FileNotFoundError:
        pytest.skip("storescu is not installed; it comes with Debian's package dcmtk")


@pytest.fixture
def new_gateway(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Makes a gateway of its own for a test, not yet started; ended with the test."""
    with ExitStack() as stack:

        def make(*commands: str, **settings: object) -> Gateway:
            gateway = Gateway(tmp_path / "gateway-data", commands or ("demo --no-samples",), **settings)
            return stack.enter_context(gateway)

        yield make


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The demonstration county without studies; shared by the tests of a module."""
    with Gateway(tmp_path_factory.mktemp("journey") / "gateway-data") as running:
        yield running.start()
