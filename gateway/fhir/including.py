"""What comes along with what was found (R4 3.1.1.5.3): resources that it names, and the Provenance that names it.

By search parameter, as R4 writes `DiagnosticReport:result`; `*` is whatever it names. What comes along is what belongs to
the same report, so that nothing is shown that a reader could not open by itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters.reports.fhir.parts import Resource

_PATIENT = {"patient": "subject", "subject": "subject"}
# kind: search parameter → the element that holds the reference
INCLUDED: Mapping[str, Mapping[str, str]] = {
    "DiagnosticReport": {
        **_PATIENT,
        "based-on": "basedOn",
        "performer": "performer",
        "result": "result",
        "results-interpreter": "resultsInterpreter",
        "specimen": "specimen",
    },
    "Observation": {**_PATIENT, "performer": "performer", "specimen": "specimen"},
    "ImagingStudy": {**_PATIENT, "basedon": "basedOn", "endpoint": "endpoint"},
}
REVERSED: Mapping[str, tuple[str, ...]] = {"DiagnosticReport": ("Provenance:target",)}
ALL = "*"


def told_of(kind: str) -> tuple[list[str], list[str]]:
    """What the capabilities say of a kind: `_include`, and `_revinclude`."""
    named = [f"{kind}:{name}" for name in sorted(INCLUDED.get(kind, {}))]
    return [ALL, *named] if named else [], list(REVERSED.get(kind, ()))


def read_along(kind: str, name: str, value: str) -> str | None:
    """The value as it is kept; None for one that is not known here. A type behind it (`:Patient`) narrows nothing."""
    included, reversed_ = told_of(kind)
    short = ":".join(value.split(":")[:2])
    return short if short in (included if name == "_include" else reversed_) else None


def included_with(resource: Resource, include: Sequence[str], made: Sequence[Resource]) -> Iterator[Resource]:
    """Of what was made of the same report what the resource names by one of these parameters."""
    names: set[str] = set()
    for parameter in include:
        element = (
            None if parameter == ALL else INCLUDED[resource["resourceType"]][parameter.partition(":")[2]]
        )
        names.update(_references(resource if element is None else resource.get(element)))
    for one in made:
        if f"{one['resourceType']}/{one['id']}" in names:
            yield one


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for one in value.values():
            yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)
