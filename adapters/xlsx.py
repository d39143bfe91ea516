"""Workbooks of spreadsheet programs (ECMA-376, SpreadsheetML), as far as tables of text and figures need them.

Written: one sheet for each table, its texts as texts, its numbers as numbers, its shares as percentages. Read: cells as
they show, numbers in plain decimals with as many as their format has, percentages with their sign, dates and times in
ISO form, formulas by the value that was computed last; macros are not looked at, the old XLS is not read. Refused: what
is no workbook, is larger than a table of ours can be, or has a DTD.
"""

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape

from adapters.errors import Malformed

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MARK = b"PK\x03\x04"  # with which one begins, as every zip
MOST_BYTES = 64 << 20  # unpacked
MOST_ROWS, MOST_COLUMNS = 100_000, 1_000
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_PLAIN_DECIMALS = re.compile(r"(?:#,##)?0(?:\.(0+))?(?:[_;].*)?")
_PERCENT = re.compile(r"0(?:\.(0+))?%")
_DTD = tuple("<!DOCTYPE".encode(codec) for codec in ("ascii", "utf-16-le", "utf-16-be"))
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_PACKAGE_NS = "http://schemas.openxmlformats.org/package/2006"
_OFFICE_NS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PERCENT_STYLE, _MONEY_STYLE = 1, 2  # indices of the cell formats below
_STYLES = (
    f'<styleSheet xmlns="{_MAIN[1:-1]}"><numFmts count="1"><numFmt numFmtId="164" formatCode="0.0%"/></numFmts>'
    '<fonts count="1"><font/></fonts><fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border/></borders>'
    '<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="3"><xf xfId="0"/>'
    '<xf numFmtId="164" applyNumberFormat="1" xfId="0"/>'
    '<xf numFmtId="2" applyNumberFormat="1" xfId="0"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)

Rows = list[list[str]]


@dataclass(frozen=True, slots=True)
class Share:
    """A part of one, shown in percent with one decimal."""

    of_one: float


Cell = str | int | float | Decimal | Share | None  # a decimal is money, with two places; None an empty cell


def read_workbook(data: bytes) -> dict[str, Rows]:
    """Sheets by name, their rows as text. Raises Malformed."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            _check(package)
        return _read(data)
    except Malformed:
        raise
    except Exception as error:  # openpyxl says what is wrong with a file in a dozen ways
        raise Malformed(f"the workbook cannot be opened: {type(error).__name__}") from error


def write_workbook(sheets: Mapping[str, Sequence[Sequence[Cell]]]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as package:
        numbers = range(1, len(sheets) + 1)
        package.writestr("[Content_Types].xml", _HEAD + _content_types(numbers))
        package.writestr(
            "_rels/.rels", _HEAD + _relations([("rId1", f"{_OFFICE_NS}/officeDocument", "xl/workbook.xml")])
        )
        package.writestr("xl/workbook.xml", _HEAD + _workbook(list(sheets)))
        sheet_relations = [
            (f"rId{n}", f"{_OFFICE_NS}/worksheet", f"worksheets/sheet{n}.xml") for n in numbers
        ] + [("rIdStyles", f"{_OFFICE_NS}/styles", "styles.xml")]
        package.writestr("xl/styles.xml", _HEAD + _STYLES)
        package.writestr("xl/_rels/workbook.xml.rels", _HEAD + _relations(sheet_relations))
        for number, rows in enumerate(sheets.values(), 1):
            package.writestr(f"xl/worksheets/sheet{number}.xml", _HEAD + _sheet(rows))
    return written.getvalue()


def _check(package: zipfile.ZipFile) -> None:
    """Before anything is parsed: its size, and that no part has a DTD."""
    if sum(one.file_size for one in package.infolist()) > MOST_BYTES:
        raise Malformed(f"the workbook unpacks to more than {MOST_BYTES} bytes")
    for name in package.namelist():
        if name.endswith((".xml", ".rels")):
            part = package.read(name)
            if any(mark in part for mark in _DTD):
                raise Malformed("a part of the workbook has a DTD")


def _read(data: bytes) -> dict[str, Rows]:
    import openpyxl  # noqa: PLC0415 (10 MB of a process that rarely sees a workbook)

    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    try:
        return {sheet.title: _rows(sheet) for sheet in book.worksheets}
    finally:
        book.close()


def _rows(sheet: Any) -> Rows:
    rows: Rows = []
    for cells in sheet.iter_rows(max_col=MOST_COLUMNS):
        if len(rows) == MOST_ROWS:
            raise Malformed(f"the sheet has more than {MOST_ROWS} rows")
        texts = [_text(cell) for cell in cells]
        while texts and not texts[-1]:
            texts.pop()
        rows.append(texts)
    return rows


def _text(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        if percent := _PERCENT.fullmatch(cell.number_format or ""):
            return f"{value:.{len(percent[1] or '')}%}"
        shown = _PLAIN_DECIMALS.fullmatch(cell.number_format or "")
        return f"{value:.{len(shown[1] or '')}f}" if shown else f"{value:.15g}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    return value.isoformat(timespec="seconds") if isinstance(value, time) else str(value)


def _name_of(column: int) -> str:
    return chr(65 + column) if column < 26 else chr(64 + column // 26) + chr(65 + column % 26)


def _content_types(numbers: Sequence[int]) -> str:
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{kind}.worksheet+xml"/>'
        for n in numbers
    )
    return (
        f'<Types xmlns="{_PACKAGE_NS}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" '
        f'ContentType="{kind}.sheet.main+xml"/><Override PartName="/xl/styles.xml" '
        f'ContentType="{kind}.styles+xml"/>{parts}</Types>'
    )


def _relations(relations: Sequence[tuple[str, str, str]]) -> str:
    inner = "".join(
        f'<Relationship Id="{name}" Type="{kind}" Target="{target}"/>' for name, kind, target in relations
    )
    return f'<Relationships xmlns="{_PACKAGE_NS}/relationships">{inner}</Relationships>'


def _workbook(names: Sequence[str]) -> str:
    inner = "".join(
        f'<sheet name="{escape(name, {chr(34): "&quot;"})}" sheetId="{n}" r:id="rId{n}"/>'
        for n, name in enumerate(names, 1)
    )
    return f'<workbook xmlns="{_MAIN[1:-1]}" xmlns:r="{_OFFICE_NS}"><sheets>{inner}</sheets></workbook>'


def _sheet(rows: Sequence[Sequence[Cell]]) -> str:
    inner = "".join(f'<row r="{n}">{_written_cells(row, n)}</row>' for n, row in enumerate(rows, 1))
    pane = '<pane ySplit="1" topLeftCell="A2" state="frozen"/>'  # the heading stays
    views = f'<sheetViews><sheetView workbookViewId="0">{pane}</sheetView></sheetViews>'
    return f'<worksheet xmlns="{_MAIN[1:-1]}">{views}<sheetData>{inner}</sheetData></worksheet>'


def _written_cells(row: Sequence[Cell], number: int) -> str:
    return "".join(
        _written(f"{_name_of(column)}{number}", value)
        for column, value in enumerate(row)
        if value is not None and value != ""
    )


def _written(place: str, value: str | float | Decimal | Share) -> str:
    if isinstance(value, Share):
        return f'<c r="{place}" s="{_PERCENT_STYLE}"><v>{value.of_one!r}</v></c>'
    if isinstance(value, Decimal):
        return f'<c r="{place}" s="{_MONEY_STYLE}"><v>{value}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{place}"><v>{value!r}</v></c>'
    text = escape(_NOT_XML.sub("", value))
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'
