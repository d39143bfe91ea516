"""Workbooks of spreadsheet programs (ECMA-376, SpreadsheetML), as far as tables of text need them.

Written: one sheet for each table, every cell a text. Read: texts, numbers and truth values of the sheets; formulas by
the value that was computed last. Refused: what is no workbook, is larger than a table of ours can be, or has a DTD.
"""

import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from adapters.errors import Malformed

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_BYTES = 20 << 20  # of one part, unpacked
MOST_ROWS, MOST_COLUMNS = 20_000, 100
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATED = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_PACKAGE = "{http://schemas.openxmlformats.org/package/2006/relationships}"
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_PACKAGE_NS = "http://schemas.openxmlformats.org/package/2006"
_OFFICE_NS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

Rows = list[list[str]]


def read_workbook(data: bytes) -> dict[str, Rows]:
    """Sheets by name, their rows as text. Raises Malformed."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            shared = _shared_texts(package)
            return {name: list(_rows(package, part, shared)) for name, part in _sheets(package)}
    except (zipfile.BadZipFile, KeyError, ElementTree.ParseError, ValueError, RuntimeError, OSError) as error:
        raise Malformed("this is no workbook (xlsx) that can be read") from error


def write_workbook(sheets: Mapping[str, Sequence[Sequence[str]]]) -> bytes:
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
        ]
        package.writestr("xl/_rels/workbook.xml.rels", _HEAD + _relations(sheet_relations))
        for number, rows in enumerate(sheets.values(), 1):
            package.writestr(f"xl/worksheets/sheet{number}.xml", _HEAD + _sheet(rows))
    return written.getvalue()


def _part(package: zipfile.ZipFile, name: str) -> ElementTree.Element:
    with package.open(name) as stream:
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES or b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise ValueError("part")
    return ElementTree.fromstring(data)  # noqa: S314 (no DTD, bounded)


def _sheets(package: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    relations = _part(package, "xl/_rels/workbook.xml.rels").iter(f"{_PACKAGE}Relationship")
    targets = {one.get("Id", ""): one.get("Target", "") for one in relations}
    for sheet in _part(package, "xl/workbook.xml").iter(f"{_MAIN}sheet"):
        target = targets[sheet.get(f"{_RELATED}id", "")]
        yield sheet.get("name", ""), target.lstrip("/") if target.startswith("/") else f"xl/{target}"


def _shared_texts(package: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in package.namelist():
        return []
    return [_text(one) for one in _part(package, "xl/sharedStrings.xml").iter(f"{_MAIN}si")]


def _text(element: ElementTree.Element) -> str:
    """All its runs, without phonetic ones (rPh)."""
    runs = [*element.findall(f"{_MAIN}t"), *element.findall(f"{_MAIN}r/{_MAIN}t")]
    return "".join(run.text or "" for run in runs)


def _rows(package: zipfile.ZipFile, part: str, shared: Sequence[str]) -> Iterator[list[str]]:
    place = 0
    for row in _part(package, part).iter(f"{_MAIN}row"):
        number = int(row.get("r", place + 1))
        if number > MOST_ROWS or number <= place:
            raise ValueError("rows")
        yield from ([] for _ in range(number - place - 1))
        place = number
        yield _cells(row, shared)


def _cells(row: ElementTree.Element, shared: Sequence[str]) -> list[str]:
    cells: list[str] = []
    for cell in row.findall(f"{_MAIN}c"):
        column = _column(cell.get("r", "")) or len(cells)
        if not len(cells) <= column < MOST_COLUMNS:
            raise ValueError("columns")
        cells += [""] * (column - len(cells))
        cells.append(_value(cell, shared))
    return cells


def _value(cell: ElementTree.Element, shared: Sequence[str]) -> str:
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        inline = cell.find(f"{_MAIN}is")
        return _text(inline) if inline is not None else ""
    value = cell.find(f"{_MAIN}v")
    said = (value.text or "") if value is not None else ""
    if kind == "s" and said:
        return shared[int(said)]
    if kind == "n" and said:
        return f"{float(said):.12g}"
    return said


def _column(reference: str) -> int | None:
    """`C7` → 2."""
    letters = re.match(r"[A-Z]{1,3}", reference)
    if letters is None:
        return None
    number = 0
    for letter in letters[0]:
        number = number * 26 + ord(letter) - 64
    return number - 1


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
        f'ContentType="{kind}.sheet.main+xml"/>{parts}</Types>'
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


def _sheet(rows: Sequence[Sequence[str]]) -> str:
    inner = "".join(f'<row r="{n}">{_written_cells(row, n)}</row>' for n, row in enumerate(rows, 1))
    pane = '<pane ySplit="1" topLeftCell="A2" state="frozen"/>'  # the heading stays
    views = f'<sheetViews><sheetView workbookViewId="0">{pane}</sheetView></sheetViews>'
    return f'<worksheet xmlns="{_MAIN[1:-1]}">{views}<sheetData>{inner}</sheetData></worksheet>'


def _written_cells(row: Sequence[str], number: int) -> str:
    return "".join(
        f'<c r="{_name_of(column)}{number}" t="inlineStr"><is><t xml:space="preserve">'
        f"{escape(_NOT_XML.sub('', text))}</t></is></c>"
        for column, text in enumerate(row)
        if text
    )
