"""Big loads, bounded: no process may have more memory than it is promised. The full sizes: `make bench-big`."""

from collections.abc import Iterator

import pytest

from tests.bench.big import BOUNDS_MB, Outcome, take_instance, take_studies, take_study, with_county
from tests.journeys.gateways import Gateway

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-big"), pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Nothing stays in the journal once it is filed, so that what is read comes out of the store."""
    with Gateway(tmp_path_factory.mktemp("big") / "data", cache_bytes=0) as gateway:
        yield with_county(gateway, ("ingest", "web"))


def test_an_encapsulated_image_of_hundreds_of_megabytes_is_filed_as_it_was_sent(gateway: Gateway) -> None:
    assert_bounded(take_instance(gateway, 300 << 20))


def test_a_study_of_2000_instances_is_counted_and_read(gateway: Gateway) -> None:
    assert_bounded(take_study(gateway, 2000, 2))


def test_500_studies_from_six_devices_at_once_are_on_the_worklist(gateway: Gateway) -> None:
    assert_bounded(take_studies(gateway, 500))


def assert_bounded(outcome: Outcome) -> None:
    print({what: f"{seconds:.2f} s" for what, seconds in outcome.seconds.items()})
    print({role: f"{taken.peak_mb:.0f} MB" for role, taken in outcome.taken.items()})
    assert {"listener", "drain", "web"} <= set(outcome.taken)
    for role, taken in outcome.taken.items():
        assert taken.peak_mb <= BOUNDS_MB.get(role, taken.peak_mb), role
