"""What a report of images or of pathology keeps beside its words: the templates it was begun from, and its scores.

A score is computed here again from its inputs: what a page says came out of them is not kept.
"""

from collections.abc import Mapping
from typing import Any, Final

from worklists.errors import FieldsRefused, NotFound
from worklists.scores.rating import ScoreRefused, get_scheme, rate

MOST_TEMPLATES, MOST_SCORES = 40, 20
LONGEST_CODE: Final = 64


def read_content(stated: Mapping[str, Any]) -> dict[str, Any]:
    """The content as it is kept. Raises FieldsRefused."""
    unknown = stated.keys() - {"templates", "scores"}
    if unknown:
        raise FieldsRefused(dict.fromkeys((f"content.{name}" for name in unknown), "unknown"))
    return {
        "templates": [
            _template(place, one) for place, one in enumerate(_rows(stated, "templates", MOST_TEMPLATES))
        ],
        "scores": [_score(place, one) for place, one in enumerate(_rows(stated, "scores", MOST_SCORES))],
    }


def _rows(stated: Mapping[str, Any], name: str, most: int) -> list[Any]:
    rows = stated.get(name) or []
    if not isinstance(rows, list):
        raise FieldsRefused({f"content.{name}": "unusable"})
    if len(rows) > most:
        raise FieldsRefused({f"content.{name}": "too_long"})
    return rows


def _template(place: int, stated: object) -> dict[str, Any]:
    code, version = (
        (stated.get("code"), stated.get("version")) if isinstance(stated, Mapping) else (None, None)
    )
    if not isinstance(code, str) or not 0 < len(code) <= LONGEST_CODE:
        raise FieldsRefused({f"content.templates.{place}.code": "unusable"})
    if isinstance(version, bool) or not isinstance(version, int) or not 0 <= version < 2**31:
        raise FieldsRefused({f"content.templates.{place}.version": "unusable"})
    return {"code": code, "version": version}


def _score(place: int, stated: object) -> dict[str, Any]:
    where = f"content.scores.{place}"
    scheme, inputs = (
        (stated.get("scheme"), stated.get("inputs")) if isinstance(stated, Mapping) else (None, None)
    )
    if not isinstance(scheme, str) or not isinstance(inputs, Mapping):
        raise FieldsRefused({f"{where}.scheme": "unusable"})
    try:
        read, rated = rate(scheme, inputs)
    except NotFound as error:
        raise FieldsRefused({f"{where}.scheme": "unknown"}) from error
    except ScoreRefused as error:
        raise FieldsRefused({f"{where}.{name}": why for name, why in error.reasons.items()}) from error
    return {
        "scheme": scheme, "version": get_scheme(scheme).version, "inputs": read, "category": rated.category,
        "text": rated.text, "advice": rated.advice,
    }  # fmt: skip
