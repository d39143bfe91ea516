"""Data types of FHIR R4 (2.24) as plain dictionaries, and the systems of the codes and numbers in them."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from adapters.reports.fhir.source import urn_of

Resource = dict[str, Any]

LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
MDC = "urn:iso:std:iso:11073:10101"
DICOM_CODES = "http://dicom.nema.org/resources/ontology/DCM"
DICOM_UIDS = "urn:dicom:uid"
URIS = "urn:ietf:rfc:3986"
V2_0074, V2_0203 = (f"http://terminology.hl7.org/CodeSystem/v2-{table}" for table in ("0074", "0203"))
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
OBSERVATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
AGENT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
CONNECTION = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
# National identifiers as the shared documents of WS/T 500 have them.
ORGANIZATIONS = "urn:oid:2.16.156.10011.1.5"
ORDERS = "urn:oid:2.16.156.10011.1.24"
SPECIMENS = "urn:oid:2.16.156.10011.1.14"
REPORTS = {
    "imaging": "urn:oid:2.16.156.10011.1.32",
    "ecg": "urn:oid:2.16.156.10011.1.32",
    "pathology": "urn:oid:2.16.156.10011.1.32",
    "laboratory": "urn:oid:2.16.156.10011.1.33",
}

_TERM = r"(?:[kdcmunpf]?(?:g|L|mol|m|U|kat|Pa|osm|eq)|s|ms|min|h|d|deg)"
_PLAIN_UNIT = re.compile(rf"%|/?{_TERM}(?:/{_TERM})*")
_UNITS = {
    "10^9/L": "10*9/L",
    "10^12/L": "10*12/L",
    "/100WBC": "/100{WBCs}",
    "IU/mL": "[IU]/mL",
    "IU/L": "[IU]/L",
    "mIU/L": "m[IU]/L",
    "mIU/mL": "m[IU]/mL",
    "uIU/mL": "u[IU]/mL",
    "mmHg": "mm[Hg]",
    "mL/min/1.73m2": "mL/min/{1.73_m2}",
}


def clean(resource: Mapping[str, Any]) -> Resource:
    """Without what is empty, which FHIR's JSON has not (R4 2.6.2.2)."""
    return {
        name: kept for name, value in resource.items() if (kept := _cleaned(value)) not in (None, "", [], {})
    }


def _cleaned(value: Any) -> Any:
    if isinstance(value, Mapping):
        return clean(value)
    if isinstance(value, list | tuple):
        return [kept for one in value if (kept := _cleaned(one)) not in (None, "", [], {})]
    return value


def coding(system: str, code: str, display: str = "") -> Resource:
    return {"system": system, "code": code, "display": display}


def concept(text: str = "", *codings: Resource) -> Resource:
    return {"coding": list(codings), "text": text}


def codeable_modality(modality: str) -> Resource:
    return coding(DICOM_CODES, modality or "OT")


def own_identifier(kind: str, id_: object) -> Resource:
    return {"system": URIS, "value": urn_of(kind, id_)}


def typed_identifier(code: str, system: str, value: str) -> Resource:
    """`code` is of HL7 table 0203."""
    return {"type": concept("", coding(V2_0203, code)), "system": system, "value": value} if value else {}


def quantity(number: float | None, unit: str, comparator: str = "") -> Resource:
    """With UCUM where the unit is one of it, else with the unit as it is written."""
    if number is None:
        return {}
    code = ucum(unit)
    value = int(number) if float(number).is_integer() else number
    coded = {"system": UCUM, "code": code} if code else {}
    return {"value": value, "comparator": comparator, "unit": unit, **coded}


def ucum(unit: str) -> str:
    """How UCUM writes a unit of the dictionary; empty where it does not."""
    return _UNITS.get(unit) or (unit if _PLAIN_UNIT.fullmatch(unit) else "")


def moment(at: datetime | None) -> str:
    """dateTime or instant (R4 2.24.0.1)."""
    return at.isoformat() if at else ""


def extension(base_url: str, name: str, **value: Any) -> Resource:
    """One of ours, described at its own address."""
    return {"url": f"{base_url}/fhir/StructureDefinition/{name}", **value}
