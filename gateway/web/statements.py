"""What an ECG reader can say: `/api/v1/ecg/statements`. Edited by administrators under `/api/v1/ecg/catalogue`."""

from fastapi import APIRouter
from pydantic import BaseModel

from gateway.web.deps import RuntimeDep
from gateway.web.worklist import ReaderDep
from worklists.ecg_statements import EcgGroup, find_statements

router = APIRouter(prefix="/api/v1/ecg", tags=["reading"])


class StatementShape(BaseModel):
    code: str
    group: EcgGroup
    text: str
    text_en: str
    initials: str
    critical: bool
    normal: bool
    enabled: bool
    measure: str
    above: float | None
    below: float | None


@router.get("/statements")
def list_statements(_caller: ReaderDep, runtime: RuntimeDep) -> list[StatementShape]:
    """In the order of practice; a disabled one is still named by the drafts that have it, and offered no more."""
    with runtime.reading() as session:
        return [StatementShape.model_validate(row, from_attributes=True) for row in find_statements(session)]
