"""What is printed of a report, out of its rows as they were when it was signed. Light: pages and wires read it too."""

from datetime import date

from sqlalchemy.orm import Session

from adapters.reports.document import Institution, Patient, RecognitionMark, ReportDocument
from adapters.reports.hl7_parts import Bearer
from gateway.ecg.report import key_facts_of, statements_of
from gateway.lab.printing import table_of
from worklists import routing
from worklists.cards import masked_number, read_card
from worklists.directory import Institution as InstitutionRow
from worklists.directory import Kind
from worklists.examinations import Examination, age_text
from worklists.names import display_name
from worklists.recognition import NoMark, ScopeLevel
from worklists.reports import FINAL, Report, ReportState

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
    NoMark.DEVICE_OUT_OF_CONTROL: "设备质控失控，未放行",
    NoMark.DEVICE_CHECK_LATE: "设备质控逾期未做",
    NoMark.COMMUNITY_ONLY: "仅限医共体内部",
}


def is_final(report: Report) -> bool:
    """It makes a preliminary report final: nothing that was final is corrected by it."""
    return report.amendment is not None and report.amendment["kind"] == FINAL


def _amendment_note(report: Report) -> str:
    """What a next version says of why there is one."""
    if is_final(report):
        return (
            f"正式报告（第 {report.version} 版），替代第 {(report.amendment or {})['of_version']} 版临时报告"
        )
    if report.amendment is not None:
        kind = {"addendum": "补充报告", "correction": "更正报告"}[report.amendment["kind"]]
        return f"{kind}（第 {report.version} 版，替代第 {report.amendment['of_version']} 版）：{report.amendment['reason']}"
    return "报告修订" if report.version > 1 and report.state is ReportState.SIGNED else ""


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
        finalises=is_final(report),
        amendment_note=_amendment_note(report),
        marks=tuple(_mark(mark) for mark in report.marks),
        key_facts=key_facts_of(report.content),
        laboratory=table_of(report.content),
        statements=statements_of(report.content, texts=f"{report.findings}\n{report.impression}"),
    )


def bearer_of(report: Report) -> Bearer:
    """The patient as the report names them."""
    patient = report.patient
    return Bearer(
        patient_id=patient["patient_id"],
        name=patient["name"],
        sex=patient["sex"],
        birth_date=date.fromisoformat(patient["birth_date"]) if patient.get("birth_date") else None,
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
