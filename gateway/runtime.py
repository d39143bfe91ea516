"""What a process of the gateway works with: settings, database, object store, clock. Made once and passed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from gateway.carts.apart import Readers
from gateway.carts.taking import Taking
from gateway.database import open_engine, open_sessions
from gateway.file_cache import FileCache
from gateway.nodes import OtherNodes
from gateway.objects import ObjectStore, open_object_store
from gateway.pack_cache import PackCache
from gateway.settings import Settings
from gateway.threads import JournalThread


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """One per process. `sessions.begin()` is a transaction; `now()` is aware UTC."""

    settings: Settings
    engine: Engine
    sessions: sessionmaker[Session]
    objects: ObjectStore
    journal: JournalThread
    nodes: OtherNodes
    pack_cache: PackCache | None = None
    now: Callable[[], datetime] = utc_now
    readers: Readers = field(default_factory=Readers)

    def reading(self) -> Session:
        """A session that only reads; on SQLite it waits for no writer."""
        return self.sessions(bind=self.engine.execution_options(read_only=True))

    @property
    def taking(self) -> Taking:
        """How files are taken that come by other ways than an association."""
        return Taking(
            journal=self.journal, readers=self.readers, work_dir=self.settings.taking_dir, now=self.now
        )

    @property
    def journal_dir(self) -> Path:
        return self.settings.journal_dir


def open_runtime(settings: Settings) -> Runtime:
    """Connects to nothing yet: database and object store may be away when a process starts."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    engine = open_engine(settings.database)
    objects = open_object_store(settings.objects)
    return Runtime(
        settings=settings,
        engine=engine,
        sessions=open_sessions(engine),
        objects=objects,
        journal=JournalThread(settings.journal_dir, node=settings.node, limit_bytes=settings.journal_bytes),
        nodes=OtherNodes(settings),
        pack_cache=PackCache(
            objects, FileCache(settings.cache_dir / "packs", limit_bytes=settings.read_cache_bytes)
        )
        if settings.objects.startswith("s3+")
        else None,
    )
