"""C-STORE: instances per second, processor time and memory of the listeners, against dcmtk and Orthanc.

The drain is paused: an ingest node's listeners alone. They answer once the instance is synced, as Orthanc does;
storescp syncs nothing. Within a row all receivers take turns; sender and receiver share the machine. Promises are
the lower figure where the limit moves with the disk.
"""

import os
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from statistics import median
from time import perf_counter
from uuid import uuid4

from adapters.dicom.part10 import write_file_meta
from tests.adapters.dicom.wire import EXPLICIT
from tests.bench.blast import CALLED, CALLING, Instance, blast, blast_one_by_one
from tests.bench.corpus import make_corpus
from tests.bench.receivers import (
    Receiver,
    disk_alone,
    ingest_node,
    orthanc,
    secured_ingest_node,
    secured_storescp,
    storescp,
)
from tests.bench.table import Against, Row
from tests.journeys.gateways import dcmtk

WARM_UP = 8
MEGABYTE = 1_000_000

Open = Callable[[Path], AbstractContextManager[Receiver]]
Send = Callable[[Receiver, Sequence[Instance]], float]  # answers seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who we are measured against, what is promised, and how much of the corpus is enough for it."""

    open: Open
    at_least: float | None = None
    count: int | None = None
    send: Send | None = None  # where it is not the row's


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row's work."""

    work: str
    corpus: str
    send: Send
    peers: Sequence[Peer] = ()
    at_least: float | None = None
    count: int | None = None
    ours: Open = ingest_node
    cpu_at_most_ms: float | None = None
    peak_at_most_mb: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One receiver, one turn."""

    rate: float
    cpu_ms: float
    peak_mb: float


def measure(repetitions: int) -> Iterator[Row]:
    """Measure every row."""
    folder = Path(tempfile.mkdtemp(prefix="bench-ingest-"))
    try:
        for number, case in enumerate(CASES):
            yield from _measure_case(case, folder / str(number), repetitions)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure_case(case: Case, folder: Path, repetitions: int) -> Iterator[Row]:
    corpus = _corpus(case.corpus)
    with ExitStack() as stack:
        opened = [case.ours, *(peer.open for peer in case.peers)]
        counts = [case.count, *(peer.count for peer in case.peers)]
        sends = [case.send, *(peer.send or case.send for peer in case.peers)]
        receivers = [stack.enter_context(open_(folder / str(n))) for n, open_ in enumerate(opened)]
        for send, receiver in zip(sends, receivers, strict=True):
            send(receiver, corpus.fresh(WARM_UP))
            receiver.tidy()
        readings: list[list[Reading]] = [[] for _ in receivers]
        for turn in range(repetitions):
            for offset in range(len(receivers)):
                which = (turn + offset) % len(receivers)
                readings[which].append(_read_one(sends[which], receivers[which], corpus.fresh(counts[which])))
    yield from _rows(case, [receiver.name for receiver in receivers], readings)


def _read_one(send: Send, receiver: Receiver, instances: Sequence[Instance]) -> Reading:
    os.sync()
    cpu_s = receiver.cpu_s()
    took = send(receiver, instances)
    reading = Reading(
        rate=len(instances) / took,
        cpu_ms=(receiver.cpu_s() - cpu_s) * 1000 / len(instances),
        peak_mb=receiver.peak_bytes() / MEGABYTE,
    )
    receiver.tidy()
    return reading


def _rows(case: Case, names: Sequence[str], readings: Sequence[Sequence[Reading]]) -> Iterator[Row]:
    rates = [median(one.rate for one in of_one) for of_one in readings]
    cpu_ms = median(one.cpu_ms for one in readings[0])
    peak_mb = max(one.peak_mb for one in readings[0])
    against = [
        Against(peer=name, figure=rate, at_least=peer.at_least)
        for peer, name, rate in zip(case.peers, names[1:], rates[1:], strict=True)
    ]
    remark = f"{cpu_ms:.2f} ms CPU each, {peak_mb:.0f} MB"
    yield Row(
        work=case.work, ours=rates[0], unit="inst/s", against=against, at_least=case.at_least, remark=remark
    )
    if case.cpu_at_most_ms is not None:
        yield Row(work=f"{case.work}: processor time", ours=cpu_ms, unit="ms", at_most=case.cpu_at_most_ms)
    if case.peak_at_most_mb is not None:
        yield Row(work=f"{case.work}: largest process", ours=peak_mb, unit="MB", at_most=case.peak_at_most_mb)


_corpus = cache(make_corpus)


def _blast(receiver: Receiver, instances: Sequence[Instance], **options: int) -> float:
    return blast(receiver.port, instances, **options)  # type: ignore[arg-type]


def _blast_secured(receiver: Receiver, instances: Sequence[Instance]) -> float:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # made for this measurement
    return blast(receiver.port, instances, associations=4, tls=context)


def _one_by_one(receiver: Receiver, instances: Sequence[Instance]) -> float:
    return blast_one_by_one(receiver.port, instances)


def _write_and_sync(receiver: Receiver, instances: Sequence[Instance], *, writers: int) -> float:
    """Each data set into a file of its own, in one call without the interpreter's lock, and synced."""
    assert receiver.folder is not None  # the disk has one

    def write(number: int) -> None:
        with (receiver.folder / f"{uuid4().hex}-{number}").open("wb", buffering=0) as file:
            file.write(instances[number].data_set)
            os.fdatasync(file.fileno())

    began = perf_counter()
    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(len(instances))))
    return perf_counter() - began


def _storescu(receiver: Receiver, instances: Sequence[Instance], *, processes: int) -> float:
    """dcmtk's sender as Debian ships it; its start and its reading of the files are part of the time."""
    with tempfile.TemporaryDirectory(prefix="bench-send-") as folder:
        places = [Path(folder) / str(number) for number in range(processes)]
        for number, instance in enumerate(instances):
            _write_file(places[number % processes] / f"{number}.dcm", instance)
        os.sync()
        command = [
            dcmtk("storescu"),
            "-R",
            "-xe",
            "+sd",
            "--max-send-pdu",
            "131072",
            "-aet",
            CALLING,
            "-aec",
            CALLED,
        ]
        environment = {key: value for key, value in os.environ.items() if key != "TCP_NODELAY"}
        began = perf_counter()
        senders = [
            subprocess.Popen([*command, "127.0.0.1", str(receiver.port), str(place)], env=environment)
            for place in places
        ]
        codes = [sender.wait() for sender in senders]
        took = perf_counter() - began
    if any(codes):
        raise RuntimeError(f"storescu ended with {codes} at {receiver.name}")
    return took


def _write_file(path: Path, instance: Instance) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = write_file_meta(
        sop_class_uid=instance.sop_class_uid, sop_instance_uid=instance.sop_instance_uid,
        transfer_syntax_uid=EXPLICIT, source_ae_title=CALLING,
    )  # fmt: skip
    path.write_bytes(meta + instance.data_set)


CASES: list[Case] = [
    Case(
        work="CT 525 kB, 1 association",
        corpus="ct",
        send=partial(_blast, associations=1),
        peers=[Peer(open=storescp, at_least=0.4), Peer(open=orthanc, at_least=2.2)],
    ),
    Case(
        work="CT, 4 associations",
        corpus="ct",
        send=partial(_blast, associations=4),
        peers=[Peer(open=storescp, at_least=0.55), Peer(open=orthanc, at_least=2.8)],
        cpu_at_most_ms=1.0,
    ),
    Case(
        work="CT, 8 associations",
        corpus="ct",
        send=partial(_blast, associations=8),
        peers=[Peer(open=storescp, at_least=0.5), Peer(open=partial(orthanc, threads=16), at_least=2.2)],
    ),
    Case(
        work="small 6 kB, 4 associations",
        corpus="small",
        send=partial(_blast, associations=4),
        peers=[Peer(open=storescp, at_least=0.25), Peer(open=orthanc, at_least=4)],
    ),
    Case(
        work="DX 18 MB, 4 associations",
        corpus="dx",
        send=partial(_blast, associations=4),
        peers=[
            Peer(open=storescp, at_least=0.8),
            Peer(open=orthanc, at_least=3.5),
            Peer(open=disk_alone, send=partial(_write_and_sync, writers=4)),
        ],
        peak_at_most_mb=150,
    ),
    Case(
        work="stock storescu × 4 (Nagle on), CT",
        corpus="ct",
        send=partial(_storescu, processes=4),
        peers=[Peer(open=partial(orthanc, nagle=True), at_least=4)],
    ),
    Case(
        work="stock storescu × 4 (Nagle on), small",
        corpus="small",
        send=partial(_storescu, processes=4),
        peers=[Peer(open=partial(orthanc, nagle=True), at_least=15, count=400)],
    ),
    Case(
        work="CT in PDUs of 16 KB, 4 associations",
        corpus="ct",
        send=partial(_blast, associations=4, largest_pdu=16384),
        peers=[Peer(open=storescp, at_least=0.5), Peer(open=orthanc)],
    ),
    Case(
        work="CT over TLS 1.3, 4 associations",
        corpus="ct",
        send=_blast_secured,
        ours=secured_ingest_node,
        peers=[Peer(open=secured_storescp, at_least=0.7)],
    ),
    Case(
        work="CT, an association for each instance",
        corpus="ct",
        send=_one_by_one,
        at_least=150,
        peers=[Peer(open=storescp)],
    ),
]
