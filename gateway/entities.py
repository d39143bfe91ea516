"""What an administrator edits: one declaration per entity, its fields, and what makes them unusable.

A check answers field → reason (a key of `gateway.web.words.fields.REASONS`); it looks at the row as it would become.
"""

import ipaddress
import re
import uuid
from datetime import date, datetime
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    Field,
    StringConstraints,
    model_validator,
)
from sqlalchemy import ColumnElement, func, inspect, select
from sqlalchemy.orm import Session

from adapters.dicom.charset import REWRITTEN
from gateway.connecting import read_certificate_name
from gateway.duty_entities import DUTY
from gateway.entity import (
    CODE,
    Entity,
    Fields,
    Name,
    OptionalText,
    Reasons,
    Text,
    check_dates,
    check_exists,
)
from gateway.lab.admission import tidy
from gateway.lab.analysers import MODALITY as LABORATORY
from gateway.recognition_entities import RECOGNITION
from worklists.directory import (
    Agreement,
    Centre,
    Device,
    Institution,
    InstitutionKind,
    Kind,
    Person,
    PersonRole,
    Role,
    TlsException,
)
from worklists.ecg_content import MEASURES
from worklists.ecg_statements import EcgGroup, EcgStatement, settle_initials
from worklists.grading import GradeReason
from worklists.laboratory.profiles import AnalyserProfile

# PS3.5 §6.2, AE: at most 16 characters of the default repertoire, no backslash, no control character;
# leading and trailing blanks mean nothing, so a title has none.
_AE_TITLE = re.compile(r"[\x21-\x5B\x5D-\x7E](?:[\x20-\x5B\x5D-\x7E]{0,14}[\x21-\x5B\x5D-\x7E])?")
_NO_TITLE = re.compile(r"[^\x21-\x5B\x5D-\x7E]")
_ACCOUNT = re.compile(r"[a-z0-9_-]{1,32}")  # a folder's and an FTP user's name, on every system
_USERNAME = re.compile(r"[^\s/\\\x00-\x1f]{1,64}")
# PS3.3 §C.12.1.1.2, Tables C.12-2 to C.12-5; GBK is widely sent where GB18030 is meant.
_CHARACTER_SETS = frozenset(
    ["", "GB18030", "GBK", *REWRITTEN]
    + [f"ISO_IR {n}" for n in (6, 100, 101, 109, 110, 144, 127, 126, 138, 148, 203, 13, 166, 192)]
    + [
        f"ISO 2022 IR {n}"
        for n in (6, 100, 101, 109, 110, 144, 127, 126, 138, 148, 203, 13, 166, 87, 159, 149, 58)
    ]
)


def _tidy_certificate_name(value: object) -> object:
    try:
        return read_certificate_name(value) if isinstance(value, str) else value
    except ValueError:
        return value


Limit = Annotated[float, Field(ge=-10_000, le=10_000, allow_inf_nan=False)]
# As people write it; what a telephone dials of it are digits, + and extensions.
Telephone = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=40, pattern=r"^[-+0-9 ()转#*,;ext.]*$")
]
# Whether it names a certificate is checked with the row, so that the answer is about the field.
CertificateName = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=1000), BeforeValidator(_tidy_certificate_name)
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


class DeviceFields(Fields):
    institution_id: uuid.UUID
    ae_title: Annotated[str, StringConstraints(strip_whitespace=True)] = ""
    name: Text = ""
    modality: Text = ""
    address: OptionalText = None
    character_set: OptionalText = None
    certificates: Annotated[list[CertificateName], Field(max_length=20)] = Field(default_factory=list)
    tls_exception: TlsException = TlsException.NONE
    tls_exception_reason: Text = ""
    tls_exception_until: date | None = None
    account: OptionalText = None
    sender: Text = ""
    profile_code: OptionalText = None
    without_order: bool = False
    enabled: bool = True

    @model_validator(mode="after")
    def _name_without_title(self) -> Self:
        """What speaks no DICOM is asked for no AE title: its account, or an analyser's name, is as good a one."""
        if not self.ae_title and (self.account or self.sender):
            self.ae_title = _NO_TITLE.sub("_", self.account or self.sender).upper()[:16]
        if not self.modality and (self.sender or self.profile_code):
            self.modality = LABORATORY
        return self


class RoleFields(Fields):
    role: Role
    centre_id: uuid.UUID | None = None


class PersonFields(Fields):
    username: Name
    name: Name
    institution_id: uuid.UUID
    enabled: bool = True
    roles: list[RoleFields] = Field(default_factory=list)


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
    elif _is_taken(session, row, Institution.code == row.code):
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


def _check_device(session: Session, row: Device) -> Reasons:
    reasons = check_exists(session, Institution, row.institution_id, "institution_id")
    if not _AE_TITLE.fullmatch(row.ae_title):
        reasons["ae_title"] = "ae_title"
    elif _is_taken(session, row, Device.ae_title == row.ae_title):
        reasons["ae_title"] = "taken"
    if row.account is not None:
        if not _ACCOUNT.fullmatch(row.account):
            reasons["account"] = "account"
        elif _is_taken(session, row, Device.account == row.account):
            reasons["account"] = "taken"
    if row.address is not None and not _is_address(row.address):
        reasons["address"] = "address"
    if row.profile_code is not None:
        reasons |= check_exists(session, AnalyserProfile, row.profile_code, "profile_code")
    reasons |= _check_sender(session, row)
    if row.character_set is not None and not set(row.character_set.split("\\")) <= _CHARACTER_SETS:
        reasons["character_set"] = "character_set"
    if not all(map(_names_certificate, row.certificates)):
        reasons["certificates"] = "certificate"
    if row.tls_exception is not TlsException.NONE:
        missing = [name for name in ("tls_exception_reason", "tls_exception_until") if not getattr(row, name)]
        reasons |= dict.fromkeys(missing, "required")
        if missing:
            reasons["tls_exception"] = "exception_needs"
    return reasons


def _check_sender(session: Session, row: Device) -> Reasons:
    """Two analysers that give the same name, or none, at the same address could not be told apart."""
    if row.modality != LABORATORY and not (row.sender or row.profile_code):
        return {}
    if not row.sender and row.address is None:
        return {} if row.account else {"sender": "sender_or_address"}
    others = session.scalars(
        select(Device).where(
            Device.id != row.id,
            Device.address.is_(None) if row.address is None else Device.address == row.address,
            (Device.modality == LABORATORY) | (Device.sender != "") | Device.profile_code.is_not(None),
        )
    )
    alike = any(tidy(other.sender) == tidy(row.sender) for other in others)
    return {"sender": "sender_taken"} if alike else {}


def _check_person(session: Session, row: Person) -> Reasons:
    reasons = check_exists(session, Institution, row.institution_id, "institution_id")
    if not _USERNAME.fullmatch(row.username):
        reasons["username"] = "username"
    elif _is_taken(session, row, func.lower(Person.username) == row.username.lower()):
        reasons["username"] = "taken"
    for role in row.roles:
        reads = role.role in {Role.READER, Role.REVIEWER}
        if reads and role.centre_id is None:
            reasons["roles"] = "centre_needed"
        elif not reads and role.centre_id is not None:
            reasons["roles"] = "centre_not_wanted"
        elif role.centre_id is not None and session.get(Centre, role.centre_id) is None:
            reasons["roles"] = "unknown"
    if _was_admin(session, row) and not _is_admin(row) and not _other_admins(session, row):
        reasons["roles" if row.enabled else "enabled"] = "last_admin"
    return reasons


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
        check=_check_device,
        shown={"last_heard_at": datetime | None, "has_account_password": bool},
        secrets={"password": Annotated[str, StringConstraints(max_length=1024)]},
    ),
    Entity(
        name="person",
        path="people",
        row=Person,
        fields=PersonFields,
        check=_check_person,
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
    *DUTY,
)


def roles_of(wanted: list[dict[str, Any]]) -> list[PersonRole]:
    """Role rows for what was asked, each once."""
    pairs = dict.fromkeys((Role(item["role"]), item["centre_id"]) for item in wanted)
    return [
        PersonRole(role=role, centre_id=uuid.UUID(str(centre_id)) if centre_id else None)
        for role, centre_id in pairs
    ]


def _is_taken(session: Session, row: Institution | Device | Person, same: ColumnElement[bool]) -> bool:
    kind = type(row)
    return session.scalars(select(kind.id).where(same, kind.id != row.id)).first() is not None


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


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _names_certificate(text: str) -> bool:
    try:
        return bool(read_certificate_name(text))
    except ValueError:
        return False


def _is_admin(person: Person) -> bool:
    return person.enabled and person.has_role(Role.ADMIN)


def _was_admin(session: Session, person: Person) -> bool:
    """As the database has it, before the change."""
    role = (
        select(PersonRole.id)
        .join(Person, Person.id == PersonRole.person_id)
        .where(Person.id == person.id, Person.enabled, PersonRole.role == Role.ADMIN)
    )
    return session.scalars(role).first() is not None


def _other_admins(session: Session, person: Person) -> bool:
    """Locks them, so that two administrators cannot take the role from each other at once."""
    others = session.scalars(
        select(Person)
        .join(PersonRole, PersonRole.person_id == Person.id)
        .where(Person.enabled, PersonRole.role == Role.ADMIN, Person.id != person.id)
        .order_by(Person.id)
        .with_for_update(of=Person)
    )
    return others.first() is not None
