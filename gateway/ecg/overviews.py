"""A long recording at coarser resolutions, made once: a day is drawn without reading a day.

A file beside the cache's others: a line of JSON, then for each level the pairs (`thinning.pairs_of`) of all its
stretches, lead by lead, float32. Each level has an eighth of the one before. It may be deleted; it is made again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from adapters.ecg.recording import EcgRecording
from gateway.ecg.thinning import Values, pairs_of, pairs_of_window
from gateway.file_cache import FileCache

FORMAT = 1
FINEST = 64  # samples of a stretch of the finest level, at least
STEP = 8
FINEST_VALUES_LIMIT = 4 << 20  # float32 of the finest level: 16 MiB while it is made
_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """An open file of levels; `levels` says samples of a stretch → (where it begins, stretches)."""

    path: Path
    leads: int
    levels: Mapping[int, tuple[int, int]]

    def window(self, start: int, stop: int, stretch: int) -> Values | None:
        """Pairs of the samples from `start` to `stop`, of the coarsest level as fine as that; None when none is."""
        fitting = [size for size in self.levels if size <= stretch]
        if not fitting:
            return None
        size = max(fitting)
        begin, stretches = self.levels[size]
        first, last = start // size, min(stretches, -(-stop // size))
        with self.path.open("rb") as file:
            rows = [_read(file, begin + lead * stretches * 8, first, last) for lead in range(self.leads)]
        return np.stack(rows)


def open_overview(files: FileCache, name: str, recording: EcgRecording) -> Overview | None:
    """The levels of a recording, made if they are not there; None when the disk has no room for them."""
    path = files.path(name)
    found = _open(path)
    if found is None:
        _make(files, name, recording)
        found = _open(path)
    if found is not None:
        files.note_use(path)
    return found


def _open(path: Path) -> Overview | None:
    try:
        with path.open("rb") as file:
            line = file.readline()
            said: dict[str, Any] = json.loads(line)
    except (FileNotFoundError, ValueError):
        return None
    if said.get("format") != FORMAT:
        return None
    levels, begin = {}, len(line)
    for size, stretches in said["levels"]:
        levels[int(size)] = (begin, int(stretches))
        begin += said["leads"] * stretches * 2 * _FLOAT_BYTES
    return Overview(path=path, leads=said["leads"], levels=levels) if path.stat().st_size == begin else None


def _read(file: BinaryIO, begin: int, first: int, last: int) -> Values:
    file.seek(begin + first * 2 * _FLOAT_BYTES)
    return np.frombuffer(file.read((last - first) * 2 * _FLOAT_BYTES), dtype=np.float32)


def _make(files: FileCache, name: str, recording: EcgRecording) -> None:
    finest = FINEST
    while 2 * len(recording.leads) * recording.samples / finest > FINEST_VALUES_LIMIT:
        finest *= 2
    levels = {finest: pairs_of_window(recording, 0, recording.samples, finest)}
    size = finest
    while levels[size].shape[1] > 2 * STEP:
        levels[size * STEP] = pairs_of(levels[size], 2 * STEP)
        size *= STEP
    head = {
        "format": FORMAT,
        "leads": len(recording.leads),
        "levels": [[size, values.shape[1] // 2] for size, values in levels.items()],
    }
    with files.growing(name, expected_bytes=sum(values.nbytes for values in levels.values())) as file:
        file.write(json.dumps(head).encode() + b"\n")
        for values in levels.values():
            for lead in values:
                file.write(lead.tobytes())
