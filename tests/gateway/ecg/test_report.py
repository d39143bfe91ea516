"""The signed report of an electrocardiogram: the tracing it was signed over, whose measurements, and in what words."""

import re
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from sqlalchemy import select

from adapters.ecg.description import describe
from adapters.ecg.reading import read_recording
from adapters.errors import Unavailable
from adapters.reports.pdf import write_pdf
from adapters.reports.signing.verification import verify_pdf
from gateway import rendering, signing
from gateway.ecg.recordings import recordings_of
from gateway.ecg.report import draw_tracing, find_signed_ecg, key_facts_of, statements_of
from gateway.fonts import fonts_of
from gateway.index import Record
from gateway.intake import Drain
from gateway.originals import read_original
from gateway.report_documents import report_document
from gateway.runtime import Runtime
from tests.adapters.ecg.papers import rendered
from tests.adapters.reports.conftest import MANIFEST, REPORT
from tests.adapters.reports.pdftools import pages_of, run_on, squeezed
from tests.builders import NOW, County, build_county
from tests.fonts import fonts_dir
from tests.gateway.web.stored import file_of, keep
from worklists.base import new_id
from worklists.drafting import save_draft
from worklists.examinations import Examination
from worklists.reading import ReadingTask
from worklists.reports import Original, Report, sign_report

CONTENT: dict[str, Any] = {
    "measurements": {
        "qrs_axis_deg": -12,
        "heart_rate_bpm": 61,
        "qt_ms": 400,
        "qtc_ms": 403.3,
        "qtc_formula": "bazett",
        "source": {
            "heart_rate_bpm": "cart",
            "qt_ms": "caliper",
            "qtc_ms": "computed",
            "qrs_axis_deg": "typed",
        },
    },
    "statements": [],
    "layout": "6x2",
}


@pytest.fixture
def county(runtime: Runtime) -> County:
    folder = runtime.settings.viewer_dir / "fonts"
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.symlink_to(fonts_dir())
    with runtime.sessions.begin() as session:
        return build_county(session, review_required=False)


def an_ecg(runtime: Runtime, county: County, **changes: Any) -> None:
    data_set = dcmread(str(get_testdata_file("waveform_ecg.dcm", download=False)))
    for keyword, value in changes.items():
        setattr(data_set, keyword, value)
    keep(runtime, [file_of(data_set)], institution_id=county.east.id)


def a_page(runtime: Runtime, county: County, pdf: bytes, folder: Path) -> None:
    path = folder / "ecg.pdf"
    path.write_bytes(pdf)
    origin = {
        "institution_id": str(county.east.id),
        "wire": "folder",
        "filename": path.name,
        "examination_id": str(new_id()),
        "received_at": runtime.now().isoformat(),
        "ecg": describe(read_recording(path)),
    }
    runtime.journal.append("ecg.file", origin, [pdf])
    Drain(runtime).index_new()


def sign(runtime: Runtime, county: County, content: dict[str, Any] | None = CONTENT) -> uuid.UUID:
    """吴医师 reads the only examination there is and signs alone."""
    with runtime.sessions.begin() as session:
        task = session.scalars(select(ReadingTask)).one()
        reader = session.merge(county.ecg_reader)
        task.claim(reader, NOW)
        save_draft(
            session, task, writer=reader, findings="窦性P波", impression="窦性心律", critical=False, preliminary=False,
            content=content, revision=None, now=NOW,
        )  # fmt: skip
        originals = [
            Original(sop_instance_uid=uid, sha256=record.sha256, size_bytes=record.size_bytes)
            for uid, record in _instances(session, task.examination)
        ]
        return sign_report(session, task, signer=reader, marks=(), originals=originals, now=NOW).id


def _instances(session: Any, examination: Examination) -> list[tuple[str, Record]]:
    found = recordings_of(session, examination.id)
    return [(one.sop_instance_uid, session.get_one(Record, one.record_id)) for one in found]


def printed(runtime: Runtime, report_id: uuid.UUID) -> bytes:
    """The document of a report before it is signed; keys take seconds to make."""
    with runtime.sessions() as session:
        report = session.get_one(Report, report_id)
        document = report_document(session, report, base_url="http://127.0.0.1")
        ecg = find_signed_ecg(session, report)
    tracing = draw_tracing(runtime, ecg)
    fonts = fonts_of(runtime)
    return write_pdf(replace(document, tracing=tracing), manifest=MANIFEST, fonts=fonts)


def kept(runtime: Runtime, report_id: uuid.UUID) -> bytes:
    """The signed document as it stands in the journal and in the index."""
    rendering.render(runtime, report_id)
    Drain(runtime).index_new()
    with runtime.sessions() as session:
        sha256 = session.get_one(Report, report_id).pdf_sha256
        record = session.scalars(select(Record).where(Record.kind == "report.pdf")).one()
        assert record.sha256 == sha256
        return read_original(runtime, record)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_tracing_is_on_a_page_of_its_own_in_the_readers_layout(
    runtime: Runtime, county: County, tmp_path: Path
) -> None:
    an_ecg(runtime, county)

    pdf = printed(runtime, sign(runtime, county))

    assert pages_of(pdf) == 2
    sizes = run_on(pdf, "pdfinfo", "-f", "1", "-l", "2", "{pdf}")
    assert "Page    1 size:  595.276 x 841.89" in sizes
    assert "Page    2 size:  841.89 x 595.276" in sizes
    second = page_text(pdf, 2)
    for said in (
        "25mm/s10mm/mV",
        "V6",
        "aVR",
        "设备滤波0.05–300Hz",
        "记录时间2013-01-2510:59:19",
        "0–10s/10s",
    ):
        assert said in second
    assert second.count("II") == 2  # II, and within III: there is no rhythm strip in 6x2
    assert rendered(pdf, tmp_path, dpi=50, page=2).min() < 110


def page_text(pdf: bytes, page: int) -> str:
    number = str(page)
    return re.sub(r"\s", "", run_on(pdf, "pdftotext", "-layout", "-f", number, "-l", number, "{pdf}", "-"))


def test_measurements_stand_in_their_order_with_whose_they_are() -> None:
    facts = [(fact.name, fact.value, fact.source) for fact in key_facts_of(CONTENT)]

    assert facts == [
        ("心率", "61 次/分", "设备测量"),
        ("QT 间期", "400 ms", "医师量取"),
        ("QTc (Bazett)", "403 ms", "软件计算"),
        ("QRS 电轴", "-12°", ""),
    ]


def test_statements_are_in_the_words_they_were_signed_in() -> None:
    wording = [{"code": "sinus_rhythm", "text": "窦性心律"}, {"code": "lad", "text": "电轴左偏"}]

    content = {"statements": [], "wording": wording}
    assert statements_of(content, texts="") == ("窦性心律", "电轴左偏")
    assert statements_of(content, texts="1. 窦性心律，大致正常") == ("电轴左偏",)
    assert statements_of(None, texts="") == ()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_signed_document_carries_all_of_it_and_is_valid(runtime: Runtime, county: County) -> None:
    an_ecg(runtime, county)

    pdf = kept(runtime, sign(runtime, county))

    assert verify_pdf(pdf, trust_roots=[signing.authority_certificate(runtime)]).valid
    assert pages_of(pdf) == 2
    text = squeezed(pdf)

    for said in (
        "心电图诊断报告",
        "心率61次/分设备测量",
        "QTc(Bazett)403ms软件计算",
        "QRS电轴-12°",
        county.east.name,
    ):
        assert said in text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_report_without_content_has_its_tracing_all_the_same(runtime: Runtime, county: County) -> None:
    an_ecg(runtime, county)

    assert pages_of(printed(runtime, sign(runtime, county, None))) == 2


def test_while_the_original_is_away_the_report_waits(runtime: Runtime, county: County) -> None:
    an_ecg(runtime, county)
    report_id = sign(runtime, county)
    segments = [
        path for path in runtime.journal_dir.rglob("*") if path.is_file() and path.stat().st_size > 100_000
    ]
    assert segments
    hidden = [(path, path.rename(path.with_suffix(".hidden"))) for path in segments]

    with pytest.raises(Unavailable):
        rendering.render(runtime, report_id)
    for path, moved in hidden:
        moved.rename(path)

    assert pages_of(printed(runtime, report_id)) == 2


def test_a_recording_that_came_after_the_signature_is_not_on_it(runtime: Runtime, county: County) -> None:
    an_ecg(runtime, county)
    report_id = sign(runtime, county)
    an_ecg(runtime, county, SOPInstanceUID="1.2.3.4.5", AcquisitionDateTime="20130125115919")

    assert "10:59:19" in squeezed(printed(runtime, report_id))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_ecg_that_came_as_a_page_has_no_tracing_and_says_so(
    runtime: Runtime, county: County, tmp_path: Path
) -> None:
    page = write_pdf(REPORT, manifest=MANIFEST, fonts=fonts_of(runtime))
    a_page(runtime, county, page, tmp_path)

    pdf = printed(runtime, sign(runtime, county))

    assert pages_of(pdf) == 1
    assert "以文档形式送达（PDF），没有波形数据，故不附描记图" in squeezed(pdf)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_waveform_that_nobody_can_read_is_said_to_be_one(runtime: Runtime, county: County) -> None:
    an_ecg(runtime, county, WaveformSequence=[])

    pdf = printed(runtime, sign(runtime, county))

    assert "原件无法解读为波形" in squeezed(pdf)
