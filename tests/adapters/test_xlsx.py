"""Workbooks: what is written is read again, what spreadsheet programs write is read, all else is refused."""

import io
import zipfile
from decimal import Decimal

import openpyxl
import pytest

from adapters.errors import Malformed
from adapters.xlsx import Share, read_workbook, write_workbook


def test_tables_come_back_as_they_went() -> None:
    rows = [["code", "name", "note"], ["WBC", "白细胞计数 <&>\"'", " a\nb "], ["", "只有名称"], ["K"]]
    assert read_workbook(write_workbook({"items": rows, "空": []})) == {"items": rows, "空": []}


def test_numbers_stay_numbers_that_a_spreadsheet_adds_up() -> None:
    book = write_workbook(
        {
            "figures": [
                ["月份", "份数", "及时率", "节约"],
                ["2026-11", 3, Share(2 / 3), Decimal("120.50")],
                ["", 1.5, None, 0],
            ]
        }
    )
    sheet = openpyxl.load_workbook(io.BytesIO(book)).worksheets[0]

    assert [cell.value for cell in sheet[2]] == ["2026-11", 3, 2 / 3, 120.5]
    assert [cell.number_format for cell in sheet[2]] == ["General", "General", "0.0%", "0.00"]
    assert read_workbook(book)["figures"][1:] == [["2026-11", "3", "66.7%", "120.50"], ["", "1.5", "", "0"]]


def test_numbers_shared_texts_and_gaps_as_spreadsheet_programs_write_them() -> None:
    book = write_workbook({"items": [["x"]]})
    ns = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = (
        f'<worksheet xmlns="{ns}"><sheetData><row r="1"><c r="A1" t="s"><v>1</v></c><c r="C1"><v>3.5000000000000001</v></c>'
        '</row><row r="3"><c r="B3" t="b"><v>1</v></c><c r="C3" t="str"><f>A1</f><v>ok</v></c></row></sheetData></worksheet>'
    )  # fmt: skip
    runs = '<r><t>白细</t></r><r><t>胞</t></r><rPh sb="0" eb="2"><t>x</t></rPh>'
    shared = f'<sst xmlns="{ns}"><si><t>no</t></si><si>{runs}</si></sst>'
    parts = {"xl/worksheets/sheet1.xml": sheet, "xl/sharedStrings.xml": shared}
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    with zipfile.ZipFile(io.BytesIO(book)) as package:
        types = package.read("[Content_Types].xml").decode()
    parts["[Content_Types].xml"] = types.replace(
        "</Types>", f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'
    )
    assert read_workbook(replaced(book, parts)) == {"items": [["白细胞", "", "3.5"], [], ["", "TRUE", "ok"]]}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"code,name\r\n",
        b"PK\x03\x04" + b"\x00" * 100,
        pytest.param(None, id="a part with a DTD"),
    ],
)
def test_what_is_no_workbook_is_refused(data: bytes | None) -> None:
    if data is None:
        bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><worksheet>&a;</worksheet>'
        data = replaced(write_workbook({"items": [["x"]]}), {"xl/worksheets/sheet1.xml": bomb})
    with pytest.raises(Malformed):
        read_workbook(data)


def replaced(book: bytes, parts: dict[str, str]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as old, zipfile.ZipFile(written, "w") as new:
        for name in old.namelist():
            if name not in parts:
                new.writestr(name, old.read(name))
        for name, text in parts.items():
            new.writestr(name, text)
    return written.getvalue()
