"""`gateway backup`: snapshot, packs, journal, keys, settings; then everything is read back."""

import json
import shutil
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gateway import __version__, audit
from gateway.backups import archive as archives
from gateway.backups import segments
from gateway.backups.archive import Archive, Digesting, Manifest, PackEntry
from gateway.backups.databases import Snapshot, open_snapshot
from gateway.backups.rows import BackupRun
from gateway.backups.sealed import seal
from gateway.backups.steps import Steps
from gateway.backups.verifying import find_problems
from gateway.filing import waiting_to_be_filed
from gateway.index import DrainMark, Pack, Record
from gateway.objects import CHUNK_BYTES, ChunkSource, ObjectMissing, ObjectStore
from gateway.runtime import Runtime

WAIT_FILED_S = 60.0  # three times as long as a record may wait for its pack by default
LOOK_S = 0.5
WORK_FOLDER = "backup-work"  # beside the journal: hard links do not cross file systems
ACTOR = audit.Actor(name="command line")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked of a backup."""

    passphrase: str | None
    originals: bool = False
    verify: bool = True
    wait_filed_s: float = WAIT_FILED_S


class NoPassphrase(Exception):
    """There are keys, and nothing to seal them with."""


def make_backup(runtime: Runtime, target: ObjectStore, wanted: Wanted, steps: Steps) -> Manifest:
    """Write one backup; the manifest says what is wrong with it, if anything. Raises Unavailable, DumpFailed."""
    began, keys = runtime.now(), runtime.settings.data_dir / "keys"
    if wanted.passphrase is None and _has_files(keys):
        raise NoPassphrase
    archive = Archive(target, archives.stamp_of(began))
    work = runtime.settings.data_dir / WORK_FOLDER
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(mode=0o700)
    target.prepare()
    try:
        with steps.step("what was accepted until now is filed"):
            _wait_until_filed(runtime, began, wanted.wait_filed_s)
        manifest = _write(runtime, archive, work, wanted, steps)
        archive.close(manifest)
        if wanted.verify:
            with steps.step("read back"):
                manifest = _verified(runtime, archive, manifest, wanted, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    _note(runtime, manifest, began, verified=wanted.verify and not manifest.problems)
    return manifest


def _write(runtime: Runtime, archive: Archive, work: Path, wanted: Wanted, steps: Steps) -> Manifest:
    held, kind = work / "journal", runtime.engine.dialect.name
    segments.hold(runtime.journal_dir, held)
    with open_snapshot(runtime.settings, runtime.engine) as snapshot:
        segments.hold(runtime.journal_dir, held)
        _add_database(archive, snapshot, work / archives.DUMPS[kind], steps)
        with snapshot.session() as session:
            packs = _digest_packs(runtime, session, steps)
            left = segments.find_left(session, held)
            with steps.step(
                f"journal: {len(left.segments)} segments, {left.records} records that are not filed yet"
            ):
                segments.add_segments(archive, held, left)
            problems = segments.missing_of(session, left, archive)
            revision = MigrationContext.configure(session.connection()).get_current_revision() or ""
    problems += [f"{one.key} is missing or of another size" for one in packs if not one.sha256]
    archive.add_bytes(archives.PACKS, b"".join(json.dumps(asdict(one)).encode() + b"\n" for one in packs))
    if wanted.originals:
        problems += _copy_packs(runtime, archive.store, packs, steps)
    if wanted.passphrase is not None and _has_files(runtime.settings.data_dir / "keys"):
        archive.add_bytes(archives.KEYS, seal(runtime.settings.data_dir / "keys", wanted.passphrase))
    archive.add_bytes(archives.SETTINGS, _as_toml(runtime.settings.without_secrets()).encode())
    return Manifest(
        format=archives.FORMAT,
        gateway_version=__version__,
        stamp=archive.stamp,
        made_at=runtime.now().isoformat(),
        node=runtime.settings.node,
        database=kind,
        revision=revision,
        parts=tuple(archive.parts),
        packs=len(packs),
        packs_bytes=sum(one.size_bytes for one in packs),
        originals=wanted.originals,
        elsewhere=left.elsewhere,
        problems=tuple(problems),
    )


def _wait_until_filed(runtime: Runtime, began: datetime, patience_s: float) -> None:
    """Give the drains of all nodes time for what was accepted before; what is left goes into the backup as segments."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        with runtime.reading() as session:
            indexed = session.scalar(select(func.min(DrainMark.indexed_until)))
            waiting = select(Record.id).where(waiting_to_be_filed(), Record.received_at <= began).limit(1)
            if indexed is None or (indexed >= began and session.scalar(waiting) is None):
                return
        time.sleep(LOOK_S)


def _add_database(archive: Archive, snapshot: Snapshot, path: Path, steps: Steps) -> None:
    with steps.step("database"):
        snapshot.write(path)
        archive.add(path.name, path)


def _digest_packs(runtime: Runtime, session: Session, steps: Steps) -> list[PackEntry]:
    """The packs of the snapshot. One that was never backed up is read once; its digest is kept in its row."""
    rows = session.execute(
        select(Pack.id, Pack.key, Pack.size_bytes, Pack.sha256)
        .where(Pack.filed_at.is_not(None))
        .order_by(Pack.key)
    ).all()
    digests = {row.id: row.sha256 for row in rows}
    for row in steps.each("packs read for the first time", [row for row in rows if row.sha256 is None]):
        digest = _digest_pack(runtime.objects, row.key, row.size_bytes)
        digests[row.id] = digest
        if digest:
            with runtime.sessions.begin() as writing:
                writing.get_one(Pack, row.id).sha256 = digest
    return [PackEntry(key=row.key, size_bytes=row.size_bytes, sha256=digests[row.id] or "") for row in rows]


def _digest_pack(store: ObjectStore, key: str, size: int) -> str | None:
    """None when it is not there as its row says."""
    try:
        source = Digesting(ChunkSource(store, key))
        read = 0
        while data := source.read(CHUNK_BYTES):
            read += len(data)
    except ObjectMissing:
        return None
    return source.hexdigest() if read == size else None


def _copy_packs(runtime: Runtime, target: ObjectStore, packs: list[PackEntry], steps: Steps) -> list[str]:
    """Packs are never rewritten: what was copied for an earlier backup is not copied again."""
    problems = []
    new = [one for one in packs if one.sha256 and target.size(one.key) != one.size_bytes]
    for one in steps.each("packs copied", new):
        source = Digesting(ChunkSource(runtime.objects, one.key))
        target.put(one.key, source, one.size_bytes)
        if source.hexdigest() != one.sha256:
            problems.append(f"{one.key} is no longer what it was when it was first backed up")
    return problems


def _verified(runtime: Runtime, archive: Archive, manifest: Manifest, wanted: Wanted, work: Path) -> Manifest:
    """The manifest with what reading it back found; written anew when that is something."""
    found = find_problems(
        archive, manifest, originals=runtime.objects, passphrase=wanted.passphrase, work=work
    )
    if not found:
        return manifest
    told = Manifest(**{**_fields(manifest), "problems": (*manifest.problems, *found)})
    archive.close(told)
    return told


def _note(runtime: Runtime, manifest: Manifest, began: datetime, *, verified: bool) -> None:
    with runtime.sessions.begin() as session:
        now = runtime.now()
        session.add(
            BackupRun(
                stamp=manifest.stamp,
                began_at=began,
                ended_at=now,
                size_bytes=manifest.size_bytes,
                packs=manifest.packs,
                originals=manifest.originals,
                verified=verified,
                problems=list(manifest.problems),
            )
        )
        audit.record(session, "backup_made", actor=ACTOR, now=now, detail={"stamp": manifest.stamp})


def remove_old(target: ObjectStore, keep: int) -> list[str]:
    """Remove all but the newest backups; the copies of packs stay. Answers what was removed."""
    old = archives.find_backups(target)[:-keep]
    for stamp in old:
        Archive(target, stamp).remove()
    return old


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(path.is_file() for path in folder.rglob("*"))


def _fields(manifest: Manifest) -> dict[str, Any]:
    return {name: getattr(manifest, name) for name in Manifest.__slots__}


def _as_toml(values: dict[str, Any]) -> str:
    """Words, numbers and switches are written the same in JSON and TOML."""
    return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items())
