"""A database of ten million instances: what the product asks of it regularly, and how long that takes.

    python -m tests.bench.large --database-url sqlite:////data/large.sqlite3 --studies 1000000    writes it, then asks
    python -m tests.bench.large --database-url postgresql+psycopg://…                             asks what is there

By hand: on the project's machine writing takes a quarter of an hour and 15 GB. Everything is asked through the
product's own code, ASK times, after one time that does not count; medians. What is changed is rolled back, but for
the studies that the drain indexes.
"""

import argparse
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import create_engine, select, update

from gateway import accounts, audit, name_index, tasks, work
from gateway.demo_county import make_county
from gateway.dicomweb.attributes import Level
from gateway.dicomweb.search import read_query, search
from gateway.filing import Filing, waiting_to_be_filed
from gateway.index import Record
from gateway.journal import measure_usage
from gateway.preparation import prepare
from gateway.probes import Probes
from gateway.runtime import Runtime, open_runtime
from gateway.settings import Settings
from gateway.system import Overseer
from gateway.web import examinations, overview, returns, worklist
from gateway.web.deps import Caller
from tests.bench.large_rows import JOURNAL, UID, County, Size, write_large
from tests.gateway.web.stored import file_of, keep
from tests.synthetic import make_images
from worklists import patient_index, routing
from worklists.access import Subject
from worklists.directory import Centre, Institution, InstitutionKind, Kind, Person

ASK = 5
SEGMENTS = 1000
BATCH = 20  # instances that the drain indexes at a time here


def main() -> None:
    """Write what is to be written, ask, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--studies", type=int, help="write so many first, ten instances each")
    arguments = parser.parse_args()
    console = Console(width=140)
    with tempfile.TemporaryDirectory(prefix="bench-large-") as folder:
        settings: dict[str, Any] = {"data_dir": Path(folder), "database_url": arguments.database_url}
        runtime = open_runtime(Settings(**settings))
        if arguments.studies:
            _write(runtime, arguments.studies, console)
        table = Table("what is asked", "ms")
        for what, ask in _questions(runtime):
            took_ms = _median_ms(ask)
            console.print(f"{took_ms:10.1f} ms  {what}")
            table.add_row(what, f"{took_ms:,.1f}")
        console.print(table)


def _median_ms(ask: Callable[[], object]) -> float:
    ask()
    times = []
    for _ in range(ASK):
        began = time.perf_counter()
        ask()
        times.append((time.perf_counter() - began) * 1000)
    return median(times)


def _write(runtime: Runtime, studies: int, console: Console) -> None:
    prepare(runtime.settings)
    with runtime.sessions.begin() as session:
        make_county(session, password=accounts.hash_password(uuid.uuid4().hex), now=runtime.now())
    with runtime.reading() as session:
        townships = select(Institution.id).where(Institution.kind == InstitutionKind.TOWNSHIP)
        county = County(
            townships=tuple(one.hex for one in session.scalars(townships.order_by(Institution.code))),
            centre=session.scalars(select(Centre.id).where(Centre.kind == Kind.IMAGING)).all()[0].hex,
            reader=session.scalars(select(Person.id).where(Person.username == "reader")).one().hex,
        )
    runtime.engine.dispose()
    # Of its own: the product's syncs, and looks foreign keys up.
    engine = create_engine(runtime.settings.database)
    for what, count in write_large(engine, county, Size(studies=studies)):
        console.print(f"written: {count:,} {what}")
    engine.dispose()
    began = time.perf_counter()
    while name_index.index_new(runtime):
        pass
    console.print(f"names indexed in {time.perf_counter() - began:.0f} s")


def _questions(runtime: Runtime) -> Iterator[tuple[str, Callable[[], object]]]:
    with runtime.reading() as session:
        found = {
            person.username: person
            for person in session.scalars(
                select(Person).where(Person.username.in_(["reader", "radiographer", "auditor"]))
            )
        }
        callers = {name: _caller(person) for name, person in found.items()}
    yield from _searches(runtime, callers["reader"].subject)
    yield from _pages(runtime, callers["reader"], callers["radiographer"])
    yield from _standing(runtime)
    yield from _drain(runtime, callers["radiographer"].subject.institution_id)


def _searches(runtime: Runtime, subject: Subject) -> Iterator[tuple[str, Callable[[], object]]]:
    asked = {
        "the newest 50 studies": {},
        "50 studies behind 100,000": {"offset": "100000"},
        "PatientName, whole": {"PatientName": "LI^123456=李^123456"},
        "PatientName, its beginning": {"PatientName": "LI^12345*"},
        "PatientName, somewhere in it": {"PatientName": "*^12345*"},
        "PatientName of nobody": {"PatientName": "WANG^NOBODY"},
        "PatientName, fuzzy": {"PatientName": "李12345", "fuzzymatching": "true"},
        "PatientID": {"PatientID": "P123456"},
        "PatientID, its beginning": {"PatientID": "P12345*"},
        "PatientBirthDate": {"PatientBirthDate": "19600229"},
        "StudyDate, a day": {"StudyDate": "20220229-20220301"},
        "StudyDate, a year": {"StudyDate": "2022" + "0101-20221231"},
        "AccessionNumber": {"AccessionNumber": "A123456"},
        "AccessionNumber of none": {"AccessionNumber": "NONE"},
        "StudyInstanceUID": {"StudyInstanceUID": f"{UID}.123456"},
        "ModalitiesInStudy that none has": {"ModalitiesInStudy": "MR"},
    }
    for what, parameters in asked.items():
        query = read_query(Level.STUDY, [("limit", "50"), *parameters.items()])

        def ask(query: Any = query) -> object:
            with runtime.reading() as session:
                return search(session, subject, query, "http://localhost/dicomweb")

        yield f"QIDO studies: {what}", ask
    query = read_query(Level.INSTANCE, [("SOPInstanceUID", f"{UID}.123456.1.1234560")])

    def instance() -> object:
        with runtime.reading() as session:
            return search(session, subject, query, "http://localhost/dicomweb")

    yield "QIDO instances: SOPInstanceUID", instance


def _pages(
    runtime: Runtime, reader: Caller, radiographer: Caller
) -> Iterator[tuple[str, Callable[[], object]]]:
    def work_of(q: str = "") -> object:
        return worklist.list_worklist(reader, runtime, worklist.Filter(q=q, modality="", site=""), limit=50)

    yield "worklist, first page with its counts", work_of
    yield "worklist, a name typed", lambda: work_of("李999999")
    yield "worklist, a number typed", lambda: work_of("P123456")
    yield "township, overview", lambda: overview.read_overview(radiographer, runtime)
    yield (
        "township, what was sent, first page with its counts",
        lambda: examinations.list_examinations(radiographer, runtime, q="", study="", limit=50),
    )
    yield (
        "township, what came back, first page",
        lambda: returns.list_returns(radiographer, runtime, q="", limit=50),
    )


def _standing(runtime: Runtime) -> Iterator[tuple[str, Callable[[], object]]]:
    yield (
        "/metrics, /api/v1/system, gateway status: first look",
        lambda: Overseer(runtime, Probes(runtime)).look(),
    )
    overseer = Overseer(runtime, Probes(runtime))
    yield "/metrics, /api/v1/system, gateway status: the next looks", overseer.look

    def within(deed: Callable[[Any], object]) -> Callable[[], object]:
        def ask() -> object:
            with runtime.sessions() as session:  # nothing of it is committed
                return deed(session)

        return ask

    yield "sweep: what is due", within(lambda session: work.due(session, runtime.now(), limit=50))
    yield (
        "sweep: who is to be matched",
        within(lambda session: patient_index.find_unmatched(session, limit=200)),
    )
    yield (
        "sweep: what waits for a centre",
        within(lambda session: routing.assign_waiting(session, runtime.now())),
    )
    yield "sweep: claims that expired", within(lambda session: tasks.find_expired(session, runtime.now()))
    yield "sweep: audit to be sealed", within(audit.seal)
    yield "drain: what is to be filed", within(lambda session: Filing(runtime)._due_groups(session))
    yield (
        "drain: whether anything is unfiled",
        within(lambda session: session.scalar(select(Record.id).where(waiting_to_be_filed()).limit(1))),
    )
    yield (
        "drain: a segment of 500 records is evicted",
        within(
            lambda session: session.execute(
                update(Record).where(Record.journal == JOURNAL, Record.segment == 7).values(local=False)
            )
        ),
    )


def _drain(runtime: Runtime, institution_id: uuid.UUID) -> Iterator[tuple[str, Callable[[], object]]]:
    def index() -> None:
        keep(runtime, map(file_of, make_images(BATCH, size=16)), institution_id=institution_id)

    yield f"drain: {BATCH} instances of a new study, journalled and indexed", index
    folder = runtime.settings.data_dir / "segments" / "a"
    folder.mkdir(parents=True)
    for number in range(SEGMENTS):
        (folder / f"{number:08d}.seg").write_bytes(b"")
    yield f"measure_usage of {SEGMENTS:,} segments", lambda: measure_usage(folder.parent)


def _caller(person: Person) -> Caller:
    return Caller(
        subject=Subject.of(person), person_id=person.id, username=person.username, name=person.name, language="en",
        address="", token_hash="",
    )  # fmt: skip


if __name__ == "__main__":
    main()
