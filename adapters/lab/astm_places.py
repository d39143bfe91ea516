"""Where analysers write barcode, rack, place and the code of a test, as far as LIS2-A2 leaves it to them.

Tried are the places that the standard and the large makers use; a `Dialect` says it for those that keep them elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from adapters.lab.dialect import Dialect
from adapters.lab.records import Record
from adapters.lab.said import Coded, Query

PLAIN = Dialect()
SAMPLE_ATTRIBUTES = ("M", "A", "B", "C")  # Sysmex: entered by hand, automatic, barcode, from the host


@dataclass(frozen=True, slots=True, kw_only=True)
class Tube:
    """What a specimen is called, and where it stands."""

    barcode: str = ""
    rack: str = ""
    place: str = ""


def find_tube(record: Record, dialect: Dialect) -> Tube:
    """Barcode, rack and place, out of O-3 and O-4 together."""
    first, second = record.components(3), record.components(4)
    if dialect.barcode_field:
        own, other = (second, first) if dialect.barcode_field == 4 else (first, second)
        found = _split_tube(own)
        at = dialect.barcode_component - 1
        if at >= 0:
            found = replace(found, barcode=own[at] if at < len(own) else "")
    elif _counts_only(first) and len(second) == 1 and second[0]:  # number^rack^place, and the barcode apart
        return Tube(barcode=second[0], rack=first[1], place=first[2])
    else:
        own, other = (first, second) if any(first) else (second, ())
        found = _split_tube(own)
    if not found.rack and not found.place and len(other) > 2:  # number^rack^place
        return replace(found, rack=other[1], place=other[2])
    return found


def _counts_only(parts: Sequence[str]) -> bool:
    return len(parts) > 2 and all(part.isdigit() and len(part) <= 4 for part in parts[:3])


def _split_tube(parts: Sequence[str]) -> Tube:
    """barcode^rack^place, or Sysmex's rack^place^barcode^attribute."""
    whole = [*parts, "", "", ""]
    if len(parts) == 4 and parts[3] in SAMPLE_ATTRIBUTES:
        return Tube(barcode=parts[2], rack=parts[0], place=parts[1])
    return Tube(barcode=whole[0], rack=whole[1], place=whole[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """A test as it is named."""

    test: Coded
    alternate: Coded | None = None
    dilution: str = ""


def read_test(parts: Sequence[str], dialect: Dialect) -> Test:
    """A universal test ID (LIS2-A2 §5.6.1): number^name^kind of number^maker's code^dilution…"""
    whole = [*parts, "", "", "", "", "", ""]
    universal = Coded(code=whole[0], text=whole[1], system=whole[2])
    if dialect.test_component:
        at = dialect.test_component - 1
        code, following = whole[at] if at < len(whole) else "", whole[at + 1] if at + 1 < len(whole) else ""
        return Test(test=Coded(code=code, text=universal.text if at == 0 else ""), dilution=following)
    if universal.code and len(whole[3]) <= 1:  # nothing there, or a count of repeats
        return Test(test=universal)
    if whole[3]:
        alternate = universal if universal != Coded() else None
        return Test(test=Coded(code=whole[3]), alternate=alternate, dilution=whole[4])
    return Test(test=Coded(code=whole[4]) if whole[4] else universal)


def read_query(record: Record, dialect: Dialect = PLAIN) -> Query:
    """Q (LIS2-A2 §11): for specimens, for places in racks, or for all."""
    barcodes: list[str] = []
    racks: list[tuple[str, str]] = []
    asked = [find_asked(parts, dialect) for parts in record.repeats(3)]
    for one in asked:
        if one.barcode and one.barcode.upper() != "ALL":
            barcodes.append(one.barcode)
        elif one.rack or one.place:
            racks.append((one.rack, one.place))
    return Query(
        barcodes=tuple(dict.fromkeys(barcodes)),
        racks=tuple(dict.fromkeys(racks)),
        # Delimiters with nothing in them are a barcode that was not read, and no question for all.
        everything=not barcodes
        and not racks
        and (not record.raw(3).strip() or "ALL" in record.raw(3).upper()),
        cancelled=record.text(13).upper() == "A",
    )


def find_asked(parts: Sequence[str], dialect: Dialect = PLAIN) -> Tube:
    """One repeat of Q-3: patient^specimen by the standard; ^^specimen^number^rack^place (Roche), Sysmex's order, or
    the specimen alone."""
    if len(parts) == 4 and parts[3] in SAMPLE_ATTRIBUTES:
        return _split_tube(parts)
    at = dialect.query_component - 1
    if at < 0:
        at = next((place for place in (1, 2, 0) if place < len(parts) and parts[place]), 0)
    after = [*parts[at + 1 :], "", "", ""]
    racked = len(parts) > at + 3
    return Tube(
        barcode=parts[at] if at < len(parts) else "",
        rack=after[1] if racked else "",
        place=after[2] if racked else "",
    )
