"""The figures of the system. What only the database knows is None while it is away."""

from dataclasses import dataclass, field
from datetime import datetime

from gateway.certificate_ends import CertificateFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFigures:
    """`unfiled_bytes` fill the limit: segments with anything in them that is not filed, whole.

    `not_filed_*` is what is accepted and not in the object store yet.
    """

    segments: int = 0
    bytes: int = 0
    unfiled_bytes: int = 0
    limit_bytes: int = 0
    free_bytes: int = 0
    not_filed_records: int | None = None
    not_filed_bytes: int | None = None
    oldest_unfiled_at: datetime | None = None
    unindexed_records: int | None = None
    oldest_unindexed_at: datetime | None = None
    quarantined: int | None = None
    writes_direct: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainFigures:
    """`seen_at`: when the drain of this node last said that it lives; None when none ever did."""

    indexed_per_minute: int | None = None
    filed_per_minute: int | None = None
    indexed_at: datetime | None = None
    filed_at: datetime | None = None
    last_error: str = ""
    last_error_at: datetime | None = None
    alive: bool | None = None
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFigures:
    """A server that we need."""

    up: bool
    detail: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFigures(PartFigures):
    kind: str
    packs: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFigures(PartFigures):
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepFigures:
    kind: str
    broker: PartFigures | None = None
    due: int | None = None
    oldest_due_at: datetime | None = None
    failing: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningFigures:
    """Documents of signed reports that cannot be made: why the first of them waits, and since when it is signed."""

    waiting: int
    cause: str
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingEndpoint:
    """A system of an institution that reports wait for, and that does not take them."""

    site: str  # its code
    name: str
    where: str  # institution and name, for people
    since: datetime
    cause: str = ""  # of `gateway.deliveries.causes`


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFigures:
    """Reports on their way to other systems. `stuck`: refused or given up, so that a person must look."""

    counts: dict[str, int]
    oldest_pending_at: datetime | None
    oldest_stuck_at: datetime | None
    failing: tuple[FailingEndpoint, ...]

    @property
    def stuck(self) -> int:
        return sum(count for state, count in self.counts.items() if state != "pending")


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentSite:
    """A township of which nothing was heard for too long a working time."""

    name: str
    last_heard_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LabFigures:
    """What of laboratory messages waits for a person, and analysers that fell silent."""

    held: int
    oldest_held_at: datetime | None
    silent: tuple[SilentSite, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UntakenFigures:
    """Chest pain that everybody on duty was called to and nobody has taken."""

    centres: tuple[str, ...]
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UnansweredFigures:
    """Critical values about which nobody is left to be called."""

    institutions: tuple[str, ...]
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteHeard:
    """When an institution with devices was last heard, and whether that is too long ago."""

    code: str
    name: str
    last_heard_at: datetime
    silent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupFigures:
    """The last backup that was made."""

    stamp: str
    ended_at: datetime
    size_bytes: int
    originals: bool
    verified: bool
    problems: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFigures:
    """How far the drain of one node is, as its row says."""

    node: str
    indexed_until: datetime
    filed_at: datetime | None
    told_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What the database says, all at one time."""

    quarantined: int
    not_filed_records: int
    not_filed_bytes: int
    unindexed: "Unindexed"
    drain: DrainFigures
    packs: int
    packed_bytes: int
    sweep: SweepFigures
    silent: tuple[SilentSite, ...]
    oldest_unfiled_at: datetime | None = None
    oldest_undelivered_at: datetime | None = None
    first_filed_at: datetime | None = None
    heard: tuple[SiteHeard, ...] = ()
    lab: LabFigures | None = None
    nodes: tuple[NodeFigures, ...] = ()
    untaken: UntakenFigures | None = None
    unanswered: UnansweredFigures | None = None
    backup: BackupFigures | None = None
    authority: CertificateFigures | None = None
    signing: SigningFigures | None = None
    deliveries: DeliveryFigures | None = None
    certificates: tuple[CertificateFigures, ...] = ()
    tasks: dict[str, int] = field(default_factory=dict)
    returns: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unindexed:
    """What lies behind the cursors of the journals of this node."""

    records: int
    bytes: int
    oldest_at: datetime | None
