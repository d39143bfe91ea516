"""Rendering: a signed report's rows become its document, typeset, signed, and appended to the journal."""

import base64
import uuid
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

from sqlalchemy.orm import Session

from adapters.reports.document import Institution, Patient, RecognitionMark, ReportDocument
from adapters.reports.fonts import Fonts
from adapters.reports.pdf import write_pdf
from adapters.reports.signing.port import CannotSign, Cause
from adapters.reports.signing.verification import Problem, verify_pdf
from gateway import signing
from gateway.ecg.report import draw_tracing, find_signed_ecg, key_facts_of, statements_of
from gateway.lab.printing import table_of
from gateway.runtime import Runtime
from gateway.signing import trust_roots
from gateway.signing_means import find_seal
from worklists import routing
from worklists.cards import masked_number, read_card
from worklists.directory import Institution as InstitutionRow
from worklists.directory import Kind
from worklists.examinations import Examination, age_text
from worklists.names import display_name
from worklists.recognition import NoMark, ScopeLevel
from worklists.reports import Report, ReportState

RARE_CHARACTERS = Path("/usr/share/fonts/truetype/hanazono")  # Debian's fonts-hanazono, where it is installed

TITLES = {
    Kind.IMAGING: "医学影像诊断报告",
    Kind.ECG: "心电图诊断报告",
    Kind.LABORATORY: "检验报告",
    Kind.PATHOLOGY: "病理诊断报告",
}
SEXES = {"M": "男", "F": "女", "O": "其他"}
SCOPES = {
    ScopeLevel.NATIONAL: "全国",
    ScopeLevel.JOINT: "跨省联合",
    ScopeLevel.PROVINCE: "全省",
    ScopeLevel.CITY: "全市",
    ScopeLevel.COUNTY: "县区",
    ScopeLevel.COMMUNITY: "医共体",
}
WHY_NO_MARK = {
    NoMark.NOT_IN_CATALOGUE: "不在互认项目目录内",
    NoMark.NEGATIVE_LIST: "列入负面清单",
    NoMark.NOT_QUALIFIED: "检查当日无有效质控合格资质",
    NoMark.OUT_OF_CONTROL: "质控失控",
    NoMark.COMMUNITY_ONLY: "仅限医共体内部",
}

_WHY_NOT_VALID = {
    Problem.UNTRUSTED: Cause.SIGNER_UNTRUSTED,
    Problem.STAMP_UNTRUSTED: Cause.STAMP_UNTRUSTED,
}


def render(runtime: Runtime, report_id: uuid.UUID) -> None:
    """Make the signed document of a report and put it into the journal, like any original."""
    with runtime.sessions() as session:
        report = session.get_one(Report, report_id)
        if report.pdf_sha256 is not None:
            return
        document = report_document(session, report, base_url=runtime.settings.base_url)
        manifest, signer_id = report.manifest.encode(), report.signed_by_id
        signed_at, location = report.signed_at, report.centre.name
        institution_id = report.centre.institution_id
        ecg = find_signed_ecg(session, report) if report.examination.kind is Kind.ECG else None
    if ecg is not None:
        document = replace(document, tracing=draw_tracing(runtime, ecg))
    signer = signing.signer_for(runtime, signer_id, signed_at=signed_at)
    pdf = write_pdf(document, manifest=manifest, fonts=fonts_of(runtime))
    signed = signer.sign_pdf(pdf, reason=document.title, location=location, signed_at=signed_at)
    origin = {
        "report_id": str(report_id),
        "institution_id": str(institution_id),
        "received_at": runtime.now().isoformat(),
        "filename": f"{document.report_number}-{document.version}.pdf",
        **_attested(runtime, signed),
    }
    runtime.journal.append("report.pdf", origin, [signed])


def _amendment_note(report: Report) -> str:
    """What a next version says of why there is one."""
    if report.amendment is not None:
        kind = {"addendum": "补充报告", "correction": "更正报告"}[report.amendment["kind"]]
        return f"{kind}（第 {report.version} 版，替代第 {report.amendment['of_version']} 版）：{report.amendment['reason']}"
    return "报告修订" if report.version > 1 and report.state is ReportState.SIGNED else ""


def _attested(runtime: Runtime, signed: bytes) -> dict[str, object]:
    """What is kept beside the signed document: the institution's seal over it. Nothing leaves that is not valid."""
    found = verify_pdf(signed, trust_roots=trust_roots(runtime))
    if not found.valid:
        raise CannotSign(
            _WHY_NOT_VALID.get(found.problem or Problem.UNREADABLE, Cause.NOT_VALID), str(found.problem)
        )
    seal = find_seal(runtime.settings)
    if seal is None:
        return {}
    now = runtime.now()
    return {
        "seal": {
            "algorithm": seal.algorithm,
            "signature": base64.b64encode(seal.sign(signed, signed_at=now)).decode(),
            "certificate": seal.certificate_pem.decode(),
            "sealed_at": now.isoformat(),
        }
    }


def report_document(session: Session, report: Report, *, base_url: str) -> ReportDocument:
    """What is printed, out of the rows as they were when it was signed."""
    examination = report.examination
    lead = report.centre.institution
    community = f"{lead.region or lead.name}县域医共体"
    return ReportDocument(
        report_number=report.number,
        version=report.version,
        title=TITLES[examination.kind],
        kind=examination.kind.value,
        community=community,
        examined_at_institution=_institution(examination.institution),
        diagnosed_at_institution=_institution(lead),
        centre=report.centre.name,
        patient=_patient(report, examination),
        accession_number=examination.accession_number,
        examination=examination.description,
        modality=examination.modality.replace("\\", " / "),
        body_part=examination.body_part,
        examined_at=examination.studied_at,
        received_at=examination.received_at,
        reported_at=report.written_at,
        signed_at=report.signed_at,
        clinical_information=report.clinical_information,
        findings=report.findings,
        impression=report.impression,
        writer=report.writer.name,
        reviewer=report.reviewer.name if report.reviewer else None,
        signers=(report.signed_by.name,),
        verification_url=f"{base_url}/v/{report.verification_code}",
        images=examination.instances,
        critical=report.critical,
        preliminary=report.preliminary,
        amendment_note=_amendment_note(report),
        marks=tuple(_mark(mark) for mark in report.marks),
        key_facts=key_facts_of(report.content),
        laboratory=table_of(report.content),
        statements=statements_of(report.content, texts=f"{report.findings}\n{report.impression}"),
    )


def _institution(row: InstitutionRow) -> Institution:
    return Institution(name=row.name, code=row.code)


def _patient(report: Report, examination: Examination) -> Patient:
    stated = report.patient.get("birth_date")
    birth_date = date.fromisoformat(stated) if stated else None  # as signed, like the name beside it
    studied = routing.local_date(examination.studied_at or examination.received_at)
    number = report.patient["patient_id"]
    card = read_card(number)  # of a township without numbers of its own: printed as what it is, and not whole
    return Patient(
        name=display_name(report.patient["name"]),
        sex=SEXES.get(report.patient["sex"] or "", "未知"),
        age=age_text(birth_date, studied) or "",
        patient_id="" if card else number,
        identity_number_masked=(masked_number(number) or "") if card else "",
    )


def _mark(mark: dict[str, object]) -> RecognitionMark:
    reason = str(mark["reason"] or "")
    return RecognitionMark(
        item=str(mark["item_name"]),
        text=str(mark["text"]) if mark["text"] else None,
        scope=SCOPES[ScopeLevel(str(mark["scope"]))] if mark["scope"] else "",
        reason=WHY_NO_MARK[NoMark(reason)] if reason else "",
        remark=str(mark["remark"] or ""),
    )


def fonts_of(runtime: Runtime) -> Fonts:
    """The fonts of everything printed. Raises Unavailable."""
    return _fonts(runtime.settings.viewer_dir / "fonts")


@cache
def _fonts(built: Path) -> Fonts:
    """Loaded once per process."""
    return Fonts([folder for folder in (built, RARE_CHARACTERS) if folder.is_dir()])
