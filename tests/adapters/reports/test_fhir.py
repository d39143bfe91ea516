"""A report as FHIR R4: each resource against the models of `fhir.resources`, and what it says of which version."""

import base64
import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class  # these resources are the same in R4

from adapters.reports.document import KeyFact, ReportDocument
from adapters.reports.fhir.bundle import resources_of, write_transaction
from adapters.reports.fhir.parts import ucum
from adapters.reports.fhir.report import cms_of
from adapters.reports.fhir.source import FhirReport, Ids, Links, StudySeries, Withdrawal
from adapters.reports.hl7_parts import Bearer
from tests.adapters.reports.conftest import REPORT
from tests.adapters.reports.test_laboratory import BEARER, BLOOD, LAB, TABLE

AT = datetime(2026, 11, 22, 1, tzinfo=UTC)
ECG = replace(
    REPORT, kind="ecg", title="心电图诊断报告", examination="十二导联心电图", modality="ECG", statements=("窦性心律",),
    key_facts=(
        KeyFact(name="心率", value="72 次/分", source="设备测量", code="heart_rate_bpm", number=72),
        KeyFact(name="P 波时限", value="98 ms", code="p_ms", number=98),
        KeyFact(name="QTc (Bazett)", value="412 ms", code="qtc_ms", number=412, formula="bazett"),
    ),
)  # fmt: skip


def source(document: ReportDocument = REPORT, **fields: Any) -> FhirReport:
    numbers = iter(range(1, 9))
    ids = Ids(**{name: uuid.UUID(int=next(numbers)) for name in Ids.__dataclass_fields__})
    values: dict[str, Any] = {
        "document": document, "bearer": BEARER, "ids": ids, "base_url": "https://gateway.county.cn",
        "first_number": document.report_number, "manifest_sha256": "ab" * 32, "study_instance_uid": "1.2.840.1",
        "series": (StudySeries(series_instance_uid="1.2.840.1.1", modality="CT", description="轴位", instances=312),),
        "pdf": b"%PDF-1.7 signed", **fields,
    }  # fmt: skip
    return FhirReport(**values)


WITHDRAWN = Withdrawal(at=AT, by_id=uuid.UUID(int=77), by="周主任", reason="患者错误")


def of_kind(report: FhirReport, kind: str) -> list[dict[str, Any]]:
    return [one for one in resources_of(report, Links()) if one["resourceType"] == kind]


def all_reports() -> Iterator[FhirReport]:
    for document in (REPORT, ECG, LAB):
        for fields in (
            {}, {"withdrawn": WITHDRAWN}, {"document_as": "binary"}, {"document_as": "none"}, {"pdf": None},
            {"earlier": (document,), "amendment": "correction"}, {"study_instance_uid": None, "series": ()},
            {"bearer": Bearer(patient_id="", name="", sex=None, birth_date=None)},
        ):  # fmt: skip
            yield source(document, **fields)
        bare = replace(
            document, examined_at=None, received_at=None, clinical_information="", findings="", impression="",
            examination="", accession_number="", marks=(), signers=(),
        )  # fmt: skip
        yield source(bare)


def test_every_resource_of_every_report_is_one_of_r4() -> None:
    """The models raise at what is none of theirs; all that are promised were before them."""
    held = set()
    for report in all_reports():
        for update in ("id", "identifier"):
            if update == "identifier" and report.document_as == "binary":
                continue
            bundle = write_transaction(report, update=update)
            get_fhir_model_class("Bundle").model_validate_json(json.dumps(bundle))
            for one in bundle["entry"]:
                model = get_fhir_model_class(one["resource"]["resourceType"])
                model.model_validate_json(json.dumps(one["resource"]))
                held.add(one["resource"]["resourceType"])
    assert held >= {
        "DiagnosticReport",
        "ImagingStudy",
        "Observation",
        "Provenance",
        "Patient",
        "Organization",
    }


def test_nothing_is_named_that_does_not_go_along() -> None:
    for report in all_reports():
        made = resources_of(report, Links())
        names = {f"{one['resourceType']}/{one['id']}" for one in made}
        assert len(names) == len(made)
        assert set(_references(made)) <= names


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for one in value.values():
            yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)


@pytest.mark.parametrize(
    ("changes", "fields", "status"),
    [
        ({}, {}, "final"),
        ({"preliminary": True}, {}, "preliminary"),
        ({"version": 2}, {}, "amended"),
        ({"version": 2}, {"amendment": "correction"}, "corrected"),
        ({"version": 2}, {"amendment": "addendum"}, "appended"),
        ({"version": 2}, {"withdrawn": WITHDRAWN}, "entered-in-error"),
    ],
)
def test_the_status_follows_from_the_version(changes: Any, fields: Any, status: str) -> None:
    [report] = of_kind(source(replace(REPORT, **changes), **fields), "DiagnosticReport")
    assert report["status"] == status
    assert ("presentedForm" in report) is (status != "entered-in-error")


def test_a_laboratory_result_has_its_codes_unit_range_flag_and_mark() -> None:
    found = {one["code"]["text"]: one for one in of_kind(source(LAB), "Observation")}
    white = found["白细胞计数"]
    assert white["code"]["coding"][0] == {"system": "http://loinc.org", "code": "6690-2"}
    assert white["code"]["coding"][1]["system"].endswith("/fhir/CodeSystem/laboratory-items")
    assert white["valueQuantity"] == {
        "value": 32.1, "unit": "10^9/L", "system": "http://unitsofmeasure.org", "code": "10*9/L",
    }  # fmt: skip
    assert (white["referenceRange"][0]["low"]["value"], white["referenceRange"][0]["text"]) == (
        3.5,
        "3.5-9.5",
    )
    assert white["interpretation"][0]["coding"][0]["code"] == "HH"
    assert {one["url"].rsplit("/", 1)[-1] for one in white["extension"]} == {"recognition-mark", "critical"}
    assert found["血红蛋白"]["status"] == "corrected"
    assert found["血红蛋白"]["note"][0]["text"] == "修正：原报告为 141 g/L"
    assert found["C反应蛋白"]["valueQuantity"]["comparator"] == "<"
    assert found["乙肝表面抗原"]["valueString"] == "阳性"
    assert found["促甲状腺素"]["status"] == "cancelled"
    assert found["促甲状腺素"]["dataAbsentReason"]["coding"][0]["code"] == "unknown"
    assert (found["糖化血红蛋白"]["status"], found["血小板分布宽度"]["status"]) == ("registered", "cancelled")
    [specimen] = of_kind(source(LAB), "Specimen")
    assert white["specimen"]["reference"] == f"Specimen/{specimen['id']}"


def test_a_result_that_a_version_leaves_out_is_taken_back() -> None:
    table = replace(TABLE, groups=(replace(BLOOD, lines=BLOOD.lines[:1]),), pending=())
    before, now = source(LAB), source(replace(LAB, version=2, laboratory=table), earlier=(LAB,))
    gone = [one for one in of_kind(now, "Observation") if one["status"] == "entered-in-error"]

    assert {one["code"]["text"] for one in gone} >= {"血红蛋白", "血小板计数", "钾"}
    assert {one["id"] for one in of_kind(before, "Observation")} == {
        one["id"] for one in of_kind(now, "Observation")
    }
    assert not any("valueQuantity" in one or "valueString" in one for one in gone)
    [report] = of_kind(now, "DiagnosticReport")
    assert len(report["result"]) == 1


def test_a_void_report_leaves_no_value_that_might_still_be_used() -> None:
    for document in (REPORT, ECG, LAB):
        report = source(document, withdrawn=WITHDRAWN)
        found = of_kind(report, "Observation")
        assert {one["status"] for one in found} == {"entered-in-error"}
        assert not any(name.startswith("value") for one in found for name in one)
        text = json.dumps(resources_of(report, Links()), ensure_ascii=False)
        assert document.impression not in text
        [provenance] = of_kind(report, "Provenance")
        assert (provenance["reason"][0]["text"], provenance["id"]) == (
            "患者错误",
            f"{report.ids.report}.void",
        )


def test_measurements_of_a_tracing_have_loinc_mdc_and_ucum() -> None:
    found = {one["code"]["text"]: one for one in of_kind(source(ECG), "Observation")}
    rate, corrected = found["心率"], found["QTc (Bazett)"]
    assert [one["code"] for one in rate["code"]["coding"]] == ["8867-4", "147088"]
    categories = [one["coding"][0]["code"] for one in rate["category"]]
    assert categories == ["procedure", "vital-signs"]  # what the profile `heartrate` asks for
    assert (rate["valueQuantity"]["code"], rate["method"]["text"]) == ("/min", "设备测量")
    assert [one["code"] for one in corrected["code"]["coding"]] == ["8636-3", str(2 * 65536 + 15880)]
    assert [one["code"] for one in found["P 波时限"]["code"]["coding"]] == [str(2 * 65536 + 16184)]
    assert found["诊断语句"]["valueString"] == "窦性心律"


def test_a_tracing_is_a_study_and_a_specimens_results_are_none() -> None:
    [study] = of_kind(source(ECG), "ImagingStudy")
    assert study["identifier"][0]["value"] == "urn:oid:1.2.840.1"
    results = source(LAB, study_instance_uid=None)
    assert (of_kind(results, "ImagingStudy"), of_kind(results, "Endpoint")) == ([], [])


def test_the_study_points_to_where_its_images_are() -> None:
    report = source()
    [study], [endpoint] = of_kind(report, "ImagingStudy"), of_kind(report, "Endpoint")
    assert study["identifier"][0] == {"system": "urn:dicom:uid", "value": "urn:oid:1.2.840.1"}
    assert study["endpoint"] == [{"reference": f"Endpoint/{endpoint['id']}"}]
    assert (endpoint["address"], study["numberOfInstances"]) == ("https://gateway.county.cn/dicomweb", 312)


def test_identifiers_and_entries_have_names_of_their_own() -> None:
    """A server puts its ids wherever it finds the name of an entry, and an identifier is to stay."""
    bundle = write_transaction(source(LAB, study_instance_uid=None), update="identifier")
    names = {one["fullUrl"] for one in bundle["entry"]}
    known = {found["value"] for one in bundle["entry"] for found in one["resource"]["identifier"]}
    assert not names & known
    assert not any("id" in one["resource"] for one in bundle["entry"])
    kinds = {one["resource"]["resourceType"] for one in bundle["entry"] if one["request"]["method"] == "POST"}
    assert kinds == {"Patient", "Organization", "Practitioner"}


def test_the_signature_of_the_document_is_given_besides(signed: bytes) -> None:
    der = cms_of(signed)
    assert der[:1] == b"\x30" and len(der) > 1000 and not der.endswith(b"\x00\x00\x00")
    [provenance] = of_kind(source(pdf=signed), "Provenance")
    assert base64.b64decode(provenance["signature"][0]["data"]) == der
    assert cms_of(b"%PDF-1.7 without") == b""


@pytest.mark.parametrize(
    ("unit", "code"),
    [("10^9/L", "10*9/L"), ("mmol/L", "mmol/L"), ("mIU/mL", "m[IU]/mL"), ("%", "%"), ("/uL", "/uL"), ("mm/h", "mm/h"),
     ("mmHg", "mm[Hg]"), ("fL", "fL"), ("滴度", ""), ("COI", ""), ("", "")],
)  # fmt: skip
def test_units_are_ucum_where_they_are_units_of_it(unit: str, code: str) -> None:
    assert ucum(unit) == code
