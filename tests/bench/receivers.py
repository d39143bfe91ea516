"""Who receives: an ingest node of ours without its drain, dcmtk's storescp, and Orthanc, each on a port of its own.

What they write is cut to nothing between measurements, and removed only at the very end: ext4 makes creating files
slow for minutes after many were removed. `nagle`: as Debian ships a peer, which then waits 40 ms for each answer's
acknowledgement; all others have TCP_NODELAY=1, as ours always has.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from gateway.journal import journals
from gateway.journal.segment import SEGMENT_BYTES, segment_path
from gateway.settings import Settings
from tests.bench.blast import CALLING
from tests.bench.processes import cpu_s, peak_bytes
from tests.journeys.gateways import dcmtk, listens, wait_for
from tests.servers import find_program, free_ports

QUIET_S = 60.0
_NEVER_FULL = 64 << 30  # bytes in the journal
# A program of its own, so that what this one has loaded does not count as memory of the listeners.
_LISTENERS = """
from gateway.ingest import ingest_children
from gateway.processes import Supervisor
from gateway.settings import Settings

children = ingest_children(Settings())
del children["drain"]
Supervisor(children=children).run()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A program that listens on a port."""

    name: str
    port: int
    process: psutil.Process
    outputs: Callable[[], list[Path]]  # files that nobody needs any more
    is_quiet: Callable[[], bool] = lambda: True  # it does nothing of its own accord now
    http_port: int | None = None
    folder: Path | None = None  # of the disk alone

    def tidy(self) -> None:
        """Give the disk back, and let it come to rest, so that it does not disturb who is measured next."""
        for path in self.outputs():
            os.truncate(path, 0)
        wait_for(self.is_quiet, QUIET_S, f"{self.name} is quiet")

    def cpu_s(self) -> float:
        """Processor time of everything that it runs, so far."""
        return sum(map(cpu_s, self._workers()))

    def peak_bytes(self) -> int:
        """The most memory that any one of its processes had."""
        return max(map(peak_bytes, self._workers()))

    def _workers(self) -> list[psutil.Process]:
        return self.process.children() or [self.process]


@contextmanager
def ingest_node(folder: Path, **settings: object) -> Iterator[Receiver]:
    """The listeners of `gateway ingest`, two as in `docker/compose.yaml` unless told otherwise, and nothing behind them."""
    folder.mkdir(parents=True)
    port, tls_port = free_ports(2)
    values: dict[str, Any] = {
        "data_dir": folder, "dicom_port": port, "dicom_tls_port": tls_port, "mllp_port": 0, "mllp_tls_port": 0,
        "astm_port": 0, "astm_tls_port": 0,
        "journal_bytes": _NEVER_FULL,
        "ingest_workers": 2, **settings
    }  # fmt: skip
    configured = Settings(**values)
    configured.directory_snapshot.write_text(json.dumps(_directory()))
    command = [sys.executable, "-c", _LISTENERS]
    with _running(command, port, folder, {**os.environ, **configured.environment()}) as process:
        yield Receiver(
            name="this gateway",
            port=tls_port if configured.tls_certificate else port,
            process=process,
            outputs=lambda: list(_ended_segments(configured.journal_dir)),
            is_quiet=lambda: _is_prepared(configured.journal_dir),
        )


@contextmanager
def secured_ingest_node(folder: Path) -> Iterator[Receiver]:
    """The same, heard on its TLS port."""
    key, certificate = _make_certificate(folder.with_suffix(".tls"))
    with ingest_node(folder, tls_key=key, tls_certificate=certificate) as receiver:
        yield receiver


@contextmanager
def secured_storescp(folder: Path) -> Iterator[Receiver]:
    """dcmtk's receiver behind TLS; it asks for no certificate, as ours does not here."""
    key, certificate = _make_certificate(folder.with_suffix(".tls"))
    with storescp(folder, options=("+tls", str(key), str(certificate), "-ic")) as receiver:
        yield receiver


@contextmanager
def storescp(folder: Path, *, options: tuple[str, ...] = ()) -> Iterator[Receiver]:
    """dcmtk's own receiver, a process for each association, writing what it hears and syncing nothing."""
    (folder / "out").mkdir(parents=True)
    (port,) = free_ports(1)
    command = [dcmtk("storescp"), "--fork", "+B", "-od", str(folder / "out"), *options, str(port)]
    with _running(command, port, folder, _environment(nagle=False)) as process:
        yield Receiver(name="storescp +B", port=port, process=process, outputs=lambda: _files(folder / "out"))


@contextmanager
def disk_alone(folder: Path) -> Iterator[Receiver]:
    """No receiver at all: what the disk itself takes, for a row that is the disk's."""
    (folder / "out").mkdir(parents=True)
    yield Receiver(
        name="the disk alone, synced", port=0, process=psutil.Process(), folder=folder / "out",
        outputs=lambda: _files(folder / "out"),
    )  # fmt: skip


@contextmanager
def orthanc(
    folder: Path, *, nagle: bool = False, threads: int = 4, plugins: Sequence[Path] = ()
) -> Iterator[Receiver]:
    """Orthanc with its defaults: SQLite, a file for each instance, each synced."""
    program = find_program("Orthanc")
    if program is None:
        raise SystemExit("Orthanc is not installed; it is Debian's package orthanc")
    (folder / "out").mkdir(parents=True)
    port, http_port = free_ports(2)
    settings = {
        "Name": "bench", "StorageDirectory": str(folder / "out"), "IndexDirectory": str(folder),
        "DicomPort": port, "HttpPort": http_port, "DicomAlwaysAllowStore": True, "RemoteAccessAllowed": False,
        "Plugins": [str(plugin) for plugin in plugins], "DicomThreadsCount": threads,
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with _running([program, str(folder / "orthanc.json")], port, folder, _environment(nagle)) as process:
        name = "Orthanc as shipped" if nagle else "Orthanc"
        yield Receiver(
            name=name, port=port, process=process, outputs=lambda: _files(folder / "out"), http_port=http_port
        )


@contextmanager
def _running(
    command: list[str], port: int, folder: Path, environment: dict[str, str]
) -> Iterator[psutil.Process]:
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        wait_for(lambda: listens(port) or process.poll() is not None, 30, f"{command[0]} listens")
        if process.poll() is not None:
            raise RuntimeError(f"{command[0]} ended: {(folder / 'log').read_text()[-2000:]}")
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def _make_certificate(folder: Path) -> tuple[Path, Path]:
    folder.mkdir(parents=True)
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return key, certificate


def _environment(nagle: bool) -> dict[str, str]:
    own = {key: value for key, value in os.environ.items() if key != "TCP_NODELAY"}
    return own if nagle else {**own, "TCP_NODELAY": "1"}


def _files(folder: Path) -> list[Path]:
    return [Path(where) / name for where, _, names in os.walk(folder) for name in names]


def _is_prepared(journal: Path) -> bool:
    """The listeners have written what space they prepare for the next records."""
    live = [
        (segment, journal / state.id)
        for state in journals(journal)
        for segment in state.segments
        if not segment.ended
    ]
    return all(
        segment.size_bytes < SEGMENT_BYTES // 2
        and segment_path(folder, segment.number, "seg").stat().st_size >= SEGMENT_BYTES
        for segment, folder in live
    )


def _ended_segments(root: Path) -> Iterator[Path]:
    for state in journals(root):
        for segment in state.segments:
            if segment.ended:
                yield root / state.id / f"{segment.number:08d}.{'single' if segment.single else 'seg'}"


def _directory() -> dict[str, object]:
    """One device that may send, as the directory's snapshot says it."""
    device = {
        "ae_title": CALLING, "device_id": str(uuid4()), "institution_id": str(uuid4()), "address": None,
        "character_set": None, "enabled": True, "institution_enabled": True,
    }  # fmt: skip
    return {"format": 1, "version": 0, "accept_unknown_devices": [], "devices": [device]}
