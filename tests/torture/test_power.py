"""The power goes: only what was synced counts, and all that was acknowledged was synced."""

import asyncio
import os
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from gateway.journal import Journal, journals, read_body, read_new
from tests.journeys.gateways import run_dcmtk, wait_for
from tests.synthetic import data_sets_of, write_study
from tests.torture.conftest import LONG, NewInstallation
from tests.torture.disks import SmallDisk
from tests.torture.modality import Modality, uids_of
from tests.torture.tally import count
from tests.torture.verifying import assert_nothing_lost

pytestmark = [pytest.mark.xdist_group("torture-power"), pytest.mark.timeout(1800)]

SEED = int(os.environ.get("TORTURE_SEED", "20261122"))
CUTS = 20 if LONG else 2
LARGE_SIZE = 1500
PAGE = 4096


def test_what_was_acknowledged_survives_power_cuts(new_installation: NewInstallation, tmp_path: Path) -> None:
    """Journal, database and originals lie on one disk, from which the power is taken while studies arrive."""
    chance = random.Random(SEED)
    originals: dict[str, bytes] = {}
    accepted: set[str] = set()
    left: list[Path] = []
    with SmallDisk(tmp_path, size_mb=900) as disk:
        one = new_installation(
            folder=disk.path, journal_bytes=64 << 20, cache_bytes=4 << 20, file_after_s=0.2
        )
        os.sync()  # the county was copied there a moment ago, by nobody who promised anything
        for number in range(CUTS):
            files = write_study(tmp_path / f"small-{number}", 60, size=96, patient_id=f"POWER-{number}")
            files[20:20] = write_study(
                tmp_path / f"large-{number}", 1, size=LARGE_SIZE, patient_id=f"POWER-{number}"
            )
            originals |= data_sets_of(files)
            one.start()
            with Modality(one.dicom_port, files, at_once=15) as modality:
                # A slow machine has taken none by the time that a fast one took all: every second cut comes later.
                wanted = 15 * chance.randint(0 if number % 2 else 2, 3)
                wait_for(lambda: len(modality.accepted) >= wanted, 120, "some are taken", one.log)  # noqa: B023
                time.sleep(chance.uniform(0.0, 1.0))
                disk.cut_power()
            one.kill()
            disk.restore_power()
            accepted |= uids_of(modality.accepted)
            left += files[len(modality.accepted) :]
        one.start()
        with Modality(one.dicom_port, left) as modality:
            wait_for(lambda: modality.is_done, 120, "the rest is taken", one.log)
        assert len(accepted) > 10 * CUTS, "the power went too early to show anything"
        assert_nothing_lost(one, set(originals), originals)
        one.kill()


def test_pages_that_were_not_synced_may_come_in_any_order_or_not_at_all(tmp_path: Path) -> None:
    """A disk writes what was not synced as it likes, page by page: no torn record is taken for one."""
    chance = random.Random(SEED)
    bodies = [chance.randbytes(chance.randint(1, 6 * PAGE)) for _ in range(14)]
    acknowledged = 5
    dead, segment, synced_to = crash_with_tail(tmp_path, bodies, acknowledged)
    image = segment.read_bytes()
    for _ in range(2000 if LONG else 150):
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(dead, copy)
        (copy / segment.relative_to(dead)).write_bytes(as_left_by_the_disk(image, synced_to, chance))
        found = bodies_in(copy)
        assert found[:acknowledged] == bodies[:acknowledged]
        assert set(found) <= set(bodies), "a torn record was taken for a whole one"
        count("disks with torn pages")


def test_a_large_instance_whose_rename_was_lost_was_never_acknowledged_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    """Its rename is synced before the answer (see the system calls below); without it there is a part that goes."""

    async def scene() -> None:
        journal = Journal.create(tmp_path, node="n", limit_bytes=1 << 30)
        for body in (b"small", bytes(5 << 20)):
            entry = journal.open("dicom", {})
            entry.write(body)
            await entry.commit()
        await journal.close()

    asyncio.run(scene())
    [single] = tmp_path.glob("*/*.single")
    single.rename(single.with_suffix(".part"))
    assert bodies_in(tmp_path) == [b"small"]
    assert not list(tmp_path.glob("*/*.part"))


# By the kernel (Linux AIO), or in a thread.
SYNC_OF_SEGMENT = r"(fdatasync\(\d+<|IOCB_CMD_FDSYNC, .*aio_fildes=\d+<).*\.seg>"


def test_nothing_is_answered_before_file_and_folder_are_synced(
    new_installation: NewInstallation, tmp_path: Path
) -> None:
    """The system calls of a listener, in their order: written, synced, then answered."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    small = write_study(tmp_path / "small", 3, size=64)
    large = write_study(tmp_path / "large", 1, size=LARGE_SIZE)
    one = new_installation(ingest_workers=1).start()
    wait_for(lambda: list(one.data_dir.glob("run/ingest-*.json")), 60, "the listener runs", one.log)
    trace = tmp_path / "trace"
    tracers = [
        subprocess.Popen(
            [
                *("strace", "-f", "-y", "-s", "1", "-p", str(process.pid), "-o", f"{trace}-{process.pid}"),
                *(
                    "-e",
                    "trace=openat,write,writev,pwritev,pwritev2,pwrite64,sendto,sendmsg,fsync,fdatasync,rename,"
                    "io_submit,io_getevents",
                ),
            ],
            stderr=subprocess.DEVNULL,
        )
        for process in one.processes()[1:]
    ]
    time.sleep(1)
    assert [tracer.poll() for tracer in tracers] == [None] * len(tracers), "strace may not attach here"
    for files in (small, large):
        assert run_dcmtk("storescu", one.dicom_port, *files).returncode == 0
    for tracer in tracers:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)
    one.kill()
    lines = next(text for text in texts(tmp_path) if re.search(r"rename\(.*\.part", text)).splitlines()

    created = first(lines, r"openat.*\.seg.*O_CREAT")
    first_sync = first(lines, SYNC_OF_SEGMENT, after=created)
    folder = completed(lines, first(lines, r"fsync\(\d+<.*journal/[0-9a-f]{32}>", after=created))
    assert folder < first_sync, "the new segment's name is synced before anything in it counts"
    # The answer to a large one waits for no shared segment, where notes go on.
    streamed = first(lines, r"openat.*\.part.*O_CREAT")
    syncs = [n for n, line in enumerate(lines[:streamed]) if re.search(SYNC_OF_SEGMENT, line)]
    assert len(syncs) >= len(small)
    for begun in syncs:
        written = max(n for n in range(begun) if re.search(r"pwritev2?\(\d+<.*\.seg>", lines[n]))
        assert not answers(lines, written, completed(lines, begun))
    synced = completed(lines, first(lines, r"fdatasync\(\d+<.*\.part>", after=streamed))
    renamed = first(lines, r"rename\(.*\.part.*\.single", after=synced)
    folder = completed(lines, first(lines, r"fsync\(\d+<.*journal/[0-9a-f]{32}>", after=renamed))
    assert not answers(lines, streamed, folder)
    assert len(answers(lines, 0, streamed)) == len(small)
    assert len(answers(lines, folder, len(lines))) == len(large)


def texts(folder: Path) -> list[str]:
    return [path.read_text() for path in folder.glob("trace-*")]


def first(lines: list[str], pattern: str, *, after: int = 0) -> int:
    return next(n for n in range(after, len(lines)) if re.search(pattern, lines[n]))


def completed(lines: list[str], begun: int) -> int:
    """The line in which a call that another thread interrupted in the trace came back, or the kernel told of a sync."""
    if "io_submit" in lines[begun]:
        return first(lines, r"io_getevents(\(| resumed).*res=0", after=begun)
    if "<unfinished" not in lines[begun]:
        return begun
    thread, call = lines[begun].split()[0], re.split(r"[ (]+", lines[begun])[1]
    return first(lines, rf"^{thread} +<\.\.\. {call} resumed", after=begun)


def answers(lines: list[str], start: int, end: int) -> list[int]:
    """Where C-STORE-RSPs were sent: by their length, which nothing else has that a listener says to a peer."""
    sent = re.compile(r"(sendto|sendmsg|write|writev)\(\d+<(socket|TCP).* = (\d+)$")
    found = [(n, sent.search(lines[n])) for n in range(start, end)]
    return [n for n, hit in found if hit and 80 < int(hit[3]) < 1000]


def crash_with_tail(tmp_path: Path, bodies: list[bytes], acknowledged: int) -> tuple[Path, Path, int]:
    """A journal as a crash leaves it: some records acknowledged, the others written and not synced."""
    live, dead = tmp_path / "live", tmp_path / "dead"

    async def scene() -> None:
        journal = Journal.create(live, node="n", limit_bytes=1 << 30)
        for number, body in enumerate(bodies):
            if number == acknowledged:
                shutil.copytree(live, dead)
            entry = journal.open("dicom", {"peer": "CT"})
            entry.write(body)
            await entry.commit()
        await journal.close()

    asyncio.run(scene())
    [segment] = dead.glob("*/*.seg")
    synced_to = segment.stat().st_size
    shutil.copy(live / segment.relative_to(dead), segment)
    return dead, segment, synced_to


def as_left_by_the_disk(image: bytes, synced_to: int, chance: random.Random) -> bytes:
    """Behind what was synced: each page written, not written (zeros), or another page's; the file of any length."""
    length = chance.randint(synced_to, len(image))
    pages = [image[at : at + PAGE] for at in range(0, len(image), PAGE)]
    torn = b""
    for number, page in enumerate(pages):
        torn += (
            chance.choice([page, page, bytes(len(page)), chance.choice(pages)]) if number * PAGE > 0 else page
        )
    return (image[:synced_to] + torn[synced_to:])[:length]


def bodies_in(root: Path) -> list[bytes]:
    [state] = journals(root)
    return [read_body(root, record.location) for record in read_new(root, state, {}).records]
