"""What is said of a recording after it was looked into: what it holds, what could be measured, or what is wrong."""

from pathlib import Path

import pytest
from sqlalchemy import select

from gateway.ecg.rows import DESCRIBE, EcgDescription
from gateway.runtime import Runtime
from gateway.sweep import sweep_once
from gateway.tasks import TASKS
from tests.ecg_synthetic import Heart, write_ishne
from tests.gateway.ecg.test_files_in_the_index import recorded, send
from tests.gateway.sending import Wire, open_wire


@pytest.fixture
def wire(runtime: Runtime) -> Wire:
    return open_wire(runtime)


def looked_into(wire: Wire, body: bytes) -> EcgDescription:
    send(wire, recorded(), body, filename="1.ecg")
    wire.index()
    sweep_once(wire.runtime, {DESCRIBE: TASKS[DESCRIBE]})
    with wire.session() as session:
        return session.scalars(select(EcgDescription)).one()


def test_a_recording_gets_its_description_and_a_computed_proposal(wire: Wire, tmp_path: Path) -> None:
    body = write_ishne(tmp_path / "1.ecg", Heart(heart_rate_bpm=80), duration_s=20).read_bytes()

    row = looked_into(wire, body)

    assert row.problem == ""
    assert row.description is not None and row.description["sampling_rate_hz"] == 200
    assert row.proposal is not None
    assert row.proposal["measurements"]["heart_rate_bpm"] == 80
    assert row.proposal["source"].startswith("computed: ")


def test_nothing_is_proposed_of_what_shows_no_heart(wire: Wire, tmp_path: Path) -> None:
    flat = Heart(p_uv=0, qrs_uv=0, t_uv=0, noise_uv=10)

    row = looked_into(wire, write_ishne(tmp_path / "1.ecg", flat, duration_s=20).read_bytes())

    assert (row.problem, row.proposal) == ("", None)
    assert row.description is not None


def test_what_cannot_be_read_says_why(wire: Wire) -> None:
    row = looked_into(wire, b"no ECG at all")

    assert row.problem
    assert (row.description, row.proposal) == (None, None)
