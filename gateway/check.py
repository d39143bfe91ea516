"""`gateway check`: journal, object store, database and audit against one another."""

import hashlib
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from rich.console import Console
from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import aliased, undefer

from adapters.errors import Unavailable
from gateway import audit, journal
from gateway.index import Held, Instance, Pack, Record, RecordState, Series, Study
from gateway.intake import NOTE_KINDS, indexed_to, known_sequences
from gateway.journal import JournalRecord, JournalState
from gateway.lab import checking
from gateway.migrations import is_current
from gateway.objects import CHUNK_BYTES, ChunkSource
from gateway.originals import open_original
from gateway.runtime import Runtime, open_runtime
from gateway.settings import Settings
from worklists.device_control.rows import DeviceCheck, DeviceCheckEvidence
from worklists.examinations import Examination


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that is not as it should be, and where."""

    where: str
    what: str


def run_check(settings: Settings, console: Console) -> bool:
    """Check everything and print what was found; True when nothing is wrong."""
    runtime = open_runtime(settings)
    checks: list[tuple[str, Callable[[Runtime], Iterator[Fault]]]] = [
        ("database", check_database),
        ("journal", check_journal),
        ("originals", check_originals),
        ("packs", check_packs),
        ("counts", check_counts),
        ("laboratory", check_laboratory),
        ("devices", check_devices),
        ("audit", check_audit),
    ]
    sound = True
    for name, check in checks:
        with console.status(name):
            faults = list(check(runtime))
        console.print(f"[{'red' if faults else 'green'}]{name:<10}[/] {'ok' if not faults else len(faults)}")
        for fault in faults:
            console.print(f"  {fault.where}: {fault.what}", highlight=False)
        sound = sound and not faults
    return sound


def check_database(runtime: Runtime) -> Iterator[Fault]:
    """The schema is the one this version expects."""
    if not is_current(runtime.engine):
        yield Fault(where="schema", what="not at the newest revision; run `gateway migrate`")


def check_journal(runtime: Runtime) -> Iterator[Fault]:
    """Every readable record of every journal is sound and known, or still to be indexed."""
    for state in journal.journals(runtime.journal_dir):
        cursors: dict[int, int] = {}
        while True:
            batch = journal.read_new(runtime.journal_dir, state, cursors)
            if not batch.cursors:
                break
            cursors.update(batch.cursors)
            for damaged in batch.damaged:
                yield Fault(where=f"{state.id}/{damaged.location.segment}", what=damaged.reason)
            yield from _check_known(runtime, state, batch.records)


def _check_known(runtime: Runtime, state: JournalState, records: Sequence[JournalRecord]) -> Iterator[Fault]:
    """Records that the drain has passed have their rows; those before it wait for it."""
    kept = {record.sequence: record.location for record in records if record.kind not in NOTE_KINDS}
    with runtime.reading() as session:
        cursors = indexed_to(session, state.id)
        known = known_sequences(session, state.id, kept)
    for sequence in sorted(kept.keys() - known):
        place = kept[sequence]
        if place.offset + place.length <= cursors.get(place.segment, 0):
            yield Fault(where=f"{state.id}/{sequence}", what="was accepted and has no row")


def check_originals(runtime: Runtime) -> Iterator[Fault]:
    """The bytes of every record that lies in a segment, or nowhere, are those that were accepted."""
    with runtime.reading() as session:
        records = session.scalars(
            select(Record)
            .where(Record.kind != "damaged", Record.state != RecordState.DUPLICATE)
            .where(or_(Record.local, Record.pack_id.is_(None)))  # the others are looked at pack by pack
            .order_by(Record.id)
            .execution_options(yield_per=500)
        )
        for record in records:
            where = f"record {record.journal}/{record.sequence}"
            try:
                digest = hashlib.sha256()
                for chunk in open_original(runtime, record, offset=record.data_set_offset, ahead=False):
                    digest.update(chunk)
            except Unavailable as error:
                yield Fault(where=where, what=str(error))
                continue
            if digest.hexdigest() != record.sha256:
                yield Fault(where=where, what="the bytes are not those that were accepted")


def check_packs(runtime: Runtime) -> Iterator[Fault]:
    """Every pack is in the store, holds what its records say and nothing else; and the store holds no other."""
    with runtime.reading() as session:
        rows = session.execute(select(Pack.key, Pack.size_bytes, Pack.filed_at)).all()
    packs = {key: size for key, size, filed_at in rows if filed_at is not None}
    try:
        stored = set(runtime.objects.keys("packs/"))
        for key, size in packs.items():
            if runtime.objects.size(key) != size:
                yield Fault(where=key, what="missing or of another size")
            else:
                yield from _check_members(runtime, key)
    except Unavailable as error:
        yield Fault(where="object store", what=str(error))
        return
    for key in stored - {key for key, _, _ in rows}:  # one that is being put has its row already
        yield Fault(where=key, what="no row points to this pack")


def _check_members(runtime: Runtime, key: str) -> Iterator[Fault]:
    """The bodies in a pack against the rows that point there, by their place and their bytes."""
    with runtime.reading() as session:
        rows = session.scalars(select(Record).join(Pack, Pack.id == Record.pack_id).where(Pack.key == key))
        expected = {record.pack_offset or 0: record for record in rows}
    try:
        with tarfile.open(fileobj=ChunkSource(runtime.objects, key), mode="r|") as pack:  # type: ignore[call-overload]  # it only reads
            for member in pack:
                record = expected.pop(member.offset_data, None)
                body = pack.extractfile(member)
                if record is None or body is None or record.size_bytes != member.size:
                    yield Fault(where=f"{key} {member.name}", what="no row points to this original")
                elif record.sha256 and record.sha256 != _digest(body, record.data_set_offset):
                    where = f"{key}, record {record.journal}/{record.sequence}"
                    yield Fault(where=where, what="the bytes are not those that were accepted")
    except tarfile.TarError as error:
        yield Fault(where=key, what=f"cannot be read as an archive: {error}")
    for record in expected.values():
        yield Fault(where=f"record {record.journal}/{record.sequence}", what=f"is not in {key}")


def _digest(body: IO[bytes], offset: int) -> str:
    digest = hashlib.sha256()
    body.read(offset)
    while chunk := body.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def check_counts(runtime: Runtime) -> Iterator[Fault]:
    """What the worklists count is what is indexed; every held record waits for a person or was decided."""
    with runtime.reading() as session:
        found = func.count(Instance.id)
        miscounted = (
            select(Examination.id, Examination.instances, found)
            .outerjoin(Study, Study.examination_id == Examination.id)
            .outerjoin(Series, Series.study_id == Study.id)
            .outerjoin(Instance, and_(Instance.series_id == Series.id, Instance.current))
            .where(Examination.study_instance_uid.is_not(None))
            .group_by(Examination.id)
            .having(Examination.instances != found)
        )
        for examination_id, counted, indexed in session.execute(miscounted):
            yield Fault(where=f"examination {examination_id}", what=f"counts {counted}, has {indexed}")
        for current in session.execute(
            select(Instance.sop_instance_uid)
            .where(Instance.current)
            .group_by(Instance.sop_instance_uid)
            .having(func.count() > 1)
        ):
            yield Fault(where=f"instance {current[0]}", what="has more than one current version")
        waiting = select(Record.id).outerjoin(Held, Held.record_id == Record.id)
        for record_id in session.scalars(waiting.where(Record.state == RecordState.HELD, Held.id.is_(None))):
            yield Fault(where=f"record {record_id}", what="is held without a reason")


def check_laboratory(runtime: Runtime) -> Iterator[Fault]:
    """Messages of analysers, and what became of them."""
    for where, what in checking.find_faults(runtime):
        yield Fault(where=where, what=what)


def check_devices(runtime: Runtime) -> Iterator[Fault]:
    """Evidence of checks is what was kept; a correction is of the same device."""
    corrected = aliased(DeviceCheck)
    with runtime.reading() as session:
        kept = select(DeviceCheckEvidence).options(undefer(DeviceCheckEvidence.content))
        for one in session.scalars(kept.execution_options(yield_per=10)):
            if hashlib.sha256(one.content).hexdigest() != one.sha256:
                yield Fault(where=f"device check {one.check_id}", what="its evidence is not what was kept")
        elsewhere = (
            select(DeviceCheck.id)
            .join(corrected, corrected.id == DeviceCheck.corrects_id)
            .where(corrected.device_id != DeviceCheck.device_id)
        )
        for check_id in session.scalars(elsewhere):
            yield Fault(where=f"device check {check_id}", what="corrects a check of another device")


def check_audit(runtime: Runtime) -> Iterator[Fault]:
    """The chain of the audit is whole."""
    with runtime.reading() as session:
        found = audit.verify(session)
    if not found.ok:
        yield Fault(where=f"audit {found.first_bad}", what=found.reason)
