"""Which templates and phrases are for an examination, and how well each fits; the one that one key writes."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeVar

from worklists.examinations import Examination
from worklists.reporting.body_parts import also_read_as, around, find_parts
from worklists.reporting.books import Applies, Phrase, Template

# To a reader the ways to a plain film are one.
_SAME: Final = dict.fromkeys(("CR", "DR", "DX", "RF"), "DX")
# PS3.3 C.7.3.1.1.1, as far as somebody reports on them here.
MODALITIES: Final = frozenset(
    {
        "BMD", "CR", "CT", "DR", "DX", "ECG", "ES", "GM", "IO", "IVUS", "MG", "MR", "NM", "OCT", "OP", "OT", "PT", "PX",
        "RF", "SM", "US", "XA", "XC",
    }
)  # fmt: skip
Entry = TypeVar("Entry", Template, Phrase)


class Fit(IntEnum):
    OTHER = 0  # of the modality, for another part
    PART = 1  # for one of several parts
    ANY = 2  # for any part
    WIDER = 3  # for what this part is read as
    EXACT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What of an examination decides."""

    modalities: frozenset[str]
    parts: frozenset[str]
    sex: str

    @classmethod
    def of(cls, examination: Examination) -> "About":
        return cls(
            modalities=same_modalities(examination.modality.upper().split("\\")),
            parts=find_parts(examination.body_part, examination.description),
            sex=examination.patient.sex or "",
        )


def same_modalities(stated: Iterable[str]) -> frozenset[str]:
    return frozenset(_SAME.get(one.strip(), one.strip()) for one in stated if one.strip())


def fit(what: Applies, about: About) -> Fit | None:
    """None: not for it at all. A person whose sex is not known is offered what is for either."""
    modalities = same_modalities(what.modalities)
    if modalities and about.modalities and not modalities & about.modalities:
        return None
    if what.sex and about.sex in {"M", "F"} and what.sex != about.sex:
        return None
    return _fit_of_parts(what.body_parts, about.parts)


def rank(entries: Iterable[Entry], about: About) -> list[tuple[Entry, Fit]]:
    """Those that are for it, the best first; of equals a normal one, the narrower one, the one for its sex."""
    found = [(one, how) for one in entries if (how := fit(one.what, about)) is not None]
    return sorted(found, key=lambda pair: (-pair[1], not _is_normal(pair[0]), *_width(pair[0].what, about)))


def normal_of(templates: Iterable[Template], about: About) -> Template | None:
    """What one key writes: for exactly these parts, this sex and this modality. None rather than a wrong one."""
    for one, how in rank(templates, about):
        if one.normal and how >= Fit.ANY and _is_certain(one.what, about):
            return one
    return None


def _is_certain(what: Applies, about: About) -> bool:
    """Neither sex nor modality is guessed, and it speaks of no part that was not examined."""
    known = (not what.sex or what.sex == about.sex) and (not what.modalities or bool(about.modalities))
    return known and all(any(_related(stated, part) for part in about.parts) for stated in what.body_parts)


def _related(one: str, other: str) -> bool:
    return one == other or one in set(around(other)) or other in set(around(one))


def _width(what: Applies, about: About) -> tuple[int, bool]:
    return len(what.body_parts - about.parts), not what.sex


def _is_normal(entry: Template | Phrase) -> bool:
    return isinstance(entry, Template) and entry.normal


def _fit_of_parts(stated: frozenset[str], parts: frozenset[str]) -> Fit:
    if not stated:
        return Fit.ANY
    if parts and parts <= stated:
        return Fit.EXACT
    if parts and all(also_read_as(one) & stated for one in parts):
        return Fit.WIDER
    return Fit.PART if any(also_read_as(one) & stated for one in parts) else Fit.OTHER
