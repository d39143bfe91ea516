"""The rule book `templates` of a centre, read into values, and what it begins with."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from sqlalchemy.orm import Session

from worklists.directory import Centre, Kind
from worklists.reporting.slots import SlotType
from worklists.rule_books import live_contents, live_version

TEMPLATES: Final = "templates"
SHIPPED: Final = 0  # the version of what the book begins with
# Of an ECG statements are chosen, of a specimen results stand: their books begin empty.
_FILES: Final = {Kind.IMAGING: "imaging.json", Kind.PATHOLOGY: "pathology.json"}
_SLOT: Final[Mapping[str, Any]] = {
    "choices": [], "default": "", "unit": "", "low": None, "high": None, "decimals": 0, "required": True,
}  # fmt: skip
_COMMON: Final[Mapping[str, Any]] = {
    "initials": "",
    "modalities": [],
    "body_parts": [],
    "sex": "",
    "slots": [],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    name: str
    type: SlotType
    choices: tuple[str, ...]
    default: str
    unit: str
    low: float | None
    high: float | None
    decimals: int
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Applies:
    """What of an examination an entry of the book is for; an empty field is for any."""

    modalities: frozenset[str]
    body_parts: frozenset[str]
    sex: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A report to begin from."""

    code: str
    name: str
    initials: str
    what: Applies
    normal: bool
    findings: str
    impression: str
    slots: tuple[Slot, ...]
    score: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """A piece of a text, for where the reader is (`into` both) or for one section alone."""

    code: str
    name: str
    initials: str
    what: Applies
    text: str
    into: str
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateBook:
    """What counts at a centre. `version` is SHIPPED where it has no book of its own."""

    version: int
    templates: Sequence[Template]
    phrases: Sequence[Phrase]

    @classmethod
    def read(cls, content: Mapping[str, Any], version: int = SHIPPED) -> "TemplateBook":
        return cls(
            version=version,
            templates=tuple(
                Template(
                    **{name: one[name] for name in ("code", "name", "initials", "normal", "findings", "impression")},
                    what=_applies(one), slots=_slots(one), score=one["score"],
                )
                for one in content["templates"]
            ),
            phrases=tuple(
                Phrase(
                    **{name: one[name] for name in ("code", "name", "initials", "text", "into")},
                    what=_applies(one), slots=_slots(one),
                )
                for one in content["phrases"]
            ),
        )  # fmt: skip


@cache
def _shipped(kind: Kind) -> str:
    """As text: whoever gets the content may change it."""
    if kind not in _FILES:
        return json.dumps({"templates": [], "phrases": []})
    stated = json.loads((files(__package__) / "data" / _FILES[kind]).read_text(encoding="utf-8"))
    return json.dumps(
        {name: [_whole(name, one) for one in stated[name]] for name in ("templates", "phrases")}
    )


def default_templates(kind: Kind) -> dict[str, Any]:
    """What a centre of the kind begins with, every field stated."""
    content: dict[str, Any] = json.loads(_shipped(kind))
    return content


def book_of(session: Session, centre: Centre) -> TemplateBook:
    """What is in force at the centre."""
    row = live_version(session, TEMPLATES, str(centre.id))
    if row is None:
        return TemplateBook.read(default_templates(centre.kind))
    return TemplateBook.read(row.content, row.version)


def normal_impressions(session: Session) -> set[str]:
    """What a report says that found nothing, in what ships and at any centre."""
    live = live_contents(session, TEMPLATES).values()
    contents = [*map(default_templates, _FILES), *live]
    return {one["impression"] for content in contents for one in content["templates"] if one["normal"]}


def centre_of(session: Session, scope: str) -> Centre:
    return session.get_one(Centre, uuid.UUID(scope))


def _whole(part: str, stated: Mapping[str, Any]) -> dict[str, Any]:
    own = {"normal": False, "score": ""} if part == "templates" else {}
    return {**_COMMON, **own, **stated, "slots": [{**_SLOT, **slot} for slot in stated.get("slots", [])]}


def _applies(one: Mapping[str, Any]) -> Applies:
    return Applies(
        modalities=frozenset(one["modalities"]), body_parts=frozenset(one["body_parts"]), sex=one["sex"]
    )


def _slots(one: Mapping[str, Any]) -> tuple[Slot, ...]:
    return tuple(
        Slot(**{**slot, "type": SlotType(slot["type"]), "choices": tuple(slot["choices"])})
        for slot in one["slots"]
    )
