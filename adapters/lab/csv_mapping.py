"""Which column of a result file means what: a value that a person makes on a page, kept as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from adapters.errors import Malformed


class Layout(StrEnum):
    LONG = "long"  # one result in a row
    WIDE = "wide"  # one specimen in a row, a test in a column


Column = str | int  # by its heading, or by its number from 1

# What a column can mean. Several columns of one meaning are none: the first of a person's choice counts.
MEANINGS = (
    "barcode", "rack", "place", "kind", "patient_id", "name", "sex", "birth_date", "department", "bed",
    "test", "test_name", "value", "unit", "reference_range", "flags", "status", "date", "time", "operator",
    "instrument", "method", "dilution", "comment",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class WideTest:
    """A column that holds the values of one test; `flags` is the column beside it that holds its flags."""

    column: Column
    code: str
    unit: str = ""
    flags: Column | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvMapping:
    """How one kind of file is read. "" for encoding and delimiter: as the file looks."""

    layout: Layout = Layout.LONG
    encoding: str = ""
    delimiter: str = ""
    heading_row: int = 1  # the row with the headings, counted from 1; 0 for a file without
    columns: Mapping[str, Column] = field(default_factory=dict)  # of MEANINGS
    tests: tuple[WideTest, ...] = ()  # of a wide file
    time_format: str = (
        ""  # of datetime.strptime, for date and time together with a blank between; "" as it looks
    )
    control_prefixes: tuple[str, ...] = ("QC-", "QC_", "质控")  # barcodes of control material
    splits_flags: bool = True  # "6.21 ↑", "6.21H": the arrow or letter is a flag


def write_mapping(mapping: CsvMapping) -> dict[str, Any]:
    """As JSON can say it."""
    return {
        "layout": mapping.layout.value,
        "encoding": mapping.encoding,
        "delimiter": mapping.delimiter,
        "heading_row": mapping.heading_row,
        "columns": dict(mapping.columns),
        "tests": [
            {
                name: value
                for name in ("column", "code", "unit", "flags")
                if (value := getattr(one, name)) is not None
            }
            for one in mapping.tests
        ],
        "time_format": mapping.time_format,
        "control_prefixes": list(mapping.control_prefixes),
        "splits_flags": mapping.splits_flags,
    }


def read_mapping(stated: Mapping[str, Any]) -> CsvMapping:
    """What `write_mapping` wrote, or a page. Raises Malformed, naming what is wrong."""
    unknown = set(stated) - {one.name for one in fields(CsvMapping)}
    if unknown:
        raise Malformed(f"{', '.join(sorted(unknown))}: nothing that a mapping says")
    try:
        found = CsvMapping(
            layout=Layout(stated.get("layout", "long")),
            encoding=_text(stated, "encoding"),
            delimiter=_text(stated, "delimiter"),
            heading_row=_number(stated.get("heading_row", 1)),
            columns={name: _column(column) for name, column in dict(stated.get("columns", {})).items()},
            tests=tuple(_wide_test(one) for one in stated.get("tests", ())),
            time_format=_text(stated, "time_format"),
            control_prefixes=tuple(map(str, stated.get("control_prefixes", CsvMapping().control_prefixes))),
            splits_flags=bool(stated.get("splits_flags", True)),
        )
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise Malformed(f"the mapping cannot be read: {error}") from error
    _check(found)
    return found


def _check(mapping: CsvMapping) -> None:
    strange = set(mapping.columns) - set(MEANINGS)
    if strange:
        raise Malformed(f"{', '.join(sorted(strange))}: nothing that a column can mean")
    if len(mapping.delimiter) > 1:
        raise Malformed("a delimiter is one character")
    if mapping.layout is Layout.LONG and not {"value"} <= set(mapping.columns):
        raise Malformed("no column is said to hold the value")
    if mapping.layout is Layout.LONG and not {"test", "test_name"} & set(mapping.columns):
        raise Malformed("no column is said to hold the test")
    if mapping.layout is Layout.WIDE and not mapping.tests:
        raise Malformed("no column is said to hold a test's values")
    columns = [*mapping.columns.values(), *(one.column for one in mapping.tests)]
    if mapping.heading_row == 0 and any(isinstance(one, str) for one in columns):
        raise Malformed("without headings a column is named by its number")


def _wide_test(stated: Mapping[str, Any]) -> WideTest:
    flags = stated.get("flags")
    return WideTest(
        column=_column(stated["column"]),
        code=str(stated["code"]),
        unit=str(stated.get("unit", "")),
        flags=None if flags is None else _column(flags),
    )


def _column(stated: Any) -> Column:
    if isinstance(stated, bool) or not isinstance(stated, str | int) or stated in {"", 0}:
        raise ValueError(f"{stated!r} is no column")
    if isinstance(stated, int) and stated < 1:
        raise ValueError(f"{stated} is no column")
    return stated


def _number(stated: Any) -> int:
    if isinstance(stated, bool) or not isinstance(stated, int) or not 0 <= stated <= 100:
        raise ValueError(f"{stated!r} is no row of headings")
    return stated


def _text(stated: Mapping[str, Any], name: str) -> str:
    found = stated.get(name, "")
    if not isinstance(found, str):
        raise TypeError(f"{name} is text")
    return found
