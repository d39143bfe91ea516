"""The county's dictionary of test items: `/api/v1/lab/items`, `/lab/panels`, and whole as a workbook."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, create_model
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from adapters.errors import Malformed
from adapters.xlsx import MEDIA_TYPE, read_workbook, write_workbook
from gateway.lab import dictionary as use_cases
from gateway.web.deps import Caller, RuntimeDep, require
from gateway.web.messages import say_reason
from gateway.web.revising import showing_current
from gateway.web.revisions import StatedRevision, tagged
from gateway.web.tasks import who_is
from worklists.directory import Role
from worklists.errors import Invalid, NotFound
from worklists.laboratory.contents import describe_item, describe_panel
from worklists.laboratory.dictionary import LabItem, LabPanel, Scale, Section
from worklists.laboratory.tables import SHEETS
from worklists.revision import revision_of

router = APIRouter(prefix="/api/v1/lab", tags=["laboratory"])

SeesDep = Annotated[
    Caller, Depends(require(Role.RADIOGRAPHER, Role.READER, Role.REVIEWER, Role.ADMIN, Role.IT))
]
Number = Annotated[float, Field(ge=-1e12, le=1e12, allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=200)]


class UnitBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    unit: Annotated[str, Field(max_length=40)]
    factor: Number = 1
    offset: Number = 0


class RangeBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sex: Annotated[str, Field(max_length=1)] = ""
    from_days: Annotated[int, Field(ge=0, le=60_000)] = 0
    to_days: Annotated[int, Field(ge=0, le=60_000)] | None = None
    low: Number | None = None
    high: Number | None = None
    text: Text = ""
    critical_low: Number | None = None
    critical_high: Number | None = None
    critical_values: list[Text] = []
    source: Text = ""
    unconfirmed: bool = False


class ItemFields(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Text
    name_en: Text = ""
    abbreviation: Text = ""
    initials: Text = ""
    section: Section = Section.OTHER
    scale: Scale = Scale.QUANTITATIVE
    unit: Annotated[str, Field(max_length=40)] = ""
    decimals: int | None = None
    loinc: Text = ""
    specimen: Text = ""
    method: Text = ""
    recognition_item_code: str | None = None
    units: Annotated[list[UnitBody], Field(max_length=40)] = []
    normal_values: Annotated[list[Text], Field(max_length=40)] = []
    delta_percent: Number | None = None
    delta_absolute: Number | None = None
    delta_days: int | None = None
    position: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    enabled: bool = True
    ranges: Annotated[list[RangeBody], Field(max_length=60)] = []


class ItemBody(ItemFields):
    code: Annotated[str, Field(max_length=64)]


class ItemShape(ItemBody):
    revision: str


class PanelFields(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Text
    name_en: Text = ""
    initials: Text = ""
    section: Section = Section.OTHER
    specimen: Text = ""
    tube: Text = ""
    items: Annotated[list[Text], Field(max_length=200)] = []
    loinc: Text = ""
    position: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    enabled: bool = True


class PanelBody(PanelFields):
    code: Annotated[str, Field(max_length=64)]


class PanelShape(PanelBody):
    revision: str


def _optional(model: type[BaseModel], name: str) -> type[BaseModel]:
    """Every field may be left out; what is left out stays."""
    fields: dict[str, Any] = {key: (one.annotation, None) for key, one in model.model_fields.items()}
    return create_model(name, __config__=ConfigDict(extra="forbid"), **fields)


ItemPatch, PanelPatch = _optional(ItemFields, "ItemPatch"), _optional(PanelFields, "PanelPatch")


class ItemList(BaseModel):
    items: list[ItemShape]
    may_change: bool


class PanelList(BaseModel):
    items: list[PanelShape]
    may_change: bool


class DifferenceShape(BaseModel):
    sheet: str
    code: str
    name: str
    is_new: bool
    fields: dict[str, tuple[Any, Any]]


class RowErrorShape(BaseModel):
    sheet: str
    row: int
    column: str
    reason: str
    message: str


class ImportShape(BaseModel):
    """What a workbook would change, or changed; nothing is changed while a row is wrong."""

    done: bool
    differences: list[DifferenceShape]
    unchanged: int
    errors: list[RowErrorShape]


@router.get("/items")
def list_items(caller: SeesDep, runtime: RuntimeDep) -> ItemList:
    """All of them in their order: a few hundred."""
    with runtime.reading() as session:
        return ItemList(
            items=[_item(row) for row in use_cases.find_items(session)],
            may_change=use_cases.may_set(session, who_is(caller)),
        )


@router.post("/items", status_code=201)
def make_item(body: ItemBody, caller: SeesDep, runtime: RuntimeDep, response: Response) -> ItemShape:
    use_cases.make_item(runtime, who_is(caller), body.model_dump(mode="json"))
    return read_item(body.code, caller, runtime, response)


@router.get("/items/{code}")
def read_item(code: str, caller: SeesDep, runtime: RuntimeDep, response: Response) -> ItemShape:
    with runtime.reading() as session:
        row = session.get(LabItem, code)
        if row is None:
            raise NotFound("lab_item")
        shown = _item(row)
    return tagged(response, shown, shown.revision)


def change_item(
    code: str,
    body: BaseModel,
    caller: SeesDep,
    runtime: RuntimeDep,
    response: Response,
    revision: StatedRevision,
) -> ItemShape:
    with showing_current(lambda: read_item(code, caller, runtime, response)):
        use_cases.change_item(runtime, who_is(caller), code, _named(body), revision=revision)
    return read_item(code, caller, runtime, response)


@router.get("/panels")
def list_panels(caller: SeesDep, runtime: RuntimeDep) -> PanelList:
    with runtime.reading() as session:
        return PanelList(
            items=[_panel(row) for row in use_cases.find_panels(session)],
            may_change=use_cases.may_set(session, who_is(caller)),
        )


@router.post("/panels", status_code=201)
def make_panel(body: PanelBody, caller: SeesDep, runtime: RuntimeDep, response: Response) -> PanelShape:
    use_cases.make_panel(runtime, who_is(caller), body.model_dump(mode="json"))
    return read_panel(body.code, caller, runtime, response)


@router.get("/panels/{code}")
def read_panel(code: str, caller: SeesDep, runtime: RuntimeDep, response: Response) -> PanelShape:
    with runtime.reading() as session:
        row = session.get(LabPanel, code)
        if row is None:
            raise NotFound("lab_panel")
        shown = _panel(row)
    return tagged(response, shown, shown.revision)


def change_panel(
    code: str,
    body: BaseModel,
    caller: SeesDep,
    runtime: RuntimeDep,
    response: Response,
    revision: StatedRevision,
) -> PanelShape:
    with showing_current(lambda: read_panel(code, caller, runtime, response)):
        use_cases.change_panel(runtime, who_is(caller), code, _named(body), revision=revision)
    return read_panel(code, caller, runtime, response)


# The framework reads a body's shape from the annotation; here it is a value.
change_item.__annotations__["body"], change_panel.__annotations__["body"] = ItemPatch, PanelPatch
router.patch("/items/{code}")(change_item)
router.patch("/panels/{code}")(change_panel)


@router.get("/dictionary/export", responses={200: {"content": {MEDIA_TYPE: {}}}})
def export(caller: SeesDep, runtime: RuntimeDep) -> Response:
    """The whole as a workbook of three sheets: items, ranges, panels."""
    with runtime.reading() as session:
        tables = use_cases.export_tables(session)
    sheets = {
        name: [list(columns), *([row[column] for column in columns] for row in tables[name])]
        for name, columns in SHEETS.items()
    }
    disposition = 'attachment; filename="laboratory-dictionary.xlsx"'
    return Response(
        write_workbook(sheets), media_type=MEDIA_TYPE, headers={"Content-Disposition": disposition}
    )


@router.post("/dictionary/import")
async def carry_over(
    request: Request, caller: SeesDep, runtime: RuntimeDep, dry_run: bool = True
) -> ImportShape:
    """A workbook as a form's `file`. `dry_run` (unless said otherwise) shows what it would change."""
    form = await request.form(max_files=1, max_fields=5)
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        raise Invalid("file", "required")
    return await run_in_threadpool(_carry_over, await upload.read(), caller, runtime, dry_run)


def _carry_over(data: bytes, caller: Caller, runtime: Any, dry_run: bool) -> ImportShape:
    sheets = _tables_of(data)
    if dry_run:
        with runtime.reading() as session:
            use_cases.require_setter(session, who_is(caller))
            found = use_cases.preview_import(session, sheets)
    else:
        found = use_cases.carry_over(runtime, who_is(caller), sheets)
    return ImportShape(
        done=not dry_run and not found.errors,
        differences=[
            DifferenceShape(sheet=one.sheet, code=one.code, name=one.name, is_new=one.is_new, fields=one.fields)
            for one in found.differences
        ],
        unchanged=found.unchanged,
        errors=[
            RowErrorShape(
                sheet=one.sheet, row=one.row, column=one.column, reason=one.reason,
                message=say_reason(one.reason, caller.language),
            )
            for one in found.errors
        ],
    )  # fmt: skip


def _tables_of(data: bytes) -> dict[str, list[dict[str, str]]]:
    """The sheets by our names, each row by the names in the heading. Raises Malformed."""
    book = read_workbook(data)
    if not set(book) & set(SHEETS):
        raise Malformed(f"it has none of the sheets {', '.join(SHEETS)}")
    return {name: _by_heading(book[name]) for name in SHEETS if book.get(name)}


def _by_heading(rows: Sequence[Sequence[str]]) -> list[dict[str, str]]:
    heading = [cell.strip() for cell in rows[0]]
    return [dict(zip(heading, row, strict=False)) for row in rows[1:]]


def _item(row: LabItem) -> ItemShape:
    content = describe_item(row)
    return ItemShape.model_validate({**content, "revision": revision_of(content)})


def _panel(row: LabPanel) -> PanelShape:
    content = describe_panel(row)
    return PanelShape.model_validate({**content, "revision": revision_of(content)})


def _named(body: BaseModel) -> dict[str, Any]:
    """The fields that the body names, each whole."""
    return {
        name: value for name, value in body.model_dump(mode="json").items() if name in body.model_fields_set
    }
