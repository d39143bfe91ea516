"""What stands on a printed report, whatever people typed."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

import pytest

from adapters.errors import Malformed
from adapters.reports.document import KeyFact, Patient, RecognitionMark
from adapters.reports.fonts import Fonts
from adapters.reports.manifest import read_manifest
from adapters.reports.pdf import write_pdf
from tests.adapters.reports.conftest import MANIFEST, REPORT
from tests.adapters.reports.pdftools import attachments_of, pages_of, run_on, squeezed, text_of, xmp_of
from tests.fonts import fonts_dir

NAUGHTY = [
    "#panic()",
    '#read("/x")',
    "#sys.inputs",
    "*粗* _斜_ `raw` = 标题",
    "$x^2$",
    "a \\ b \\u{41}",
    "@ref <label>",
    "// c /* d */",
    "~ -- ... --- -?",
    "'a' \"b\"",
    "{code: 1} [content]",
    "https://example.org",
    "<b>&amp;</b>",
]


def test_everything_the_township_needs_is_on_the_page(printed):
    text = squeezed(printed())

    for expected in (
        "青溪县人民医院", "影像诊断报告", "R20261121-000123", "柳河镇中心卫生院", "12345678901234567890A1",
        "PDY00012X33012711A1001", "县域影像诊断中心", "张小明", "58岁", "LH00012345", "3301**********4617",
        "CT202611210007", "胸部CT平扫", "咳嗽、咳痰1周。", "大小约8mm×6mm。", "建议3个月后复查。", "王建国", "李秀英",
        "第1页/共1页",
    ):  # fmt: skip
        assert expected in text, expected


def test_times_are_printed_in_the_time_zone_asked_for(printed):
    assert "签发时间2026-11-2110:31时区UTC+08:00" in squeezed(printed())
    assert "签发时间2026-11-2108:01时区UTC+05:30" in squeezed(printed(time_zone="Asia/Kolkata"))


def test_each_item_has_its_mark_or_the_reason_why_it_has_none(printed):
    lines = text_of(printed()).splitlines()

    assert any("胸部CT平扫" in line and "浙江省HR" in line for line in lines)
    unmarked = next(line for line in lines if "三维重建" in line)
    assert "无" in unmarked
    assert "HR" not in unmarked
    assert "不在互认目录内" in unmarked
    assert "医共体内部备注：县内互认" in unmarked


def test_critical_preliminary_and_amended_reports_say_so(printed):
    plain = squeezed(printed())
    special = squeezed(printed(critical=True, preliminary=True, version=2, amendment_note="左右侧更正"))

    for words in ("危急值", "临时报告", "更正报告", "第2版", "左右侧更正"):
        assert words not in plain
        assert words in special


def test_a_final_report_says_that_it_replaces_a_preliminary_one_and_corrects_nothing(printed):
    text = squeezed(printed(version=2, finalises=True, amendment_note="替代第1版临时报告"))

    assert "正式报告" in text
    assert "替代第1版临时报告" in text
    assert "更正" not in text


def test_headings_follow_the_kind_and_key_facts_are_listed(printed):
    text = squeezed(printed(kind="ecg", key_facts=(KeyFact(name="心率", value="72次/分"),)))

    assert "心电图所见" in text
    assert "心率72次/分" in text


def test_an_english_report_has_no_chinese_of_ours(printed):
    pdf = write_in_english(printed)

    assert "Findings" in pdf
    assert "Page 1 of 1" in pdf
    assert not [character for character in pdf if "\u4e00" <= character <= "\u9fff"]


def write_in_english(printed):
    place = replace(REPORT.examined_at_institution, name="Liuhe Health Centre")
    patient = Patient(name="Zhang Wei", sex="Male", age="58 years", patient_id="LH1")
    return text_of(
        printed(
            language="en", title="Imaging report", community="Qingxi", centre="Imaging", patient=patient,
            examined_at_institution=place, diagnosed_at_institution=place, examination="Chest CT",
            body_part="Chest", clinical_information="Cough.", findings="Clear.", impression="Normal.",
            writer="Wang", reviewer="Li", signers=("Li",), preliminary=True, critical=True, amendment_note="Side.",
            marks=(RecognitionMark(item="Chest CT", reason="not listed", remark="inside"),),
        )
    )  # fmt: skip


@pytest.mark.parametrize("naughty", NAUGHTY)
def test_markup_is_printed_literally_wherever_it_is_typed(printed, naughty):
    pdf = printed(
        findings=naughty, impression=naughty, clinical_information=naughty, writer=naughty, amendment_note=naughty,
        marks=(RecognitionMark(item=naughty, text=naughty, scope=naughty),), title=naughty, signers=(naughty,),
        key_facts=(KeyFact(name=naughty, value=naughty),), patient=replace(REPORT.patient, name=naughty),
    )  # fmt: skip

    assert squeezed(pdf).count("".join(naughty.split())) >= 11


def test_line_ends_of_every_kind_break_the_line_and_empty_lines_stay(printed):
    text = text_of(printed(findings="一\r\n二\r三\u2028四\x0b五\n\n\n六\t七"))

    lines = [line.strip() for line in text.splitlines()]
    assert [line for line in lines if line in {"一", "二", "三", "四", "五"}] == [
        "一",
        "二",
        "三",
        "四",
        "五",
    ]
    assert "〓" not in text


def test_long_findings_flow_over_pages_that_repeat_whose_they_are(printed):
    sentence = "双肺纹理清晰，未见明确异常密度影。"
    pdf = printed(findings=sentence * (20_000 // len(sentence)))

    pages = text_of(pdf).split("\f")[:-1]
    assert len(pages) == pages_of(pdf) > 5
    assert all("R20261121-000123" in page and "青溪县" in page for page in pages)
    assert all("张小明" in page for page in pages)
    assert f"第{len(pages)}页/共{len(pages)}页" in "".join(pages[-1].split())
    body = "".join("".join(page.splitlines()[2:-3]) for page in pages)
    assert "".join(body.split()).count("未见明确异常密度影") >= 20_000 // len(sentence) * 0.9


def test_a_word_without_end_stays_on_the_paper(printed):
    text = squeezed(printed(findings="A" * 20_000 + "END"))

    assert text.count("A") >= 20_000
    assert "END" in text


def test_a_long_identifier_wraps_inside_its_cell(printed):
    pdf = printed(accession_number="A" * 64, marks=(RecognitionMark(item="B" * 64, text="C" * 64),))

    for letter in "ABC":
        assert text_of(pdf).count(letter) >= 64
        assert letter * 64 not in text_of(pdf)


def test_short_identifiers_can_be_copied_as_they_are(printed):
    text = text_of(printed())

    assert "\u200b" not in text
    assert REPORT.verification_url in text


def test_sixty_items_have_sixty_marks_over_two_pages(printed):
    marks = tuple(RecognitionMark(item=f"项目{number}。", text=f"甲{number}HR") for number in range(1, 61))
    text = squeezed(printed(marks=marks))

    assert all(f"项目{number}。甲{number}HR" in text for number in range(1, 61))
    assert text.count("互认标识") == 2  # the table's head again on its second page


def test_empty_texts_are_said_to_be_empty(printed):
    text = squeezed(
        printed(findings="", impression=" \n ", clinical_information="", reviewer=None, examined_at=None)
    )

    assert text.count("未填写") == 3


def test_rare_names_are_printed(printed):
    assert "㛃䶮𫚖𬭚𰻞𬍛" in squeezed(printed(patient=replace(REPORT.patient, name="㛃䶮𫚖𬭚𰻞𬍛")))


def test_a_name_outside_the_main_font_is_listed_by_its_code_point(printed):
    text = squeezed(printed(patient=replace(REPORT.patient, name="𠮷田")))

    assert "姓名〓田" in text
    assert "〓=U+20BB7" in text


def test_a_name_outside_the_main_font_is_printed_when_another_font_has_it():
    fonts = Fonts([fonts_dir()])
    if fonts.missing(["𠮷"]):
        pytest.skip("the build has no font with 𠮷 (U+20BB7)")
    document = replace(REPORT, patient=replace(REPORT.patient, name="𠮷田"))

    text = squeezed(write_pdf(document, manifest=MANIFEST, fonts=fonts))

    assert "姓名𠮷田" in text
    assert "〓" not in text


def test_an_empty_line_in_the_findings_leaves_a_gap(printed):
    def lines(findings):
        return text_of(printed(findings=findings)).splitlines()

    assert len(lines("甲\n\n乙")) > len(lines("甲\n乙"))


def test_what_no_font_has_is_marked_and_listed(printed):
    text = squeezed(printed(findings="疼痛😀。"))

    assert "疼痛〓。" in text
    assert "〓=U+1F600" in text


def test_several_missing_characters_can_be_told_apart(printed):
    text = squeezed(printed(findings="甲😀乙\ue000丙\x07丁\u202e戊\ud800己😀"))

    assert "甲〓①乙〓②丙〓③丁〓④戊〓⑤己〓①" in text
    assert "〓①=U+1F600；〓②=U+E000；〓③=U+0007；〓④=U+202E；〓⑤=U+D800" in text


def test_a_report_of_nothing_but_missing_characters_is_still_a_report(printed):
    text = squeezed(printed(findings="".join(map(chr, range(0x1F600, 0x1F640)))))

    assert "〓⑳" in text
    assert "〓(U+1F63F)=U+1F63F" in text


def test_invisible_characters_do_not_show(printed):
    assert "磨玻璃" in text_of(printed(findings="磨\u200b玻\ufeff璃\ufe0f"))


def test_it_is_pdf_a_3b_with_embedded_fonts(printed):
    pdf = printed()

    (xmp,) = xmp_of(pdf)
    assert b"<pdfaid:part>3</pdfaid:part>" in xmp
    assert b"<pdfaid:conformance>B</pdfaid:conformance>" in xmp
    fonts = run_on(pdf, "pdffonts", "{pdf}").splitlines()[2:]
    assert fonts
    assert all(line.split()[-5] == "yes" for line in fonts)


def test_the_manifest_comes_back_byte_for_byte(printed):
    pdf = printed()

    assert attachments_of(pdf) == {"originals.json": MANIFEST}
    assert read_manifest(pdf) == MANIFEST
    assert b"/AFRelationship/Supplement" in pdf


def test_a_manifest_that_is_not_utf8_is_malformed(fonts):
    with pytest.raises(Malformed):
        write_pdf(REPORT, manifest=b"\xff\xfe", fonts=fonts)


def test_reading_a_manifest_from_anything_else_is_malformed(printed):
    pdf = printed()

    for other in (b"", b"%PDF-1.7", b"hello", pdf[: len(pdf) // 2], pdf.replace(b"/AF[", b"/AG[")):
        with pytest.raises(Malformed):
            read_manifest(other)


def test_the_same_report_gives_the_same_bytes_in_every_thread(fonts):
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(write_pdf, REPORT, manifest=MANIFEST, fonts=fonts) for _ in range(8)]
        assert len({job.result() for job in jobs}) == 1


def test_a_time_without_a_zone_is_no_time():
    with pytest.raises(ValueError, match="signed_at"):
        replace(REPORT, signed_at=datetime(2026, 11, 21))  # noqa: DTZ001
