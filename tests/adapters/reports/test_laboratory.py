"""A laboratory report: the table that is printed, and the same as a message."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from adapters.hl7.reading import read_message
from adapters.reports.document import RecognitionMark, ReportDocument
from adapters.reports.hl7_lab import AS_ASKED, write_lab_oru
from adapters.reports.hl7_mdm import write_mdm
from adapters.reports.hl7_parts import Bearer
from adapters.reports.laboratory import LabGroup, LabLine, LabTable, Pending
from tests.adapters.reports.conftest import REPORT
from tests.adapters.reports.pdftools import pages_of, squeezed, text_of, xmp_of

AT = datetime(2026, 11, 21, 1, 40, tzinfo=UTC)
BEARER = Bearer(patient_id="P001", name="QIU^MING=仇^明", sex="M", birth_date=date(1979, 3, 4))


def line(code: str, name: str, value: str, **fields: object) -> LabLine:
    return LabLine(**{"code": code, "name": name, "value": value, "observed_at": AT, **fields})  # type: ignore[arg-type]


BLOOD = LabGroup(
    code="CBC",
    title="血细胞分析",
    loinc="58410-2",
    lines=(
        line(
            "WBC", "白细胞计数", "32.10", number=32.1, unit="10^9/L", low=3.5, high=9.5, abnormal="HH", critical=True,
            mark="全国HR", loinc="6690-2", comments=("镜检：可见幼稚细胞",), verified_by="郑检验", abbreviation="WBC",
        ),
        line(
            "HGB", "血红蛋白", "128", number=128, unit="g/L", low=130, high=175, abnormal="L", change="corrected",
            earlier="141 g/L",
        ),
        line("PLT", "血小板计数", "210", number=210, unit="10^9/L", low=125, high=350, method="电阻抗法",
            device="BC-6800", tested_at="柳河镇中心卫生院"),
    ),
)  # fmt: skip
OTHERS = LabGroup(
    title="免疫",
    lines=(
        line("CRP", "C反应蛋白", "<0.50", number=0.5, comparator="<", unit="mg/L", high=6),
        line(
            "HBSAG", "乙肝表面抗原", "阳性", scale="ordinal", range_text="阴性", abnormal="A", change="added"
        ),
        line("TSH", "促甲状腺素", "", status="X"),
    ),
)
TABLE = LabTable(
    groups=(BLOOD, OTHERS),
    pending=(
        Pending(name="糖化血红蛋白", code="HBA1C", reason="not_resulted"),
        Pending(name="钾", code="K", reason="rerun", earlier="4.1"),
        Pending(name="血小板分布宽度", code="PDW", reason="not_reported"),
    ),
    specimen_kind="静脉全血",
    collected_at=AT,
    received_at=AT,
    requester="赵医生",
    department="内科",
    bed="12",
    order_number="O^77",
    tested_at=("柳河镇中心卫生院",),
    tested_by=("李检",),
    analysers=("BC-6800",),
    verified_by=("郑检验",),
    by_rule=4,
)  # fmt: skip
LAB = replace(
    REPORT, title="检验报告", kind="laboratory", laboratory=TABLE, findings="", impression="请结合临床。", critical=True,
    accession_number="B001", marks=(
        RecognitionMark(item="白细胞计数", text="全国HR", scope="全国"),
        RecognitionMark(item="血红蛋白", reason="质控失控"),
    ),
)  # fmt: skip
Printed = Callable[..., bytes]


@pytest.fixture(scope="module")
def page(printed: Printed) -> str:
    return squeezed(printed(**{name: getattr(LAB, name) for name in CHANGED}))


CHANGED = ("title", "kind", "laboratory", "findings", "impression", "critical", "accession_number", "marks")


def test_every_result_stands_with_its_range_unit_and_arrow(printed: Printed) -> None:
    text = text_of(printed(**{name: getattr(LAB, name) for name in CHANGED}))
    lines = [re.sub(r"\s+", " ", one) for one in text.splitlines()]

    def row(name: str) -> str:
        return next(one for one in lines if name in one)

    assert "【全国HR】白细胞计数 WBC 32.10 ↑ 危急 10^9/L 3.5-9.5" in row("白细胞计数 WBC")
    assert "128 ↓ g/L 130-175" in row("血红蛋白 128")
    assert "↑" not in row("血小板计数") and "↓" not in row("血小板计数")
    assert "<0.50 mg/L ≤6" in row("C反应蛋白")
    assert "阳性 ＊ 阴性" in row("乙肝表面抗原")
    assert "已撤销或无法检测" in row("促甲状腺素")


def test_what_belongs_to_a_laboratory_report_is_on_it(page: str) -> None:
    for expected in (
        "检验报告", "危急值", "条码号B001", "标本种类静脉全血", "申请科室内科12", "申请医师赵医生", "采集时间2026-11-2109:40",
        "检测机构柳河镇中心卫生院", "审核机构青溪县人民医院", "血细胞分析", "修正：原报告为141g/L",
        "补报：前一版报告中没有此项",
        "镜检：可见幼稚细胞", "糖化血红蛋白（检测中）", "钾（复查中，原报告为4.1）", "检验意见请结合临床。", "检验者李检",
        "审核者郑检验、自动审核4项", "检测设备：BC-6800", "仪器本次未报告：血小板分布宽度。", "质控失控（血红蛋白）",
    ):  # fmt: skip
        assert expected in page, expected
    for absent in ("检查部位", "图像数", "检查所见", "未填写"):
        assert absent not in page


def test_a_report_of_several_pages_repeats_its_header_and_is_pdf_a(printed: Printed) -> None:
    many = LabGroup(
        title="生化", lines=tuple(line(f"C{n}", f"项目{n}", f"{n}.5", number=n) for n in range(90))
    )
    pdf = printed(
        **{name: getattr(LAB, name) for name in CHANGED} | {"laboratory": replace(TABLE, groups=(many,))}
    )

    assert pages_of(pdf) == 3
    assert squeezed(pdf).count("检验项目结果单位参考区间") == 3
    assert "项目89" in squeezed(pdf)
    assert "参考区间方法" not in squeezed(pdf)  # nobody stated one
    (xmp,) = xmp_of(pdf)
    assert b"<pdfaid:part>3</pdfaid:part>" in xmp


def test_hostile_texts_are_printed_as_they_are(printed: Printed) -> None:
    naughty = '#panic() *粗* $x$ \\u{41} "'
    one = line("X", naughty, naughty, comments=(naughty,), method=naughty, mark="全国HR")
    pdf = printed(
        kind="laboratory",
        laboratory=replace(TABLE, groups=(LabGroup(title=naughty, lines=(one,)),), tested_by=(naughty,)),
    )

    assert squeezed(pdf).count("#panic()") >= 4


def test_an_english_report_names_everything_in_english(printed: Printed) -> None:
    text = squeezed(printed(kind="laboratory", laboratory=TABLE, language="en"))

    assert "Referencerange" in text and "Corrected:theearlierreportsaid141g/L" in text
    assert "参考区间" not in text and "复查中" not in text


def segments(document: ReportDocument, name: str) -> list[list[str]]:
    text = write_lab_oru(document, BEARER).decode()
    return [one.split("|") for one in text.rstrip("\r").split("\r") if one.startswith(name)]


def test_the_message_is_valid_by_the_standard() -> None:
    text = write_lab_oru(LAB, BEARER).decode()

    message = parse_message(text, validation_level=VALIDATION_LEVEL.STRICT, find_groups=True)
    assert message.validate()
    assert message.name == "ORU_R01"
    [result] = message.oru_r01_patient_result
    assert len(result.oru_r01_order_observation) == 3


def test_every_result_is_an_observation_with_its_flag_and_code() -> None:
    wbc, hgb, plt, crp, hbsag, tsh, *pending = segments(LAB, "OBX")

    assert wbc[2:9] == [
        "NM",
        "6690-2^白细胞计数^LN^WBC^白细胞计数^99GW",
        "",
        "32.10",
        "10\\S\\9/L",
        "3.5-9.5",
        "HH",
    ]
    assert (hgb[8], hgb[11], plt[8], plt[11], plt[18], plt[23]) == (
        "L", "C", "N", "F", "BC-6800", "柳河镇中心卫生院",
    )  # fmt: skip
    assert crp[2:6] == ["SN", "CRP^C反应蛋白^99GW", "", "<^0.50"]
    assert (hbsag[2], hbsag[5], hbsag[8]) == ("ST", "阳性", "A")
    assert (tsh[5], tsh[11]) == ("", "X")
    assert [(one[3], one[11]) for one in pending] == [
        ("HBA1C^糖化血红蛋白^99GW", "I"),
        ("K^钾^99GW", "I"),
        ("PDW^血小板分布宽度^99GW", "X"),
    ]  # fmt: skip


def test_marks_and_remarks_are_notes_behind_their_result() -> None:
    text = write_lab_oru(LAB, BEARER).decode()

    assert "NTE|1|L|【全国HR】|HR^互认标识^99GW\rNTE|2|L|镜检：可见幼稚细胞|RE^Remark^99GW\r" in text
    assert "NTE|1|L|修正：原报告为 141 g/L|" in text
    assert "NTE|1|L|请结合临床。|" in text


def test_the_patient_and_the_specimen_are_named() -> None:
    [pid], [spm] = segments(LAB, "PID"), segments(LAB, "SPM")

    assert (pid[3], pid[5], pid[7], pid[8]) == (
        "P001^^^&12345678901234567890A1&L^PI",
        "仇^明^^^^^L^I",
        "19790304",
        "M",
    )
    assert (spm[2], spm[4], spm[17]) == ("^B001", "^静脉全血", "20261121094000+0800")
    assert segments(LAB, "OBR")[0][2] == "O\\S\\77"


def test_ranges_are_sent_in_the_forms_of_the_standard() -> None:
    low_only = replace(BLOOD.lines[0], name="肾小球滤过率", low=90, high=None, abnormal="")
    table = replace(TABLE, groups=(replace(BLOOD, lines=(*BLOOD.lines, low_only)), OTHERS))
    text = write_lab_oru(replace(LAB, laboratory=table), BEARER).decode()
    observations = [one.split("|") for one in text.split("\r") if one.startswith("OBX|")]
    ranges = {one[3].split("^")[1]: one[7] for one in observations if len(one) > 7}

    names = ("肾小球滤过率", "C反应蛋白", "乙肝表面抗原")
    assert [text for name, text in ranges.items() if name in names] == [">90", "<6", "阴性"]
    assert "3.5-9.5" in ranges.values()


def test_our_own_reader_finds_in_it_what_was_written() -> None:
    said = read_message(write_lab_oru(LAB, BEARER))

    results = [one for specimen in said.specimens for one in specimen.results]
    assert [(one.value, one.unit) for one in results][:3] == [
        ("32.10", "10^9/L"), ("128", "g/L"), ("210", "10^9/L"),
    ]  # fmt: skip
    assert said.specimens[0].patient is not None and said.specimens[0].patient.patient_id == "P001"


def test_its_comment_goes_out_as_a_narrative_comment_with_the_signed_document() -> None:
    """LOINC 48767-8, as the section `annotations` of HL7's laboratory report has it."""
    pieces = write_mdm(LAB, BEARER, AS_ASKED).decode().split("\r")
    [comment] = [one.split("|") for one in pieces if one.startswith("OBX") and "请结合临床" in one]
    assert comment[2:4] == ["FT", "48767-8^Annotation comment [Interpretation] Narrative^LN"]


def test_a_report_of_images_is_no_such_message() -> None:
    with pytest.raises(ValueError, match="laboratory"):
        write_lab_oru(REPORT, BEARER)
