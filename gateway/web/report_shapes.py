"""The JSON of docs/http.md about signed reports: themselves, where they went, who was given a code for them."""

import uuid
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from gateway.web.shapes import ExaminationItem, NamedShape, PatientShape, PersonShape, SiteShape
from worklists.directory import Kind
from worklists.reports import ReportState, ReturnNotice, ReturnState
from worklists.sharing import Revoked, SharedWith, ShareKey, ShareState


class MarkShape(BaseModel):
    item_code: str
    item_name: str
    text: str | None
    scope: str | None
    remark: str
    reason: str | None


class DeliveryShape(BaseModel):
    recipient: SiteShape
    notice: ReturnNotice
    state: ReturnState
    delivered_at: datetime | None
    opened_at: datetime | None
    opened_by: PersonShape | None
    acknowledged_at: datetime | None
    acknowledged_by: PersonShape | None


class ShownImageShape(BaseModel):
    """A picture that a signed report shows."""

    id: uuid.UUID
    caption: str
    sop_instance_uid: str
    frame: int
    snapshot: bool
    width: int
    height: int
    sha256: str


class ShareShape(BaseModel):
    """A code for a report, without the code. `made_by` null: by itself."""

    id: uuid.UUID
    institution: SiteShape
    asks: ShareKey
    state: ShareState
    revoked_because: Revoked | None
    made_at: datetime
    made_by: PersonShape | None
    expires_at: datetime
    opened_at: datetime | None
    opened_count: int
    opened_version: int | None
    acknowledged_at: datetime | None
    acknowledged_as: SharedWith | None
    acknowledged_name: str
    acknowledged_version: int | None


class PhoneShape(BaseModel):
    name: str
    phone: str
    dialled: str


class ReportShape(BaseModel):
    report_id: uuid.UUID
    number: str
    version: int
    state: ReportState
    identity_changed_after_signing: bool
    examination: ExaminationItem
    patient: PatientShape
    findings: str
    impression: str
    clinical_information: str
    content: dict[str, Any] | None
    writer: PersonShape
    reviewer: PersonShape | None
    signed_by: PersonShape
    signed_at: datetime
    preliminary: bool
    critical: bool
    positive: bool | None  # whether something was found; None: it was signed before that was kept
    marks: list[MarkShape]
    centre: NamedShape
    site: SiteShape
    verification_url: str
    deliveries: list[DeliveryShape]
    shares: list[ShareShape]
    manifest_sha256: str
    pdf_sha256: str | None
    phones: list[PhoneShape]  # whom to call about it, the county first
    amendment: dict[str, Any] | None
    key_images: list[ShownImageShape]


class ReturnShareShape(BaseModel):
    """What became of the newest code of a report."""

    state: ShareState
    revoked_because: Revoked | None
    opened_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_as: SharedWith | None


class ReturnItem(BaseModel):
    id: uuid.UUID
    report_id: uuid.UUID
    version: int
    examination_id: uuid.UUID
    kind: Kind
    modality: str
    body_part: str
    description: str
    patient: PatientShape
    site: SiteShape
    centre: NamedShape
    signed_at: datetime
    signed_by: PersonShape
    marks: list[MarkShape]
    critical: bool
    preliminary: bool
    notice: ReturnNotice
    amendment: dict[str, Any] | None
    state: ReturnState
    delivered_at: datetime | None
    share: ReturnShareShape | None = None
