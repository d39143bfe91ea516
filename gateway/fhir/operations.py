"""Mutual recognition as FHIR operations (R4 3.2): the questions and answers of `/api/v1/recognition` as Parameters."""

from collections.abc import Iterable, Mapping
from typing import Any

from adapters.reports.fhir.parts import clean, typed_identifier
from gateway.fhir.errors import BadSearch

MATCH, DECIDE = "match-recognition", "decide-recognition"
ITEMS = "recognition-items"  # a code system of the county
_GENDERS = {"male": "M", "female": "F", "other": "O"}
_CARDS = {None, "", "urn:oid:2.16.156.10011.1.3"}  # the resident identity card (GB 11643)
_Part = tuple[str, str, str, int, str]  # name, use, type, least, most

_PARTS: Mapping[str, tuple[_Part, ...]] = {
    MATCH: (
        ("patient", "in", "Patient", 1, "1"),
        ("item", "in", "Coding", 1, "100"),
        ("encounter", "in", "Encounter", 1, "1"),
        ("doctor", "in", "string", 0, "1"),
        ("department", "in", "string", 0, "1"),
        ("group", "out", "id", 1, "1"),
        ("match", "out", "", 1, "*"),
    ),
    DECIDE: (
        ("group", "in", "id", 1, "1"),
        ("decision", "in", "", 0, "100"),
        ("doctor", "in", "string", 0, "1"),
        ("department", "in", "string", 0, "1"),
        ("group", "out", "id", 1, "1"),
        ("match", "out", "", 1, "*"),
    ),
}
_MEANT = {
    "match": "One for each ordered item: item (Coding), outcome (reminder, reference, older, none), and of what was "
    "found id, mark, reportedAt, examinedAt, source (Identifier), standing, value, unit, range, abnormal, findings, "
    "impression, decision.",
    "decision": "match (id), decision (adopted, declined), reason (code), note, toldPatient.",
    "patient": "identifier (the resident identity card), name.text, gender and birthDate: all of it has to agree.",
    "encounter": "identifier, and class: AMB, EMER or IMP.",
}
_CLASSES = {"AMB": "outpatient", "EMER": "emergency", "IMP": "inpatient"}


def definition_of(name: str, base_url: str) -> dict[str, Any]:
    """Its OperationDefinition."""
    return {
        "resourceType": "OperationDefinition",
        "id": name,
        "url": f"{base_url}/fhir/OperationDefinition/{name}",
        "name": "".join(part.capitalize() for part in name.split("-")),
        "status": "active",
        "kind": "operation",
        "affectsState": True,
        "code": name,
        "system": True,
        "type": False,
        "instance": False,
        "parameter": [
            clean({"name": part, "use": use, "min": least, "max": most, "type": kind,
                   "documentation": _MEANT.get(part, ""),
                   "part": _parts_of(part) if not kind else []}) | {"min": least}
            for part, use, kind, least, most in _PARTS[name]
        ],
    }  # fmt: skip


_INNER = {
    "match": {"item": "Coding", "outcome": "code", "id": "id", "mark": "string", "reportedAt": "dateTime",
              "examinedAt": "dateTime", "source": "Identifier", "standing": "boolean", "value": "string",
              "unit": "string", "range": "string", "abnormal": "string", "findings": "string",
              "impression": "string", "decision": "code"},
    "decision": {"match": "id", "decision": "code", "reason": "code", "note": "string", "toldPatient": "boolean"},
}  # fmt: skip


def _parts_of(name: str) -> list[dict[str, Any]]:
    use = "out" if name == "match" else "in"
    return [
        {"name": one, "use": use, "min": 0, "max": "1", "type": kind} for one, kind in _INNER[name].items()
    ]


def read_question(stated: Any) -> dict[str, Any]:
    """As `POST /api/v1/recognition/matches` takes it. Raises BadSearch."""
    given = _given(stated, MATCH)
    patient, encounter = _resource(given, "patient", "Patient"), _resource(given, "encounter", "Encounter")
    card = _card(patient)
    names = patient.get("name") or [{}]
    return {
        "patient": {
            "number": card,
            "name": names[0].get("text") or names[0].get("family", "") + "".join(names[0].get("given") or []),
            "sex": _GENDERS.get(str(patient.get("gender", "")), ""),
            "birth_date": patient.get("birthDate", ""),
        },
        "items": [_value(one, "valueCoding").get("code", "") for one in given.get("item", [])],
        "encounter": {
            "type": _CLASSES.get((encounter.get("class") or {}).get("code", "AMB"), ""),
            "number": ((encounter.get("identifier") or [{}])[0]).get("value", ""),
            "doctor": _text(given, "doctor"),
            "department": _text(given, "department"),
        },
    }


def read_decisions(stated: Any) -> tuple[str, dict[str, Any]]:
    """The group, and what is decided, as `POST …/matches/{group}/decisions` takes it. Raises BadSearch."""
    given = _given(stated, DECIDE)
    said = []
    for one in given.get("decision", []):
        parts = {part.get("name"): part for part in one.get("part") or []}
        said.append(
            {
                "match_id": _any(parts.get("match")),
                "decision": _any(parts.get("decision")),
                "reason_code": _any(parts.get("reason")) or None,
                "note": _any(parts.get("note")) or "",
                "told_patient": bool(_any(parts.get("toldPatient"))),
            }
        )
    body = {"decisions": said, "doctor": _text(given, "doctor"), "department": _text(given, "department")}
    return _text(given, "group"), body


def write_group(group: Mapping[str, Any], base_url: str) -> dict[str, Any]:
    """The group as it is answered in JSON, as Parameters."""
    matches = [{"name": "match", "part": list(_match(one, base_url))} for one in group["matches"]]
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": "group", "valueId": str(group["id"])}, *matches],
    }


def _match(one: Mapping[str, Any], base_url: str) -> Iterable[dict[str, Any]]:
    item, result, decision = one["item"], one["result"] or {}, one["decision"] or {}
    system = f"{base_url}/fhir/CodeSystem/{ITEMS}"
    yield {"name": "item", "valueCoding": {"system": system, "code": item["code"], "display": item["name"]}}
    source = one["source"] or {}
    values = {
        "outcome": ("valueCode", one["outcome"]),
        "id": ("valueId", one["id"]),
        "mark": ("valueString", one["mark"]),
        "reportedAt": ("valueDateTime", one["reported_at"]),
        "examinedAt": ("valueDateTime", one["examined_at"]),
        "source": ("valueIdentifier", _source(source)),
        "standing": ("valueBoolean", one["standing"]),
        **{name: ("valueString", result.get(name)) for name in _SHOWN},
        "decision": ("valueCode", decision.get("decision")),
    }
    for name, (kind, value) in values.items():
        if value not in (None, "", {}):
            yield {"name": name, kind: value}


_SHOWN = ("value", "unit", "range", "abnormal", "findings", "impression")


def _source(source: Mapping[str, Any]) -> dict[str, Any]:
    made = typed_identifier("FI", "urn:oid:2.16.156.10011.1.5", source.get("code", ""))
    return clean({**made, "assigner": {"display": source.get("name", "")}}) if made else {}


def _given(stated: Any, operation: str) -> dict[str, list[dict[str, Any]]]:
    """The parameters by name; each is one that the operation has."""
    if not isinstance(stated, dict) or stated.get("resourceType") != "Parameters":
        raise BadSearch("body", "a Parameters resource")
    known = {name: most for name, use, _, _, most in _PARTS[operation] if use == "in"}
    found: dict[str, list[dict[str, Any]]] = {}
    parameters = stated.get("parameter")
    for one in parameters if isinstance(parameters, list) else []:
        name = one.get("name") if isinstance(one, dict) else None
        if name not in known:
            raise BadSearch(str(name), f"not one of {', '.join(known)}")
        found.setdefault(name, []).append(one)
        if len(found[name]) > int(known[name]):
            raise BadSearch(name, f"{known[name]} at most")
    return found


def _resource(given: Mapping[str, list[dict[str, Any]]], name: str, kind: str) -> dict[str, Any]:
    [one] = given.get(name) or [{}]
    resource = one.get("resource")
    if not isinstance(resource, dict) or resource.get("resourceType") != kind:
        raise BadSearch(name, f"a resource {kind}")
    return resource


def _card(patient: Mapping[str, Any]) -> str:
    for one in patient.get("identifier") or []:
        if one.get("system") in _CARDS:
            return str(one.get("value", ""))
    raise BadSearch("patient", "an identifier with the resident identity card (urn:oid:2.16.156.10011.1.3)")


def _value(one: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = one.get(name)
    return found if isinstance(found, dict) else {}


def _any(one: Mapping[str, Any] | None) -> Any:
    """The value of a parameter, whichever simple type it was given as."""
    return next((value for name, value in (one or {}).items() if name.startswith("value")), None)


def _text(given: Mapping[str, list[dict[str, Any]]], name: str) -> str:
    one = given.get(name)
    return str((_any(one[0]) if one else "") or "")
