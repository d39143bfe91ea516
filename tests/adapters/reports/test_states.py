"""What a report and its results are said to be, state by state: FHIR R4, and HL7 v2 in OBR-25 and OBX-11."""

from dataclasses import replace
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from adapters.reports.document import ReportDocument
from adapters.reports.fhir.source import FhirReport
from adapters.reports.hl7_parts import Addressed
from adapters.reports.hl7_report import write_oru
from tests.adapters.reports.conftest import REPORT
from tests.adapters.reports.test_fhir import ECG, WITHDRAWN, of_kind, source
from tests.adapters.reports.test_laboratory import BEARER, BLOOD, LAB, TABLE

# A laboratory report whose results are all final: what else they may be comes below.
FINAL = tuple(replace(one, change="") for one in BLOOD.lines)
RESULTS = replace(LAB, laboratory=replace(TABLE, groups=(replace(BLOOD, lines=FINAL),), pending=()))

# state: of the document, of FHIR's source → report, observations; OBR-25, OBX-11
STATES: dict[str, tuple[dict[str, Any], dict[str, Any], str, str, str, str]] = {
    "final": ({}, {}, "final", "final", "F", "F"),
    "preliminary": ({"preliminary": True}, {}, "preliminary", "preliminary", "P", "P"),
    "final behind a preliminary one": (
        {"version": 2, "finalises": True}, {"amendment": "final"}, "final", "final", "F", "F",
    ),
    "corrected": ({"version": 2}, {"amendment": "correction"}, "corrected", "corrected", "C", "C"),
    "added to": ({"version": 2}, {"amendment": "addendum"}, "appended", "amended", "C", "C"),
    "another version": ({"version": 2}, {}, "amended", "amended", "C", "C"),
    "void": ({}, {"withdrawn": WITHDRAWN}, "entered-in-error", "entered-in-error", "X", "W"),
    "void after a correction": (
        {"version": 2}, {"amendment": "correction", "withdrawn": WITHDRAWN}, "entered-in-error", "entered-in-error",
        "X", "W",
    ),
}  # fmt: skip


def _hl7(document: ReportDocument, *, void: bool) -> tuple[set[str], set[str]]:
    """OBR-25 and OBX-11, each as often as it differs."""
    text = write_oru(document, BEARER, Addressed(void=void)).decode()
    segments = [one.split("|") for one in text.split("\r")]
    return tuple(
        {one[field] for one in segments if one[0] == name} for name, field in (("OBR", 25), ("OBX", 11))
    )  # type: ignore[return-value]


def _fhir(report: FhirReport) -> tuple[str, set[str]]:
    [found] = of_kind(report, "DiagnosticReport")
    made = of_kind(report, "Observation")
    for one in (found, *made):  # the statuses are those of R4's value sets
        get_fhir_model_class(one["resourceType"]).model_validate(one)
    return found["status"], {one["status"] for one in made}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", ["imaging", "ecg"])
def test_a_report_in_words_says_its_state_in_fhir_and_hl7(kind: str, state: str) -> None:
    changes, fields, status, observations, order, results = STATES[state]
    document = replace({"imaging": REPORT, "ecg": ECG}[kind], **changes)

    assert _fhir(source(document, **fields)) == (status, {observations})
    assert _hl7(document, void="withdrawn" in fields) == ({order}, {results})


@pytest.mark.parametrize("state", STATES)
def test_results_keep_their_own_state_in_a_later_version(state: str) -> None:
    """Another version corrects what it says it corrects: the other results are as final as they were."""
    changes, fields, status, observations, order, results = STATES[state]
    document = replace(RESULTS, **changes)
    unchanged = {"corrected": "final", "amended": "final"}.get(observations, observations)

    reported, made = _fhir(source(document, **fields))
    assert reported == status
    of_results = {
        one["status"]
        for one in of_kind(source(document, **fields), "Observation")
        if one["code"]["text"] in {line.name for line in FINAL}
    }
    assert of_results == {unchanged}
    assert made <= {unchanged, observations}
    assert _hl7(document, void="withdrawn" in fields) == (
        {{"C": "F"}.get(order, order)}, {{"C": "F"}.get(results, results)},
    )  # fmt: skip


# A result's own status (table 0085) and change → OBR-25, OBX-11, Observation.status
LINES: tuple[tuple[dict[str, Any], bool, str, str, str], ...] = (
    ({}, False, "F", "F", "final"),
    ({"change": "corrected", "earlier": "9"}, False, "C", "C", "corrected"),
    ({"change": "added"}, False, "C", "F", "final"),
    ({"status": "P"}, False, "P", "P", "preliminary"),
    ({"status": "P", "change": "corrected", "earlier": "9"}, False, "P", "P", "preliminary"),
    ({"status": "C"}, False, "F", "C", "corrected"),
    ({"status": "X", "value": "", "number": None}, False, "F", "X", "cancelled"),
    ({}, True, "P", "P", "preliminary"),
    ({"status": "X", "value": "", "number": None}, True, "F", "X", "cancelled"),
)


@pytest.mark.parametrize(("fields", "preliminary", "order", "result", "status"), LINES)
def test_each_result_says_its_own_state(
    fields: dict[str, Any], preliminary: bool, order: str, result: str, status: str
) -> None:
    one = replace(FINAL[0], **fields)
    table = replace(TABLE, groups=(replace(BLOOD, lines=(one,)),), pending=())
    document = replace(LAB, laboratory=table, preliminary=preliminary)

    assert _hl7(document, void=False) == ({order}, {result})
    [made] = [
        found for found in of_kind(source(document), "Observation") if found["code"]["text"] == one.name
    ]
    assert made["status"] == status
