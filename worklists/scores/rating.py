"""From what somebody stated to a category: every input is checked, and what cannot be used is named."""

import math
from collections.abc import Mapping
from typing import Any

from worklists.errors import FieldsRefused, NotFound
from worklists.scores import SCHEMES
from worklists.scores.values import Contradicts, Input, InputKind, Rated, Scheme


class ScoreRefused(FieldsRefused):
    """Inputs that cannot be used: `inputs.NAME` → why."""


def get_scheme(code: str) -> Scheme:
    """Raises NotFound."""
    if code not in SCHEMES:
        raise NotFound("score")
    return SCHEMES[code]


def rate(code: str, stated: Mapping[str, Any]) -> tuple[dict[str, Any], Rated]:
    """The inputs as they are kept, and what they give. Raises NotFound, ScoreRefused."""
    scheme = get_scheme(code)
    read = _read(scheme, stated)
    try:
        return read, scheme.rate(read)
    except Contradicts as error:
        raise ScoreRefused({f"inputs.{error.name}": "contradicts"}) from error


def _read(scheme: Scheme, stated: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in stated.items() if value not in (None, "", [])}
    asked = [one for one in scheme.inputs if one.is_asked(given)]
    reasons = {f"inputs.{name}": "unknown" for name in given.keys() - {one.name for one in asked}}
    for one in asked:
        why = _why_not(one, given.get(one.name))
        if why:
            reasons[f"inputs.{one.name}"] = why
    if reasons:
        raise ScoreRefused(reasons)
    return {one.name: given[one.name] for one in asked if one.name in given}


def _why_not(one: Input, value: object) -> str:
    if value is None:
        return "required" if one.required else ""
    if one.kind is InputKind.NUMBER:
        usable = not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)
        return "" if usable and one.low <= float(str(value)) <= one.high else "unusable"
    known = {option.value for option in one.options}
    if one.kind is InputKind.CHOICE:
        return "" if isinstance(value, str) and value in known else "unusable"
    fits = isinstance(value, list) and all(isinstance(each, str) and each in known for each in value)
    return "" if fits and isinstance(value, list) and len(set(value)) == len(value) else "unusable"
