"""Result files, and the mapping of their columns: `/api/v1/lab/files`."""

import uuid
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from adapters.errors import Malformed
from adapters.lab.csv_mapping import write_mapping
from adapters.lab.unfit import Unfit
from gateway.lab import file_mapping as use_cases
from gateway.lab.rows import LabHeldReason, LabMessage, MessageState
from gateway.runtime import Runtime
from gateway.web.deps import RuntimeDep
from gateway.web.lab_held import REASONS
from gateway.web.lab_profiles import OutcomeShape, SeesDep, show_outcome
from gateway.web.lab_remarks import say_remarks
from gateway.web.messages import pick
from gateway.web.shapes import DeviceShape
from gateway.web.showing import show_device
from gateway.web.tasks import who_is

router = APIRouter(prefix="/api/v1/lab/files", tags=["laboratory"])

# Why a file cannot be read as its mapping says: Chinese, English.
PROBLEMS = {
    "no_results": ("没有一行有结果。", "No row has a result."),
    "too_large": ("文件超过 {most} MB。", "The file is larger than {most} MB."),
    "delimiter": ("引号和换行不能作分隔符。", "A quote or a line end is no delimiter."),
    "row": (
        "第 {line} 行不是完整的一行（引号没有成对？）。",
        "Line {line} is no whole row: is a quote left open?",
    ),
    "too_many": ("文件超过 {rows} 行或 {columns} 列。", "More than {rows} rows or {columns} columns."),
    "no_heading_row": ("没有第 {row} 行，表头不在那里。", "There is no row {row} to hold the headings."),
    "empty": ("工作簿是空的。", "The workbook is empty."),
    "workbook": ("Excel 工作簿已损坏或不是 xlsx，打不开。", "The workbook is damaged or no xlsx."),
    "no_column": ("这份文件没有“{column}”这一列。", "The file has no column “{column}”."),
    "several_columns": (
        "有 {count} 列都叫“{column}”，请按列号指定。",
        "{count} columns are called “{column}”: say which by number.",
    ),
    "name": ("文件名不符合规则 {pattern}。", "The file's name does not fit {pattern}."),
    "no_pdf": ("这份文件不是 PDF。", "The file is no PDF."),
    "pdf_cut": ("PDF 没有传完，结尾缺失。", "The PDF was cut on its way: its end is missing."),
}
_UNREADABLE = ("文件内容读不出。", "The file cannot be read: {text}")

Word = Annotated[str, Query(max_length=40)]


class FileLine(BaseModel):
    id: uuid.UUID
    received_at: datetime
    device: DeviceShape | None
    state: MessageState
    type: str
    results: int
    filed: int
    size_bytes: int


class RowShape(BaseModel):
    number: int
    cells: list[str]


class FileShape(FileLine):
    """`proposed` is a mapping to begin with, None for a document. Without `names` there are headings, and no rows."""

    names: bool
    file_name: str
    is_document: bool
    in_doubt: bool  # the character set was guessed
    proposed: dict[str, Any] | None
    headings: list[str]
    above: list[
        RowShape
    ]  # the first rows of the file with their numbers, to say which of them is the heading
    rows: list[list[str]]  # below the heading


class PreviewFileBody(BaseModel):
    content: dict[str, Any]


class HeldCount(BaseModel):
    reason: LabHeldReason
    reason_text: str
    count: int


class FilledShape(BaseModel):
    barcode: str
    name: str
    control: bool
    attachments: int
    held: LabHeldReason | None
    held_text: str
    outcomes: list[OutcomeShape]


class FilePreviewShape(BaseModel):
    """`problem`: why the file cannot be read under this content; then all else is empty."""

    names: bool
    problem: str
    specimens: int
    results: int
    filed: int
    left_out: int
    held: list[HeldCount]
    unmapped: list[str]
    shown: list[FilledShape]
    warnings: list[str]


@router.get("")
def list_files(
    profile_code: Annotated[str, Query(max_length=64)], caller: SeesDep, runtime: RuntimeDep
) -> list[FileLine]:
    """The last files of the analysers under a profile."""
    with runtime.reading() as session:
        return [FileLine(**_line(row)) for row in use_cases.find_files(session, who_is(caller), profile_code)]


@router.get("/{message_id}")
def read_file(
    message_id: uuid.UUID,
    caller: SeesDep,
    runtime: RuntimeDep,
    encoding: Word = "",
    delimiter: Annotated[str, Query(max_length=1)] = "",
    heading_row: Annotated[int | None, Query(ge=0, le=100)] = None,
) -> FileShape:
    """The first rows, and what their columns probably mean."""
    found = use_cases.open_file(
        runtime, who_is(caller), message_id, encoding=encoding, delimiter=delimiter, heading_row=heading_row
    )
    return _file(runtime, found)


@router.post("/{message_id}/preview")
def preview_file(
    message_id: uuid.UUID, body: PreviewFileBody, caller: SeesDep, runtime: RuntimeDep
) -> FilePreviewShape:
    """What would be filed of it under this content of a profile; nothing is kept."""
    found = use_cases.preview_file(runtime, who_is(caller), message_id, body.content)
    language = caller.language
    return FilePreviewShape(
        names=found.named,
        problem=_say_problem(found.problem, language) if found.problem else "",
        specimens=found.specimens,
        results=found.results,
        filed=found.filed,
        left_out=found.left_out,
        held=[
            HeldCount(reason=reason, reason_text=_say(reason, language), count=count)
            for reason, count in found.held.items()
        ],
        unmapped=list(found.unmapped),
        shown=[_filled(one, language) for one in found.shown],
        warnings=say_remarks(found.warnings, language),
    )


def _file(runtime: Runtime, found: use_cases.Opened) -> FileShape:
    with runtime.reading() as session:
        line = _line(session.get_one(LabMessage, found.row.id))
    proposal = found.proposal
    rows = proposal.rows if proposal and found.named else ()
    above = proposal.above if proposal and found.named else ()
    return FileShape(
        **line,
        names=found.named,
        file_name=found.file_name,
        is_document=proposal is None,
        in_doubt=proposal.in_doubt if proposal else False,
        proposed=write_mapping(proposal.mapping) if proposal else None,
        headings=list(proposal.headings) if proposal else [],
        above=[RowShape(number=number, cells=list(cells)) for number, cells in above],
        rows=[list(one) for one in rows],
    )


def _line(row: LabMessage) -> dict[str, Any]:
    return {
        "id": row.id,
        "received_at": row.received_at,
        "device": show_device(row.device),
        "state": row.state,
        "type": row.type,
        "results": row.results,
        "filed": row.filed,
        "size_bytes": row.record.size_bytes,
    }


def _filled(one: use_cases.Filled, language: str) -> FilledShape:
    return FilledShape(
        barcode=one.specimen.barcode,
        name=one.name,
        control=one.specimen.control is not None,
        attachments=len(one.specimen.attachments),
        held=one.held,
        held_text=_say(one.held, language) if one.held else "",
        outcomes=[show_outcome(each, language, named=True) for each in one.outcomes],
    )


def _say_problem(problem: Malformed, language: str) -> str:
    if not isinstance(problem, Unfit):
        return pick(_UNREADABLE, language).format(text=problem)
    return pick(PROBLEMS[problem.code], language).format_map(problem.facts)


def _say(reason: LabHeldReason, language: str) -> str:
    return pick(REASONS[reason], language)
