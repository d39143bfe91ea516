"""A report on its way to a hospital's system, a PACS, a FHIR server and a webhook: signed, corrected, made void.

The whole gateway is killed while two of them have it and have not said so. Each has one report in the end, in its
versions, and none of them twice.
"""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import Dataset, dcmread
from sqlalchemy import update

from gateway.database import open_engine
from gateway.deliveries.queueing import DELIVER
from gateway.work import Work
from tests.conformance.peers import running_orthanc
from tests.gateway.deliveries.fhir_server import FhirPeer, running_fhir_server
from tests.gateway.deliveries.peers import HospitalSystem, accept
from tests.gateway.deliveries.test_other_wires import SECRET, Receiver
from tests.journeys.gateways import Gateway, get_json, wait_for
from tests.journeys.test_loops import report, send

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-deliveries"), pytest.mark.timeout(1800)]

IMPRESSION, CORRECTED = "左肺下叶结节，建议复查。", "右肺下叶结节，建议复查。"


@pytest.fixture(scope="module")
def his() -> Iterator[HospitalSystem]:
    with HospitalSystem().listening() as system:
        yield system


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with running_orthanc(tmp_path_factory.mktemp("pacs"), "PACS") as client:
        yield client


@pytest.fixture(scope="module")
def fhir() -> Iterator[FhirPeer]:
    with running_fhir_server() as peer:
        yield peer


@pytest.fixture(scope="module")
def hook() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def enter(gateway: Gateway, his: HospitalSystem, pacs: httpx.Client, fhir: FhirPeer, hook: Receiver) -> None:
    """Every system of the township, as an administrator does."""
    admin = gateway.sign_in("admin")
    sites = get_json(admin, "/api/v1/institutions", limit=100)["items"]
    township = next(one["id"] for one in sites if one["code"] == "MH-T01")
    dicom = {"host": "127.0.0.1", "port": pacs.get("/system").json()["DicomPort"], "called_ae_title": "PACS"}
    mllp = {"host": "127.0.0.1", "port": his.port, "within_s": 20}
    systems: list[tuple[str, dict[str, Any], str | None]] = [
        ("hl7_oru", mllp, None), ("dicom_pdf", dicom, None), ("dicom_sr", dicom, None),
        ("fhir", {"url": fhir.url, "within_s": 20}, None),
        ("webhook", {"url": f"http://127.0.0.1:{hook.server_port}/", "allow_plain": True, "content": "report"}, SECRET),
    ]  # fmt: skip
    for wire, settings, secret in systems:
        body = {
            "institution_id": township,
            "name": wire,
            "wire": wire,
            "settings": settings,
            "secret": secret,
        }
        answer = admin.post("/api/v1/endpoints", json=body)
        assert answer.status_code == 201, answer.text


def states(gateway: Gateway, number: str | None = None) -> dict[tuple[str, int, str], str]:
    items = get_json(gateway.sign_in("it"), "/api/v1/deliveries", limit=100)["items"]
    return {(one["endpoint"]["wire"], one["version"], one["event"]): one["state"] for one in items}


def settle(gateway: Gateway, count: int) -> dict[tuple[str, int, str], str]:
    """Wait until so many deliveries are on record and none of them waits."""

    def settled() -> dict[tuple[str, int, str], str] | None:
        found = states(gateway)
        return found if len(found) == count and "pending" not in found.values() else None

    return wait_for(settled, 120, f"{count} deliveries are settled", gateway.log)


def take_leases_back(gateway: Gateway) -> None:
    """Of who was killed: the lease would run for two minutes."""
    engine = open_engine(gateway.settings.database)
    with engine.begin() as connection:
        connection.execute(
            update(Work).where(Work.task == DELIVER).values(leased_until=None, due_at=datetime.now(UTC))
        )
    engine.dispose()


def kept(pacs: httpx.Client) -> list[Dataset]:
    files = [pacs.get(f"/instances/{one}/file").content for one in pacs.get("/instances").json()]
    return [dcmread(BytesIO(file)) for file in files]


def test_each_system_has_one_report_signed_corrected_and_made_void_through_a_kill(
    gateway: Gateway, his: HospitalSystem, pacs: httpx.Client, fhir: FhirPeer, hook: Receiver, tmp_path: Path
) -> None:
    enter(gateway, his, pacs, fhir, hook)
    item = send(gateway, tmp_path / "film", "DEMO_DR", patient_id="LX20261199", name="Qiu^Dehai=仇^德海")

    # Signed; two have it and say nothing yet when everything of the gateway is killed.
    fhir.tell({"after": True, "delay_ms": 8000})
    his.answer = lambda message: [8.0, message.create_ack("AA")]
    report_id = report(gateway, item, "左肺下叶见结节影。", IMPRESSION)
    wait_for(lambda: his.received and fhir.all("DiagnosticReport"), 60, "both have it", gateway.log)
    assert states(gateway)["fhir", 1, "report"] == states(gateway)["hl7_oru", 1, "report"] == "pending"
    gateway.kill()
    his.answer = accept
    take_leases_back(gateway)
    gateway.start()
    signed = settle(gateway, 5)
    assert set(signed.values()) == {"sent"}
    assert fhir.one("DiagnosticReport")["conclusion"] == IMPRESSION
    assert len(his.reports) == 1 < len(his.received)

    # Corrected: another version of the same.
    reader, reviewer = gateway.sign_in("reader"), gateway.sign_in("reviewer")
    begun = reader.post(
        f"/api/v1/reports/{report_id}/amend", json={"kind": "correction", "reason": "侧别写错"}
    )
    assert begun.status_code in {200, 201}, begun.text
    again = {**item, "task_id": begun.json()["task_id"]}
    second = rewrite(gateway, again)
    corrected = settle(gateway, 10)
    assert {state for (_, version, _), state in corrected.items() if version == 2} == {"sent"}
    there = fhir.one("DiagnosticReport")
    assert (there["status"], there["conclusion"]) == ("corrected", CORRECTED)
    assert len({str(one.segment("OBR")[3]) for one in his.reports.values()}) == 1
    assert [str(one["OBR.F25"]) for one in his.reports.values()] == ["F", "C"]

    # Made void: every wire that can say so does; a PDF in a PACS cannot be taken back, which a person reads.
    voided = reviewer.post(f"/api/v1/reports/{second}/void", json={"reason": "患者错误", "after": "nothing"})
    assert voided.status_code in {200, 201, 204}, voided.text
    ended = settle(gateway, 15)
    assert {wire: state for (wire, _, event), state in ended.items() if event == "void"} == {
        "hl7_oru": "sent", "dicom_pdf": "refused", "dicom_sr": "sent", "fhir": "sent", "webhook": "sent",
    }  # fmt: skip

    assert fhir.one("DiagnosticReport")["status"] == "entered-in-error"
    assert {one["status"] for one in fhir.all("Observation")} == {"entered-in-error"}
    assert [str(one["OBR.F25"]) for one in his.reports.values()] == ["F", "C", "X"]
    objects = kept(pacs)
    assert sorted(one.Modality for one in objects) == ["DOC", "DOC", "SR", "SR", "SR"]
    assert len({one.StudyInstanceUID for one in objects}) == 1
    posted = {headers["webhook-id"]: json.loads(body) for headers, body in hook.posted}
    assert [one["type"] for one in posted.values()] == ["report.signed", "report.signed", "report.voided"]


def rewrite(gateway: Gateway, item: dict[str, Any]) -> str:
    """The corrected words, signed by the other; the report."""
    task = f"/api/v1/tasks/{item['task_id']}"
    reader, reviewer = gateway.sign_in("reader"), gateway.sign_in("reviewer")
    words = {
        "findings": "右肺下叶见结节影。",
        "impression": CORRECTED,
        "critical": False,
        "preliminary": False,
    }
    for client, path, body in ((reader, "report", words), (reader, "submit", None), (reviewer, "sign", None)):
        method = "PUT" if body else "POST"
        answer = client.request(method, f"{task}/{path}", json=body)
        assert answer.is_success, (path, answer.text)
    return str(answer.json()["report_id"])
