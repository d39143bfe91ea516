"""What an administrator edits: one declaration per entity, its fields, and what makes them unusable.

A check answers field → reason (a key of `gateway.web.words.fields.REASONS`); it looks at the row as it would become.
"""

import uuid
from datetime import date, datetime
from typing import Annotated

from pydantic import Field, StringConstraints
from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from gateway.device_control_entities import DEVICE_CONTROL
from gateway.device_entities import DeviceFields, check_device
from gateway.duty_entities import DUTY
from gateway.entity import CODE, Entity, Fields, Name, Reasons, Text, check_dates, check_exists, is_taken
from gateway.person_entities import PersonFields, check_person
from gateway.recognition_entities import RECOGNITION
from worklists.directory import Agreement, Centre, Device, Institution, InstitutionKind, Kind, Person
from worklists.ecg_content import MEASURES
from worklists.ecg_statements import EcgGroup, EcgStatement, settle_initials
from worklists.grading import GradeReason

Limit = Annotated[float, Field(ge=-10_000, le=10_000, allow_inf_nan=False)]
# As people write it; what a telephone dials of it are digits, + and extensions.
Telephone = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=40, pattern=r"^[-+0-9 ()转#*,;ext.]*$")
]


class InstitutionFields(Fields):
    code: Name
    name: Name
    kind: InstitutionKind
    lead_id: uuid.UUID | None = None
    region: Text = ""
    enabled: bool = True
    accept_unknown_devices: bool = False
    phone: Telephone = ""
    share_reports: bool = False
    share_days: Annotated[int, Field(ge=1, le=366)] = 30


class CentreFields(Fields):
    institution_id: uuid.UUID
    kind: Kind
    name: Name
    review_required: bool = True
    enabled: bool = True
    chest_pain_minutes: Annotated[int, Field(ge=1, le=60)] = 3
    phone: Telephone = ""


class AgreementFields(Fields):
    lead_id: uuid.UUID
    member_id: uuid.UUID
    kind: Kind | None = None
    valid_from: date
    valid_to: date | None = None


class StatementFields(Fields):
    code: Name
    group: EcgGroup
    text: Name
    text_en: Text = ""
    initials: Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)] = ""
    position: Annotated[int, Field(ge=0, le=100_000)] = 0
    critical: bool = False
    normal: bool = False
    enabled: bool = True
    measure: Text = ""
    above: Limit | None = None
    below: Limit | None = None


class GradeReasonFields(Fields):
    code: Name
    name: Name
    name_en: Text = ""
    kind: Kind | None = None
    modalities: Text = ""
    position: Annotated[int, Field(ge=0, le=100_000)] = 0
    enabled: bool = True


def _check_grade_reason(session: Session, row: GradeReason) -> Reasons:
    return {} if CODE.fullmatch(row.code) else {"code": "code"}


def _check_institution(session: Session, row: Institution) -> Reasons:
    reasons: Reasons = {}
    if not CODE.fullmatch(row.code):
        reasons["code"] = "code"
    elif is_taken(session, row, Institution.code == row.code):
        reasons["code"] = "taken"
    if row.lead_id is not None:
        if row.lead_id == row.id:
            reasons["lead_id"] = "own_lead"
        elif not _may_stand_below(session, row):
            reasons["lead_id"] = "village_lead_kind" if row.kind is InstitutionKind.VILLAGE else "lead_kind"
    if row.kind is not InstitutionKind.LEAD_HOSPITAL and _leads(session, row):
        reasons["kind"] = "still_lead"
    return reasons


def _check_centre(session: Session, row: Centre) -> Reasons:
    return {} if _is_lead_hospital(session, row.institution_id) else {"institution_id": "lead_kind"}


def _check_agreement(session: Session, row: Agreement) -> Reasons:
    reasons = check_dates(row.valid_from, row.valid_to, "valid_to")
    if not _is_lead_hospital(session, row.lead_id):
        reasons["lead_id"] = "lead_kind"
    if row.member_id == row.lead_id:
        reasons["member_id"] = "member_kind"
    return {**reasons, **check_exists(session, Institution, row.member_id, "member_id")}


def _check_statement(session: Session, row: EcgStatement) -> Reasons:
    """Also sees to the initials, which follow the words."""
    was = inspect(row).attrs.text.history.deleted
    settle_initials(row, text_before=was[0] if was else None)
    reasons: Reasons = {}
    if not CODE.fullmatch(row.code):
        reasons["code"] = "code"
    if row.measure and row.measure not in MEASURES:
        reasons["measure"] = "unknown"
    if bool(row.measure) != (row.above is not None or row.below is not None):
        reasons["measure" if not row.measure else "above"] = "measure_needs_limit"
    if row.above is not None and row.below is not None and row.above >= row.below:
        reasons["below"] = "limits"
    if row.critical and row.normal:
        reasons["normal"] = "critical_normal"
    return reasons


ENTITIES: tuple[Entity, ...] = (
    Entity(
        name="institution",
        path="institutions",
        row=Institution,
        fields=InstitutionFields,
        check=_check_institution,
        routes_work=True,
    ),
    Entity(
        name="centre",
        path="centres",
        row=Centre,
        fields=CentreFields,
        check=_check_centre,
        fixed=frozenset({"institution_id", "kind"}),
        routes_work=True,
    ),
    Entity(
        name="device",
        path="devices",
        row=Device,
        fields=DeviceFields,
        check=check_device,
        shown={"last_heard_at": datetime | None, "has_account_password": bool},
        secrets={"password": Annotated[str, StringConstraints(max_length=1024)]},
    ),
    Entity(
        name="person",
        path="people",
        row=Person,
        fields=PersonFields,
        check=check_person,
        fixed=frozenset({"username"}),
        secrets={"password": Annotated[str, StringConstraints(max_length=1024)]},
    ),
    Entity(
        name="agreement",
        path="agreements",
        row=Agreement,
        fields=AgreementFields,
        check=_check_agreement,
        routes_work=True,
    ),
    Entity(
        name="ecg_statement",
        path="ecg/catalogue",
        row=EcgStatement,
        fields=StatementFields,
        check=_check_statement,
        key="code",
        fixed=frozenset({"code"}),
    ),
    Entity(
        name="grade_reason",
        path="quality/reasons",
        row=GradeReason,
        fields=GradeReasonFields,
        check=_check_grade_reason,
        key="code",
        fixed=frozenset({"code"}),
    ),
    *RECOGNITION,
    *DEVICE_CONTROL,
    *DUTY,
)


def _is_lead_hospital(session: Session, institution_id: uuid.UUID) -> bool:
    institution = session.get(Institution, institution_id)
    return institution is not None and institution.kind is InstitutionKind.LEAD_HOSPITAL


def _may_stand_below(session: Session, row: Institution) -> bool:
    """A village stands below its township or, where there is none, below a lead hospital like everybody else."""
    above = session.get(Institution, row.lead_id)
    allowed = {InstitutionKind.LEAD_HOSPITAL}
    if row.kind is InstitutionKind.VILLAGE:
        allowed.add(InstitutionKind.TOWNSHIP)
    return above is not None and above.kind in allowed


def _leads(session: Session, row: Institution) -> bool:
    """Whether anything stands below it that only a lead hospital may have; a township has its villages."""
    below = select(Institution.id).where(Institution.lead_id == row.id)
    if row.kind is InstitutionKind.TOWNSHIP:
        below = below.where(Institution.kind != InstitutionKind.VILLAGE)
    ways = (
        below,
        select(Centre.id).where(Centre.institution_id == row.id),
        select(Agreement.id).where(Agreement.lead_id == row.id),
    )
    return any(session.scalars(way.limit(1)).first() is not None for way in ways)
