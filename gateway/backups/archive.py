"""What a backup looks like where it is kept: a folder or a bucket, with one prefix for each backup.

backups/20261122T021500Z/manifest.json      written last: without it there is no backup
backups/20261122T021500Z/database.sqlite3   or database.pgdump, in pg_dump's custom format
backups/20261122T021500Z/packs.jsonl        key, size and SHA-256 of every pack that the database names
backups/20261122T021500Z/journal/…          segments with what was not in the object store yet
backups/20261122T021500Z/keys.sealed        the keys, encrypted
backups/20261122T021500Z/settings.toml      the settings without their secrets
packs/…                                     copies of packs, one for all backups; only when asked for
"""

import hashlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from adapters.errors import Malformed
from gateway.objects import ObjectMissing, ObjectStore, Source

FORMAT = 1
MANIFEST, PACKS, KEYS, SETTINGS, JOURNAL = (
    "manifest.json",
    "packs.jsonl",
    "keys.sealed",
    "settings.toml",
    "journal/",
)
FOLDER = "backups/"
DUMPS = {"sqlite": "database.sqlite3", "postgresql": "database.pgdump"}
_STAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file of a backup."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackEntry:
    """One pack of the object store as the database of this backup names it."""

    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds. `elsewhere`: records that only the journals of other nodes hold, by node."""

    format: int
    gateway_version: str
    stamp: str
    made_at: str
    node: str
    database: str  # the dialect
    revision: str
    parts: tuple[Part, ...]
    packs: int
    packs_bytes: int
    originals: bool
    elsewhere: dict[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        return sum(part.size_bytes for part in self.parts)


def stamp_of(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%SZ}"


@dataclass(slots=True)
class Archive:
    """One backup being written or read."""

    store: ObjectStore
    stamp: str
    parts: list[Part] = field(default_factory=list)

    def add(self, name: str, path: Path) -> None:
        """Keep a file; its digest is that of the bytes that went out."""
        self.add_first(name, path, path.stat().st_size)

    def add_first(self, name: str, path: Path, size: int) -> None:
        """Keep the first bytes of a file that may grow meanwhile."""
        with path.open("rb") as file:
            self._put(name, file, size)

    def add_bytes(self, name: str, data: bytes) -> None:
        self._put(name, io.BytesIO(data), len(data))

    def close(self, manifest: Manifest) -> None:
        """Write the manifest: from now on there is a backup."""
        data = json.dumps(asdict(manifest), ensure_ascii=False, indent=1).encode()
        self.store.put(self._key(MANIFEST), io.BytesIO(data), len(data))

    def manifest(self) -> Manifest:
        """Raises ObjectMissing; Malformed when it is none of ours, or of a later format."""
        try:
            content: dict[str, Any] = json.loads(self.store.read(self._key(MANIFEST)))
            if content["format"] > FORMAT:
                raise Malformed(f"the backup has format {content['format']}; this version reads {FORMAT}")
            parts = tuple(Part(**part) for part in content.pop("parts"))
            return Manifest(**{**content, "parts": parts, "problems": tuple(content["problems"])})
        except (ValueError, KeyError, TypeError) as error:
            raise Malformed(f"{self.stamp}/{MANIFEST} is no manifest of a backup") from error

    def digest(self, name: str) -> str:
        """Of what is kept now."""
        digest = hashlib.sha256()
        for chunk in self.store.chunks(self._key(name)):
            digest.update(chunk)
        return digest.hexdigest()

    def fetch(self, part: Part, path: Path) -> None:
        """Write a file of the backup to a path; Malformed when it is not what was kept."""
        digest, path_made = hashlib.sha256(), path.parent
        path_made.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("wb") as file:
            path.chmod(0o600)
            for chunk in self.store.chunks(self._key(part.name)):
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != part.sha256:
            raise Malformed(f"{self.stamp}/{part.name} is not what was backed up")

    def read(self, name: str) -> bytes:
        return self.store.read(self._key(name))

    def pack_entries(self) -> Iterator[PackEntry]:
        """The packs, read line by line: a province has hundreds of thousands."""
        rest = b""
        for chunk in self.store.chunks(self._key(PACKS)):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield PackEntry(**json.loads(line))

    def remove(self) -> None:
        """The manifest first: what is left of a removal that is cut short is no backup."""
        self.store.delete(self._key(MANIFEST))
        for key in list(self.store.keys(f"{FOLDER}{self.stamp}/")):
            self.store.delete(key)

    def _put(self, name: str, source: Source, size: int) -> None:
        digesting = Digesting(source)
        self.store.put(self._key(name), digesting, size)
        self.parts.append(Part(name=name, size_bytes=size, sha256=digesting.hexdigest()))

    def _key(self, name: str) -> str:
        return f"{FOLDER}{self.stamp}/{name}"


class Digesting:
    """A source whose SHA-256 is known once it was read."""

    def __init__(self, source: Source) -> None:
        self._source, self._digest = source, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self._digest.update(data)
        return data

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def find_backups(store: ObjectStore) -> list[str]:
    """The stamps of the complete backups, the newest last."""
    found = (key.removeprefix(FOLDER).partition("/") for key in store.keys(FOLDER))
    return sorted(stamp for stamp, _, name in found if name == MANIFEST and _STAMP.fullmatch(stamp))


def get_archive(store: ObjectStore, stamp: str | None) -> Archive:
    """A backup by its stamp, else the newest. Raises ObjectMissing."""
    known = find_backups(store)
    chosen = stamp or (known[-1] if known else None)
    if chosen is None or chosen not in known:
        raise ObjectMissing(stamp or "no backup")
    return Archive(store, chosen)
