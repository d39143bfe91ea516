"""Whether two patients are one person: what agrees between them, and the rules that follow from it.

The rules are this table and nothing else. The first that fits decides; a field that a rule does not name may be
anything. Only a checked identity card links people of two institutions by itself; likeness proposes, a person
decides. Local numbers are compared within one institution only: two townships that use the same number never meet.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum

from worklists.cards import read_card
from worklists.names import NameAgreement, compare_names, is_unnamed_newborn
from worklists.patients import Patient


class Agreement(StrEnum):
    SAME = "same"
    ALIKE = (
        "alike"  # of names: letters that can be a reading of the characters, or a name of doubtful characters
    )
    UNNAMED = "unnamed"  # of names: one is a newborn's that had none yet
    DIFFERENT = "different"
    UNKNOWN = "unknown"  # one side says nothing

    @classmethod
    def of(cls, one: object, other: object) -> "Agreement":
        if not one or not other:
            return cls.UNKNOWN
        return cls.SAME if one == other else cls.DIFFERENT


class Outcome(StrEnum):
    """What a rule says of two patients."""

    LINK = "link"
    PROPOSE = "propose"
    CONFLICT = "conflict"  # the same card, and yet not one person: somebody made a mistake
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What agrees between two patients."""

    card: Agreement
    card_fits: Agreement  # the card's own birth date and sex, with those of both
    name: Agreement
    sex: Agreement
    birth_date: Agreement
    phone: Agreement
    number: Agreement  # the local number; UNKNOWN between institutions, and between issuers of one

    def as_json(self) -> dict[str, str]:
        return {field.name: getattr(self, field.name).value for field in fields(self)}

    @property
    def differs(self) -> bool:
        """Something that cannot be true of one person at once; a phone and a number can change."""
        return Agreement.DIFFERENT in (self.card, self.name, self.sex, self.birth_date)


_SAME, _ALIKE, _OPEN = {Agreement.SAME}, {Agreement.ALIKE}, {Agreement.SAME, Agreement.UNKNOWN}
_DIFFERENT = {Agreement.DIFFERENT}


@dataclass(frozen=True, slots=True)
class Rule:
    code: str
    outcome: Outcome
    needs: Mapping[str, set[Agreement]]

    def fits(self, evidence: Evidence) -> bool:
        return all(getattr(evidence, name) in allowed for name, allowed in self.needs.items())


_PERSON = {"name": _SAME, "sex": _SAME, "birth_date": _SAME}
RULES = (
    Rule("card_other_name", Outcome.CONFLICT, {"card": _SAME, "name": _DIFFERENT}),
    Rule("card_other_sex", Outcome.CONFLICT, {"card": _SAME, "sex": _DIFFERENT}),
    Rule("card_other_birth_date", Outcome.CONFLICT, {"card": _SAME, "birth_date": _DIFFERENT}),
    Rule("card", Outcome.LINK, {"card": _SAME, "card_fits": _SAME, **_PERSON}),
    Rule("card_does_not_fit", Outcome.PROPOSE, {"card": _SAME, "card_fits": _DIFFERENT}),
    Rule("card_incomplete", Outcome.PROPOSE, {"card": _SAME}),
    Rule("other_card", Outcome.NOTHING, {"card": _DIFFERENT}),
    # One number of one issuer is one person's; two rows of it came about at the same moment, or by a correction.
    Rule(
        "number",
        Outcome.LINK,
        {"number": _SAME, "name": _OPEN | _ALIKE, "sex": _OPEN, "birth_date": _OPEN},
    ),
    Rule("name", Outcome.PROPOSE, {"name": _SAME, "birth_date": _SAME, "sex": _OPEN}),
    Rule("pinyin", Outcome.PROPOSE, {"name": _ALIKE, "birth_date": _SAME, "sex": _SAME}),
    Rule(
        "phone", Outcome.PROPOSE, {"phone": _SAME, "name": _SAME | _ALIKE, "sex": _OPEN, "birth_date": _OPEN}
    ),
    Rule(
        "newborn_phone",
        Outcome.PROPOSE,
        {"name": {Agreement.UNNAMED}, "birth_date": _SAME, "sex": _OPEN, "phone": _SAME},
    ),
    Rule(
        "newborn_number",  # two numbers of one institution
        Outcome.PROPOSE,
        {"name": {Agreement.UNNAMED}, "birth_date": _SAME, "sex": _SAME, "number": _DIFFERENT},
    ),
)
NOTHING = Rule("nothing", Outcome.NOTHING, {})


def judge(one: Patient, other: Patient) -> tuple[Rule, Evidence]:
    """The rule that decides about two patients, and what it saw."""
    evidence = compare(one, other)
    return next((rule for rule in RULES if rule.fits(evidence)), NOTHING), evidence


def compare(one: Patient, other: Patient) -> Evidence:
    card = read_card(one.national_id)
    return Evidence(
        card=_compare_cards(one, other),
        card_fits=_fits(one, other) if card else Agreement.UNKNOWN,
        name=_compare_names(one, other),
        sex=Agreement.of(_known_sex(one), _known_sex(other)),
        birth_date=Agreement.of(one.birth_date, other.birth_date),
        phone=Agreement.of(one.phone, other.phone),
        number=_compare_numbers(one, other),
    )


def _compare_cards(one: Patient, other: Patient) -> Agreement:
    """Numbers that are no cards' say nothing."""
    first, second = read_card(one.national_id), read_card(other.national_id)
    return Agreement.of(first and first.number, second and second.number)


def _fits(one: Patient, other: Patient) -> Agreement:
    card = read_card(one.national_id)
    both = card is not None and all(card.fits(patient.sex, patient.birth_date) for patient in (one, other))
    return Agreement.SAME if both else Agreement.DIFFERENT


def _compare_names(one: Patient, other: Patient) -> Agreement:
    plain = compare_names(one.name, other.name)
    if plain is NameAgreement.DIFFERENT:
        doubtful = one.proposed_name or other.proposed_name
        if doubtful and any(compare_names(a, b) in _AGREEING for a, b in _readings(one, other)):
            return Agreement.ALIKE
        if is_unnamed_newborn(one.name) != is_unnamed_newborn(other.name):
            return Agreement.UNNAMED
    if plain is NameAgreement.SAME and (one.proposed_name or other.proposed_name):
        return Agreement.ALIKE  # the same wrong characters may have been two names
    return Agreement(plain.value)


_AGREEING = {NameAgreement.SAME, NameAgreement.ALIKE}


def _readings(one: Patient, other: Patient) -> Iterator[tuple[str, str]]:
    for a in one.identity.names:
        for b in other.identity.names:
            yield a, b


def _known_sex(patient: Patient) -> str | None:
    return patient.sex if patient.sex in {"M", "F"} else None


def _compare_numbers(one: Patient, other: Patient) -> Agreement:
    if one.institution_id != other.institution_id:
        return Agreement.UNKNOWN
    if one.issuer and other.issuer and one.issuer != other.issuer:
        return Agreement.UNKNOWN
    return Agreement.of(one.patient_id, other.patient_id)
