"""Result files of rows and columns (CSV, TSV, XLSX): bytes and a mapping in, a Message out.

UTF-8, GB18030 and UTF-16 with a mark; commas, semicolons, tabs, bars; Excel's habits: `sep=;` before everything,
`="0017"` for a text of digits. Rows of one specimen are one specimen, wherever they stand. Empty values are no
results. Nothing is guessed about a row: what it lacks is empty.

A result's position is its cell in the file, so that the same cell is known again under another mapping.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from adapters.errors import Malformed
from adapters.lab.csv_mapping import Column, CsvMapping, Layout, WideTest
from adapters.lab.said import (
    Coded,
    Control,
    Message,
    MessageKind,
    Specimen,
    StatedPatient,
    StatedResult,
    Wire,
)
from adapters.lab.stated import COUNTY_TIME, read_date, read_sex, read_time, write_name
from adapters.lab.text import Text, read_text
from adapters.lab.unfit import Unfit
from adapters.xlsx import MARK, read_workbook

FILE_LIMIT_BYTES = 32 << 20
DELIMITERS = (",", ";", "\t", "|")
_LOOKED_AT = 50  # lines, for the delimiter
_TOLD = 20  # odd rows that are named one by one
_ROWS, _COLUMNS = 1_000_000, 1_000  # so that a cell's place is a number of 32 bits
_EXCEL_TEXT = re.compile(r'="(.*)"')
_FLAGGED = re.compile(r"([<>≤≥]?\s*[-+]?\d[\d.,]*)\s*([↑↓]{1,3}|HH?|LL?|\*)")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A file in rows, blank ones left out; each with its number in the file."""

    rows: tuple[tuple[int, tuple[str, ...]], ...]
    delimiter: str
    text: Text


def read_csv(raw: bytes, mapping: CsvMapping) -> Message:
    """One file. Raises Malformed, naming the column or row."""
    table = read_table(raw, encoding=mapping.encoding, delimiter=mapping.delimiter)
    headings, rows = _split(table, mapping.heading_row)
    reading = _Reading(mapping, headings)
    for number, cells in rows:
        reading.take(number, cells)
    specimens = reading.specimens()
    if not specimens:
        raise Unfit("no_results", "there is no row with a result in the file")
    return Message(
        wire=Wire.FILE,
        kind=MessageKind.RESULTS,
        type=f"table {mapping.layout.value}",
        character_set=table.text.codec,
        text_in_doubt=table.text.in_doubt and not mapping.encoding,
        specimens=specimens,
        warnings=tuple(reading.warnings),
    )


def read_table(raw: bytes, *, encoding: str = "", delimiter: str = "") -> Table:
    """Raises Malformed."""
    if len(raw) > FILE_LIMIT_BYTES:
        raise Unfit(
            "too_large", f"the file is larger than {FILE_LIMIT_BYTES} bytes", most=FILE_LIMIT_BYTES >> 20
        )
    if raw.startswith(MARK):
        return Table(rows=_first_sheet(raw), delimiter="", text=Text(text="", codec="utf-8"))
    text = _decode(raw, encoding)
    lines = text.text.removeprefix("\ufeff")
    said = re.match(r"sep=(.)\r?\n", lines)
    if said:
        lines, delimiter = lines[said.end() :], delimiter or said[1]
    delimiter = delimiter or guess_delimiter(lines)
    if delimiter in '"\r\n':
        raise Unfit("delimiter", "a quote or a line end is no delimiter")
    before: list[Sequence[str]] = [()] if said else []
    return Table(rows=_numbered([*before, *_split_rows(lines, delimiter)]), delimiter=delimiter, text=text)


def _first_sheet(raw: bytes) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """Of the first one that holds anything."""
    try:
        sheets = read_workbook(raw)
    except Malformed as error:
        raise Unfit("workbook", str(error)) from error
    for rows in sheets.values():
        numbered = _numbered(rows)
        if numbered:
            return numbered
    raise Unfit("empty", "the workbook is empty")


def _split_rows(lines: str, delimiter: str) -> Iterator[Sequence[str]]:
    reader = csv.reader(io.StringIO(lines, newline=""), delimiter=delimiter)
    try:
        yield from reader
    except csv.Error as error:
        raise Unfit("row", f"line {reader.line_num} is no row: {error}", line=reader.line_num) from error


def _numbered(rows: Iterable[Sequence[str]]) -> tuple[tuple[int, tuple[str, ...]], ...]:
    found = []
    for number, cells in enumerate(rows, 1):
        plain = tuple(map(_plain, cells))
        if number > _ROWS or len(plain) > _COLUMNS:
            raise Unfit(
                "too_many",
                f"the file has more than {_ROWS} rows or {_COLUMNS} columns",
                rows=_ROWS,
                columns=_COLUMNS,
            )
        if any(plain):
            found.append((number, plain))
    return tuple(found)


def guess_delimiter(lines: str) -> str:
    """The one that most rows have, and have equally often."""
    sample = [line for line in lines[: 64 << 10].splitlines()[:_LOOKED_AT] if line.strip()]

    def agreement(mark: str) -> tuple[int, int]:
        counts = [line.count(mark) for line in sample]
        usual = max(set(counts), key=lambda count: (counts.count(count), count), default=0)
        return (counts.count(usual) if usual else 0), usual

    return max(DELIMITERS, key=agreement)


def _decode(raw: bytes, encoding: str) -> Text:
    if raw.startswith(_UTF_16):
        return Text(text=raw.decode("utf-16", "replace"), codec="utf-16")
    return read_text(raw, encoding or None)


def _plain(cell: str) -> str:
    cell = cell.strip().strip("\0")
    found = _EXCEL_TEXT.fullmatch(cell)
    return found[1].strip() if found else cell


def _split(table: Table, heading_row: int) -> tuple[tuple[str, ...], Sequence[tuple[int, tuple[str, ...]]]]:
    """Headings, and the rows below them."""
    if heading_row == 0:
        return (), table.rows
    at = next((at for at, (number, _) in enumerate(table.rows) if number == heading_row), None)
    if at is None:
        raise Unfit("no_heading_row", f"the file has no row {heading_row} with headings", row=heading_row)
    return table.rows[at][1], table.rows[at + 1 :]


@dataclass(slots=True)
class _Open:
    specimen: Specimen
    results: list[StatedResult] = field(default_factory=list)
    comments: dict[str, None] = field(default_factory=dict)


class _Reading:
    """Rows one after the other."""

    def __init__(self, mapping: CsvMapping, headings: Sequence[str]) -> None:
        self._mapping, self._headings = mapping, headings
        self._places = {meaning: self._place(column) for meaning, column in mapping.columns.items()}
        self._tests = [
            (self._place(one.column), None if one.flags is None else self._place(one.flags), one)
            for one in mapping.tests
        ]
        self._open: dict[tuple[str, ...], _Open] = {}
        self.warnings: list[str] = []

    def _place(self, column: Column) -> int:
        if isinstance(column, int):
            return column - 1
        wanted = column.strip().casefold()
        places = [at for at, heading in enumerate(self._headings) if heading.strip().casefold() == wanted]
        if not places:
            raise Unfit(
                "no_column",
                f"the file has no column {column!r}; it has {', '.join(self._headings)}",
                column=column,
            )
        if len(places) > 1:
            raise Unfit(
                "several_columns",
                f"the file has {len(places)} columns {column!r}: say which by number",
                column=column,
                count=len(places),
            )
        return places[0]

    def take(self, number: int, cells: tuple[str, ...]) -> None:
        if self._headings and len(cells) > len(self._headings) and any(cells[len(self._headings) :]):
            self._warn(f"row {number} has more columns than there are headings")
        said = {meaning: cells[at] if at < len(cells) else "" for meaning, at in self._places.items()}
        results = list(self._long(said) if self._mapping.layout is Layout.LONG else self._wide(cells, said))
        if not results:
            return
        stamp = " ".join(part for part in (said.get("date", ""), said.get("time", "")) if part)
        time = self._read_time(stamp)
        if stamp and time is None:
            self._warn(f"the time in row {number} is none that we read")
        opened = self._specimen(said)
        if said.get("comment"):
            opened.comments[said["comment"]] = None
        for result in results:
            place = number * _COLUMNS + result.position
            opened.results.append(replace(result, position=place, analysed_at=time))

    def specimens(self) -> tuple[Specimen, ...]:
        return tuple(
            replace(one.specimen, results=tuple(one.results), comments=tuple(one.comments))
            for one in self._open.values()
        )

    def _long(self, said: dict[str, str]) -> Iterator[StatedResult]:
        code = said.get("test") or said.get("test_name", "")
        if said["value"]:
            test = Coded(code=code, text=said.get("test_name", ""))
            at = self._places["value"]
            yield self._result(test, at, said["value"], said.get("unit", ""), said.get("flags", ""), said)

    def _wide(self, cells: tuple[str, ...], said: dict[str, str]) -> Iterator[StatedResult]:
        for at, flags_at, test in self._tests:
            value = cells[at] if at < len(cells) else ""
            if value:
                flags = cells[flags_at] if flags_at is not None and flags_at < len(cells) else ""
                yield self._result(self._coded(test, at), at, value, test.unit, flags, said)

    def _coded(self, test: WideTest, at: int) -> Coded:
        return Coded(code=test.code, text=self._headings[at] if at < len(self._headings) else "")

    def _result(
        self, test: Coded, at: int, value: str, unit: str, flags: str, said: dict[str, str]
    ) -> StatedResult:
        """Its position is its column; the row comes to it."""
        found = _FLAGGED.fullmatch(value) if self._mapping.splits_flags else None
        if found:
            value, flags = found[1], f"{flags} {found[2]}".strip()
        return StatedResult(
            position=at,
            test=test,
            value=value,
            unit=unit,
            reference_range=said.get("reference_range", ""),
            flags=tuple(flags.split()),
            status=said.get("status", ""),
            operator=said.get("operator", ""),
            instrument=said.get("instrument", ""),
            method=said.get("method", ""),
            dilution=said.get("dilution", ""),
        )

    def _specimen(self, said: dict[str, str]) -> _Open:
        key = tuple(said.get(name, "") for name in ("barcode", "rack", "place", "patient_id", "name"))
        if key not in self._open:
            barcode = said.get("barcode", "")
            is_control = bool(barcode) and barcode.startswith(self._mapping.control_prefixes)
            self._open[key] = _Open(
                Specimen(
                    barcode=barcode,
                    rack=said.get("rack", ""),
                    place=said.get("place", ""),
                    kind=Coded(code=said["kind"]) if said.get("kind") else None,
                    patient=_read_patient(said),
                    control=Control(material=barcode) if is_control else None,
                )
            )
        return self._open[key]

    def _read_time(self, stamp: str) -> datetime | None:
        if not self._mapping.time_format:
            return read_time(stamp)
        try:
            found = datetime.strptime(stamp, self._mapping.time_format)  # noqa: DTZ007 (the format may have a zone)
        except ValueError:
            return None
        return (found if found.tzinfo else found.replace(tzinfo=COUNTY_TIME)).astimezone(UTC)

    def _warn(self, about: str) -> None:
        if len(self.warnings) < _TOLD:
            self.warnings.append(about)
        elif len(self.warnings) == _TOLD:
            self.warnings.append("and more of the kind")


def _read_patient(said: dict[str, str]) -> StatedPatient | None:
    found = StatedPatient(
        patient_id=said.get("patient_id", ""),
        name=write_name((said.get("name", ""),)),
        sex=read_sex(said.get("sex", "")),
        birth_date=read_date(said.get("birth_date", "")),
        department=said.get("department", ""),
        bed=said.get("bed", ""),
    )
    return found if found != StatedPatient() else None
