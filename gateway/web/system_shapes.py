"""The JSON of docs/http.md about how the installation is: for IT and onlookers."""

import uuid
from datetime import datetime
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from worklists.control import ControlState


class Shape(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class FaultShape(Shape):
    code: str
    text: str
    since: datetime | None
    where: str
    severity: Literal["red", "amber"]


class ListenerShape(Shape):
    name: str
    address: str
    port: int
    up: bool
    associations: int
    accepted: int
    refused: int
    instances: int


class JournalShape(Shape):
    segments: int
    bytes: int
    unfiled_bytes: int
    limit_bytes: int
    free_bytes: int
    not_filed_records: int | None
    not_filed_bytes: int | None
    oldest_unfiled_at: datetime | None
    oldest_unindexed_at: datetime | None
    unindexed_records: int | None
    quarantined: int | None
    writes_direct: bool | None


class DrainShape(Shape):
    alive: bool | None
    seen_at: datetime | None
    indexed_per_minute: int | None
    filed_per_minute: int | None
    indexed_at: datetime | None
    filed_at: datetime | None
    last_error: str
    last_error_at: datetime | None


class PartShape(Shape):
    up: bool
    detail: str
    since: datetime | None


P = TypeVar("P", bound=PartShape)


class StoreShape(PartShape):
    kind: str
    packs: int | None
    bytes: int | None


class DatabaseShape(PartShape):
    kind: str


class SweepShape(Shape):
    kind: str
    broker: PartShape | None
    due: int | None
    oldest_due_at: datetime | None
    failing: int | None


class ProcessShape(Shape):
    role: str
    node: str
    host: str
    pid: int | None
    started_at: datetime | None
    seen_at: datetime
    alive: bool


class NodeShape(Shape):
    node: str
    indexed_until: datetime
    filed_at: datetime | None
    told_at: datetime | None


class CertificateShape(Shape):
    name: str
    ends_at: datetime


class BackupShape(Shape):
    stamp: str
    ended_at: datetime
    size_bytes: int
    originals: bool
    verified: bool
    problems: int


class SilentSiteShape(Shape):
    code: str
    name: str
    last_heard_at: datetime


class SystemShape(Shape):
    version: str
    started_at: datetime
    faults: list[FaultShape]
    listeners: list[ListenerShape]
    journal: JournalShape
    drain: DrainShape
    store: StoreShape
    database: DatabaseShape
    sweep: SweepShape
    processes: list[ProcessShape]
    nodes: list[NodeShape]
    certificates: list[CertificateShape]
    backup: BackupShape | None
    silent_sites: list[SilentSiteShape]


class ItSite(Shape):
    id: uuid.UUID
    code: str
    name: str


class TownshipShape(Shape):
    site: ItSite
    devices: int
    last_heard_at: datetime | None
    queue: int
    oldest_waiting_at: datetime | None
    held: int
    refused_today: int
    out_of_control: int
    check_late: int
    silent: bool


class ItDevice(Shape):
    id: uuid.UUID
    ae_title: str
    name: str
    modality: str
    address: str | None
    enabled: bool
    last_heard_at: datetime | None
    site: ItSite


class ControlledItDevice(ItDevice):
    control_state: ControlState  # by its checks (设备质控)


class LastObjectShape(BaseModel):
    sop_instance_uid: str
    at: datetime | None


class AssociationShape(Shape):
    opened_at: datetime
    closed_at: datetime | None
    how: str
    stored: int
    refused: int


class ItRefusal(BaseModel):
    at: datetime
    what: str
    reason: str
    advice: str


class RefusedPeerShape(BaseModel):
    ae_title: str
    address: str
    what: Literal["connection", "association", "instance", "message"]
    reason: str
    advice: str
    code: str
    cause: str
    count: int
    last_at: datetime
    device: ItDevice | None


class DevicePageShape(BaseModel):
    device: ControlledItDevice
    last_heard_at: datetime | None
    last_object: LastObjectShape | None
    associations: list[AssociationShape]
    refusals: list[ItRefusal]


class WorkShape(BaseModel):
    id: uuid.UUID
    task: str
    about: str
    due_at: datetime
    attempts: int
    last_error: str
    leased_until: datetime | None


class QuarantineShape(BaseModel):
    id: uuid.UUID
    journal: str
    sequence: int
    kind: str
    received_at: datetime
    size_bytes: int
    reason: str
    site: ItSite | None
    actions: list[Literal["retry", "discard"]]


class DiscardBody(BaseModel):
    reason: str = Field(max_length=2000)
