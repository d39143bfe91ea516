"""A book of templates as a file, JSON or a workbook of three sheets; what is written can be read.

Nothing is checked here but what a cell may say (a number, yes or no); the book's own check sees the rest. Places are named
as in the book: `templates.3.normal` is the fourth row under the heading of its sheet.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from adapters.errors import Malformed
from adapters.xlsx import MARK, read_workbook, write_workbook
from gateway.directory import FieldErrors

Content = dict[str, Any]
Row = dict[str, Any]
MOST_BYTES: Final = 8 << 20
YES, NO = "是", "否"
_WORDS: Final = {
    "yes": True,
    "true": True,
    "1": True,
    YES: True,
    "no": False,
    "false": False,
    "0": False,
    NO: False,
    "": False,
}


def _list(text: str) -> list[str]:
    return [one.strip() for one in text.replace("，", ",").replace("、", ",").split(",") if one.strip()]


def _lines(text: str) -> list[str]:
    return [one.strip() for one in text.split("\n") if one.strip()]


def _flag(text: str) -> bool:
    return _WORDS[text.strip().lower()]


def _number(text: str) -> float | None:
    return float(text) if text.strip() else None


def _whole(text: str) -> int:
    return int(text or "0")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return YES if value else NO
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)


_Read = Callable[[str], Any]
_COMMON: Final[Mapping[str, tuple[str, _Read]]] = {
    "code": ("编码", str.strip), "name": ("名称", str.strip), "initials": ("拼音", str.strip),
    "modalities": ("设备类型", _list), "body_parts": ("部位", _list), "sex": ("性别", str.strip),
}  # fmt: skip
TEMPLATE_COLUMNS: Final[Mapping[str, tuple[str, _Read]]] = {
    **_COMMON, "normal": ("正常", _flag), "findings": ("检查所见", str), "impression": ("诊断意见", str),
    "score": ("评分", str.strip),
}  # fmt: skip
PHRASE_COLUMNS: Final[Mapping[str, tuple[str, _Read]]] = {
    **_COMMON,
    "text": ("文字", str),
    "into": ("写入", str.strip),
}
SLOT_COLUMNS: Final[Mapping[str, tuple[str, _Read]]] = {
    "of": ("属于", str.strip), "code": ("编码", str.strip), "name": ("填空", str.strip), "type": ("类型", str.strip),
    "choices": ("选项", _lines), "default": ("默认", str.strip), "unit": ("单位", str.strip), "low": ("最小", _number),
    "high": ("最大", _number), "decimals": ("小数位", _whole), "required": ("必填", _flag),
}  # fmt: skip
SHEETS: Final = {
    "templates": ("报告模板", TEMPLATE_COLUMNS), "phrases": ("词条", PHRASE_COLUMNS), "slots": ("填空", SLOT_COLUMNS),
}  # fmt: skip


def write_json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()


def write_xlsx(content: Mapping[str, Any]) -> bytes:
    rows = {part: list(content[part]) for part in ("templates", "phrases")}
    rows["slots"] = [
        {"of": part, "code": one["code"], **slot}
        for part in ("templates", "phrases")
        for one in content[part]
        for slot in one["slots"]
    ]
    return write_workbook(
        {
            title: [_heads(columns), *(_cells(row, columns) for row in rows[part])]
            for part, (title, columns) in SHEETS.items()
        }
    )


def read_file(data: bytes) -> Content:
    """What the file says, as the book's check takes it. Raises Malformed, FieldErrors."""
    return _read_workbook(data) if data.startswith(MARK) else _read_json(data)


def _read_json(data: bytes) -> Content:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed("it is neither a workbook nor JSON") from error
    if not isinstance(content, dict):
        raise Malformed("the JSON is no object")
    return content


def _read_workbook(data: bytes) -> Content:
    sheets, wrong = read_workbook(data), dict[str, str]()
    read = {part: _read_sheet(part, sheets, wrong) for part in SHEETS}
    if wrong:
        raise FieldErrors(wrong)
    _give_slots(read, wrong)
    if wrong:
        raise FieldErrors(wrong)
    return {part: read[part] for part in ("templates", "phrases")}


def _read_sheet(part: str, sheets: Mapping[str, Sequence[Sequence[str]]], wrong: dict[str, str]) -> list[Row]:
    title, columns = SHEETS[part]
    if title not in sheets or not sheets[title]:
        wrong[part] = "required"
        return []
    head, *rows = sheets[title]
    names = {words: name for name, (words, _) in columns.items()} | {name: name for name in columns}
    unknown = [cell for cell in head if cell.strip() and cell.strip() not in names]
    if unknown or not head:
        wrong[part] = "unknown_column"
        return []
    known = [names.get(cell.strip(), "") for cell in head]
    return [
        _read_row(f"{part}.{place}", dict(zip(known, row, strict=False)), columns, wrong)
        for place, row in enumerate(rows)
        if any(cell.strip() for cell in row)
    ]


def _read_row(
    where: str, cells: Mapping[str, str], columns: Mapping[str, tuple[str, _Read]], wrong: dict[str, str]
) -> Row:
    row: Row = {}
    for name, (_, read) in columns.items():
        try:
            row[name] = read(cells.get(name, ""))
        except (KeyError, ValueError):
            wrong[f"{where}.{name}"] = "unusable"
    return row


def _give_slots(read: Mapping[str, list[Row]], wrong: dict[str, str]) -> None:
    """Each slot to the entry that it names."""
    owners = {(part, row["code"]): row for part in ("templates", "phrases") for row in read[part]}
    for row in owners.values():
        row["slots"] = []
    for rows in (read["templates"], read["phrases"]):
        for row in rows:
            row.setdefault("slots", [])
    for place, slot in enumerate(read["slots"]):
        owner = owners.get((slot.pop("of"), slot.pop("code")))
        if owner is None:
            wrong[f"slots.{place}.code"] = "unknown"
        else:
            owner["slots"].append(slot)


def _heads(columns: Mapping[str, tuple[str, _Read]]) -> list[str]:
    return [words for words, _ in columns.values()]


def _cells(row: Mapping[str, Any], columns: Mapping[str, tuple[str, _Read]]) -> list[str]:
    return [_cell(row[name], read) for name, (_, read) in columns.items()]


def _cell(value: object, read: _Read) -> str:
    if isinstance(value, list):
        return ("\n" if read is _lines else "、").join(value)
    return _shown(value)
