"""Workbooks for the tables of the administration: a file read as rows of text, rows written as a file.

What a table would change is compared and shown by the page, for a workbook exactly as for a CSV file.
"""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from adapters.errors import Malformed
from adapters.xlsx import MEDIA_TYPE, MOST_ROWS, read_workbook, write_workbook
from gateway.web.deps import AdminDep
from worklists.errors import Invalid

router = APIRouter(prefix="/api/v1/workbooks", tags=["administration"])

Cell = Annotated[str, Field(max_length=32_767)]  # as many as a spreadsheet's cell takes
Row = Annotated[list[Cell], Field(max_length=100)]


class RowsShape(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rows: Annotated[list[Row], Field(max_length=MOST_ROWS)]


@router.post("/read")
async def read(request: Request, caller: AdminDep) -> RowsShape:
    """The first sheet of a form's `file`. Empty rows are left out, short ones filled up."""
    form = await request.form(max_files=1, max_fields=5)
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        raise Invalid("file", "required")
    return await run_in_threadpool(_first_sheet, await upload.read())


@router.post("/write", response_class=Response, responses={200: {"content": {MEDIA_TYPE: {}}}})
def write(body: RowsShape, caller: AdminDep) -> Response:
    return Response(write_workbook({"1": body.rows}), media_type=MEDIA_TYPE)


def _first_sheet(data: bytes) -> RowsShape:
    book = read_workbook(data)
    if not book:
        raise Malformed("it has no sheet")
    rows = [row for row in next(iter(book.values())) if any(cell.strip() for cell in row)]
    width = max(map(len, rows), default=0)
    return RowsShape(rows=[row + [""] * (width - len(row)) for row in rows])
