"""Whether a backup can be trusted: every byte is read back, the dump is opened, the keys are unsealed."""

from pathlib import Path

from adapters.errors import Malformed
from gateway.backups import archive as archives
from gateway.backups.archive import Archive, Manifest
from gateway.backups.databases import check_dump
from gateway.backups.sealed import WrongPassphrase, unseal
from gateway.objects import ObjectMissing, ObjectStore


def find_problems(
    archive: Archive, manifest: Manifest, *, originals: ObjectStore, passphrase: str | None, work: Path
) -> list[str]:
    """What is wrong with a backup, in sentences; the packs are looked for in their copies, else in the store."""
    problems = []
    for part in manifest.parts:
        try:
            if archive.digest(part.name) != part.sha256:
                problems.append(f"{part.name} is not what was backed up")
        except ObjectMissing:
            problems.append(f"{part.name} is missing")
    if problems:
        return problems
    problems += _dump(archive, manifest, work)
    problems += _keys(archive, manifest, passphrase)
    store = archive.store if manifest.originals else originals
    problems += [
        f"{one.key} is missing or of another size"
        for one in archive.pack_entries()
        if store.size(one.key) != one.size_bytes
    ]
    return problems


def _dump(archive: Archive, manifest: Manifest, work: Path) -> list[str]:
    name = archives.DUMPS[manifest.database]
    [part] = [part for part in manifest.parts if part.name == name]
    path = work / f"verify-{name}"
    archive.fetch(part, path)
    said = check_dump(manifest.database, path)
    path.unlink()
    return [f"{name}: {said}"] if said else []


def _keys(archive: Archive, manifest: Manifest, passphrase: str | None) -> list[str]:
    if not any(part.name == archives.KEYS for part in manifest.parts):
        return []
    if passphrase is None:
        return ["the keys were not tried: no passphrase"]
    try:
        unseal(archive.read(archives.KEYS), passphrase)
    except WrongPassphrase:
        return ["the passphrase does not open the keys"]
    except Malformed as error:
        return [str(error)]
    return []
