"""What an administrator edits of mutual recognition: catalogue, qualifications, mappings, reasons, prices, scopes."""

import uuid
from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
)
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.entity import CODE, Entity, Fields, Name, Reasons, Text, check_dates, check_exists
from worklists.directory import (
    Institution,
    Kind,
)
from worklists.recognising.rows import OwnSource, RecognitionPrice, RecognitionReason, RecognitionScope
from worklists.recognition import (
    ItemMapping,
    Qualification,
    QualificationResult,
    RecognitionItem,
    ScopeLevel,
)

Yuan = Annotated[
    Decimal,
    Field(ge=0, le=1_000_000, max_digits=9, decimal_places=2),
    AfterValidator(lambda amount: amount.quantize(Decimal("0.01"))),
]


class RecognitionItemFields(Fields):
    code: Name
    name: Name
    kind: Kind
    negative_list: bool = False
    valid_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    source: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)] = ""
    unconfirmed: bool = True
    effective_from: date
    effective_to: date | None = None


class QualificationFields(Fields):
    institution_id: uuid.UUID
    item_code: Name
    scope_level: ScopeLevel
    scope_label: Name
    result: QualificationResult
    valid_from: date
    valid_to: date
    programme: Text = ""
    unconfirmed: bool = False


class MappingFields(Fields):
    kind: Kind
    modality: Text = ""
    body_part: Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, max_length=64)] = ""
    procedure_code: Text = ""
    item_code: Name
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0


class RecognitionReasonFields(Fields):
    code: Name
    name: Name
    name_en: Text = ""
    counts_as_refusal: bool = True
    note_required: bool = False
    position: Annotated[int, Field(ge=0, le=100_000)] = 0
    enabled: bool = True
    unconfirmed: bool = True


class RecognitionPriceFields(Fields):
    institution_id: uuid.UUID
    item_code: Name
    amount: Yuan
    valid_from: date
    valid_to: date | None = None


class RecognitionScopeFields(Fields):
    level: ScopeLevel
    label: Name
    region: Name
    unconfirmed: bool = True


class OwnSourceFields(Fields):
    institution_id: uuid.UUID
    enabled: bool = False
    minimum_hours: Annotated[int, Field(ge=0, le=24 * 366)] = 24


def _check_item(session: Session, row: RecognitionItem) -> Reasons:
    reasons = check_dates(row.effective_from, row.effective_to, "effective_to")
    return reasons if CODE.fullmatch(row.code) else {**reasons, "code": "code"}


def _check_qualification(session: Session, row: Qualification) -> Reasons:
    return {
        **check_dates(row.valid_from, row.valid_to, "valid_to"),
        **check_exists(session, Institution, row.institution_id, "institution_id"),
        **check_exists(session, RecognitionItem, row.item_code, "item_code"),
    }


def _check_mapping(session: Session, row: ItemMapping) -> Reasons:
    return check_exists(session, RecognitionItem, row.item_code, "item_code")


def _check_reason(session: Session, row: RecognitionReason) -> Reasons:
    return {} if CODE.fullmatch(row.code) else {"code": "code"}


def _check_price(session: Session, row: RecognitionPrice) -> Reasons:
    """Two prices at once would leave open which one was saved."""
    reasons = {
        **check_dates(row.valid_from, row.valid_to, "valid_to"),
        **check_exists(session, Institution, row.institution_id, "institution_id"),
        **check_exists(session, RecognitionItem, row.item_code, "item_code"),
    }
    others = session.scalars(
        select(RecognitionPrice).where(
            RecognitionPrice.institution_id == row.institution_id,
            RecognitionPrice.item_code == row.item_code,
            RecognitionPrice.id != row.id,
        )
    )
    ends = row.valid_to or date.max
    if any(one.valid_from <= ends and row.valid_from <= (one.valid_to or date.max) for one in others):
        reasons["valid_from"] = "overlaps"
    return reasons


def _check_scope(session: Session, row: RecognitionScope) -> Reasons:
    if row.level in {ScopeLevel.NATIONAL, ScopeLevel.COMMUNITY}:
        return {"level": "scope_is_known"}
    same = select(RecognitionScope.id).where(
        RecognitionScope.level == row.level,
        RecognitionScope.label == row.label,
        RecognitionScope.region == row.region,
        RecognitionScope.id != row.id,
    )
    return {"region": "taken"} if session.scalars(same).first() is not None else {}


def _check_own_source(session: Session, row: OwnSource) -> Reasons:
    same = select(OwnSource.id).where(OwnSource.institution_id == row.institution_id, OwnSource.id != row.id)
    taken = {"institution_id": "taken"} if session.scalars(same).first() is not None else {}
    return {**taken, **check_exists(session, Institution, row.institution_id, "institution_id")}


RECOGNITION: tuple[Entity, ...] = (
    Entity(
        name="recognition_item",
        path="recognition/items",
        row=RecognitionItem,
        fields=RecognitionItemFields,
        check=_check_item,
        key="code",
        fixed=frozenset({"code"}),
    ),
    Entity(
        name="qualification",
        path="recognition/qualifications",
        row=Qualification,
        fields=QualificationFields,
        check=_check_qualification,
    ),
    Entity(
        name="mapping",
        path="recognition/mappings",
        row=ItemMapping,
        fields=MappingFields,
        check=_check_mapping,
    ),
    Entity(
        name="recognition_reason",
        path="recognition/reasons",
        row=RecognitionReason,
        fields=RecognitionReasonFields,
        check=_check_reason,
        key="code",
        fixed=frozenset({"code"}),
    ),
    Entity(
        name="recognition_price",
        path="recognition/prices",
        row=RecognitionPrice,
        fields=RecognitionPriceFields,
        check=_check_price,
    ),
    Entity(
        name="recognition_scope",
        path="recognition/scopes",
        row=RecognitionScope,
        fields=RecognitionScopeFields,
        check=_check_scope,
    ),
    Entity(
        name="recognition_own_source",
        path="recognition/own-source",
        row=OwnSource,
        fields=OwnSourceFields,
        check=_check_own_source,
    ),
)
