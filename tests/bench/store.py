"""C-STORE, instances per second: this gateway (durable), dcmtk's storescp and Orthanc, interleaved in one run.

`python -m tests.bench.store`. CT of 526 KB. Every peer has TCP_NODELAY=1. The gateway is the whole process tree of
`gateway demo --no-samples`, with its drain at work; it answers once the instance is synced. Orthanc, too, syncs each
file; `storescp +B` syncs nothing. Sender, receiver and drain share the machine: compare inside one run only.
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from pydicom.uid import CTImageStorage
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sqlalchemy import func, select

from adapters.dicom.part10 import write_file_meta
from gateway.index import Record
from tests.bench.blast import Ct, blast
from tests.gateway.sending import encode
from tests.journeys.gateways import Gateway, dcmtk, listens, wait_for
from tests.servers import find_program, free_ports
from tests.synthetic import make_images

ROWS = 512
EXPLICIT = "1.2.840.10008.1.2.1"
CALLING, CALLED = "DEMO_CT", "GATEWAY"
WARM_UP = 8
REFERENCE = "storescp +B"
# Every measurement sends instances that nobody has seen: this part of all their UIDs counts the measurements.
MARK = "2.25.1000000%06d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A program that listens on a port, and how long to leave it alone after a measurement."""

    name: str
    port: int
    gateway: Gateway | None = None

    def settle(self) -> None:
        """Let it finish what it does behind its answers, so that the next one is not disturbed."""
        if self.gateway is not None:
            self.gateway.wait_until_drained(300)
            wait_for(lambda: _unfiled(self.gateway) == 0, 300, "all is filed")


class Corpus:
    """A CT series as bytes, with other UIDs whenever it is asked for."""

    def __init__(self, count: int) -> None:
        self._number = 0
        self._templates = []
        mark = MARK % 0
        for number, image in enumerate(make_images(count, size=ROWS, patient_id="BENCH"), start=1):
            image.StudyInstanceUID, image.SeriesInstanceUID = f"{mark}1", f"{mark}2"
            uid = f"{mark}3{number:06d}"
            image.SOPInstanceUID = uid
            self._templates.append((uid, encode(image)))

    @property
    def instance_bytes(self) -> int:
        return len(self._templates[0][1])

    def fresh(self, count: int | None = None) -> list[Ct]:
        self._number += 1
        old, new = MARK % 0, MARK % self._number
        return [
            Ct(
                sop_instance_uid=uid.replace(old, new),
                data_set=data_set[:2000].replace(old.encode(), new.encode()) + data_set[2000:],
            )
            for uid, data_set in self._templates[:count]
        ]


def main() -> None:
    options = _read_options()
    console = Console()
    corpus = Corpus(options.instances)
    rates: dict[tuple[str, int, str], list[float]] = defaultdict(list)
    folder = Path(tempfile.mkdtemp(prefix="bench-store-", dir=options.folder))
    try:
        with ExitStack() as stack, Progress(console=console, transient=True) as progress:
            receivers = [stack.enter_context(start(folder)) for start in (_gateway, _storescp, _orthanc)]
            for receiver in receivers:
                _blast(receiver, corpus.fresh(WARM_UP), 1, folder)
                receiver.settle()
            rounds = [
                (n, s) for _ in range(options.repetitions) for n in options.associations for s in SENDERS
            ]
            bar = progress.add_task("sending", total=len(rounds) * len(receivers))
            for turn, (associations, sender) in enumerate(rounds):
                for receiver in receivers[turn % 3 :] + receivers[: turn % 3]:
                    took = _measure(receiver, corpus.fresh(), associations, sender, folder)
                    rates[sender, associations, receiver.name].append(options.instances / took)
                    progress.advance(bar)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    console.print(_table(rates, [receiver.name for receiver in receivers]))
    console.print(
        f"{options.instances} CT of {corpus.instance_bytes / 1000:.0f} kB, median of {options.repetitions}; "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end"
    )


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Instances per second, against dcmtk and Orthanc in one run."
    )
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--instances", type=int, default=150, help="of each measurement")
    parser.add_argument("--associations", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--folder", type=Path, help="where the receivers keep what they receive")
    return parser.parse_args()


def _measure(receiver: Receiver, instances: list[Ct], associations: int, sender: str, folder: Path) -> float:
    os.sync()
    took = SENDERS[sender](receiver, instances, associations, folder)
    receiver.settle()
    return took


def _blast(
    receiver: Receiver, instances: Sequence[Ct], associations: int, _folder: Path | None = None
) -> float:
    return blast(receiver.port, instances, associations=associations, calling=CALLING, called=CALLED)


def _storescu(receiver: Receiver, instances: Sequence[Ct], associations: int, folder: Path) -> float:
    """One process for each association; its start and its reading of the files are part of the time."""
    places = [folder / "send" / str(number) for number in range(associations)]
    for number, one in enumerate(instances):
        _write(places[number % associations] / f"{number}.dcm", one)
    os.sync()
    command = [
        dcmtk("storescu"),
        "-R",
        "-xe",
        "--max-send-pdu",
        "131072",
        "+sd",
        "-aet",
        CALLING,
        "-aec",
        CALLED,
    ]
    began = time.perf_counter()
    senders = [
        subprocess.Popen([*command, "127.0.0.1", str(receiver.port), str(place)], env=_environment())
        for place in places
    ]
    codes = [sender.wait() for sender in senders]
    took = time.perf_counter() - began
    shutil.rmtree(folder / "send")
    if any(codes):
        raise RuntimeError(f"storescu ended with {codes} at {receiver.name}")
    return took


Sender = Callable[[Receiver, Sequence[Ct], int, Path], float]
SENDERS: dict[str, Sender] = {"blast": _blast, "storescu": _storescu}


def _write(path: Path, one: Ct) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = write_file_meta(
        sop_class_uid=CTImageStorage, sop_instance_uid=one.sop_instance_uid, transfer_syntax_uid=EXPLICIT,
        source_ae_title=CALLING,
    )  # fmt: skip
    path.write_bytes(meta + one.data_set)


@contextmanager
def _gateway(folder: Path) -> Iterator[Receiver]:
    with Gateway(folder / "gateway", file_after_s=1) as gateway:
        gateway.start()
        yield Receiver(name="gateway", port=gateway.dicom_port, gateway=gateway)


@contextmanager
def _storescp(folder: Path) -> Iterator[Receiver]:
    place = folder / "storescp"
    place.mkdir()
    (port,) = free_ports(1)
    with _running([dcmtk("storescp"), "-dhl", "--fork", "+B", "-od", str(place), str(port)], port, folder):
        yield Receiver(name=REFERENCE, port=port)


@contextmanager
def _orthanc(folder: Path) -> Iterator[Receiver]:
    program = find_program("Orthanc")
    if program is None:
        raise SystemExit("Orthanc is not installed; it is Debian's package orthanc")
    place = folder / "orthanc"
    place.mkdir()
    port, http_port = free_ports(2)
    settings = {
        "Name": "bench", "StorageDirectory": str(place), "IndexDirectory": str(place), "DicomPort": port,
        "HttpPort": http_port, "DicomAlwaysAllowStore": True, "RemoteAccessAllowed": False, "Plugins": [],
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with _running([program, str(folder / "orthanc.json")], port, folder):
        yield Receiver(name="Orthanc", port=port)


@contextmanager
def _running(command: list[str], port: int, folder: Path) -> Iterator[None]:
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, env=_environment(), stdout=log, stderr=log, cwd=folder)
    try:
        wait_for(lambda: listens(port), 30, f"{command[0]} listens")
        yield
    finally:
        process.terminate()
        process.wait(30)


def _environment() -> dict[str, str]:
    # Without it dcmtk and Orthanc leave Nagle's algorithm on, and every answer waits 40 ms for a delayed ACK.
    return {**os.environ, "TCP_NODELAY": "1"}


def _unfiled(gateway: Gateway | None) -> int:
    assert gateway is not None
    with gateway.session() as session:
        waiting = select(func.count(Record.id)).where(Record.pack_id.is_(None), Record.state != "duplicate")
        return session.scalar(waiting) or 0


def _table(rates: dict[tuple[str, int, str], list[float]], names: list[str]) -> Table:
    table = Table(title="C-STORE, instances/s (ratio to storescp +B)")
    table.add_column("receiver")
    columns = sorted({(sender, associations) for sender, associations, _ in rates})
    for sender, associations in columns:
        table.add_column(f"{sender}\n{associations} assoc.", justify="right")
    for name in names:
        row = []
        for sender, associations in columns:
            own, reference = (median(rates[sender, associations, one]) for one in (name, REFERENCE))
            row.append(f"{own:,.0f} ({own / reference:.2f})")
        table.add_row(name, *row)
    ratios = (
        f"{median(rates[sender, n, 'gateway']) / median(rates[sender, n, 'Orthanc']):.1f} x"
        for sender, n in columns
    )
    table.add_row("gateway : Orthanc", *ratios, style="bold")
    return table


if __name__ == "__main__":
    main()
