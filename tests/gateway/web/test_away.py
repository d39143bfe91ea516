"""The state of the whole while parts of it are away: it is shown all the same, with since when."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError

from gateway.database import open_engine
from gateway.objects import open_object_store
from gateway.probes import Probes
from gateway.pulse import Pulse, warn_without_drain
from gateway.runtime import Runtime
from gateway.system import Overseer
from gateway.web.app import create_app
from tests.conftest import Clock
from tests.gateway.web.conftest import Client, County
from tests.servers import Postgres, Redis, running
from worklists.base import Base
from worklists.directory import Device, Institution

PATH = "/api/v1/system"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running(Postgres) as server:
        yield server


@pytest.fixture
def database_url(server: Postgres) -> Iterator[str]:
    """On a server of our own, which may be stopped."""
    url = server.url()
    engine = open_engine(url)
    Base.metadata.create_all(engine)
    engine.dispose()
    yield url
    server.stop()
    server.start()


def codes(system: dict[str, object]) -> dict[str, dict[str, str]]:
    faults: list[dict[str, str]] = system["faults"]  # type: ignore[assignment]
    return {fault["code"]: fault for fault in faults}


def test_the_state_is_shown_while_the_database_is_away(
    client: Client, runtime: Runtime, server: Postgres, clock: Clock
):
    it = client("it")
    folder = runtime.settings.data_dir / "run"
    pulse = Pulse(folder, now=runtime.now)
    pulse.indexed.add(7)
    pulse.beat()
    assert it.get(PATH).json()["database"]["up"] is True
    server.stop()
    pulse.is_away("database", OperationalError("", None, Exception()))
    noticed_at = clock()
    clock.advance(minutes=3)
    pulse.beat()

    answer = it.get(PATH)

    assert answer.status_code == 200, answer.text
    system = answer.json()
    fault = codes(system)["database_away"]
    assert (fault["severity"], fault["since"][:19]) == ("red", noticed_at.isoformat()[:19])
    assert system["database"]["up"] is False
    assert system["store"]["up"] is True
    assert system["drain"]["alive"] is True
    assert (system["drain"]["indexed_per_minute"], system["drain"]["last_error"]) == (7, "OperationalError")
    assert system["journal"]["quarantined"] is None
    assert system["journal"]["limit_bytes"] > 0
    assert it.get(f"{PATH}/townships").status_code == 503


def test_only_it_people_who_were_known_look_on_without_a_database(client: Client, server: Postgres):
    known, unknown, reader, gone = client("it"), client("it"), client("reader"), client("it")
    assert (known.get(PATH).status_code, reader.get(PATH).status_code) == (200, 403)
    assert gone.get(PATH).status_code == 200
    assert gone.delete("/api/v1/session").status_code == 204
    server.stop()

    assert known.get(PATH).status_code == 200
    for somebody in (unknown, reader, gone):
        assert somebody.get(PATH).status_code == 503
    assert TestClient(known.app).get(PATH).status_code == 401


def test_whom_nobody_checked_for_long_is_not_known_any_more(client: Client, server: Postgres, clock: Clock):
    it = client("it")
    assert it.get(PATH).status_code == 200
    server.stop()
    clock.advance(hours=9)

    assert it.get(PATH).status_code == 503


def test_the_database_that_came_back_is_no_fault(client: Client, server: Postgres, clock: Clock):
    it = client("it")
    assert it.get(PATH).status_code == 200
    server.stop()
    assert "database_away" in codes(it.get(PATH).json())
    server.start()

    def is_back() -> bool:
        found: bool = it.get(PATH).json()["database"]["up"]
        return found

    assert any(is_back() for _ in range(200))
    assert it.get(PATH).json()["faults"] == []


def look(runtime: Runtime, **settings: object) -> dict[str, object]:
    changed = replace(runtime, settings=runtime.settings.model_copy(update=settings))
    system = Overseer(changed, Probes(changed)).look()
    return {fault.code: fault for fault in system.faults}


def test_a_store_that_is_away_is_a_fault_since_it_was_first_missed(
    runtime: Runtime, county: County, tmp_path: Path, clock: Clock
):
    (tmp_path / "in-the-way").write_text("a file")
    away = replace(runtime, objects=open_object_store(str(tmp_path / "in-the-way" / "objects")))
    overseer = Overseer(away, Probes(away))
    first = clock()
    overseer.look()
    clock.advance(minutes=5)

    (fault,) = overseer.look().faults

    assert (fault.code, fault.severity, fault.since) == ("store_away", "red", first)


def test_a_broker_is_asked_where_there_is_one(runtime: Runtime, county: County):
    with running(Redis) as broker:
        assert look(runtime, broker_url=broker.url) == {}
        url = broker.url
    fault = look(runtime, broker_url=url)["broker_away"]

    assert fault.severity == "red"  # type: ignore[attr-defined]


def test_a_disk_that_runs_short_is_told(runtime: Runtime, county: County):
    assert look(runtime) == {}
    fault = look(runtime, disk_low_bytes=1 << 60)["disk_short"]

    assert fault.severity == "amber"  # type: ignore[attr-defined]


def test_a_drain_that_ended_is_missed(runtime: Runtime, county: County, clock: Clock):
    Pulse(runtime.settings.data_dir / "run", now=clock).beat()
    beaten_at = clock()
    assert look(runtime) == {}
    clock.advance(seconds=6)

    fault = look(runtime)["drain_silent"]

    assert (fault.severity, fault.since) == ("red", beaten_at)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("heard_before", "enabled", "silent"),
    [
        (timedelta(days=6), True, True),
        (timedelta(hours=1), True, False),
        (None, True, False),  # not there yet
        (timedelta(days=6), False, False),
    ],
)
def test_a_township_of_which_nothing_was_heard_in_working_hours_is_told(
    runtime: Runtime, county: County, heard_before: timedelta | None, enabled: bool, silent: bool
):
    with runtime.sessions.begin() as session:
        device = session.get_one(Device, county.device)
        device.last_heard_at = runtime.now() - heard_before if heard_before else None
        device.enabled = enabled
        name = session.get_one(Institution, county.township).name

    found = look(runtime)

    assert set(found) == ({"townships_silent"} if silent else set())
    if silent:
        assert found["townships_silent"].where == name  # type: ignore[attr-defined]


def test_metrics_say_what_they_can_without_a_database(runtime: Runtime, county: County, server: Postgres):
    client = TestClient(create_app(runtime), client=("127.0.0.1", 1))
    assert "gateway_journal_not_filed_records 0.0" in client.get("/metrics").text
    server.stop()

    text = client.get("/metrics").text

    assert 'gateway_up{part="database"} 0.0' in text
    assert "gateway_disk_free_bytes" in text
    assert "gateway_journal_not_filed_records" not in text


def test_what_is_appended_where_no_drain_ever_was_is_told(runtime: Runtime, county: County, clock: Clock):
    runtime.journal.append("report.pdf", {"received_at": clock().isoformat()}, [b"a signed document"])
    appended_at = clock()
    assert look(runtime) == {}
    clock.advance(seconds=31)

    fault = look(runtime)["drain_silent"]

    assert (fault.severity, fault.since) == ("red", appended_at)  # type: ignore[attr-defined]


def test_a_process_without_a_drain_beside_it_is_warned(runtime: Runtime, clock: Clock):
    folder = runtime.settings.data_dir / "run"
    assert warn_without_drain(folder, now=clock())
    Pulse(folder, now=clock).beat()

    assert not warn_without_drain(folder, now=clock())
    clock.advance(seconds=6)
    assert warn_without_drain(folder, now=clock())
