"""The laboratory: results acknowledged over HL7 and ASTM, filed onto the worklist, idle lines, and a large message.

A message has 25 results. The listeners run in the process that a gateway runs them in, with a journal of their own;
senders are plain sockets in threads of this process, so they share the machine with it. "Filed" is the drain at work
on what was acknowledged: parsed, mapped, judged by the shipped rules, on the worklist.
"""

import multiprocessing
import os
import resource
import shutil
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psutil
from sqlalchemy import func, select

from adapters.lab.sending import send as send_astm
from gateway.doors import Door, listen
from gateway.intake import Drain
from gateway.lab.process import run_lab
from gateway.lab.rows import LabMessage, MessageState
from gateway.preparation import prepare
from gateway.processes import collect_seldom, keep_what_is_loaded
from gateway.runtime import Runtime, open_runtime
from gateway.settings import Settings
from gateway.snapshot import write_snapshot
from tests.bench.table import Row
from tests.builders import add_agreement, build_county
from tests.servers import Postgres, free_ports, running
from worklists import patients
from worklists.base import new_id
from worklists.directory import Centre, Device, Kind
from worklists.laboratory.dictionary import LabItem, Scale
from worklists.laboratory.profiles import AnalyserProfile
from worklists.laboratory.specimens import LabSpecimen
from worklists.patients import PatientIdentity
from worklists.reading import ReadingTask, TaskState

RESULTS, MESSAGES, FILED, IDLE = 25, 1500, 1600, 10_000
IN_PARTS = 200  # messages
WARMED_BY = 80  # messages before what is measured: a drain that runs for months has loaded what it needs
LINES = 8
LARGE_BYTES = 10 << 20
START, END = b"\x0b", b"\x1c\x0d"
DESCRIPTORS = 1024  # besides idle lines
TIMEOUT_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Laboratory:
    """An installation with one analyser, and its listeners in a process of their own."""

    runtime: Runtime
    items: tuple[tuple[str, str], ...]  # codes with a value that nothing is wrong with
    hl7_port: int
    astm_port: int
    process: psutil.Process


def measure(repetitions: int) -> Iterator[Row]:
    """Acknowledged, then filed on both databases, then what idles and what is large."""
    folder = Path(tempfile.mkdtemp(prefix="bench-lab-"))
    collect_seldom()  # as in every process of a gateway
    try:
        with _laboratory(folder / "acknowledged") as lab:
            yield from _acknowledged(lab, repetitions)
        with _laboratory(folder / "sqlite") as lab:
            yield from _filed(lab, "SQLite")
        with running(Postgres) as database, _laboratory(folder / "pg", database_url=database.url()) as lab:
            yield from _filed(lab, "PostgreSQL")
        with _laboratory(folder / "idle") as lab:
            yield _idle(lab)
        with _laboratory(folder / "large") as lab:
            yield _beside_a_large_one(lab)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _acknowledged(lab: Laboratory, repetitions: int) -> Iterator[Row]:
    for connections in (1, 8, 64):
        rates, slowest = [], []
        for turn in range(repetitions):
            rate, latencies = _blast(lab, connections, f"A{connections}T{turn}")
            rates.append(rate)
            slowest.append(_p99_ms(latencies))
        work = f"ORU of {RESULTS} results, {connections} connections"
        promised = 1000 if connections == 64 else None
        yield Row(
            work=f"{work}: acknowledged", ours=statistics.median(rates), unit="msg/s", at_least=promised
        )
        yield Row(work=f"{work}: acknowledgement, p99", ours=statistics.median(slowest), unit="ms")
    yield _in_parts(lab)
    for connections in (1, 8, 64):
        rate = _blast_astm(lab, connections)
        work = f"ASTM of {RESULTS} results in as many frames, {connections} connections"
        yield Row(work=f"{work}: acknowledged", ours=rate, unit="msg/s")


def _filed(lab: Laboratory, database: str) -> Iterator[Row]:
    """Specimens that nobody ordered, then specimens that were registered with all that is tested."""
    _file(lab, "W", WARMED_BY)
    keep_what_is_loaded()
    yield _filing(lab, "F", f"without orders, {database}")
    _register(lab, [_barcode("O", line, place) for line in range(LINES) for place in range(FILED // LINES)])
    yield _filing(lab, "O", f"with orders, {database}")


def _filing(lab: Laboratory, name: str, of_what: str) -> Row:
    took_s, cpu_s = _file(lab, name, FILED)
    return Row(
        work=f"{FILED} ORU of {RESULTS} results: filed and on the worklist, {of_what}", ours=FILED / took_s,
        unit="msg/s", at_least=200, remark=f"{1000 * cpu_s / FILED:.1f} ms of the drain's processor time each",
    )  # fmt: skip


def _file(lab: Laboratory, name: str, messages: int) -> tuple[float, float]:
    """Seconds that it took, and seconds of the drain's processor time."""
    _blast(lab, LINES, name, messages=messages)
    known = _count_filed(lab)
    drain, cpu, began = Drain(lab.runtime), time.process_time(), time.perf_counter()
    while drain.index_new():
        pass
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    if _count_filed(lab) - known != messages:
        raise RuntimeError(f"{_count_filed(lab) - known} of {messages} messages were filed")
    return took_s, cpu_s


def _count_filed(lab: Laboratory) -> int:
    """Messages that became examinations which wait for a reader."""
    with lab.runtime.reading() as session:
        filed = select(func.count()).select_from(LabMessage).where(LabMessage.state == MessageState.FILED)
        waiting = select(func.count()).select_from(ReadingTask).where(ReadingTask.state == TaskState.WAITING)
        return min(session.scalar(filed) or 0, session.scalar(waiting) or 0)


def _register(lab: Laboratory, barcodes: Sequence[str]) -> None:
    codes = [code for code, _ in lab.items]
    with lab.runtime.sessions.begin() as session:
        township = session.scalars(select(Device.institution_id).where(Device.ae_title == "BENCH")).one()
        for barcode in barcodes:
            who = PatientIdentity(
                patient_id=f"P{barcode}", name="仇^明", sex="M", birth_date=date(1970, 1, 1)
            )
            session.add(
                LabSpecimen(
                    id=new_id(), institution_id=township, barcode=barcode, items=codes,
                    patient=patients.create(session, township, who), registered_at=lab.runtime.now(),
                )
            )  # fmt: skip


def _idle(lab: Laboratory) -> Row:
    _allow(IDLE + DESCRIPTORS)
    with ExitStack() as lines:
        for place in range(IDLE):
            # The listener counts lines by peer: each source address may have a thousand.
            source = (f"127.0.{1 + place // 1000}.1", 0)
            lines.enter_context(socket.create_connection(("127.0.0.1", lab.hl7_port), TIMEOUT_S, source))
        time.sleep(1)
        held = (
            lab.process.net_connections()
            if hasattr(lab.process, "net_connections")
            else lab.process.connections()
        )
        here = sum(one.status == psutil.CONN_ESTABLISHED for one in held)
        memory_mb = lab.process.memory_info().rss / 1e6
    return Row(work=f"{here:,} idle lines: memory of the listeners", ours=memory_mb, unit="MB", at_most=300)


def _beside_a_large_one(lab: Laboratory) -> Row:
    """How long others wait for their acknowledgement while 10 MB of results arrive, again and again."""
    over = threading.Event()
    large = _oru(lab, "LARGE", repeated=LARGE_BYTES)

    def send_large() -> None:
        with socket.create_connection(("127.0.0.1", lab.hl7_port), TIMEOUT_S) as line:
            while not over.is_set():
                _say(line, large)

    sender = threading.Thread(target=send_large)
    alone = _p99_ms(_blast(lab, 4, "L0", messages=200)[1])
    sender.start()
    try:
        beside = _p99_ms(_blast(lab, 4, "L1", messages=200, pause_s=0.02)[1])
    finally:
        over.set()
        sender.join()
    return Row(
        work="acknowledgement beside messages of 10 MB, p99", ours=beside, unit="ms", at_most=alone + 50,
        remark=f"alone {alone:.1f} ms",
    )  # fmt: skip


def _blast(
    lab: Laboratory, connections: int, name: str, *, messages: int = MESSAGES, pause_s: float = 0
) -> tuple[float, list[float]]:
    """Messages per second, and the seconds that each waited for its acknowledgement."""
    latencies: list[float] = []

    def one_line(number: int, count: int) -> None:
        own, said = [], [_oru(lab, _barcode(name, number, place)) for place in range(count)]
        with socket.create_connection(("127.0.0.1", lab.hl7_port), TIMEOUT_S) as line:
            for message in said:
                began = time.perf_counter()
                _say(line, message)
                own.append(time.perf_counter() - began)
                time.sleep(pause_s)
        latencies.extend(own)

    took = _at_once(connections, lambda number: one_line(number, messages // connections))
    if len(latencies) != messages // connections * connections:
        raise RuntimeError("a line broke off")
    return len(latencies) / took, latencies


def _in_parts(lab: Laboratory) -> Row:
    """A sender with Nagle's algorithm on (RFC 896) holds the second part back until the first is acknowledged."""
    took_s = []
    with socket.create_connection(("127.0.0.1", lab.hl7_port), TIMEOUT_S) as line:
        for place in range(IN_PARTS):
            message = _oru(lab, _barcode("N", 0, place))
            began = time.perf_counter()
            line.sendall(message[: len(message) // 2])
            _say(line, message[len(message) // 2 :])
            took_s.append(time.perf_counter() - began)
    return Row(
        work="ORU written in two parts by a sender with Nagle's algorithm on: acknowledgement, median",
        ours=statistics.median(took_s) * 1000, unit="ms", at_most=20, remark="40 ms and more where a kernel delays",
    )  # fmt: skip


def _blast_astm(lab: Laboratory, connections: int) -> float:
    each = max(MESSAGES // 10 // connections, 2)

    def one_line(number: int) -> None:
        said = [_astm(lab, f"S{connections}C{number}M{place}") for place in range(each)]
        for _ in send_astm(said, "127.0.0.1", lab.astm_port):
            pass

    return each * connections / _at_once(connections, one_line)


def _at_once(count: int, deed: Callable[[int], None]) -> float:
    threads = [threading.Thread(target=deed, args=(number,)) for number in range(count)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def _say(line: socket.socket, message: bytes) -> None:
    line.sendall(message)
    answer = b""
    while not answer.endswith(END):
        part = line.recv(65_536)
        if not part:
            raise RuntimeError("the listener hung up")
        answer += part
    if b"MSA|AA" not in answer:
        raise RuntimeError(f"not accepted: {answer!r}")


def _barcode(name: str, line: int, place: int) -> str:
    return f"{name}C{line}M{place}"


def _oru(lab: Laboratory, barcode: str, *, repeated: int = 0) -> bytes:
    lines = [
        f"MSH|^~\\&|BENCH||LIS||20261121143000||ORU^R01|{barcode}|P|2.3.1||||||UNICODE UTF-8",
        f"PID|1||P{barcode}||仇^明||19700101|M",
        f"OBR|1||{barcode}|CBC|||20261121142500",
        *(
            f"OBX|{place}|NM|{code}||{value}||||||F|||20261121142900"
            for place, (code, value) in enumerate(lab.items, 1)
        ),
    ]
    text = "\r".join(lines) + "\r"
    if repeated:
        filler = "OBX|99|TX|NOTE||" + "x" * 200 + "||||||F\r"
        text += filler * (repeated // len(filler))
    return START + text.encode() + END


def _astm(lab: Laboratory, barcode: str) -> bytes:
    lines = [
        "H|\\^&|||BENCH|||||||P|LIS2-A2|20261121143000",
        f"P|1||P{barcode}||仇^明||19700101|M",
        f"O|1|{barcode}||^^^CBC|R",
        *(f"R|{place}|^^^{code}|{value}|||N||F" for place, (code, value) in enumerate(lab.items, 1)),
        "L|1|N",
    ]
    return ("\r".join(lines) + "\r").encode()


@contextmanager
def _laboratory(folder: Path, **settings: str) -> Iterator[Laboratory]:
    hl7_port, astm_port = free_ports(2)
    own = Settings(data_dir=folder, **settings)  # type: ignore[arg-type]
    prepare(own)
    runtime = open_runtime(own)
    items = _fill(runtime)
    # As a gateway does it, but for the supervisor: a process of its own that never saw this one's threads.
    serving = multiprocessing.get_context("spawn").Process(target=_serve, args=(own, hl7_port, astm_port))
    serving.start()
    try:
        _wait_for_port(hl7_port)
        yield Laboratory(
            runtime=runtime, items=items, hl7_port=hl7_port, astm_port=astm_port, process=psutil.Process(serving.pid)
        )  # fmt: skip
    finally:
        serving.terminate()
        serving.join(TIMEOUT_S)
        runtime.readers.close()
        runtime.journal.close()
        runtime.engine.dispose()


def _serve(settings: Settings, hl7_port: int, astm_port: int) -> None:
    doors = [
        Door(name="hl7", listener=listen("127.0.0.1", hl7_port)),
        Door(name="astm", listener=listen("127.0.0.1", astm_port)),
    ]
    os.environ["PYTHONUNBUFFERED"] = "1"
    run_lab(settings, doors)


def _fill(runtime: Runtime) -> tuple[tuple[str, str], ...]:
    """A county with a laboratory and an analyser that says the dictionary's codes; 25 of them, each with a usual value."""
    with runtime.sessions.begin() as session:
        county = build_county(session)
        centre = Centre(
            id=new_id(), institution_id=county.lead.id, kind=Kind.LABORATORY, name="县域检验中心", review_required=False
        )  # fmt: skip
        session.add(centre)
        add_agreement(session, county.lead, county.east, kind=Kind.LABORATORY)
        wanted = select(LabItem).where(LabItem.scale == Scale.QUANTITATIVE).order_by(LabItem.code)
        rows = session.scalars(wanted).all()
        units = {one.code: one.unit for one in rows}
        usual = [(one.code, _usual(one)) for one in rows]
        items = tuple((code, value) for code, value in usual if value is not None)[:RESULTS]
        content = {"tests": {code: {"item": code, "unit": units[code]} for code, _ in items}}
        session.add(
            AnalyserProfile(
                code="bench", name="bench", wire="hl7", version=1, content=content, changed_at=runtime.now()
            )
        )
        session.flush()
        session.add(
            Device(
                id=new_id(), institution_id=county.east.id, ae_title="BENCH", sender="BENCH", name="bench",
                modality="LAB", profile_code="bench", without_order=True,
            )
        )  # fmt: skip
        session.flush()
        write_snapshot(session, runtime.settings.directory_snapshot)
    return items


def _usual(item: LabItem) -> str | None:
    adults = [one for one in item.ranges if one.low is not None and one.high is not None]
    if not adults:
        return None
    low, high = adults[-1].low, adults[-1].high
    return f"{(low + high) / 2:.3g}" if low is not None and high is not None else None


def _allow(descriptors: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(descriptors, hard), hard))


def _wait_for_port(port: int) -> None:
    until = time.monotonic() + TIMEOUT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


def _p99_ms(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98] * 1000
