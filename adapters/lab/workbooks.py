"""Rows of an Excel workbook (XLSX), as text, of the first sheet that has any.

Numbers as their cell shows them where its format is plain decimals; dates and times in ISO form. Values alone:
formulas are not calculated, macros not looked at. The old XLS is not read.
"""

import io
import re
import zipfile
from datetime import date, datetime, time
from typing import Any

import openpyxl

from adapters.errors import Malformed

MARK = b"PK\x03\x04"
_UNPACKED_BYTES = 64 << 20
_ROWS, _COLUMNS = 100_000, 1_000
_PLAIN_DECIMALS = re.compile(r"(?:#,##)?0(?:\.(0+))?(?:[_;].*)?")

Rows = list[tuple[str, ...]]


def read_workbook(raw: bytes) -> Rows:
    """Raises Malformed."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as packed:
            unpacked = sum(one.file_size for one in packed.infolist())
        if unpacked > _UNPACKED_BYTES:
            raise Malformed(f"the workbook unpacks to more than {_UNPACKED_BYTES} bytes")
        return _read(raw)
    except Malformed:
        raise
    except Exception as error:  # openpyxl says what is wrong with a file in a dozen ways
        raise Malformed(f"the workbook cannot be opened: {type(error).__name__}") from error


def _read(raw: bytes) -> Rows:
    book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True)
    try:
        for sheet in book.worksheets:
            rows: Rows = []
            for cells in sheet.iter_rows(max_col=_COLUMNS):
                if len(rows) == _ROWS:
                    raise Malformed(f"the sheet has more than {_ROWS} rows")
                rows.append(tuple(map(_text, cells)))
            if any(map(any, rows)):
                return rows
    finally:
        book.close()
    raise Malformed("the workbook is empty")


def _text(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        shown = _PLAIN_DECIMALS.fullmatch(cell.number_format or "")
        return f"{value:.{len(shown[1] or '')}f}" if shown else f"{value:.15g}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    return value.isoformat(timespec="seconds") if isinstance(value, time) else str(value)
