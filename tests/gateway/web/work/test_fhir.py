"""FHIR over HTTP: who reads which report, searches, pages, versions, what is wrong; recognition as operations."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from fhir.resources.R4B import get_fhir_model_class
from sqlalchemy import select

from gateway.fhir import searching
from gateway.fhir.parameters import PARAMETERS
from gateway.fhir.reading import READABLE
from gateway.intake import Drain
from gateway.runtime import Runtime
from gateway.web import fhir
from gateway.web.limits import RateLimit
from tests.builders import NOW, County, identity, signed_report
from tests.conftest import Clock
from tests.gateway.deliveries.test_hl7 import amend
from tests.gateway.lab.saying import result
from tests.gateway.web.work.conftest import Client, Desk, index_instance
from tests.gateway.web.work.test_recognition import PATIENT, report  # noqa: F401
from worklists.access import Wire
from worklists.amending import AfterVoid, make_void
from worklists.recognition import Mark
from worklists.reports import Report, deliver

PDF = b"%PDF-1.7 signed\n%%EOF\n"
MARK = Mark(
    item_code="DR-CHEST", item_name="胸部正位", text="全国HR", scope="national", remark="", reason=None
)
Machine = Callable[..., TestClient]


def read(client: TestClient, path: str, expected: int = 200, /, **query: str) -> dict[str, Any]:
    """The resource, which is one of R4 whatever it says."""
    answer = client.get(f"/fhir/{path}", params=query or None)
    assert answer.status_code == expected, answer.text[:300]
    assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    get_fhir_model_class(body["resourceType"]).model_validate_json(answer.text)
    return body


def found(client: TestClient, kind: str, /, **query: str) -> list[dict[str, Any]]:
    return [one["resource"] for one in read(client, kind, **query).get("entry", [])]


def sign(runtime: Runtime, county: County, **fields: Any) -> Report:
    with runtime.sessions.begin() as session:
        made = signed_report(session, county, **fields)
        session.refresh(made, ["examination"])
        session.expunge_all()
    return made


def void(runtime: Runtime, county: County, report_id: Any) -> None:
    with runtime.sessions.begin() as session:
        row = session.get_one(Report, report_id)
        make_void(
            session, row, county.reviewer, reason="患者错误", after=AfterVoid.NOTHING, now=runtime.now()
        )


class Post:
    """What `amend` asks for."""

    def __init__(self, runtime: Runtime, county: County) -> None:
        self.runtime, self.county = runtime, county

    def keep(self, report_id: Any) -> None:
        with self.runtime.sessions.begin() as session:
            row = session.get_one(Report, report_id)
            deliver(session, row, pdf_sha256="11", now=self.runtime.now())


def test_what_the_server_can_do_is_told_of_what_it_does(machine: Machine) -> None:
    statement = read(machine(Wire.METRICS), "metadata")
    [rest] = statement["rest"]
    told = {one["type"]: one for one in rest["resource"]}
    assert set(told) == set(READABLE)
    for kind, one in told.items():
        codes = {interaction["code"] for interaction in one["interaction"]}
        assert ("search-type" in codes) is (kind in PARAMETERS)
        for parameter in one.get("searchParam", []):
            value = {"date": "2026-11-21", "reference": "x"}.get(parameter["type"], "x")
            found(machine(Wire.REPORTS), kind, **{parameter["name"]: value})
    for one in rest["operation"]:
        name = one["definition"].rsplit("/", 1)[-1]
        assert read(machine(Wire.METRICS), f"OperationDefinition/{name}")["code"] == one["name"]
    for name in ("recognition-mark", "critical", "report-version"):
        read(machine(Wire.METRICS), f"StructureDefinition/{name}")


def test_a_machine_reads_its_reports_and_everything_they_name(
    runtime: Runtime, county: County, machine: Machine, audited: Callable[..., list[str]]
) -> None:
    made = sign(runtime, county, marks=(MARK,), accession_number="A77")
    index_instance(runtime, made.examination)
    his = machine(Wire.REPORTS)

    [report_] = found(his, "DiagnosticReport", **{"patient.identifier": "P001"})
    assert (report_["id"], report_["status"], report_["meta"]["versionId"]) == (
        str(made.examination_id), "final", "1",
    )  # fmt: skip
    assert report_["presentedForm"][0]["url"].endswith(f"/fhir/Binary/{made.id}")
    names = set(_references(report_))
    assert len(names) >= 6
    for name in names:
        read(his, name)
    [study] = found(
        his, "ImagingStudy", identifier=f"urn:dicom:uid|urn:oid:{made.examination.study_instance_uid}"
    )
    assert (study["series"][0]["modality"]["code"], study["numberOfSeries"]) == ("DX", 1)
    endpoint = read(his, study["endpoint"][0]["reference"])
    assert endpoint["address"] == f"{runtime.settings.base_url}/dicomweb"
    [provenance] = found(his, "Provenance", target=f"DiagnosticReport/{report_['id']}")
    assert provenance["id"] == str(made.id)
    [patient] = found(his, "Patient", identifier="P001")
    assert patient["name"][0]["text"] == "仇明"
    assert audited(made.examination_id).count("report_opened") == 1


def _references(value: Any) -> Any:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for one in value.values():
            yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)


def test_nobody_reads_what_is_not_theirs(
    runtime: Runtime, county: County, machine: Machine, client: Client, app: Any
) -> None:
    made = sign(runtime, county)
    path = f"DiagnosticReport/{made.examination_id}"
    for name in ("radiographer", "wang", "reviewer"):
        assert read(client(name), path)["id"] == str(made.examination_id)
    for name in ("west_radiographer", "other_reader", "ecg_reader", "village_doctor"):
        read(client(name), path, 404)
        assert found(client(name), "DiagnosticReport") == []
        assert found(client(name), "Patient", identifier="P001") == []
        read(client(name), f"Patient/{made.examination.patient_id}", 404)
        read(client(name), f"Observation/{made.examination_id}.findings", 404)
        read(client(name), f"Provenance/{made.id}", 404)
        read(client(name), f"Binary/{made.id}", 404)
    for name in ("it", "admin", "auditor"):
        assert read(client(name), path, 403)["issue"][0]["code"] == "forbidden"
    read(machine(Wire.DICOMWEB), path, 403)
    assert read(TestClient(app), path, 401)["issue"][0]["code"] == "login"


def test_versions_are_read_as_they_were(runtime: Runtime, county: County, machine: Machine) -> None:
    first = sign(runtime, county)
    second = amend(Post(runtime, county), first.id)  # type: ignore[arg-type]
    void(runtime, county, second)
    his, path = machine(Wire.REPORTS), f"DiagnosticReport/{first.examination_id}"

    assert read(his, path)["status"] == "entered-in-error"
    states = {version: read(his, f"{path}/_history/{version}")["status"] for version in ("1", "2", "2-void")}
    assert states == {"1": "final", "2": "amended", "2-void": "entered-in-error"}
    for version in ("3", "1-void", "x", "0"):
        read(his, f"{path}/_history/{version}", 404)
    tag = his.get(f"/fhir/{path}").headers["etag"]
    assert tag == 'W/"2-void"'
    assert his.get(f"/fhir/{path}", headers={"If-None-Match": tag}).status_code == 304
    activities = [
        one["activity"]["coding"][0]["code"]
        for one in found(his, "Provenance", target=str(first.examination_id))
    ]
    assert activities == ["CREATE", "UPDATE", "NULLIFY"]


def test_a_report_is_there_once_its_document_is_kept_and_the_document_is_read(
    runtime: Runtime, county: County, machine: Machine
) -> None:
    made = sign(runtime, county, delivered=False)
    his = machine(Wire.REPORTS)
    assert found(his, "DiagnosticReport") == []
    origin = {
        "report_id": str(made.id),
        "institution_id": str(county.lead.id),
        "received_at": NOW.isoformat(),
    }
    runtime.journal.append("report.pdf", origin, [PDF])
    Drain(runtime).index_new()
    runtime.journal.close()

    [report_] = found(his, "DiagnosticReport")
    name = report_["presentedForm"][0]["url"].split("/fhir/")[1]
    whole = his.get(f"/fhir/{name}")
    assert (whole.content, whole.headers["content-type"]) == (PDF, "application/pdf")
    resource = his.get(f"/fhir/{name}", headers={"Accept": "application/fhir+json"}).json()
    assert base64.b64decode(resource["data"]) == PDF


@pytest.mark.parametrize(
    ("query", "hits"),
    [
        ({"patient.identifier": "P001"}, 1),
        ({"patient:identifier": "P002"}, 1),
        ({"subject.identifier": "urn:somebody|P001"}, 0),
        ({"identifier": "12345"}, 0),
        ({"based-on.identifier": "A2"}, 1),
        ({"based-on.identifier": "urn:oid:2.16.156.10011.1.24|A2"}, 1),
        ({"based-on.identifier": "A"}, 0),
        ({"category": "RAD"}, 2),
        ({"category": "LAB,EC"}, 0),
        ({"status": "final"}, 2),
        ({"status": "preliminary"}, 0),
        ({"date": "2026-11-21"}, 2),
        ({"date": "gt2026-11-21"}, 0),
        ({"date": "ge2026-11"}, 2),
        ({"date": "lt2026"}, 0),
        ({"issued": "le2026-11-21T06:30:00Z"}, 2),
        ({"issued": "gt2026-11-21T06:30:00Z"}, 0),
        ({"_lastUpdated": "ge2026-11-20T00:00:00+08:00"}, 2),
        ({"_id": "01a2059a-cf2d-7000-8c91-09f2bb655c20"}, 0),
        ({"patient": "Patient/nobody"}, 0),
    ],
)
def test_searches_find_what_was_asked_and_nothing_else(
    runtime: Runtime, county: County, machine: Machine, query: dict[str, str], hits: int
) -> None:
    sign(runtime, county, accession_number="A1")
    sign(runtime, county, patient=identity(patient_id="P002", name="=李^四"), accession_number="A2")
    assert len(found(machine(Wire.REPORTS), "DiagnosticReport", **query)) == hits


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("DiagnosticReport?color=red", 400, "invalid"),
        ("DiagnosticReport?patient.name=x", 400, "invalid"),
        ("DiagnosticReport?date=yesterday", 400, "invalid"),
        ("DiagnosticReport?date=2026-13", 400, "invalid"),
        ("DiagnosticReport?_count=many", 400, "invalid"),
        ("DiagnosticReport?_sort=color", 400, "invalid"),
        ("DiagnosticReport?_sort=date,issued", 400, "invalid"),
        ("DiagnosticReport?_total=all", 400, "invalid"),
        ("DiagnosticReport?_include=DiagnosticReport:media", 400, "invalid"),
        ("DiagnosticReport?_include=Observation:subject", 400, "invalid"),
        ("DiagnosticReport?_revinclude=Observation:subject", 400, "invalid"),
        ("DiagnosticReport?_include:iterate=DiagnosticReport:result", 400, "invalid"),
        ("DiagnosticReport?_summary=text", 400, "invalid"),
        ("DiagnosticReport?status=final&_summary=count", 400, "invalid"),
        ("Observation?_count=0", 400, "invalid"),
        ("", 404, "not-found"),
        ("DiagnosticReport?_cursor=x", 400, "invalid"),
        ("DiagnosticReport?_format=xml", 406, "not-supported"),
        ("Practitioner?name=x", 405, "not-supported"),
        ("Medication?x=y", 404, "not-found"),
        ("Medication/1", 404, "not-found"),
        ("DiagnosticReport/1", 404, "not-found"),
        ("DiagnosticReport/1/2/3", 404, "not-found"),
    ],
)
def test_what_is_wrong_is_said_as_an_outcome(machine: Machine, path: str, status: int, code: str) -> None:
    outcome = read(machine(Wire.REPORTS), path, status)
    assert (outcome["resourceType"], outcome["issue"][0]["code"]) == ("OperationOutcome", code)


def test_nothing_is_written_here(machine: Machine) -> None:
    his = machine(Wire.REPORTS)
    for method, path in (("PUT", "Patient/1"), ("POST", "Patient"), ("DELETE", "Patient/1"), ("POST", "")):
        answer = his.request(method, f"/fhir/{path}", json={})
        assert answer.status_code in {404, 405}
    assert his.post("/fhir/Patient/_search", data={"identifier": "P001"}).json()["resourceType"] == "Bundle"


def test_pages_show_each_once_whatever_is_signed_meanwhile(
    runtime: Runtime, county: County, machine: Machine, clock: Clock
) -> None:
    made = []
    for number in range(5):
        one = identity(patient_id=f"P{number}", name=f"=王^{number}")
        made.append(str(sign(runtime, county, patient=one).examination_id))
    his, seen = machine(Wire.REPORTS), []
    page = read(his, "DiagnosticReport", _count="2")
    sign(runtime, county, patient=identity(patient_id="P9", name="=新^来"))
    while True:
        seen += [one["resource"]["id"] for one in page["entry"]]
        links = {one["relation"]: one["url"] for one in page["link"]}
        if "next" not in links:
            break
        page = read(his, links["next"].split("/fhir/")[1])
    assert sorted(seen) == sorted(made)
    observations, url = [], "Observation?_count=3"
    while url:
        page = read(his, url)
        observations += [one["resource"]["id"] for one in page["entry"]]
        url = next((one["url"].split("/fhir/")[1] for one in page["link"] if one["relation"] == "next"), "")
    assert len(observations) == len(set(observations)) == 6


def test_a_page_looks_at_so_many_reports_and_says_where_to_go_on(
    runtime: Runtime, county: County, machine: Machine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "LOOKED_AT", 2)
    first = sign(runtime, county, patient=identity(patient_id="P0", name="=王^一"))
    void(runtime, county, first.id)
    for number in range(1, 5):
        one = identity(patient_id=f"P{number}", name=f"=王^{number}")
        sign(runtime, county, patient=one)
    his, url, pages, hits = machine(Wire.REPORTS), "DiagnosticReport?status=entered-in-error", 0, []
    while url:
        page = read(his, url)
        pages, hits = pages + 1, hits + [one["resource"]["id"] for one in page.get("entry", [])]
        url = next((one["url"].split("/fhir/")[1] for one in page["link"] if one["relation"] == "next"), "")
    assert (hits, pages) == ([str(first.examination_id)], 3)


def test_who_reads_too_much_is_told_when_to_come_again(
    runtime: Runtime, county: County, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fhir, "_ROWS", RateLimit(burst=3, per_second=1))
    sign(runtime, county)
    his = machine(Wire.REPORTS)
    for _ in range(3):
        found(his, "DiagnosticReport")
    answer = his.get("/fhir/DiagnosticReport")
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (429, "throttled")
    assert answer.headers["retry-after"] == "1"


def test_results_of_a_specimen_are_observations(
    open_desk: Callable[..., Desk], runtime: Runtime, client: Client, machine: Machine
) -> None:
    desk = open_desk(result("WBC", "6.1"), result("HGB", "131", "g/L"))
    desk.reader.post(f"{desk.task}/results/verify", json={"result_ids": None})
    for code in ("WBC", "HGB"):
        desk.post("verify", result_ids=[desk.id_of(code)], reason="复核")
    signed = desk.reader.post(f"{desk.task}/sign")
    assert signed.status_code == 200, signed.text
    with runtime.sessions.begin() as session:
        row = session.scalars(select(Report)).one()
        deliver(session, row, pdf_sha256="22", now=runtime.now())
    his = machine(Wire.REPORTS)
    results = {
        one["code"]["coding"][-1]["code"]: one for one in found(his, "Observation", category="laboratory")
    }
    assert results["WBC"]["valueQuantity"]["value"] == 6.1
    [white] = found(his, "Observation", code="WBC")
    assert white["id"] == results["WBC"]["id"]
    assert read(his, f"Observation/{white['id']}")["status"] == "final"
    assert [
        one["category"][0]["coding"][0]["code"] for one in found(his, "DiagnosticReport", category="LAB")
    ] == ["LAB"]
    assert read(his, white["specimen"]["reference"])["accessionIdentifier"]["value"] == "B001"


def entries(page: dict[str, Any], mode: str) -> list[str]:
    return [
        f"{one['resource']['resourceType']}/{one['resource'].get('id', '')}"
        for one in page.get("entry", [])
        if one["search"]["mode"] == mode
    ]


def test_what_a_report_names_comes_along_each_once(
    runtime: Runtime, county: County, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R4 3.1.1.5.3: by the search parameter's name; what is not known is told."""
    made = [sign(runtime, county, accession_number=f"A{n}") for n in range(2)]  # of one patient
    his = machine(Wire.REPORTS)
    query = {"_include": "DiagnosticReport:patient", "_revinclude": "Provenance:target"}
    page = read(his, "DiagnosticReport", **query)
    assert len(entries(page, "match")) == 2
    patient = f"Patient/{made[0].examination.patient_id}"
    assert sorted(entries(page, "include")) == sorted([patient, *(f"Provenance/{one.id}" for one in made)])
    for name, kind in (
        ("result", "Observation"),
        ("subject", "Patient"),
        ("subject:Patient", "Patient"),
        ("based-on", "ServiceRequest"),
        ("performer", "Organization"),
        ("results-interpreter", "Practitioner"),
    ):
        page = read(his, "DiagnosticReport", _include=f"DiagnosticReport:{name}")
        assert {one.split("/")[0] for one in entries(page, "include")} == {kind}, name
    page = read(his, "DiagnosticReport", _include="*", _count="1")
    named = {one for each in page["entry"] if each["search"]["mode"] == "match" for one in _references(each)}
    assert set(entries(page, "include")) == named
    for one in page["entry"]:
        assert one["fullUrl"].endswith(f"/fhir/{one['resource']['resourceType']}/{one['resource']['id']}")
    [next_] = [one["url"] for one in page["link"] if one["relation"] == "next"]
    assert "_include=%2A" in next_

    monkeypatch.setattr(
        searching, "MOST_IN_ALL", 2
    )  # a page holds so many with what comes along, and goes on
    url, seen = "DiagnosticReport?_include=*", []
    while url:
        page = read(his, url)
        seen += entries(page, "match")
        assert len(entries(page, "match")) == 1
        url = next((one["url"].split("/fhir/")[1] for one in page["link"] if one["relation"] == "next"), "")
    assert sorted(seen) == sorted(f"DiagnosticReport/{one.examination_id}" for one in made)


def test_reports_are_sorted_as_asked_in_pages_both_ways(
    runtime: Runtime, county: County, machine: Machine
) -> None:
    made = []
    for hour in (3, 1, 2, 1):
        one = identity(patient_id=f"P{len(made)}", name="=王^一")
        at = NOW - timedelta(hours=hour)
        made.append((at, str(sign(runtime, county, patient=one, studied_at=at).examination_id)))
    his = machine(Wire.REPORTS)
    for order in ("date", "-date", "issued", "-issued", "_lastUpdated", "-_lastUpdated"):
        seen, url = [], f"DiagnosticReport?_sort={order}&_count=1"
        while url:
            page = read(his, url)
            links = {one["relation"]: one["url"].split("/fhir/")[1] for one in page["link"]}
            seen += [one["resource"]["id"] for one in page["entry"]]
            again = read(his, links["self"])  # the link to a page leads to this page
            assert entries(again, "match") == entries(page, "match")
            assert "_cursor" not in links["first"] and ("_sort" in links["first"]) is (
                order != "-_lastUpdated"
            )
            url = links.get("next", "")
        assert sorted(seen) == sorted(id_ for _, id_ in made)
        if order.endswith("date"):
            ats = {id_: at for at, id_ in made}
            assert [ats[id_] for id_ in seen] == sorted(ats.values(), reverse=order.startswith("-"))


def test_how_many_there_are_is_told_where_it_is_counted(
    runtime: Runtime, county: County, machine: Machine
) -> None:
    for number in range(3):
        sign(runtime, county, patient=identity(patient_id=f"P{number}", name="=王^一"))
    his = machine(Wire.REPORTS)
    assert "total" not in read(his, "DiagnosticReport")
    assert read(his, "DiagnosticReport", _total="accurate", _count="1")["total"] == 3
    assert read(his, "DiagnosticReport", _total="estimate", date="lt2020")["total"] == 0
    assert "total" not in read(his, "DiagnosticReport", _total="accurate", status="final")
    for query in ({"_summary": "count"}, {"_count": "0"}):
        page = read(his, "Patient", **query)
        assert (page["total"], "entry" in page, [one["relation"] for one in page["link"]]) == (
            3, False, ["first", "self"],
        )  # fmt: skip
    nobody = machine(Wire.REPORTS)
    assert read(nobody, "DiagnosticReport", _summary="count", patient="nobody")["total"] == 0


def test_nobody_counts_what_is_not_theirs(runtime: Runtime, county: County, client: Client) -> None:
    sign(runtime, county)
    assert read(client("radiographer"), "DiagnosticReport", _summary="count")["total"] == 1
    assert read(client("west_radiographer"), "DiagnosticReport", _summary="count")["total"] == 0


def test_what_is_not_known_is_refused_unless_the_caller_is_lenient(
    runtime: Runtime, county: County, machine: Machine
) -> None:
    """R4 3.1.1.3: lenient callers are told what was passed over, and the link to the page leaves it out."""
    sign(runtime, county)
    his, url = machine(Wire.REPORTS), "/fhir/DiagnosticReport?color=red&_elements=id&_sort=size&_include=X:y"
    for prefer in ({}, {"Prefer": "handling=strict"}, {"Prefer": "return=minimal"}):
        assert his.get(url, headers=prefer).status_code == 400
    answer = his.get(url, headers={"Prefer": "return=representation, handling=lenient"})
    page = answer.json()
    get_fhir_model_class("Bundle").model_validate_json(answer.text)
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "handling=lenient")
    assert len(entries(page, "match")) == 1
    [told] = [one["resource"]["issue"] for one in page["entry"] if one["search"]["mode"] == "outcome"]
    assert {one["diagnostics"].split(":")[0] for one in told} == {"color", "_elements", "_sort", "_include"}
    [own] = [one["url"] for one in page["link"] if one["relation"] == "self"]
    assert "color" not in own and "X" not in own and "size" not in own
    lenient = {"Prefer": "handling=lenient"}  # a value that cannot be is wrong for everybody
    assert his.get("/fhir/DiagnosticReport?date=yesterday", headers=lenient).status_code == 400


def test_also_what_is_wrong_outside_of_a_route_is_an_outcome(
    machine: Machine, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    his = machine(Wire.REPORTS)
    large = his.post("/fhir/Patient/_search", content=b"x" * (2 << 20))
    assert (large.status_code, large.json()["issue"][0]["code"]) == (413, "too-long")
    nowhere = his.get("/fhir")
    assert (nowhere.status_code, nowhere.json()["resourceType"]) == (404, "OperationOutcome")

    def break_(*_: object, **__: object) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(searching, "search", break_)
    broken = his.get("/fhir/DiagnosticReport")
    assert (broken.status_code, broken.json()["issue"][0]["code"]) == (500, "exception")
    assert "RuntimeError" not in broken.text
    assert his.get("/fhirs").headers["content-type"] != fhir.JSON


def ask(who: TestClient, **changes: Any) -> Any:
    patient = {
        "resourceType": "Patient", "gender": "female", "birthDate": PATIENT["birth_date"],
        "identifier": [{"system": "urn:oid:2.16.156.10011.1.3", "value": PATIENT["number"]}],
        "name": [{"text": PATIENT["name"]}],
    }  # fmt: skip
    encounter = {
        "resourceType": "Encounter", "status": "in-progress", "class": {"code": "AMB"},
        "identifier": [{"value": "M0001"}],
    }  # fmt: skip
    parameters = [
        {"name": "patient", "resource": {**patient, **changes}},
        {"name": "item", "valueCoding": {"code": "DR-CHEST"}},
        {"name": "item", "valueCoding": {"code": "CT-HEAD"}},
        {"name": "encounter", "resource": encounter},
        {"name": "doctor", "valueString": "钱医生"},
    ]
    body = {"resourceType": "Parameters", "parameter": parameters}
    get_fhir_model_class("Parameters").model_validate(body)
    return who.post("/fhir/$match-recognition", json=body, headers={"Content-Type": "application/fhir+json"})


def parts_of(answer: Any) -> list[dict[str, Any]]:
    get_fhir_model_class("Parameters").model_validate_json(answer.text)
    matches = [one["part"] for one in answer.json()["parameter"] if one["name"] == "match"]
    return [
        {part["name"]: next(v for k, v in part.items() if k != "name") for part in one} for one in matches
    ]


def test_recognition_is_asked_and_decided_as_operations(
    machine: Machine,
    report: Report,  # noqa: F811
    audited: Callable[..., list[str]],
) -> None:
    his = machine(Wire.RECOGNITION)
    answer = ask(his)
    assert answer.status_code == 200, answer.text
    reminder, nothing = parts_of(answer)
    assert (reminder["outcome"], reminder["mark"], reminder["source"]["value"]) == (
        "reminder",
        "全国HR",
        "WEST",
    )
    assert reminder["impression"] == "心肺膈未见明显异常。"
    assert (nothing["item"]["code"], nothing["outcome"]) == ("CT-HEAD", "none")
    assert audited(report.examination_id) == ["recognition_opened"]

    [group] = [one["valueId"] for one in answer.json()["parameter"] if one["name"] == "group"]
    decision = {"name": "decision", "part": [
        {"name": "match", "valueId": reminder["id"]}, {"name": "decision", "valueCode": "adopted"},
    ]}  # fmt: skip
    body = {"resourceType": "Parameters", "parameter": [
        {"name": "group", "valueId": group}, decision, {"name": "doctor", "valueString": "钱医生"},
    ]}  # fmt: skip
    decided = his.post("/fhir/$decide-recognition", json=body)
    assert decided.status_code == 200, decided.text
    assert parts_of(decided)[0]["decision"] == "adopted"
    same = his.get(f"/api/v1/recognition/matches/{group}").json()["matches"][0]
    assert (same["id"], same["decision"]["decision"]) == (reminder["id"], "adopted")


def test_a_question_that_cannot_be_used_says_why(machine: Machine, report: Report) -> None:  # noqa: F811
    his = machine(Wire.RECOGNITION)
    wrong = ask(his, identifier=[{"system": "urn:oid:2.16.156.10011.1.3", "value": "110105194912310021"}])
    assert (wrong.status_code, wrong.json()["resourceType"]) == (422, "OperationOutcome")
    assert "patient.number" in wrong.json()["issue"][0]["diagnostics"]
    assert ask(his, identifier=[{"system": "urn:else", "value": "1"}]).status_code == 400
    assert ask(his, gender="unknown").status_code == 422
    assert ask(machine(Wire.REPORTS)).status_code == 403
    for body in ("[]", "{", '{"resourceType": "Parameters", "parameter": [{"name": "else"}]}'):
        answer = his.post(
            "/fhir/$match-recognition", content=body, headers={"Content-Type": "application/fhir+json"}
        )
        assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome")
