"""What a result file probably means: a proposal for the page on which a person makes its mapping."""

import re
from dataclasses import dataclass

from adapters.lab.csv_mapping import CsvMapping, Layout, WideTest
from adapters.lab.csv_reading import read_table

_SHOWN_ROWS = 20
_HEADED_WITHIN = 10  # rows, of which one may be the headings
_DIGITS_OF_A_NAME = 8
_NUMBER = re.compile(r"[<>≤≥]?\s*[-+]?\d[\d.,]*\s*[↑↓HL*]*")

# What headings are called, in lower case without blanks, points and underlines.
_WORDS: dict[str, tuple[str, ...]] = {
    "barcode": ("条码", "条码号", "条形码", "样本条码", "标本条码", "样本号", "标本号", "样本编号", "标本编号", "样本id",
                "barcode", "sampleid", "sampleno", "specimenid", "sample", "specimen", "tubeid", "accession"),
    "patient_id": ("病历号", "门诊号", "住院号", "患者id", "患者编号", "病人id", "病案号", "patientid", "mrn", "patientno"),
    "name": ("姓名", "患者姓名", "病人姓名", "patientname", "patient", "name"),
    "sex": ("性别", "sex", "gender"),
    "birth_date": ("出生日期", "生日", "dob", "birthdate", "dateofbirth", "birthday"),
    "department": ("科室", "送检科室", "送检单位", "申请单位", "department", "ward", "dept"),
    "bed": ("床号", "床位", "bed"),
    "kind": ("样本类型", "标本类型", "标本种类", "sampletype", "specimentype"),
    "test": ("项目代码", "项目编码", "项目", "检验项目", "测试", "英文名称", "test", "testcode", "assay", "analyte", "item",
             "itemcode", "parameter"),
    "test_name": ("项目名称", "中文名称", "检验项目名称", "testname", "itemname", "assayname"),
    "value": ("结果", "结果值", "检验结果", "测定值", "浓度", "result", "value", "resultvalue", "concentration", "conc"),
    "unit": ("单位", "unit", "units"),
    "reference_range": ("参考范围", "参考值", "参考区间", "referencerange", "range", "refrange", "reference"),
    "flags": ("标志", "提示", "异常标志", "高低", "flag", "flags", "abnormal"),
    "status": ("状态", "结果状态", "status"),
    "date": ("日期", "检验日期", "测试日期", "检测日期", "检验时间", "测试时间", "检测时间", "结果时间", "日期时间", "date",
             "testdate", "datetime", "resulttime", "testtime", "resultdate", "rundate"),
    "time": ("时间", "time", "runtime"),
    "operator": ("操作者", "检验者", "检验人", "操作员", "operator", "technician", "user"),
    "instrument": ("仪器", "设备", "仪器名称", "instrument", "analyzer", "analyser", "device"),
    "rack": ("架号", "样本架", "rack", "rackno"),
    "place": ("位置", "杯位", "管位", "position", "pos", "cup"),
    "method": ("方法", "检验方法", "method"),
    "dilution": ("稀释", "稀释倍数", "dilution"),
    "comment": ("备注", "说明", "comment", "comments", "remark", "remarks", "note"),
}  # fmt: skip
# What is left once the whole heading is none of them: longer parts first.
_PARTS = (
    ("条码", "barcode"), ("条形码", "barcode"), ("样本号", "barcode"), ("标本号", "barcode"), ("姓名", "name"),
    ("受检者", "name"), ("代号", "test"), ("项目代码", "test"), ("项目编码", "test"), ("项目名称", "test_name"),
    ("检测名称", "test_name"), ("检验名称", "test_name"), ("测定值", "value"), ("检测值", "value"), ("检测结果", "value"),
    ("计量", "unit"), ("单位", "unit"), ("参考区间", "reference_range"), ("参考范围", "reference_range"),
)  # fmt: skip
_MEANING = {word: meaning for meaning, words in _WORDS.items() for word in words}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A mapping to begin with, and the rows to look at while it is made. Rows hold patients' data."""

    mapping: CsvMapping
    in_doubt: bool  # the character set was guessed
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    above: tuple[tuple[int, tuple[str, ...]], ...] = ()  # the first rows of the file, each with its number


def sniff(raw: bytes, *, encoding: str = "", delimiter: str = "", heading_row: int | None = None) -> Proposal:
    """As the file looks, or as a person said already. Raises Malformed for what is no table of text."""
    table = read_table(raw, encoding=encoding, delimiter=delimiter)
    rows = table.rows
    if heading_row is None:
        at = max(range(min(len(rows), _HEADED_WITHIN)), key=lambda row: _likeness(rows[row][1]), default=0)
        headed = bool(rows) and _likeness(rows[at][1]) > 0
    else:
        at = next((at for at, (number, _) in enumerate(rows) if number == heading_row), 0)
        headed = bool(rows) and rows[at][0] == heading_row
    headings = rows[at][1] if headed else ()
    below = tuple(cells for _, cells in (rows[at + 1 :] if headed else rows)[:_SHOWN_ROWS])
    columns = _columns(headings)
    long = "value" in columns
    return Proposal(
        mapping=CsvMapping(
            layout=Layout.LONG if long or not headed else Layout.WIDE,
            encoding=table.text.codec if table.delimiter and table.text.codec != "ascii" else "",
            delimiter=table.delimiter,
            heading_row=rows[at][0] if headed else 0,
            columns=columns,
            tests=() if long or not headed else _tests(headings, below, columns),
        ),
        in_doubt=table.text.in_doubt,
        headings=headings,
        rows=below,
        above=rows[:_HEADED_WITHIN],
    )


def _likeness(cells: tuple[str, ...]) -> int:
    """How much a row looks like headings: words that we know, and no numbers."""
    known = sum(_meaning_of(cell) is not None for cell in cells)
    return known - sum(bool(_NUMBER.fullmatch(cell)) for cell in cells)


def _columns(headings: tuple[str, ...]) -> dict[str, str | int]:
    found: dict[str, str | int] = {}
    for number, heading in enumerate(headings, 1):
        meaning = _meaning_of(heading)
        if meaning is not None and meaning not in found:
            found[meaning] = heading if headings.count(heading) == 1 else number
    return found


def _meaning_of(heading: str) -> str | None:
    """By the whole heading, else by how Chinese headings begin or end."""
    squeezed = _squeeze(heading)
    return _MEANING.get(squeezed) or next(
        (meaning for part, meaning in _PARTS if squeezed.startswith(part) or squeezed.endswith(part)), None
    )


def _tests(
    headings: tuple[str, ...], rows: tuple[tuple[str, ...], ...], columns: dict[str, str | int]
) -> tuple[WideTest, ...]:
    """Columns that mean nothing else and hold numbers; "GLU(mmol/L)" names a unit too."""
    taken = set(columns.values())
    found = []
    for number, heading in enumerate(headings, 1):
        values = [row[number - 1] for row in rows if len(row) >= number and row[number - 1]]
        if heading in taken or number in taken or not heading or not values:
            continue
        if 2 * sum(_is_result(value) for value in values) < len(values):
            continue
        code, unit = _code_and_unit(heading)
        column: str | int = heading if headings.count(heading) == 1 else number
        found.append(WideTest(column=column, code=code, unit=unit))
    return tuple(found)


def _is_result(value: str) -> bool:
    """A number, and none that is a name: a barcode or a telephone number has eight digits or more."""
    return bool(_NUMBER.fullmatch(value)) and not (value.isdigit() and len(value) >= _DIGITS_OF_A_NAME)


def _code_and_unit(heading: str) -> tuple[str, str]:
    found = re.fullmatch(r"(.+?)\s*[(（\[](.+)[)）\]]", heading)
    return (found[1], found[2]) if found else (heading, "")


def _squeeze(heading: str) -> str:
    return re.sub(r"[\s._\-:：]", "", heading).lower()
