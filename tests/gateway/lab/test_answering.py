"""What an analyser is told when it asks: open tests in its own codes, of specimens it may have in hand."""

import asyncio
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from adapters.errors import Unavailable
from adapters.lab.ports import Admitted
from adapters.lab.said import Message, MessageKind, Query, Specimen, Wire
from gateway.lab.answering import LabDesk, find_work
from gateway.runtime import Runtime
from tests.builders import County, build_county
from tests.gateway.lab.saying import file, message, result, specimen
from tests.laboratory import NOW, Laboratory, build_laboratory, register
from worklists.base import new_id
from worklists.examinations import Priority
from worklists.laboratory.profiles import AnalyserProfile
from worklists.laboratory.results import LabResult, RerunRequest
from worklists.laboratory.specimens import LabSpecimen, SpecimenState

Bench = tuple[County, Laboratory]


@pytest.fixture
def bench(runtime: Runtime) -> Bench:
    with runtime.sessions.begin() as session:
        county = build_county(session)
        laboratory = build_laboratory(session, county)
        register(session, county, "B001").priority = Priority.URGENT
        profile = session.get_one(AnalyserProfile, "test")
        tests = {
            "WBC-01": {"item": "WBC"},
            "WBC-ALT": {"item": "WBC"},
            "HGB": {"item": "HGB"},
            "K": {"item": "K"},
        }
        profile.content = {**profile.content, "tests": tests}
    return county, laboratory


def ask(
    runtime: Runtime, device_id: uuid.UUID, *barcodes: str, everything: bool = False
) -> tuple[Specimen, ...]:
    with runtime.reading() as session:
        query = Query(barcodes=barcodes, everything=everything)
        return find_work(session, device_id, query, now=NOW + timedelta(hours=1))


def codes_in(found: tuple[Specimen, ...]) -> list[str]:
    [one] = found
    assert one.order is not None
    return [test.code for test in one.order.tests]


def test_open_tests_come_in_the_analyser_s_codes_with_patient_and_priority(
    runtime: Runtime, bench: Bench
) -> None:
    found = ask(runtime, bench[1].bench.id, " B001 ", "nothing")

    assert codes_in(found) == ["WBC-01", "HGB"]  # PLT is no test of this analyser
    [one] = found
    assert one.patient is not None and one.order is not None
    assert (one.barcode, one.patient.name, one.patient.sex, one.order.priority) == (
        "B001",
        "QIU^MING=仇^明",
        "M",
        "S",
    )


def test_what_has_a_result_is_asked_for_again_only_on_request(runtime: Runtime, bench: Bench) -> None:
    device = bench[1].bench
    file(runtime, device, message(specimen("B001", result("HGB", "142", "g/L"))))
    assert codes_in(ask(runtime, device.id, "B001")) == ["WBC-01"]

    with runtime.sessions.begin() as session:
        examination_id = session.scalars(select(LabResult.examination_id)).one()
        session.add(
            RerunRequest(
                id=new_id(), examination_id=examination_id, item_code="HGB", reason="复查", asked_at=NOW,
                asked_by_id=bench[1].reader.id,
            )
        )  # fmt: skip
    assert codes_in(ask(runtime, device.id, "B001")) == ["WBC-01", "HGB"]


def test_a_bench_is_told_of_its_own_specimens_and_the_county_of_its_members(
    runtime: Runtime, bench: Bench
) -> None:
    county, laboratory = bench
    with runtime.sessions.begin() as session:
        west = register(session, county, "B002", patient_id="P002")
        west.institution_id = county.west.id
    assert ask(runtime, laboratory.bench.id, "B002") == ()
    assert codes_in(ask(runtime, laboratory.county_bench.id, "B001")) == ["WBC-01", "HGB"]


@pytest.mark.parametrize("state", [SpecimenState.IN_TRANSIT, SpecimenState.REJECTED, SpecimenState.CANCELLED])
def test_what_is_not_there_to_be_tested_is_no_work(
    runtime: Runtime, bench: Bench, state: SpecimenState
) -> None:
    with runtime.sessions.begin() as session:
        session.scalars(select(LabSpecimen)).one().state = state
    assert ask(runtime, bench[1].bench.id, "B001") == ()
    assert ask(runtime, bench[1].bench.id, everything=True) == ()


def test_all_that_waits_is_told_of_at_once(runtime: Runtime, bench: Bench) -> None:
    with runtime.sessions.begin() as session:
        register(session, bench[0], "B003", items=("K",))
        register(session, bench[0], "B004", items=("GLU",))
        register(session, bench[0], "B005").registered_at = NOW - timedelta(days=10)
    found = ask(runtime, bench[1].bench.id, everything=True)
    assert [one.barcode for one in found] == ["B001", "B003"]


def test_while_the_database_is_away_the_analyser_shall_ask_later(runtime: Runtime, tmp_path: Path) -> None:
    settings = runtime.settings.model_copy(
        update={"database_url": f"sqlite:///{tmp_path}/none/gateway.sqlite3"}
    )
    settings.__dict__.pop("database", None)
    desk = LabDesk(settings)
    said = Message(wire=Wire.HL7, kind=MessageKind.QUERY)
    try:
        with pytest.raises(Unavailable):
            asyncio.run(
                desk.answer(Admitted(origin={"device_id": str(new_id())}), said, Query(barcodes=("B001",)))
            )
        assert (
            asyncio.run(desk.answer(Admitted(origin={"device_id": None}), said, Query(barcodes=("B001",))))
            == ()
        )
    finally:
        desk.close()
