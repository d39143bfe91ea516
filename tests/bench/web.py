"""DICOMweb: searching, metadata and frames, against Orthanc with its DICOMweb plugin on the same instances.

Two gateways, each with two web processes, access checked and audited as ever: one whose CT studies still lie in local
segments (SQLite), one whose studies lie in SeaweedFS alone (PostgreSQL), its cache emptied before each turn. The many
studies that searches walk are rows without bytes in the gateways, small images in Orthanc. Frames are asked for as a
viewer does: each once, four at a time, after the metadata of their series.

Orthanc has its defaults, which are its fastest: HTTP keep-alive and TCP_NODELAY on, 50 threads. What a frame costs it
grows with its studies (its look-up of a UID: 2 to 3 ms of processor with 300 of them, 10 with 10,000), so frames
are compared with an Orthanc that has FEW. Clients read into one buffer: they share the two cores with what they ask.
"""

import http.client
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import httpx
from sqlalchemy import func, select

from gateway.database import open_engine, open_sessions
from gateway.index import Record
from tests.bench.blast import Instance, blast
from tests.bench.corpus import Corpus
from tests.bench.many import write_studies
from tests.bench.receivers import orthanc
from tests.bench.table import Against, Row
from tests.gateway.sending import encode
from tests.journeys.gateways import PASSWORD, Gateway, wait_for
from tests.servers import Postgres, SeaweedFs, running
from tests.synthetic import make_images

STUDIES, FEW, SLICES, SERIES = 10_000, 300, 200, 2
LARGEST_BYTES = 4 << 20  # of an answer with a frame
CLIENTS, GETS = 4, 20
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
DICOM_JSON = "application/dicom+json"
OCTETS = 'multipart/related; type="application/octet-stream"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A DICOMweb service and what is in it. `forget` empties what it may have kept for reading."""

    name: str
    http_port: int
    root: str
    headers: Mapping[str, str] = field(default_factory=dict)
    forget: Callable[[], None] = lambda: None

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.http_port)

    def get(self, connection: http.client.HTTPConnection, path: str, accept: str) -> bytes:
        connection.request("GET", self.root + path, headers={**self.headers, "Accept": accept})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{self.name} answered {answer.status} to {path}: {body[:300]!r}")
        return body


class Line:
    """One connection that reads answer after answer into one buffer."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._socket = socket.create_connection(("127.0.0.1", site.http_port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._view = memoryview(bytearray(LARGEST_BYTES))
        fields = {"Host": f"127.0.0.1:{site.http_port}", "Accept": OCTETS, **site.headers}
        self._fields = "".join(f"{name}: {value}\r\n" for name, value in fields.items())

    def get(self, path: str) -> int:
        """How many bytes the body has."""
        self._socket.sendall(f"GET {self._site.root}{path} HTTP/1.1\r\n{self._fields}\r\n".encode())
        received, end = 0, -1
        while end < 0:
            count = self._socket.recv_into(self._view[received:])
            if not count:
                raise RuntimeError(f"{self._site.name} closed the connection at {path}")
            received += count
            end = bytes(self._view[: min(received, 8192)]).find(b"\r\n\r\n")
        head = bytes(self._view[:end]).decode("latin-1").split("\r\n")
        fields = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
        }
        if head[0].split()[1] != "200" or "content-length" not in fields:
            raise RuntimeError(f"{self._site.name} answered {head} to {path}")
        size = int(fields["content-length"])
        left = end + 4 + size - received
        while left > 0:
            count = self._socket.recv_into(self._view[received:], left, socket.MSG_WAITALL)
            if not count:
                raise RuntimeError(f"{self._site.name} closed the connection within {path}")
            received, left = received + count, left - count
        return size

    def close(self) -> None:
        self._socket.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class SentSeries:
    """A series that every site has."""

    instances: Sequence[Instance]

    @property
    def path(self) -> str:
        return f"/studies/{self._mark}1/series/{self._mark}2"

    @property
    def study(self) -> str:
        return f"/studies/{self._mark}1"

    @property
    def frames(self) -> list[str]:
        return [f"{self.path}/instances/{one.sop_instance_uid}/frames/1" for one in self.instances]

    @property
    def _mark(self) -> str:
        return self.instances[0].sop_instance_uid[: -len("3000001")]


def measure(repetitions: int) -> Iterator[Row]:
    """Measure every row."""
    folder = Path(tempfile.mkdtemp(prefix="bench-web-"))
    corpus = Corpus(SLICES, modality="CT", size=512)
    sent = [SentSeries(instances=corpus.fresh()) for _ in range(SERIES)]
    try:
        with ExitStack() as stack:
            peer = stack.enter_context(_orthanc(folder / "orthanc", sent, studies=STUDIES))
            quick = stack.enter_context(_orthanc(folder / "quick", sent, studies=FEW))
            local = stack.enter_context(_local(folder / "local", sent))
            yield from _measure_reading(local, peer, sent, repetitions)
            yield _frames_row("local", local, quick, sent, repetitions, at_least=1.5)
            far = stack.enter_context(_far(folder / "far", sent))
            yield from _measure_far(far, peer, repetitions)
            yield _frames_row("from S3", far, quick, sent, repetitions, at_least=0.8)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure_reading(local: Site, peer: Site, sent: Sequence[SentSeries], repetitions: int) -> Iterator[Row]:
    first = sent[0]
    opened = {site.name: _first_time(site, f"{first.path}/metadata") for site in (local, peer)}
    searches = (
        (f"QIDO, 50 of {STUDIES:,} studies", "/studies?limit=50", 10.0),
        (
            f"QIDO, 50 of {STUDIES:,} studies, the last ones",
            f"/studies?limit=50&offset={STUDIES - 500}",
            None,
        ),
        (f"QIDO, {SLICES} instances of a series", f"{first.path}/instances?limit={SLICES}", 40.0),
        (f"metadata of {SLICES} instances", f"{first.path}/metadata", 40.0),
    )
    for work, path, at_most in searches:
        times = _in_turn((local, peer), repetitions, partial(_median_ms, path=path))
        yield Row(
            work=work, ours=median(times[local.name]), unit="ms", at_most=at_most, remark="p50",
            against=[Against(peer=peer.name, figure=median(times[peer.name]))],
        )  # fmt: skip
    yield Row(
        work=f"metadata of {SLICES} instances that nobody opened before", ours=opened[local.name], unit="ms",
        against=[Against(peer=peer.name, figure=opened[peer.name])],
    )  # fmt: skip


def _measure_far(far: Site, peer: Site, repetitions: int) -> Iterator[Row]:
    times = _in_turn((far, peer), repetitions, partial(_median_ms, path="/studies?limit=50"))
    yield Row(
        work=f"QIDO, 50 of {STUDIES:,} studies, PostgreSQL", ours=median(times[far.name]), unit="ms", at_most=10.0,
        remark="p50", against=[Against(peer=peer.name, figure=median(times[peer.name]))],
    )  # fmt: skip


def _frames_row(
    where: str, ours: Site, peer: Site, sent: Sequence[SentSeries], repetitions: int, *, at_least: float
) -> Row:
    rates = _in_turn((ours, peer), repetitions, partial(_frames_per_s, sent=sent))
    return Row(
        work=f"WADO-RS CT frames, {CLIENTS} clients, two web processes, {where}", ours=median(rates[ours.name]),
        unit="/s", against=[Against(peer=peer.name, figure=median(rates[peer.name]), at_least=at_least)],
    )  # fmt: skip


def _in_turn(
    sites: Sequence[Site], repetitions: int, take: Callable[[Site], float]
) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {site.name: [] for site in sites}
    for turn in range(repetitions):
        for site in sites if turn % 2 else reversed(sites):
            figures[site.name].append(take(site))
    return figures


def _first_time(site: Site, path: str) -> float:
    began = perf_counter()
    site.get(site.connect(), path, DICOM_JSON)
    return (perf_counter() - began) * 1000


def _median_ms(site: Site, *, path: str) -> float:
    connection = site.connect()  # a new one each time: Orthanc drops what is idle for a second
    site.get(connection, path, DICOM_JSON)
    times = []
    for _ in range(GETS):
        began = perf_counter()
        site.get(connection, path, DICOM_JSON)
        times.append((perf_counter() - began) * 1000)
    connection.close()
    return median(times)


def _frames_per_s(site: Site, *, sent: Sequence[SentSeries]) -> float:
    for series in sent:
        site.get(site.connect(), f"{series.path}/metadata", DICOM_JSON)
    site.forget()  # what the metadata were read from holds the images too
    paths = [path for series in sent for path in series.frames]
    waiting, lock = iter(paths), threading.Lock()
    failures: list[Exception] = []

    def read_some() -> None:
        line = Line(site)
        try:
            while True:
                with lock:
                    path = next(waiting, None)
                if path is None:
                    break
                line.get(path)
        except Exception as error:
            failures.append(error)
        line.close()

    readers = [threading.Thread(target=read_some) for _ in range(CLIENTS)]
    began = perf_counter()
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    if failures:
        raise failures[0]
    return len(paths) / (perf_counter() - began)


# The sites


@contextmanager
def _local(folder: Path, sent: Sequence[SentSeries]) -> Iterator[Site]:
    with Gateway(folder, web_workers=2) as gateway:
        gateway.start()
        _fill(gateway, sent)
        yield _site(gateway, "this gateway")


@contextmanager
def _far(folder: Path, sent: Sequence[SentSeries]) -> Iterator[Site]:
    with running(Postgres) as postgres, running(SeaweedFs) as store:
        settings = {"database_url": postgres.url(), "object_store": store.url(), "cache_bytes": 0}
        with Gateway(folder, web_workers=2, **settings) as gateway:
            gateway.start()
            _fill(gateway, sent)
            gateway.restart()  # the listener's last segment is ended by that, filed, and goes
            wait_for(lambda: _is_far(gateway), 120, "no original is local", gateway.log)
            packs = gateway.settings.cache_dir / "packs"
            yield _site(gateway, "this gateway", forget=lambda: shutil.rmtree(packs, ignore_errors=True))


@contextmanager
def _orthanc(folder: Path, sent: Sequence[SentSeries], *, studies: int) -> Iterator[Site]:
    if not PLUGIN.exists():
        raise SystemExit(
            "Orthanc's DICOMweb plugin is not installed; it is Debian's package orthanc-dicomweb"
        )
    with orthanc(folder, plugins=[PLUGIN]) as receiver:
        if receiver.http_port is None:
            raise RuntimeError("Orthanc was started without HTTP")
        blast(receiver.port, list(_small_studies(studies)), associations=CLIENTS)
        for series in sent:
            blast(receiver.port, series.instances, associations=CLIENTS)
        name = f"Orthanc with {studies:,} studies"
        yield Site(name=name, http_port=receiver.http_port, root="/dicom-web")


def _site(gateway: Gateway, name: str, *, forget: Callable[[], None] = lambda: None) -> Site:
    token = wait_for(lambda: _sign_in(gateway), 120, "a reader is signed in", gateway.log)
    headers = {"Authorization": f"Bearer {token}"}
    return Site(name=name, http_port=gateway.http_port, root="/dicomweb", headers=headers, forget=forget)


def _sign_in(gateway: Gateway) -> str | None:
    """None while the database is busy filing what was sent just now."""
    answer = httpx.post(
        f"{gateway.base_url}/api/v1/session", json={"username": "reader", "password": PASSWORD}, timeout=60
    )
    if answer.status_code not in {200, 503}:
        raise RuntimeError(f"signing in was answered {answer.status_code}: {answer.text[:300]}")
    return str(answer.json()["token"]) if answer.status_code == 200 else None


def _fill(gateway: Gateway, sent: Sequence[SentSeries]) -> None:
    engine = open_engine(gateway.settings.database)
    with open_sessions(engine).begin() as session:
        write_studies(session, STUDIES)
    engine.dispose()
    for series in sent:
        blast(gateway.dicom_port, series.instances, associations=CLIENTS)
    gateway.wait_until_drained(300)


def _is_far(gateway: Gateway) -> bool:
    with gateway.session() as session:
        return not session.scalar(select(func.count()).select_from(Record).where(Record.local))


def _small_studies(count: int) -> Iterator[Instance]:
    """Each a study of its own, of a patient of its own; made from one by replacing what is of the same length."""
    (image,) = make_images(1, size=16, patient_id="Q0000000", modality="DX")
    image.StudyInstanceUID, image.SeriesInstanceUID = "2.25.7700000001", "2.25.7700000002"
    image.SOPInstanceUID = "2.25.7700000003"
    template, sop_class = encode(image), str(image.SOPClassUID)
    for number in range(count):
        named = template.replace(b"2.25.770000000", f"2.25.78{number:07d}".encode())
        yield Instance(
            sop_class_uid=sop_class,
            sop_instance_uid=f"2.25.78{number:07d}3",
            data_set=named.replace(b"Q0000000", f"Q{number:07d}".encode()),
        )
