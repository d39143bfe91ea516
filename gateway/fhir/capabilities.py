"""What this FHIR server can do, told out of the tables by which it does it; and what its extensions mean."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from adapters.reports.fhir.parts import moment
from gateway import __version__
from gateway.fhir.including import told_of
from gateway.fhir.operations import DECIDE, MATCH
from gateway.fhir.parameters import PARAMETERS
from gateway.fhir.reading import READABLE
from worklists.errors import NotFound

_EXTENSIONS: Mapping[str, tuple[str, tuple[str, ...], str]] = {
    "recognition-mark": ("互认标识", ("DiagnosticReport", "Observation"), "Extension"),
    "critical": ("危急值", ("DiagnosticReport", "Observation"), "boolean"),
    "report-version": ("报告版本号", ("DiagnosticReport",), "positiveInt"),
}
_MARK_PARTS = ("item", "text", "scope", "remark")


def capability_statement(base_url: str, started_at: datetime) -> dict[str, Any]:
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": moment(started_at),
        "kind": "instance",
        "software": {"name": "Shared-Centre Gateway", "version": __version__},
        "implementation": {
            "description": "Signed reports of a county's shared centres",
            "url": f"{base_url}/fhir",
        },
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "security": {
                    "description": "A bearer token of a machine with the wire `reports`, or a person's session"
                },
                "resource": [_resource(kind) for kind in sorted(READABLE)],
                "operation": [
                    {"name": name, "definition": f"{base_url}/fhir/OperationDefinition/{name}"}
                    for name in (MATCH, DECIDE)
                ],
            }
        ],
    }


def _resource(kind: str) -> dict[str, Any]:
    codes = ["read"]
    if kind == "DiagnosticReport":
        codes.append("vread")
    found = {name: one for name, one in PARAMETERS.get(kind, {}).items() if one.told}
    if found:
        codes.append("search-type")
    told = {"searchParam": [{"name": name, "type": one.type} for name, one in found.items()]} if found else {}
    versions = {"versioning": "versioned", "readHistory": True} if "vread" in codes else {}
    included, reversed_ = told_of(kind)
    along = {"searchInclude": included, "searchRevInclude": reversed_}
    unchanged = {"conditionalRead": "not-match"} if kind != "Binary" else {}
    return {
        "type": kind,
        "interaction": [{"code": code} for code in codes],
        **versions,
        **unchanged,
        **{name: values for name, values in along.items() if values},
        **told,
    }


def structure_definition(name: str, base_url: str) -> dict[str, Any]:
    """One of our extensions. Raises NotFound."""
    if name not in _EXTENSIONS:
        raise NotFound("StructureDefinition")
    title, contexts, kind = _EXTENSIONS[name]
    url = f"{base_url}/fhir/StructureDefinition/{name}"
    return {
        "resourceType": "StructureDefinition",
        "id": name,
        "url": url,
        "name": "".join(part.capitalize() for part in name.split("-")),
        "title": title,
        "status": "active",
        "fhirVersion": "4.0.1",
        "kind": "complex-type",
        "abstract": False,
        "context": [{"type": "element", "expression": one} for one in contexts],
        "type": "Extension",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Extension",
        "derivation": "constraint",
        "differential": {"element": [{"id": "Extension", "path": "Extension"}, *_elements(url, kind)]},
    }


def _elements(url: str, kind: str) -> list[dict[str, Any]]:
    fixed: dict[str, Any] = {"id": "Extension.url", "path": "Extension.url", "fixedUri": url}
    if kind != "Extension":
        return [fixed, {"id": "Extension.value[x]", "path": "Extension.value[x]", "type": [{"code": kind}]}]
    parts: list[dict[str, Any]] = []
    for one in _MARK_PARTS:
        at = f"Extension.extension:{one}"
        parts += [
            {"id": at, "path": "Extension.extension", "sliceName": one, "min": 0, "max": "1"},
            {"id": f"{at}.url", "path": "Extension.extension.url", "fixedUri": one},
            {"id": f"{at}.value[x]", "path": "Extension.extension.value[x]", "type": [{"code": "string"}]},
        ]
    return [*parts, fixed]
