"""All of a report as one transaction (R4 3.1.0.11.2), and each resource of it by itself.

By id: every resource is a PUT under our id, the same however often it is sent. By identifier, for servers that give
ids themselves: what is ours is a conditional update, what the receiver may know better (patient, institutions,
people) is created only where it is not there. A Provenance has no identifier in R4, so that none goes by it.
"""

from collections.abc import Iterable
from typing import Any, Literal
from urllib.parse import quote

from adapters.reports.fhir import around
from adapters.reports.fhir.parts import Resource
from adapters.reports.fhir.report import binary, diagnostic_report, provenance
from adapters.reports.fhir.results import observations, standing
from adapters.reports.fhir.source import BundleLinks, FhirReport, Links

Update = Literal["id", "identifier"]
_THEIRS = {"Patient", "Organization", "Practitioner", "Endpoint"}
_SAFE = ":/"  # beside what never needs it; "|" is written as R4's own examples have it (3.1.0.7.1)
_WITHOUT_IDENTIFIER = {"Provenance", "Binary"}


def resources_of(report: FhirReport, links: Links) -> list[Resource]:
    """Whatever is named before what names it."""
    found = observations(report, links)
    said = found if report.withdrawn else standing(found)
    return [
        around.patient(report),
        *around.organizations(report),
        *around.practitioners(report),
        *around.endpoint(report),
        *around.service_request(report, links),
        *around.specimen(report, links),
        *around.imaging_study(report, links),
        *found,
        *binary(report),
        diagnostic_report(report, links, said),
        provenance(report, links),
    ]


def write_transaction(report: FhirReport, *, update: Update = "id") -> dict[str, Any]:
    """A Bundle. Raises ValueError for a document by itself where ids are not ours to give."""
    if update == "identifier" and report.document_as == "binary":
        raise ValueError("a Binary has no identifier")
    links = Links() if update == "id" else BundleLinks()
    made = resources_of(report, links)
    entries = _by_id(report, made) if update == "id" else _by_identifier(made)
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


def _by_id(report: FhirReport, made: list[Resource]) -> Iterable[Resource]:
    for one in made:
        path = f"{one['resourceType']}/{one['id']}"
        yield {
            "fullUrl": f"{report.fhir_url}/{path}",
            "resource": one,
            "request": {"method": "PUT", "url": path},
        }


def _by_identifier(made: list[Resource]) -> Iterable[Resource]:
    links = BundleLinks()
    for one in made:
        kind = one["resourceType"]
        if kind in _WITHOUT_IDENTIFIER:
            continue
        found = one["identifier"][0]
        query = f"identifier={quote(found['system'], safe=_SAFE)}|{quote(found['value'], safe=_SAFE)}"
        request = {"method": "PUT", "url": f"{kind}?{query}"}
        if kind in _THEIRS:
            request = {"method": "POST", "url": kind, "ifNoneExist": query}
        resource = {name: value for name, value in one.items() if name != "id"}
        yield {"fullUrl": links.name_of(kind, one["id"]), "resource": resource, "request": request}
