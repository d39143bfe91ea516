"""What the page of a share shows of a report: words and numbers ready to show, out of what is printed of it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from adapters.reports.document import KeyFact, RecognitionMark, ReportDocument
from adapters.reports.laboratory import LabLine, LabTable, with_micro
from gateway.ecg.report import english_statements_of, find_signed_ecg, key_facts_of
from gateway.lab.printing import SECTIONS
from gateway.report_documents import report_document
from gateway.share_visits import Visit
from gateway.web.phones import Phone, phones_of
from worklists.base import COUNTY_TIME
from worklists.directory import Kind
from worklists.examinations import age_text
from worklists.names import display_name
from worklists.reports import Report, ReportState, find_renamed
from worklists.routing import local_date
from worklists.sharing import ReportShare

TIME_FORMAT = "%Y-%m-%d %H:%M"
_ABNORMAL = {
    "H": ("high", "↑"), "HH": ("high", "↑↑"), "L": ("low", "↓"), "LL": ("low", "↓↓"),
    "A": ("abnormal", "＊"), "AA": ("abnormal", "＊＊"),
}  # fmt: skip # HL7 v2.5.1 table 0078
_SECTION_OF = {title: code for code, title in SECTIONS.items()}
_AGE_UNITS = {"岁": " y", "月": " mo", "天": " d"}
_WITHDRAWN = {"D", "W", "X"}  # table 0085
_MORE_TESTS = re.compile(r" 等 (\d+) 项$")  # as an examination of many single tests is described


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One result."""

    name: str
    value: str
    unit: str
    range: str
    word: str  # a key of the words; "" where nothing is wrong
    arrow: str
    critical: bool
    withdrawn: bool
    mark: str
    notes: tuple[str, ...]
    earlier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Who said that they have read it; `who` is ready to show."""

    who: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedPage:
    """One version as its reader sees it. Of a void one there is nothing but where to ask."""

    void: bool
    version: int
    expires: str
    phones: tuple[Phone, ...]
    centre: str
    kind: str = ""
    critical: bool = False
    preliminary: bool = False
    renamed: bool = False
    before: int | None = None  # the version that was opened before this visit, when it was another
    amendment: dict[str, Any] | None = None
    name: str = ""
    sex: str = "unknown"
    age: str = ""
    examination: str = ""
    site: str = ""
    lead: str = ""
    studied_at: str = ""
    signed_at: str = ""
    number: str = ""
    writer: str = ""
    reviewer: str = ""
    impression: str = ""
    findings: str = ""
    statements: tuple[str, ...] = ()
    facts: tuple[KeyFact, ...] = ()
    marks: tuple[RecognitionMark, ...] = ()
    tracing: bool = False
    groups: tuple[Group, ...] = ()
    pending: tuple[str, ...] = ()
    read: Read | None = None
    count: int = field(default=0)

    @property
    def abnormal(self) -> list[Line]:
        """Critical ones first."""
        off = [line for group in self.groups for line in group.lines if line.word or line.critical]
        return sorted(off, key=lambda line: not line.critical)


def show_page(
    session: Session,
    share: ReportShare,
    report: Report,
    visit: Visit,
    words: dict[str, str],
    *,
    english: bool,
) -> SharedPage:
    """What a person wrote stays in its language; names of tests, measurements and statements are the page's."""
    phones = tuple(phones_of(report))
    expires, centre = f"{share.expires_at.astimezone(COUNTY_TIME):%Y-%m-%d}", report.centre.name
    if report.state is ReportState.VOID:
        return SharedPage(void=True, version=report.version, expires=expires, phones=phones, centre=centre)
    document = report_document(session, report, base_url="")
    examination = report.examination
    named = _english_names(report.content) if english else {}
    groups = tuple(_groups(document.laboratory, named, words))
    return SharedPage(
        void=False,
        version=report.version,
        expires=expires,
        phones=phones,
        centre=centre,
        kind=document.kind,
        critical=report.critical,
        preliminary=report.preliminary,
        renamed=bool(find_renamed(session, [report])),
        before=visit.seen if visit.seen is not None and visit.seen < report.version else None,
        amendment=report.amendment,
        name=display_name(report.patient["name"]),
        sex=report.patient["sex"] or "unknown",
        age=_in_english(_age(report)) if english else _age(report),
        examination=_MORE_TESTS.sub(r" (\1 tests)" if english else r"\g<0>", examination.description)
        or document.title,
        site=examination.institution.name,
        lead=report.centre.institution.name,
        studied_at=_clock(examination.studied_at or examination.received_at),
        signed_at=_clock(report.signed_at),
        number=report.number,
        writer=report.writer.name,
        reviewer=report.reviewer.name if report.reviewer else "",
        impression=report.impression,
        findings=report.findings,
        statements=english_statements_of(report.content) if english else document.statements,
        facts=key_facts_of(report.content, "en") if english else document.key_facts,
        marks=tuple(mark for mark in document.marks if mark.text),
        tracing=examination.kind is Kind.ECG and _has_samples(session, report),
        groups=groups,
        pending=tuple(named.get(one.code, one.name) for one in _pending(document)),
        read=_read(share, report, words),
        count=sum(len(group.lines) for group in groups),
    )


def _english_names(content: Mapping[str, Any] | None) -> dict[str, str]:
    """Of tests and panels, by their code, as they were when it was signed."""
    rows = (content or {}).get("results", [])
    named = {row["item_code"]: row.get("name_en", "") for row in rows}
    named |= {one["code"]: one.get("name_en", "") for one in (content or {}).get("panels", [])}
    return {code: name for code, name in named.items() if name}


def _groups(table: LabTable | None, named: Mapping[str, str], words: Mapping[str, str]) -> Iterable[Group]:
    for group in table.groups if table else ():
        section = words[_SECTION_OF[group.title]] if group.title in _SECTION_OF else group.title
        title = named.get(group.code, group.title) if group.code else section
        yield Group(title=title, lines=tuple(_line(line, named) for line in group.lines))


def _line(line: LabLine, named: Mapping[str, str]) -> Line:
    word, arrow = _ABNORMAL.get(line.abnormal, ("", ""))
    return Line(
        name=named.get(line.code, line.name),
        value=line.value,
        unit=with_micro(line.unit),
        range=line.range,
        word=word,
        arrow=arrow,
        critical=line.critical,
        withdrawn=line.status in _WITHDRAWN or not line.value,
        mark=line.mark,
        notes=line.comments,
        earlier=with_micro(line.earlier),
    )


def _pending(document: ReportDocument) -> Iterable[Any]:
    return document.laboratory.pending if document.laboratory else ()


def _has_samples(session: Session, report: Report) -> bool:
    """A page that was scanned has no curves; it is in the PDF."""
    return any(
        not (one.description or {}).get("document") for one in find_signed_ecg(session, report).recordings
    )


def _read(share: ReportShare, report: Report, words: dict[str, str]) -> Read | None:
    if share.acknowledged_version != report.version or share.acknowledged_at is None:
        return None
    who = words[share.acknowledged_as.value] if share.acknowledged_as else ""
    return Read(who=" ".join(filter(None, (who, share.acknowledged_name))), at=_clock(share.acknowledged_at))


def _age(report: Report) -> str:
    born = report.patient.get("birth_date")
    examination = report.examination
    on = local_date(examination.studied_at or examination.received_at)
    return age_text(datetime.fromisoformat(born).date() if born else None, on) or ""


def _in_english(age: str) -> str:
    """`67岁` is `67 y`."""
    return age[:-1] + _AGE_UNITS[age[-1]] if age else ""


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(COUNTY_TIME):{TIME_FORMAT}}"
