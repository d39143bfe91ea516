"""What waits at the laboratory over HTTP: who sees what of it, decisions, and filing again from the original."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from gateway.intake import Drain
from gateway.journal import Journal
from gateway.lab.bodies import HL7
from gateway.lab.rows import LabMessage, MessageState
from gateway.runtime import Runtime
from tests.builders import County
from tests.gateway.web.work.conftest import Client
from tests.laboratory import NOW, Laboratory, build_laboratory, register
from worklists.directory import Device
from worklists.laboratory.profiles import AnalyserProfile
from worklists.laboratory.results import LabResult
from worklists.laboratory.specimens import LabSpecimen

HELD = "/api/v1/lab/held"


@pytest.fixture
def lab(runtime: Runtime, county: County) -> Laboratory:
    with runtime.sessions.begin() as session:
        return build_laboratory(session, county)


def oru(barcode: str, *results: tuple[str, str, str], name: str = "仇^明", patient_id: str = "P001") -> bytes:
    lines = [
        "MSH|^~\\&|COUNTER|EAST|||20261121063000||ORU^R01|1|P|2.3.1||||||UTF-8",
        f"PID|1||{patient_id}^^^^MR||{name}||19790304|M",
        f"OBR|1||{barcode}|CBC|||20261121062900",
        *(f"OBX|{n}|NM|{code}||{value}|{unit}|||||F" for n, (code, value, unit) in enumerate(results, 1)),
    ]
    return "".join(f"{line}\r" for line in lines).encode()


def send(runtime: Runtime, device: Device, *bodies: bytes) -> None:
    """As the listener keeps it, and the drain files it."""

    async def keep() -> None:
        journal = Journal.create(runtime.journal_dir, node="local", limit_bytes=1 << 40, floor_bytes=0)
        for body in bodies:
            origin = {
                "institution_id": str(device.institution_id),
                "device_id": str(device.id),
                "received_at": NOW.isoformat(),
            }
            entry = journal.open(HL7, origin)
            entry.write(body)
            await entry.commit()
        await journal.close()

    asyncio.run(keep())
    drain = Drain(runtime)
    while drain.index_new():
        pass


def waiting(person: Any, **asked: str) -> list[dict[str, Any]]:
    answer = person.get(HELD, params=asked)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def values(runtime: Runtime) -> dict[str, str]:
    with runtime.reading() as session:
        return {one.item_code: one.value for one in session.scalars(select(LabResult)) if one.current}


def test_the_bench_and_its_laboratory_see_whose_it_is_and_it_only_why(
    runtime: Runtime, county: County, lab: Laboratory, client: Client
) -> None:
    with runtime.sessions.begin() as session:
        register(session, county, "B001")
    send(runtime, lab.bench, oru("B001", ("WBC", "5.1", "10^9/L"), ("XYZ", "7", "")))

    for person in ("radiographer", "lab"):
        [line] = waiting(client(person))
        assert (line["reason"], line["barcode"], line["detail"]["value"]) == ("unknown_test", "B001", "7")
        assert line["actions"] == ["retry", "set_aside"]
    [line] = waiting(client("it"))
    assert (line["reason"], line["barcode"], line["detail"], line["actions"]) == (
        "unknown_test", "", {"test": "XYZ", "unit": ""}, [],
    )  # fmt: skip
    assert waiting(client("west_radiographer")) == []
    assert client("wang").get(HELD).json()["items"] == []  # reads images, no laboratory
    assert client("village_doctor").get(HELD).status_code == 403

    detail = client("it").get(f"{HELD}/{line['id']}").json()
    assert "仇" not in str(detail)
    assert client("west_radiographer").get(f"{HELD}/{line['id']}").status_code == 404
    detail = client("lab").get(f"{HELD}/{line['id']}").json()
    assert detail["specimens"][0]["patient"]["name"] == "仇明"
    assert [one["held"] for one in detail["specimens"][0]["results"]] == [None, "unknown_test"]


def test_after_the_profile_was_mended_the_same_message_is_filed_again(
    runtime: Runtime, county: County, lab: Laboratory, client: Client, audited: Callable[..., list[str]]
) -> None:
    with runtime.sessions.begin() as session:
        register(session, county, "B001")
    send(runtime, lab.bench, oru("B001", ("WBC", "5.1", "10^9/L"), ("HB", "142", "g/L")))
    assert values(runtime) == {"WBC": "5.10"}

    with runtime.sessions.begin() as session:
        profile = session.get_one(AnalyserProfile, "test")
        profile.content = {**profile.content, "tests": {**profile.content["tests"], "HB": {"item": "HGB"}}}
    answer = client("lab").post(f"{HELD}/reprocess", json={"filter": {"profile_code": "test"}})
    assert answer.json() == {"messages": 1, "unreadable": 0, "filed": 2, "held": 0}
    assert values(runtime) == {"WBC": "5.10", "HGB": "142"}
    # Again: nothing waits, nothing happens twice.
    assert client("lab").post(f"{HELD}/reprocess", json={}).json()["messages"] == 0
    assert waiting(client("lab")) == []
    assert "lab_reprocessed" in audited()


def test_an_unknown_barcode_is_attached_or_registered_never_to_another_patient(
    runtime: Runtime, county: County, lab: Laboratory, client: Client
) -> None:
    with runtime.sessions.begin() as session:
        right = register(session, county, "B001").id
        wrong = register(session, county, "B002", patient_id="P777", name="严^丽", sex="F").id
    send(runtime, lab.bench, oru("B0O1", ("WBC", "5.1", "10^9/L")))
    [line] = waiting(client("radiographer"))
    path = f"{HELD}/{line['id']}"
    candidates = client("radiographer").get(path).json()["candidates"]
    assert [(one["barcode"], one["fits"]) for one in candidates] == [("B001", True), ("B002", False)]

    refused = client("radiographer").post(
        f"{path}/resolve", json={"action": "attach", "specimen_id": str(wrong)}
    )
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "specimen_id")
    done = client("radiographer").post(
        f"{path}/resolve", json={"action": "attach", "specimen_id": str(right)}
    )
    assert done.json() == {"messages": 1, "unreadable": 0, "filed": 1, "held": 0}
    assert values(runtime) == {"WBC": "5.10"}
    again = client("radiographer").post(
        f"{path}/resolve", json={"action": "attach", "specimen_id": str(right)}
    )
    assert (again.status_code, again.json()["code"]) == (409, "already_resolved")


def test_a_specimen_nobody_ordered_is_registered_with_the_confirmed_patient(
    runtime: Runtime, county: County, lab: Laboratory, client: Client
) -> None:
    send(runtime, lab.bench, oru("N001", ("WBC", "5.1", "10^9/L"), patient_id="P009", name="钱^多"))
    [line] = waiting(client("radiographer"))
    path = f"{HELD}/{line['id']}/resolve"
    another = {"name": "严丽", "patient_id": "P777"}
    refused = client("radiographer").post(path, json={"action": "register", "patient": another})
    assert refused.json()["errors"][0]["field"] == "patient"
    done = client("radiographer").post(path, json={"action": "register"})
    assert done.json()["filed"] == 1
    with runtime.reading() as session:
        [specimen] = session.scalars(select(LabSpecimen))
        assert (specimen.barcode, specimen.patient.patient_id, specimen.source.value) == (
            "N001", "P009", "analyser",
        )  # fmt: skip


def test_what_was_set_aside_stays_so_when_its_message_is_filed_again(
    runtime: Runtime, county: County, lab: Laboratory, client: Client
) -> None:
    with runtime.sessions.begin() as session:
        register(session, county, "B001")
    send(runtime, lab.bench, oru("B001", ("WBC", "5.1", "10^9/L"), ("XYZ", "7", ""), ("QQQ", "8", "")))
    first = next(one for one in waiting(client("lab")) if one["detail"]["test"] == "XYZ")
    path = f"{HELD}/{first['id']}/resolve"
    assert client("lab").post(path, json={"action": "set_aside"}).status_code == 422
    assert client("lab").post(path, json={"action": "set_aside", "reason": "内部参数"}).status_code == 200
    assert client("it").post(path, json={"action": "retry"}).status_code == 409

    client("lab").post(f"{HELD}/reprocess", json={"filter": {"reason": "unknown_test"}})
    assert [one["detail"]["test"] for one in waiting(client("lab"))] == ["QQQ"]
    with runtime.reading() as session:
        [message] = session.scalars(select(LabMessage))
        assert message.state is MessageState.HELD
