"""Broken files: every format's entry lets out nothing but `Malformed`, in bounded time and memory.

Truncations of every sample and mutations with a fixed seed. A small part always runs; GATEWAY_LONG_TESTS=1 runs
every truncation of what is small, a thousand of what is large, and many mutations.
"""

import json
import os
import random
import resource
import signal
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from adapters.ecg.content import content_of
from adapters.ecg.description import describe
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.reading import read_contents
from tests.adapters.ecg.builders import edf, heartbeats, ishne
from tests.adapters.ecg.test_scp_reading import scp
from tests.adapters.ecg.test_wfdb_reading import RECORD, zipped
from tests.samples import samples_dir

LONG = os.environ.get("GATEWAY_LONG_TESTS") == "1"
TRUNCATIONS, MUTATIONS = (1000, 500) if LONG else (12, 12)
SMALL_BYTES = 3000 if LONG else 0  # every truncation of these
WATCHDOG_S = 10
GROWN_KB = 300_000
COUNTS = heartbeats(3, 1000)
BUILT = {
    "ishne": ishne(COUNTS),
    "edf": edf(COUNTS),
    "bdf": edf(COUNTS, bytes_per_sample=3),
    "scp": scp(table="own"),
    "zip": zipped(RECORD),
}
ENTRIES = (
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\xff\xff\xff\x7f",
    b"\0\0\0\x80",
    b"9",
    b"-1",
    b"1e9",
    b"nan",
    b"99999999",
)


@contextmanager
def watchdog(what: str) -> Iterator[None]:
    def bark(*_: object) -> None:
        raise TimeoutError(what)

    before = signal.signal(signal.SIGALRM, bark)
    signal.setitimer(signal.ITIMER_REAL, WATCHDOG_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def outcome(parts: dict[str, bytes], what: str) -> str:
    """What became of it; any exception but a refusal goes through and fails the test."""
    with watchdog(what):
        try:
            recording = read_contents([content_of(data, name) for name, data in parts.items()])
        except NotAnEcg as refusal:
            assert str(refusal) and refusal.chinese
            return refusal.code
        json.dumps(describe(recording), allow_nan=False)
        assert recording.document or recording.window_uv(0, 100).shape[0] == len(recording.leads) > 0
        return "read"


def mutated(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    reach = len(changed) if chance.random() < 0.5 else min(len(changed), 3000)  # headers stand in front
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        at, kind = chance.randrange(reach), chance.randrange(5)
        if kind == 0:
            changed[at] = chance.randrange(256)
        elif kind == 1:
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            entry = chance.choice(ENTRIES)
            changed[at : at + len(entry)] = entry
        elif kind == 3:
            changed[at:at] = chance.randbytes(chance.randrange(1, 20))
        else:
            del changed[at : at + chance.randrange(1, 20)]
            reach = max(1, min(reach, len(changed)))
    return bytes(changed)


def source(name: str) -> dict[str, bytes]:
    if name in BUILT:
        return {name: BUILT[name]}
    if name == "pydicom":
        return {"ecg.dcm": Path(str(get_testdata_file("waveform_ecg.dcm"))).read_bytes()}
    folder = samples_dir() / "ecg"
    if name.startswith("wfdb/"):
        stem = name.removeprefix("wfdb/")
        return {
            path.name: path.read_bytes()
            for path in (folder / "wfdb").glob(f"{stem}.*")
            if path.suffix != ".atr"
        }
    return {Path(name).name: (folder / name).read_bytes()}


SOURCES = [
    *BUILT,
    "pydicom",
    "aecg/empty.xml",
    "aecg/minimum_aecg.xml",
    "aecg/subject1_1.xml",
    "clark/Example.dcm",
    "clark/Example.scp",
    "clark/Example.xml",
    "muse/braveheart-example1.xml",
    "muse/braveheart-example2.xml",
    "sierra/129DYPRG.XML",
    "sierra/ZZDEMOPTONLY_1-04.xml",
    "wfdb/100",
    "wfdb/a103l",
    "wfdb/s0010_re",
    "wfdb/v102s",
]


@pytest.mark.parametrize("name", SOURCES)
def test_no_truncation_of_a_file_is_read_or_breaks_anything(name: str) -> None:
    parts = source(name)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for part, data in parts.items():
        step = 1 if len(data) <= SMALL_BYTES else max(1, len(data) // TRUNCATIONS)
        for end in range(len(data) - 1, 0, -step):
            outcome({**parts, part: data[:end]}, f"{part}[:{end}]")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < GROWN_KB


@pytest.mark.parametrize("name", SOURCES)
def test_no_mutation_of_a_file_breaks_anything(name: str) -> None:
    parts, chance = source(name), random.Random(zlib.crc32(name.encode()))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(MUTATIONS):
        headers = [part for part in parts if part.endswith(".hea")]
        part = chance.choice(headers if headers and chance.random() < 0.8 else list(parts))
        outcome({**parts, part: mutated(parts[part], chance)}, f"{name}, mutation {number}")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < GROWN_KB


@pytest.mark.parametrize(
    "name", ["ishne", "edf", "pydicom", "clark/Example.scp", "clark/Example.dcm", "sierra/129DYPRG.XML"]
)
def test_a_file_that_ends_early_is_refused(name: str) -> None:
    ((part, data),) = source(name).items()

    for end in (len(data) * 9 // 10, len(data) // 2):
        assert outcome({part: data[:end]}, f"{name}[:{end}]") in ("truncated", "damaged")


@pytest.mark.samples
def test_dicom_objects_of_other_kinds_are_refused_or_shown_as_documents() -> None:
    for path in sorted((samples_dir() / "dicom").rglob("*.dcm")):
        if path.stat().st_size < 200_000:
            assert outcome({path.name: path.read_bytes()}, path.name) in (
                "not_an_ecg", "unknown_format", "truncated", "damaged",
            ), path.name  # fmt: skip
