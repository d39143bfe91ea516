"""`gateway restore`: a backup becomes an installation whose database was empty."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import delete, update

from gateway import audit
from gateway.backups import archive as archives
from gateway.backups import segments
from gateway.backups.archive import Archive, Digesting, Manifest, PackEntry
from gateway.backups.databases import is_empty, restore_database
from gateway.backups.making import ACTOR, WORK_FOLDER
from gateway.backups.sealed import unseal
from gateway.backups.steps import Steps
from gateway.index import Pack, Record
from gateway.migrations import alembic_config, migrate
from gateway.objects import ChunkSource
from gateway.runtime import Runtime

SHOWN = 20  # missing packs named one by one


class CannotRestore(Exception):
    """The backup does not fit here; carries why, in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came back, and the packs that are nowhere."""

    manifest: Manifest
    segments: int
    missing: tuple[str, ...]


def restore_backup(runtime: Runtime, archive: Archive, passphrase: str | None, steps: Steps) -> Restored:
    """Bring back keys, originals, journal and database, the database last. Raises CannotRestore before anything."""
    manifest = archive.manifest()
    keys = _keys(archive, manifest, passphrase)
    _check_fits(runtime, manifest, keys)
    work = runtime.settings.data_dir / WORK_FOLDER
    shutil.rmtree(work, ignore_errors=True)
    try:
        dump = _fetch_dump(archive, manifest, work, steps)
        missing = _restore_packs(runtime, archive, manifest, steps)
        with steps.step("journal"):
            there = segments.restore_segments(archive, manifest, runtime.journal_dir)
        _write_keys(runtime.settings.data_dir / "keys", keys)
        with steps.step("database"):
            runtime.engine.dispose()
            restore_database(runtime.settings, dump)
            migrate(runtime.engine)
            _settle(runtime, there)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Restored(manifest=manifest, segments=len(there), missing=tuple(missing))


def _check_fits(runtime: Runtime, manifest: Manifest, keys: dict[str, bytes]) -> None:
    kind = runtime.engine.dialect.name
    if manifest.database != kind:
        raise CannotRestore(f"the backup is of {manifest.database}, and this installation has {kind}")
    if not is_empty(runtime.engine):
        raise CannotRestore("the database is not empty: a backup is restored into an empty one only")
    known = {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}
    if manifest.revision not in known:
        raise CannotRestore(
            f"the backup is of a later version ({manifest.gateway_version}, revision {manifest.revision})"
        )
    folder = runtime.settings.data_dir / "keys"
    for name, content in keys.items():
        path = folder / name
        if path.exists() and path.read_bytes() != content:
            raise CannotRestore(f"{path} is there and is another one than in the backup: move it away first")


def _keys(archive: Archive, manifest: Manifest, passphrase: str | None) -> dict[str, bytes]:
    if not any(part.name == archives.KEYS for part in manifest.parts):
        return {}
    if passphrase is None:
        raise CannotRestore("the backup has keys: their passphrase is needed")
    return unseal(archive.read(archives.KEYS), passphrase)


def _fetch_dump(archive: Archive, manifest: Manifest, work: Path, steps: Steps) -> Path:
    name = archives.DUMPS[manifest.database]
    [part] = [part for part in manifest.parts if part.name == name]
    with steps.step("backup read"):
        archive.fetch(part, work / name)
    return work / name


def _restore_packs(runtime: Runtime, archive: Archive, manifest: Manifest, steps: Steps) -> list[str]:
    """Copy back the packs that the store does not have; answers those that neither has."""
    absent = [one for one in archive.pack_entries() if runtime.objects.size(one.key) != one.size_bytes]
    if not manifest.originals:
        return [one.key for one in absent]
    runtime.objects.prepare()
    return [
        one.key for one in steps.each("packs copied back", absent) if not _copy_back(runtime, archive, one)
    ]


def _copy_back(runtime: Runtime, archive: Archive, one: PackEntry) -> bool:
    if archive.store.size(one.key) != one.size_bytes:
        return False
    source = Digesting(ChunkSource(archive.store, one.key))
    runtime.objects.put(one.key, source, one.size_bytes)
    if source.hexdigest() == one.sha256:
        return True
    runtime.objects.delete(one.key)
    return False


def _write_keys(folder: Path, keys: dict[str, bytes]) -> None:
    for name, content in keys.items():
        path = folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(content)


def _settle(runtime: Runtime, there: Iterable[tuple[str, int]]) -> None:
    """Which records can be read from a segment here; and that this was restored.

    A pack that was being put at the moment of the backup may be whole by now, with records that lie nowhere else: its
    row goes, because a pack that no row knows is never removed.
    """
    with runtime.sessions.begin() as session:
        session.execute(delete(Pack).where(Pack.filed_at.is_(None)))
        session.execute(update(Record).where(Record.local).values(local=False))
        for journal_id, number in sorted(there):
            here = (Record.journal == journal_id, Record.segment == number)
            session.execute(update(Record).where(*here).values(local=True))
        audit.record(session, "backup_restored", actor=ACTOR, now=runtime.now())
