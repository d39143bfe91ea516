"""Each kind of report from its originals to /fhir, by HTTP alone: read, searched, with its document and its provenance."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydicom.data import get_testdata_file
from sqlalchemy.orm import Session

from adapters.reports.signing.verification import verify_pdf
from gateway.indexing import SETTLE
from gateway.intake import Drain
from gateway.runtime import Runtime
from gateway.signing import authority_certificate
from gateway.sweep import sweep_one
from gateway.tasks import RENDER, TASKS
from tests.adapters.reports.pdftools import squeezed, text_of
from tests.builders import County, add_role, waiting_task
from tests.conftest import Clock
from tests.fonts import fonts_dir
from tests.gateway.web.work.conftest import Client, index_instance
from tests.gateway.web.work.test_fhir import Machine, found, read
from worklists.access import Wire
from worklists.base import new_id
from worklists.directory import Centre, Kind, Role
from worklists.ecg_statements import seed_statements

MEASURED = {
    "heart_rate_bpm": 61, "pr_ms": 160, "qrs_ms": 92, "qt_ms": 400, "qtc_ms": 403.3, "qtc_formula": "bazett",
    "qrs_axis_deg": -12, "source": {"qt_ms": "caliper", "heart_rate_bpm": "cart"},
}  # fmt: skip
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"


@pytest.fixture
def database_url(sqlite_schema: Path, tmp_path: Path) -> str:
    """Of one kind: what is asked of it is tested on both elsewhere."""
    shutil.copyfile(sqlite_schema, tmp_path / "gateway.sqlite3")
    return f"sqlite:///{tmp_path / 'gateway.sqlite3'}"


@pytest.fixture(autouse=True)
def fonts(runtime: Runtime) -> None:
    folder = runtime.settings.viewer_dir / "fonts"
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.symlink_to(fonts_dir())


def write_and_sign(
    client: Client, task: str, reader: str, *, reviewer: str = "reviewer", **draft: Any
) -> str:
    """Claimed, written, handed on, signed; by 周主任 unless somebody else is named."""
    hers = client(reader)
    assert hers.post(f"{task}/claim").status_code == 200
    saved = hers.put(f"{task}/report", json=draft)
    assert saved.status_code == 200, saved.text
    assert hers.post(f"{task}/submit").status_code == 200
    signed = client(reviewer).post(f"{task}/sign")
    assert signed.status_code == 200, signed.text
    return str(signed.json()["report_id"])


def keep_document(runtime: Runtime) -> None:
    """What the worker and the drain do."""
    assert sweep_one(runtime, TASKS, RENDER) == 1
    Drain(runtime).index_new()
    runtime.journal.close()


def provenance_of(
    runtime: Runtime, his: TestClient, report: dict[str, Any], report_id: str
) -> dict[str, Any]:
    """Who wrote it and who signed it are two; what was signed is the document that is read here."""
    [made] = found(his, "Provenance", target=f"DiagnosticReport/{report['id']}")
    assert (made["id"], made["activity"]["coding"][0]["code"]) == (report_id, "CREATE")
    agents = {one["type"]["coding"][0]["code"]: one["who"]["reference"] for one in made["agent"]}
    assert set(agents) == {"author", "verifier"} and len(set(agents.values())) == 2
    assert made["signature"][0]["who"]["reference"] == agents["verifier"]
    pdf = his.get(f"/fhir/Binary/{report_id}")
    assert verify_pdf(pdf.content, trust_roots=[authority_certificate(runtime)]).valid
    return made


def a_centre(session: Session, county: County, kind: Kind) -> Centre:
    centre = Centre(
        id=new_id(), institution_id=county.lead.id, kind=kind, name="县域病理诊断中心", review_required=True,
        enabled=True,
    )  # fmt: skip
    session.add(centre)
    session.flush()
    return centre


def measured(his: TestClient, report: dict[str, Any]) -> dict[str, Any]:
    """LOINC → value, of what the report names as its results."""
    results = [read(his, one["reference"]) for one in report["result"]]
    return {
        one["code"]["coding"][0]["code"]: one["valueQuantity"] for one in results if "valueQuantity" in one
    }


def reference_to(report: dict[str, Any], result: dict[str, Any]) -> str:
    """As the report names it."""
    [named] = [one["reference"] for one in report["result"] if one["reference"].endswith(result["id"])]
    return str(named)


def test_a_tracing_is_read_with_its_measurements_its_statements_and_its_document(
    runtime: Runtime, county: County, client: Client, machine: Machine, clock: Clock
) -> None:
    with runtime.sessions.begin() as session:
        seed_statements(session)
        add_role(session, session.merge(county.reviewer), Role.REVIEWER, county.ecg)
    ecg = Path(str(get_testdata_file("waveform_ecg.dcm", download=False))).read_bytes()
    taken = client("radiographer").post(
        "/api/v1/examinations", data={"kind": "ecg"}, files=[("files", ("ecg.dcm", ecg))]
    )
    assert taken.status_code == 201, taken.text
    Drain(runtime).index_new()
    clock.advance(seconds=60)
    assert sweep_one(runtime, TASKS, SETTLE) == 1
    [item] = client("ecg_reader").get("/api/v1/worklist").json()["items"]
    report_id = write_and_sign(
        client, f"/api/v1/tasks/{item['task_id']}", "ecg_reader", findings="窦性P波。", impression="窦性心律。",
        content={"measurements": MEASURED, "statements": ["sinus_rhythm", "right_bundle_complete"], "layout": "3x4"},
    )  # fmt: skip
    keep_document(runtime)

    his = machine(Wire.REPORTS)
    [report] = found(his, "DiagnosticReport", category="EC", **{"patient.identifier": "642341"})
    assert (report["status"], report["conclusion"]) == ("final", "窦性心律。")
    assert report["code"]["coding"][0] == {"system": LOINC, "code": "11524-6", "display": "EKG study"}
    values = measured(his, report)
    assert values["8867-4"] == {"value": 61, "unit": "/min", "system": UCUM, "code": "/min"}
    assert values["8625-6"] == {"value": 160, "unit": "ms", "system": UCUM, "code": "ms"}
    assert {code: values[code]["value"] for code in ("8633-0", "8634-8", "8636-3", "8632-2")} == {
        "8633-0": 92, "8634-8": 400, "8636-3": 403.3, "8632-2": -12,
    }  # fmt: skip
    [qt] = found(his, "Observation", code=f"{LOINC}|8634-8", patient=report["subject"]["reference"])
    assert (qt["method"]["text"], f"Observation/{qt['id']}") == ("医师量取", reference_to(report, qt))
    said = [one["valueString"] for one in found(his, "Observation") if "valueString" in one]
    assert sorted(said) == sorted(["窦性P波。", "完全性右束支传导阻滞"])
    text = squeezed(his.get(f"/fhir/Binary/{report_id}").content)
    assert "25mm/s" in text and "aVR" in text  # the tracing is in the document
    provenance_of(runtime, his, report, report_id)


@pytest.mark.parametrize(
    ("kind", "modality", "category", "code"),
    [(Kind.IMAGING, "DX", "RAD", "18748-4"), (Kind.PATHOLOGY, "SM", "SP", "11526-1")],
)
def test_a_report_in_words_is_read_with_its_study_and_its_document(
    runtime: Runtime, county: County, client: Client, machine: Machine,
    kind: Kind, modality: str, category: str, code: str,
) -> None:  # fmt: skip
    with runtime.sessions.begin() as session:
        if kind is Kind.PATHOLOGY:
            centre = a_centre(session, county, kind)
            add_role(session, session.merge(county.li), Role.READER, centre)
            add_role(session, session.merge(county.reviewer), Role.REVIEWER, centre)
        row = waiting_task(session, county, kind=kind, modality=modality, accession_number="P-1")
    index_instance(runtime, row.examination)
    words = {"findings": "镜下见慢性炎细胞浸润。", "impression": "慢性炎症。"}
    report_id = write_and_sign(client, f"/api/v1/tasks/{row.id}", "li", **words)
    keep_document(runtime)

    his = machine(Wire.REPORTS)
    [report] = found(his, "DiagnosticReport", category=category, **{"based-on.identifier": "P-1"})
    assert (report["id"], report["code"]["coding"][0]["code"]) == (str(row.examination_id), code)
    assert (report["status"], report["conclusion"]) == ("final", "慢性炎症。")
    [findings] = found(his, "Observation", patient=report["subject"]["reference"])
    assert (findings["valueString"], f"Observation/{findings['id']}") == (
        "镜下见慢性炎细胞浸润。", reference_to(report, findings),
    )  # fmt: skip
    assert "慢性炎症" in text_of(his.get(f"/fhir/Binary/{report_id}").content)
    source = provenance_of(runtime, his, report, report_id)["entity"][-1]["what"]
    study = read(his, source["reference"])
    assert study["series"][0]["modality"]["code"] == "DX"  # as the instance says
    assert found(his, "ImagingStudy", identifier=f"urn:oid:{row.examination.study_instance_uid}") == [study]
