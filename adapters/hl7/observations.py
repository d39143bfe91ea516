"""OBX and what follows it: one result, or one attachment.

Values stand as the sender wrote them: structured numbers (SN) with their comparator and separator put together,
codes as their text with the code beside it, all else whole, delimiters inside included.
"""

import re
from collections.abc import Sequence
from datetime import tzinfo

from adapters.hl7.attachments import is_attachment, media_type_of, size_of
from adapters.hl7.message import Segment
from adapters.hl7.values import read_coded, read_person, read_time
from adapters.lab.said import Attachment, Coded, StatedResult

_CODED_TYPES = ("CE", "CWE", "CNE", "CF")
_TEN, _POWER = re.compile(r"(?:[xX×*]\s?)?10"), re.compile(r"[+-]?\d+(?:\s?/|\Z)")
_NO_CODE = Coded()


def read_observation(
    obx: Segment, behind: Sequence[Segment], position: int, zone: tzinfo, *, order_number: str = ""
) -> StatedResult | Attachment:
    """One OBX; `behind` are NTE, TCD and others that follow it."""
    identifiers = obx.repetitions(3)
    test = (read_coded(obx, identifiers[0]) if identifiers else None) or _NO_CODE
    if is_attachment(obx):
        return Attachment(
            position=position, test=test, media_type=media_type_of(obx), size_bytes=size_of(obx)
        )
    value, coded = read_value(obx)
    return StatedResult(
        position=position,
        test=test,
        alternate=read_coded(obx, identifiers[0], 4) if identifiers else None,
        sub_id=obx.whole(4),
        value_type=obx.text(2).upper(),
        value=value,
        coded=coded,
        unit=_read_unit(obx),
        reference_range=obx.whole(7),
        flags=obx.texts(8),
        status=obx.text(11).upper(),
        observed_at=read_time(obx.text(14), zone),
        analysed_at=read_time(obx.text(19), zone),
        operator=read_person(obx, 16) if obx.field(16) else "",
        instrument=obx.text(18),
        method=obx.text(17, 2) or obx.text(17),
        dilution=_dilution(behind) if behind else "",
        order_number=order_number,
        comments=tuple(filter(None, (read_comment(one) for one in behind if one.name == "NTE")))
        if behind
        else (),
    )


def _read_unit(obx: Segment) -> str:
    """OBX-6: code, else text. 10^9/L, which the standard wants escaped, is one unit and no code with its text."""
    first, second = obx.text(6, 1, 0), obx.text(6, 2, 0)
    if second and _TEN.fullmatch(first) and _POWER.match(second):
        return obx.whole(6)
    return first or second


def read_value(obx: Segment) -> tuple[str, Coded | None]:
    """OBX-5 by its type OBX-2."""
    kind = obx.text(2).upper()
    repetitions = obx.repetitions(5)
    if kind in _CODED_TYPES:
        coded = [read_coded(obx, raw) for raw in repetitions]
        # Two repetitions of which the first is empty are still two.
        return "~".join((one.text or one.code) if one else "" for one in coded), coded[0] if coded else None
    if kind == "SN":
        return "~".join("".join(obx.part(raw, place) for place in (1, 2, 3, 4)) for raw in repetitions), None
    if kind in ("NM", "DT", "TM", "TS", "DTM", "IS", "ID", "SI"):
        return "~".join(map(obx.plain, repetitions)), None
    return obx.whole(5), None


def read_comment(nte: Segment) -> str:
    """NTE-3, its repetitions as lines."""
    return "\n".join(filter(None, (nte.plain(raw) for raw in nte.repetitions(3))))


def _dilution(behind: Sequence[Segment]) -> str:
    """TCD-3, the dilution factor made by the analyser, else TCD-2 (HL7 v2.5.1 §13.4.10)."""
    for one in behind:
        if one.name == "TCD":
            parts = [
                "".join(one.part(raw, place) for place in (1, 2, 3, 4))
                for raw in (one.field(3), one.field(2))
                if raw
            ]
            return next(filter(None, parts), "")
    return ""
