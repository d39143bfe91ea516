"""Result files of rows and columns, and documents: what a mapping makes of them."""

import io
import json
import random
import zipfile
from datetime import UTC, date, datetime

import openpyxl
import pytest

from adapters.errors import Malformed
from adapters.lab.csv_mapping import CsvMapping, Layout, WideTest, read_mapping, write_mapping
from adapters.lab.csv_proposing import sniff
from adapters.lab.csv_reading import read_csv
from adapters.lab.document_files import check_pattern, read_document
from adapters.lab.said import Coded, Control, MessageKind, StatedPatient, Wire

LONG = CsvMapping(
    columns={"barcode": "条码", "name": "姓名", "sex": "性别", "birth_date": "出生日期", "test": "项目", "value": "结果",
             "unit": "单位", "flags": "标志", "date": "日期", "time": "时间", "comment": "备注"},
)  # fmt: skip
LONG_FILE = (
    "条码,姓名,性别,出生日期,项目,结果,单位,标志,日期,时间,备注\r\n"
    "K1,张三,男,1970-01-02,GLU,6.21,mmol/L,H,2026-11-22,08:05,\r\n"
    'K1,张三,男,1970-01-02,UREA,4.0,mmol/L,,2026-11-22,08:06,"溶血, 轻度"\r\n'
    "K2,李四,女,1980/3/4,GLU,>33.3,mmol/L,HH,2026/11/22,08:07,\r\n"
    "\r\n"
    "K1,张三,男,1970-01-02,K,,mmol/L,,2026-11-22,08:08,\r\n"
)
WIDE = CsvMapping(
    layout=Layout.WIDE,
    columns={"barcode": 1, "date": "Date"},
    tests=(WideTest(column="WBC", code="WBC", unit="10*9/L"), WideTest(column=4, code="HGB", flags=5)),
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_file_with_a_result_in_a_row_is_read(encoding: str, delimiter: str) -> None:
    written = LONG_FILE.replace('"溶血, 轻度"', "溶血").replace(",", delimiter).encode(encoding)

    message = read_csv(written, LONG)

    first, second = message.specimens
    assert (message.wire, message.kind, message.results) == (Wire.FILE, MessageKind.RESULTS, 3)
    assert [(one.test.code, one.value, one.unit, one.flags) for one in first.results] == [
        ("GLU", "6.21", "mmol/L", ("H",)),
        ("UREA", "4.0", "mmol/L", ()),
    ]
    assert first.patient == StatedPatient(name="=张三", sex="M", birth_date=date(1970, 1, 2))
    assert first.comments == ("溶血",)
    assert first.results[0].analysed_at == datetime(2026, 11, 22, 0, 5, tzinfo=UTC)
    assert (second.barcode, second.results[0].value, second.results[0].flags) == ("K2", ">33.3", ("HH",))
    assert second.patient is not None
    assert second.patient.birth_date == date(1980, 3, 4)
    assert [one.position for specimen in message.specimens for one in specimen.results] == [2005, 3005, 4005]


def test_quoted_cells_hold_delimiters_and_line_ends() -> None:
    written = 'barcode,test,value,note\r\nK1,CULT,"E. coli, 10^5\r\nS. aureus","say ""when"""\r\n'
    mapping = CsvMapping(columns={"barcode": 1, "test": 2, "value": 3, "comment": 4})

    (specimen,) = read_csv(written.encode(), mapping).specimens

    assert specimen.results[0].value == "E. coli, 10^5\r\nS. aureus"
    assert specimen.comments == ('say "when"',)


def test_a_file_with_a_specimen_in_a_row_is_read() -> None:
    written = (
        "Sample,Date,WBC,HGB,flag\nK1,20261122080500,6.2,101,L\nK2,20261122080600,,140,\nQC-1,,5.0,120,\n"
    )

    first, second, third = read_csv(written.encode(), WIDE).specimens

    assert [(one.test, one.value, one.flags) for one in first.results] == [
        (Coded(code="WBC", text="WBC"), "6.2", ()),
        (Coded(code="HGB", text="HGB"), "101", ("L",)),
    ]
    assert [one.test.code for one in second.results] == ["HGB"]
    assert third.control == Control(material="QC-1")


def test_excels_habits_are_known() -> None:
    written = 'sep=;\r\nbarcode;test;value\r\n"=""0017""";GLU;5,1\r\n'
    mapping = CsvMapping(heading_row=2, columns={"barcode": "barcode", "test": "test", "value": "value"})

    (specimen,) = read_csv(written.encode(), mapping).specimens

    assert (specimen.barcode, specimen.results[0].value) == ("0017", "5,1")


@pytest.mark.parametrize(
    ("cell", "value", "flags"),
    [
        ("6.21↑", "6.21", ("↑",)),
        ("6.21 H", "6.21", ("H",)),
        ("<0.5 L", "<0.5", ("L",)),
        ("阳性", "阳性", ()),
        ("HBsAg H", "HBsAg H", ()),
        ("1:80", "1:80", ()),
    ],
)
def test_flags_behind_a_number_are_flags(cell: str, value: str, flags: tuple[str, ...]) -> None:
    mapping = CsvMapping(columns={"test": 1, "value": 2}, heading_row=0)
    (specimen,) = read_csv(f"GLU,{cell}\n".encode(), mapping).specimens
    assert (specimen.results[0].value, specimen.results[0].flags) == (value, flags)


def test_headings_may_stand_below_a_title() -> None:
    written = "检验结果导出\n\nbarcode,test,value\nK1,GLU,5.1\n"
    mapping = CsvMapping(heading_row=3, columns={"barcode": "BARCODE ", "test": "Test", "value": "value"})
    assert read_csv(written.encode(), mapping).results == 1


def test_a_time_format_of_the_device_is_used() -> None:
    mapping = CsvMapping(
        columns={"test": 1, "value": 2, "date": 3, "time": 4}, heading_row=0, time_format="%d.%m.%y %H:%M"
    )
    (specimen,) = read_csv(b"GLU,5.1,22.11.26,08:05", mapping).specimens
    assert specimen.results[0].analysed_at == datetime(2026, 11, 22, 0, 5, tzinfo=UTC)


def test_odd_rows_are_told_of_and_none_is_lost() -> None:
    written = (
        "barcode,test,value,date\nK1,GLU,5.1,yesterday\nK2,GLU,5.2,20261122,surplus\nK3,GLU\n,GLU,5.4,\n"
    )
    mapping = CsvMapping(columns={"barcode": 1, "test": 2, "value": 3, "date": 4})

    message = read_csv(written.encode(), mapping)

    assert [(one.barcode, one.results[0].value) for one in message.specimens] == [
        ("K1", "5.1"),
        ("K2", "5.2"),
        ("", "5.4"),
    ]
    assert message.warnings == (
        "the time in row 2 is none that we read",
        "row 3 has more columns than there are headings",
    )


@pytest.mark.parametrize(
    ("written", "mapping", "sentence"),
    [
        (b"a,b\n1,2\n", LONG, "the file has no column '条码'; it has a, b"),
        (b"a,a\n1,2\n", CsvMapping(columns={"test": "a", "value": 2}), "2 columns 'a'"),
        (b"", LONG, "no row 1"),
        (b"a,b\n", CsvMapping(columns={"test": 1, "value": 2}), "no row with a result"),
        (b"\x00\x01\x02", LONG, "UTF-16 or no text"),
        (b'a,b\n1,"' + b"x" * 200_000, CsvMapping(columns={"test": 1, "value": 2}), "line 2 is no row"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(
    written: bytes, mapping: CsvMapping, sentence: str
) -> None:
    with pytest.raises(Malformed, match=sentence):
        read_csv(written, mapping)


# mappings


@pytest.mark.parametrize("mapping", [LONG, WIDE, CsvMapping(columns={"test": 1, "value": 2}, heading_row=0)])
def test_a_mapping_survives_json(mapping: CsvMapping) -> None:
    assert read_mapping(json.loads(json.dumps(write_mapping(mapping)))) == mapping


@pytest.mark.parametrize(
    "stated",
    [
        {},
        {"columns": {"value": 1}},
        {"columns": {"test": 1, "value": 0}},
        {"columns": {"test": 1, "value": True}},
        {"columns": {"test": 1, "value": 2, "colour": 3}},
        {"columns": {"test": 1, "value": 2}, "colour": 3},
        {"columns": {"test": 1, "value": 2}, "delimiter": ",,"},
        {"columns": {"test": 1, "value": 2}, "heading_row": -1},
        {"columns": {"test": "a", "value": 2}, "heading_row": 0},
        {"columns": {"test": 1, "value": 2}, "layout": "tall"},
        {"layout": "wide", "columns": {"barcode": 1}},
        {"layout": "wide", "tests": [{"column": 1}]},
        {"columns": [1]},
    ],
)
def test_what_is_no_mapping_is_refused(stated: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        read_mapping(stated)


# proposals


def test_a_long_file_is_proposed_as_it_is() -> None:
    proposal = sniff(LONG_FILE.encode("gb18030"))

    assert proposal.mapping.layout is Layout.LONG
    assert (proposal.mapping.encoding, proposal.mapping.delimiter) == ("gb18030", ",")
    assert proposal.mapping.heading_row == 1
    assert proposal.mapping.columns == LONG.columns
    assert proposal.rows[0][:2] == ("K1", "张三")
    assert proposal.in_doubt
    assert read_csv(LONG_FILE.encode("gb18030"), proposal.mapping).results == 3


def test_headings_of_other_programs_are_known_by_their_ends() -> None:
    written = "条码编号,受检者,送检单位,检测代号,检测名称,测定值,计量单位\n261123000018,吴桂芳,东岭,G01,葡萄糖,6.8 H,mmol/L\n"
    proposal = sniff(written.encode())

    assert proposal.mapping.layout is Layout.LONG
    assert proposal.mapping.columns == {
        "barcode": "条码编号", "name": "受检者", "department": "送检单位", "test": "检测代号",
        "test_name": "检测名称", "value": "测定值", "unit": "计量单位",
    }  # fmt: skip


def test_a_column_of_long_numbers_is_no_test() -> None:
    proposal = sniff("姓名,流水,GLU\n吴桂芳,261123000018,5.1\n钱多,261123000019,6.1\n".encode())
    assert [one.code for one in proposal.mapping.tests] == ["GLU"]


def test_a_wide_file_below_a_title_is_proposed_with_its_tests() -> None:
    written = "URIT 血常规导出;;;;\n样本号;姓名;检验时间;WBC(10^9/L);HGB;Mode\nK1;张三;2026-11-22 08:05;6.2;101;CBC\n"

    proposal = sniff(written.encode())

    assert proposal.mapping.layout is Layout.WIDE
    assert (proposal.mapping.delimiter, proposal.mapping.heading_row) == (";", 2)
    assert proposal.mapping.columns == {"barcode": "样本号", "name": "姓名", "date": "检验时间"}
    assert proposal.mapping.tests == (
        WideTest(column="WBC(10^9/L)", code="WBC", unit="10^9/L"),
        WideTest(column="HGB", code="HGB"),
    )
    assert read_csv(written.encode(), proposal.mapping).results == 2


def test_a_file_without_headings_is_shown_without_a_guess() -> None:
    proposal = sniff(b"K1\tGLU\t5.1\nK2\tGLU\t6.1\n")
    assert (proposal.mapping.heading_row, proposal.mapping.columns) == (0, {})
    assert proposal.rows == (("K1", "GLU", "5.1"), ("K2", "GLU", "6.1"))


def test_noise_is_a_message_or_malformed() -> None:
    noise, came = random.Random(4), {"read": 0, "refused": 0}
    good = LONG_FILE.encode("gb18030")
    for _ in range(400):
        at = noise.randrange(len(good))
        raw = good[:at] + noise.randbytes(noise.randrange(6)) + good[at + noise.randrange(30) :]
        for attempt in (lambda: sniff(raw), lambda: read_csv(raw, LONG)):  # noqa: B023 (called at once)
            try:
                attempt()
            except Malformed:
                came["refused"] += 1
            else:
                came["read"] += 1
    assert sum(came.values()) == 800 and all(came.values())


# workbooks


def workbook(*rows: tuple[object, ...], formats: dict[str, str] | None = None) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(list(row))
    for place, number_format in (formats or {}).items():
        sheet[place].number_format = number_format
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def test_a_workbook_is_read_as_its_cells_show_it() -> None:
    raw = workbook(
        ("条码", "姓名", "项目", "结果", "检验时间"),
        ("0017", "张三", "GLU", 5.1, datetime(2026, 11, 22, 8, 5)),  # noqa: DTZ001 (a workbook knows no zones)
        (18, "李四", "K", 4, "2026-11-22 08:06"),
        (None, None, None, None, None),
        (19, "王五", "HBsAg", "阳性", None),
        formats={"D2": "0.00"},
    )

    proposal = sniff(raw)
    message = read_csv(raw, proposal.mapping)

    assert proposal.mapping == read_mapping(write_mapping(proposal.mapping))
    assert [(one.barcode, one.results[0].value) for one in message.specimens] == [
        ("0017", "5.10"),
        ("18", "4"),
        ("19", "阳性"),
    ]
    assert message.specimens[0].results[0].analysed_at == datetime(2026, 11, 22, 0, 5, tzinfo=UTC)


def test_a_damaged_workbook_is_refused() -> None:
    raw = workbook(("barcode", "test", "value"), ("K1", "GLU", 5.1))
    for end in range(4, len(raw), 97):
        with pytest.raises(Malformed):
            sniff(raw[:end])
    with pytest.raises(Malformed, match="empty"):
        sniff(workbook())


def test_a_workbook_that_bursts_is_refused() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for number in range(65):
            packed.writestr(f"xl/worksheets/sheet{number}.xml", bytes(1 << 20))
    with pytest.raises(Malformed, match="unpacks to more"):
        sniff(written.getvalue())


# documents

A_PDF = b"%PDF-1.4\n1 0 obj\nendobj\ntrailer\n%%EOF\n"


def test_a_pdf_belongs_to_the_barcode_in_its_name() -> None:
    message = read_document(A_PDF, file_name="K1_血培养_20261122.PDF", pattern="{barcode}_{test}_*.pdf")

    (specimen,) = message.specimens
    (attachment,) = specimen.attachments
    assert (specimen.barcode, message.results) == ("K1", 1)
    assert (attachment.test.code, attachment.media_type, attachment.size_bytes) == (
        "血培养",
        "application/pdf",
        len(A_PDF),
    )


@pytest.mark.parametrize(
    ("raw", "name", "sentence"),
    [
        (A_PDF, "report.pdf", "does not fit"),
        (b"GIF89a", "K1_x.pdf", "no PDF"),
        (A_PDF[:-8], "K1_x.pdf", "ends before its end"),
    ],
)
def test_a_document_that_is_none_is_refused(raw: bytes, name: str, sentence: str) -> None:
    with pytest.raises(Malformed, match=sentence):
        read_document(raw, file_name=name, pattern="{barcode}_*.pdf")


@pytest.mark.parametrize("pattern", ["", "*.pdf", "{barcode}{barcode}", "{name}_{barcode}", "{barcode}****"])
def test_a_pattern_that_names_no_barcode_is_refused(pattern: str) -> None:
    with pytest.raises(Malformed):
        check_pattern(pattern)
