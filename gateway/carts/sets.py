"""Which files are one recording: a WFDB header with the files that it names, everything else by itself.

WFDB header files: https://wfdb.io/spec/header-files.html. A set becomes one plain zip, the same bytes for the same
files, so that a repeat is known by its digest.
"""

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Generic, TypeVar

from gateway.carts.names import read_name

HEADER_BYTES = 1 << 20  # a header of a day in many segments has some hundred kilobytes
MOST_FILES = 2000  # of one set: a monitor's recording may have a segment for every minute of a day
NOTHING_YET = "~"  # a segment, or a signal, of which there is no file
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_COMPANIONS = (
    ".atr",
    ".qrs",
    ".ann",
    ".ecg",
    ".xws",
)  # annotations of a record, which its header does not name

T = TypeVar("T")


def is_header(name: str) -> bool:
    return name.lower().endswith(".hea")


def is_signal(name: str) -> bool:
    """A name that WFDB's signal files have; other formats have it too."""
    return name.lower().endswith((".dat", ".mat", ".xyz"))


def named_files(header: bytes) -> tuple[str, ...]:
    """What a header says that belongs to it, each once; nothing that is no plain name."""
    lines = [line.strip() for line in read_name(header[:HEADER_BYTES]).splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        return ()
    is_of_segments = "/" in lines[0].split()[0]
    names = [line.split()[0] for line in lines[1:]]
    found = [f"{name}.hea" if is_of_segments else name for name in names if name != NOTHING_YET]
    return tuple(dict.fromkeys(name for name in found if is_plain(name)))[:MOST_FILES]


def is_plain(name: str) -> bool:
    """A file beside the header, not a way out of the folder."""
    return name not in {"", ".", ".."} and not any(sign in name for sign in "/\\\0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Generic[T]):
    """Files that are one recording, the header first; `missing` are named and not there."""

    files: tuple[T, ...]
    missing: tuple[str, ...] = ()


def group(files: Mapping[str, T], read_head: Callable[[T], bytes]) -> list[Group[T]]:
    """Put files of one folder together, by their names; those of other folders are no concern of theirs."""
    by_name = {name.lower(): name for name in files}
    groups: list[Group[T]] = []
    used: set[str] = set()
    parts = {
        part
        for name in files
        if is_header(name)
        for part in named_files(read_head(files[name]))
        if is_header(part)
    }
    for name in sorted(files):
        if not is_header(name) or name in parts:
            continue
        wanted, missing = _reach(name, files, by_name, read_head)
        used.update(wanted)
        groups.append(Group(files=tuple(files[one] for one in wanted), missing=tuple(missing)))
    groups += [Group(files=(files[name],)) for name in sorted(files) if name not in used]
    return groups


def _reach(
    header: str, files: Mapping[str, T], by_name: Mapping[str, str], read_head: Callable[[T], bytes]
) -> tuple[list[str], list[str]]:
    """Everything that a header leads to, through those of its segments, and what of it is missing."""
    found, missing, ahead = [header], [], list(reversed(named_files(read_head(files[header]))))
    while ahead and len(found) < MOST_FILES:
        name = ahead.pop()
        there = name if name in files else by_name.get(name.lower())
        if there is None:
            missing.append(name)
        elif there not in found:
            found.append(there)
            if is_header(there):
                ahead += reversed(named_files(read_head(files[there])))
    stem = header[: -len(".hea")].lower()
    found += [
        by_name[stem + end]
        for end in _COMPANIONS
        if stem + end in by_name and by_name[stem + end] not in found
    ]
    return found, missing


def write_zip(target: Path, members: Sequence[tuple[str, Path]]) -> None:
    """One plain zip, stored, its members sorted and without their times."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, path in sorted(members):
            entry = zipfile.ZipInfo(PurePath(name).name, date_time=_LONG_AGO)
            entry.file_size = path.stat().st_size
            with path.open("rb") as source, archive.open(entry, "w") as member:
                while chunk := source.read(1 << 20):
                    member.write(chunk)
