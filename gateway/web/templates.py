"""What a report is begun from: `/api/v1/phrases`, `/api/v1/templates`, `/api/v1/body-parts` and `/api/v1/scores`."""

import uuid
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from adapters.xlsx import MEDIA_TYPE
from gateway import rule_books, template_files
from gateway.reading import get_task
from gateway.web.deps import Caller, RuntimeDep, require
from gateway.web.rule_books import ReadsDep, SetsDep, VersionShape, show_version
from gateway.web.tasks import who_is
from worklists.access import Subject
from worklists.directory import Centre, Role
from worklists.errors import Invalid, NotFound
from worklists.reporting.body_parts import body_parts, find_parts
from worklists.reporting.books import (
    SHIPPED,
    TEMPLATES,
    Phrase,
    Template,
    TemplateBook,
    book_of,
    default_templates,
)
from worklists.reporting.matching import About, Fit, normal_of, rank, same_modalities
from worklists.rule_books import live_version
from worklists.scores import SCHEMES
from worklists.scores.rating import get_scheme, rate
from worklists.scores.values import Input, Scheme

router = APIRouter(prefix="/api/v1", tags=["reading"])

ReaderDep = Annotated[Caller, Depends(require(Role.READER, Role.REVIEWER))]
ModalityQuery = Annotated[str, Query(max_length=64)]
WordsQuery = Annotated[str, Query(max_length=200)]
TOO_LARGE = template_files.MOST_BYTES


class FileKind(StrEnum):
    JSON = "json"
    XLSX = "xlsx"


class SlotShape(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    name: str
    type: str
    choices: list[str]
    default: str
    unit: str
    low: float | None
    high: float | None
    decimals: int
    required: bool


class OfferShape(BaseModel):
    """An entry of the book in force. `chosen`: what one key writes for this examination."""

    code: str
    name: str
    initials: str
    use: str
    normal: bool
    chosen: bool
    fit: str
    findings: str
    impression: str
    text: str
    into: str
    slots: list[SlotShape]
    score: str
    version: int


class MatchShape(BaseModel):
    """What a book says of an examination: the parts that were understood, what one key writes, and what is offered."""

    body_parts: list[str]
    normal: str | None
    items: list[OfferShape]


class BodyPartShape(BaseModel):
    code: str
    zh: str
    en: str


class OptionShape(BaseModel):
    value: str
    zh: str
    en: str


class InputShape(BaseModel):
    name: str
    zh: str
    en: str
    kind: str
    options: list[OptionShape]
    unit: str
    low: float
    high: float
    required: bool
    when: dict[str, list[str]] | None


class SchemeShape(BaseModel):
    code: str
    version: str
    zh: str
    en: str
    source: str
    modalities: list[str]
    body_parts: list[str]
    inputs: list[InputShape]


class ScoreBody(BaseModel):
    inputs: dict[str, Any]


class RatedShape(BaseModel):
    scheme: str
    version: str
    inputs: dict[str, Any]
    category: str
    points: int | None
    text: str
    text_en: str
    advice: str
    advice_en: str


@router.get("/phrases")
def list_phrases(
    caller: ReaderDep,
    runtime: RuntimeDep,
    task: uuid.UUID | None = None,
    centre: uuid.UUID | None = None,
    modality: ModalityQuery = "",
    q: Annotated[str, Query(max_length=100)] = "",
) -> list[OfferShape]:
    """Templates and phrases of the books in force, the best for the task first; without one, of the caller's centres."""
    with runtime.reading() as session:
        about = About(modalities=same_modalities(modality.upper().split("\\")), parts=frozenset(), sex="")
        if task is not None:
            read = get_task(session, caller.subject, task)
            about, centre = About.of(read.examination), read.centre_id
        books = [book_of(session, one) for one in _centres(session, caller.subject, centre)]
    offers = {offer.code: offer for book in reversed(books) for offer in _offers(book, about)}
    ordered = [offer for book in books for offer in _offers(book, about) if offers.pop(offer.code, None)]
    return [offer for offer in ordered if _says(offer, q.strip().lower())]


@router.get("/templates/match")
def match(
    centre: uuid.UUID,
    caller: ReadsDep,
    runtime: RuntimeDep,
    modality: ModalityQuery = "",
    body_part: WordsQuery = "",
    description: WordsQuery = "",
    sex: Annotated[str, Query(pattern="^[MFO]?$")] = "",
    version: uuid.UUID | None = None,
) -> MatchShape:
    """What a version of the centre's book, or the one in force, offers for an examination like this."""
    book = TemplateBook.read(*_content(runtime, caller, centre, version))
    about = About(
        modalities=same_modalities(modality.upper().split("\\")),
        parts=find_parts(body_part, description),
        sex=sex,
    )
    normal = normal_of(book.templates, about)
    return MatchShape(
        body_parts=sorted(about.parts),
        normal=normal.code if normal else None,
        items=[one for one in _offers(book, about) if one.fit != Fit.OTHER.name.lower()],
    )


@router.get("/templates/export", response_class=Response, responses={200: {"content": {MEDIA_TYPE: {}}}})
def export(
    centre: uuid.UUID,
    caller: ReadsDep,
    runtime: RuntimeDep,
    version: uuid.UUID | None = None,
    kind: Annotated[FileKind, Query(alias="format")] = FileKind.XLSX,
) -> Response:
    """A version of the centre's book, or the one in force, as a file that `import` takes."""
    content, number = _content(runtime, caller, centre, version)
    data = template_files.write_json(content) if kind is FileKind.JSON else template_files.write_xlsx(content)
    return Response(
        data,
        media_type="application/json" if kind is FileKind.JSON else MEDIA_TYPE,
        headers={"Content-Disposition": f'attachment; filename="templates-{number}.{kind}"'},
    )


@router.post("/templates/import", status_code=201)
async def import_(centre: uuid.UUID, request: Request, caller: SetsDep, runtime: RuntimeDep) -> VersionShape:
    """A new draft with what a form's `file` says, JSON or workbook; when anything in it is wrong, nothing is kept."""
    form = await request.form(max_files=1, max_fields=5)
    upload, note = form.get("file"), form.get("note") or ""
    if not isinstance(upload, UploadFile) or not isinstance(note, str):
        raise Invalid("file", "required")
    data = await upload.read(TOO_LARGE + 1)
    if len(data) > TOO_LARGE:
        raise Invalid("file", "too_long")
    return await run_in_threadpool(_import, runtime, caller, centre, data, note or (upload.filename or ""))


@router.get("/body-parts")
def list_body_parts(_caller: ReadsDep) -> list[BodyPartShape]:
    return [BodyPartShape(code=one.code, zh=one.zh, en=one.en) for one in body_parts().values()]


@router.get("/scores")
def list_scores(_caller: ReadsDep) -> list[SchemeShape]:
    return [_show_scheme(one) for one in SCHEMES.values()]


@router.post("/scores/{scheme}")
def rate_score(scheme: str, body: ScoreBody, _caller: ReaderDep) -> RatedShape:
    """What the inputs give. It keeps nothing."""
    found = get_scheme(scheme)
    inputs, rated = rate(scheme, body.inputs)
    return RatedShape(
        scheme=scheme, version=found.version, inputs=inputs, category=rated.category, points=rated.points,
        text=rated.text, text_en=rated.text_en, advice=rated.advice, advice_en=rated.advice_en,
    )  # fmt: skip


def _import(runtime: Any, caller: Caller, centre: uuid.UUID, data: bytes, note: str) -> VersionShape:
    made = rule_books.make_draft(
        runtime,
        who_is(caller),
        TEMPLATES,
        str(centre),
        content=template_files.read_file(data),
        note=note[: rule_books.LONGEST_NOTE],
    )
    return show_version(runtime, caller, TEMPLATES, made)


def _content(
    runtime: Any, caller: Caller, centre: uuid.UUID, version: uuid.UUID | None
) -> tuple[dict[str, Any], int]:
    """The content, and the number of its version."""
    with runtime.reading() as session:
        if version is not None:
            row = rule_books.get_version(session, who_is(caller), TEMPLATES, version)
            if row.scope != str(centre):
                raise NotFound("rules")
            return row.content, row.version
        rule_books.require_reader(session, caller.subject, TEMPLATES, str(centre))
        found = session.get(Centre, centre)
        if found is None:
            raise NotFound("centre")
        live = live_version(session, TEMPLATES, str(centre))
        return (live.content, live.version) if live else (default_templates(found.kind), SHIPPED)


def _centres(session: Session, subject: Subject, centre_id: uuid.UUID | None) -> Sequence[Centre]:
    """The one that was asked for, where it is the caller's; else all of theirs."""
    wanted = subject.centre_ids if centre_id is None else subject.centre_ids & {centre_id}
    found = [one for one in (session.get(Centre, id) for id in sorted(wanted)) if one is not None]
    if centre_id is not None and not found:
        raise NotFound("centre")
    return found


def _offers(book: TemplateBook, about: About) -> list[OfferShape]:
    normal = normal_of(book.templates, about)
    chosen = normal.code if normal else ""
    return [
        *(_show_template(one, how, book.version, chosen) for one, how in rank(book.templates, about)),
        *(_show_phrase(one, how, book.version) for one, how in rank(book.phrases, about)),
    ]


def _says(offer: OfferShape, q: str) -> bool:
    texts = (offer.code, offer.name, offer.initials, offer.findings, offer.impression, offer.text)
    return any(q in text.lower() for text in texts)


def _show_template(one: Template, how: Fit, version: int, chosen: str) -> OfferShape:
    return OfferShape(
        code=one.code, name=one.name, initials=one.initials, use="template", normal=one.normal,
        chosen=one.code == chosen, fit=how.name.lower(), findings=one.findings, impression=one.impression, text="",
        into="both", slots=_show_slots(one.slots), score=one.score, version=version,
    )  # fmt: skip


def _show_phrase(one: Phrase, how: Fit, version: int) -> OfferShape:
    return OfferShape(
        code=one.code, name=one.name, initials=one.initials, use="phrase", normal=False, chosen=False,
        fit=how.name.lower(), findings="", impression="", text=one.text, into=one.into,
        slots=_show_slots(one.slots), score="", version=version,
    )  # fmt: skip


def _show_slots(slots: Iterable[Any]) -> list[SlotShape]:
    return [SlotShape.model_validate(one) for one in slots]


def _show_scheme(one: Scheme) -> SchemeShape:
    return SchemeShape(
        code=one.code, version=one.version, zh=one.zh, en=one.en, source=one.source,
        modalities=list(one.modalities), body_parts=list(one.body_parts), inputs=[_show_input(each) for each in one.inputs],
    )  # fmt: skip


def _show_input(one: Input) -> InputShape:
    return InputShape(
        name=one.name, zh=one.zh, en=one.en, kind=one.kind.value, unit=one.unit, low=one.low, high=one.high,
        required=one.required, options=[OptionShape(value=each.value, zh=each.zh, en=each.en) for each in one.options],
        when={name: list(values) for name, values in one.when.items()} if one.when else None,
    )  # fmt: skip
