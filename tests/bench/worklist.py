"""The worklist of a community of three years: a million examinations, 27 institutions, four centres, 5,000 open tasks.

On PostgreSQL. Each page is asked ASK times with other words, through the product's own code and through a running
gateway, whose sweep and drain go on beside it. Then so many browsers hold the event stream while somebody claims a
task: how long until each has heard, and how many transactions the database had of their waiting.
"""

import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
from sqlalchemy import create_engine, select, text
from sqlalchemy.orm import Session

from gateway import accounts
from gateway.demo_county import make_county
from gateway.preparation import prepare
from gateway.runtime import Runtime, open_runtime
from gateway.settings import Settings
from gateway.web import examinations, worklist
from gateway.web.deps import Caller
from tests.bench.table import Row
from tests.bench.worklist_rows import Community, Name, write_community
from tests.builders import add_agreement
from tests.journeys.gateways import PASSWORD, Gateway
from tests.servers import Postgres, running
from worklists.access import Subject
from worklists.base import new_id
from worklists.directory import Centre, Institution, InstitutionKind, Kind, Person

ASK, INSTITUTIONS = 40, 27
P95_MS, HEARD_S = 50, 2
BROWSERS, WATCHED_S = 100, 30
TOLD_AFTER_S = (
    12  # PostgreSQL hears of an idle backend's transactions up to 10 s later (PGSTAT_IDLE_INTERVAL)
)
KINDS = (Kind.IMAGING, Kind.ECG, Kind.LABORATORY, Kind.PATHOLOGY)

Parameters = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A page that somebody asks for, with other words each time."""

    what: str
    who: str
    path: str
    asked: Callable[[int], Parameters]


def measure(_repetitions: int) -> Iterator[Row]:
    """The rows, the pages, the browsers."""
    folder = Path(tempfile.mkdtemp(prefix="bench-worklist-"))
    try:
        with running(Postgres) as database:
            settings = Settings(data_dir=folder / "data", database_url=database.url())  # type: ignore[call-arg]
            runtime = open_runtime(settings)
            yield from _written(runtime)
            yield from ask_all(runtime)
            with Gateway(folder / "gateway", database_url=settings.database) as gateway:
                yield from _over_http(gateway.start(), _questions(runtime))
                yield from asyncio.run(_browsers(gateway, runtime))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _written(runtime: Runtime) -> Iterator[Row]:
    began = time.perf_counter()
    community = make_community(runtime)
    engine = create_engine(runtime.settings.database)  # of its own: the product's looks foreign keys up
    rows = sum(count for what, count in write_community(engine, community) if "index" not in what)
    engine.dispose()
    took_s = time.perf_counter() - began
    yield Row(work="a community written", ours=took_s, unit="s", at_most=300, remark=f"{rows:,} rows")


def make_community(runtime: Runtime) -> Community:
    """The demonstration county with as many townships as are wanted."""
    prepare(runtime.settings)
    with runtime.sessions.begin() as session:
        county = make_county(session, password=accounts.hash_password(PASSWORD), now=runtime.now())
        lead = county.institutions["MH-H01"]
        townships = [
            one
            for one in county.institutions.values()
            if one.kind is InstitutionKind.TOWNSHIP and one.lead is lead
        ]
        for number in range(INSTITUTIONS - 1 - len(townships)):
            one = Institution(
                id=new_id(), code=f"MH-N{number:02}", name=f"第{number}卫生院", kind=InstitutionKind.TOWNSHIP,
                region=lead.region, lead_id=lead.id,
            )  # fmt: skip
            session.add(one)
            session.flush()
            townships.append(one)
            for kind in KINDS:
                add_agreement(session, lead, one, kind=kind)
        centres = session.scalars(select(Centre).where(Centre.institution_id == lead.id))
        return Community(
            townships=tuple(one.id.hex for one in townships),
            centres={one.kind: one.id.hex for one in centres},
            reader=session.scalars(select(Person.id).where(Person.username == "reader")).one().hex,
        )


def ask_all(runtime: Runtime) -> Iterator[Row]:
    """The query path: what the routes do, without HTTP."""
    with runtime.reading() as session:
        people = session.scalars(select(Person).where(Person.username.in_(["reader", "radiographer"])))
        callers = {one.username: _caller(one) for one in people}
    for question in _questions(runtime):

        def ask(n: int, question: Question = question) -> None:
            _call(question, callers[question.who], runtime, question.asked(n))

        yield _row(f"{question.what}: without HTTP", _times(ask))


def _over_http(gateway: Gateway, questions: list[Question]) -> Iterator[Row]:
    clients = {name: gateway.sign_in(name) for name in ("reader", "radiographer")}
    for question in questions:

        def ask(n: int, question: Question = question) -> None:
            clients[question.who].get(question.path, params=question.asked(n)).raise_for_status()

        yield _row(f"{question.what}: over HTTP", _times(ask))
    for client in clients.values():
        client.close()


def _call(question: Question, caller: Caller, runtime: Runtime, asked: Parameters) -> object:
    q, modality, states = asked.get("q", ""), asked.get("modality", ""), asked.get("state")
    if question.path.endswith("/worklist"):
        wanted = worklist.Filter(q=q, modality=modality, site=asked.get("site", ""))
        state = [worklist.TaskState(states)] if states else None
        return worklist.list_worklist(caller, runtime, wanted, state=state, limit=50)
    return examinations.list_examinations(caller, runtime, q=q, study="", limit=50)


def _questions(runtime: Runtime) -> list[Question]:
    with runtime.reading() as session:
        people = _people(session)
        sites = session.scalars(select(Institution.code).where(Institution.code.like("MH-N%"))).all()
    reader = {"who": "reader", "path": "/api/v1/worklist"}
    township = {"who": "radiographer", "path": "/api/v1/examinations"}

    def typed(part: str) -> Callable[[int], Parameters]:
        return lambda n: {"q": people[n][part]}

    return [
        Question(what="worklist, first page with its counts", asked=lambda _n: {}, **reader),
        Question(what="… of a modality", asked=lambda n: {"modality": ("CT", "DX", "US")[n % 3]}, **reader),
        Question(what="… of a township", asked=lambda n: {"site": sites[n % len(sites)]}, **reader),
        Question(what="… signed", asked=lambda _n: {"state": "signed"}, **reader),
        Question(what="… a name typed", asked=typed("han"), **reader),
        Question(what="… a surname typed", asked=typed("surname"), **reader),
        Question(what="… pinyin typed", asked=typed("pinyin"), **reader),
        Question(what="… initials typed", asked=typed("initials"), **reader),
        Question(what="… the last 4 of a card typed", asked=typed("tail4"), **reader),
        Question(what="… the last 6 of a card typed", asked=typed("tail6"), **reader),
        Question(what="… a patient's number typed", asked=typed("number"), **reader),
        Question(what="township, what was sent, first page with its counts", asked=lambda _n: {}, **township),
        Question(what="township, a name typed", asked=typed("han"), **township),
        Question(what="township, initials typed", asked=typed("initials"), **township),
    ]


def _people(session: Session) -> list[dict[str, str]]:
    """Other ones for each time that somebody is asked for, from all over the years."""
    name = Name.of("n")
    found = session.execute(
        text(
            f"SELECT {name.han}, {name.surname} || {name.given}, {name.initials}, national_id, patient_id FROM "
            "(SELECT substr(patient_id, 2)::bigint AS n, national_id, patient_id FROM patient "
            "WHERE national_id IS NOT NULL) AS known WHERE n % 6151 = 17 ORDER BY n"
        )
    )
    return [
        {
            "han": han, "surname": han[0], "pinyin": pinyin, "initials": initials, "tail4": card[-4:],
            "tail6": card[-6:], "number": number,
        }
        for han, pinyin, initials, card, number in found
    ]  # fmt: skip


async def _browsers(gateway: Gateway, runtime: Runtime) -> list[Row]:
    """They hold the stream; somebody claims a task."""
    alone = await asyncio.to_thread(_transactions_per_s, runtime)
    client = gateway.sign_in("reader")
    limits = httpx.Limits(max_connections=BROWSERS)
    heard: list[float] = []
    open_now = asyncio.Semaphore(0)
    async with httpx.AsyncClient(
        base_url=gateway.base_url, cookies=client.cookies, timeout=60, limits=limits
    ) as browsers:
        waiting = [asyncio.create_task(_listen(browsers, open_now, heard)) for _ in range(BROWSERS)]
        for _ in range(BROWSERS):
            await asyncio.wait_for(open_now.acquire(), 60)
        watched = await asyncio.to_thread(_transactions_per_s, runtime)
        began = time.perf_counter()
        await asyncio.to_thread(_claim, client)
        await asyncio.gather(*waiting)
    client.close()
    slowest = max(heard) - began
    return [
        Row(work=f"{BROWSERS} browsers hear that a task was claimed, the last one", ours=slowest, unit="s",
            at_most=HEARD_S),
        Row(work=f"transactions of the database while {BROWSERS} browsers wait", ours=watched, unit="/s",
            at_most=alone * 1.05, remark=f"{alone:.1f} without them"),
    ]  # fmt: skip


async def _listen(browsers: httpx.AsyncClient, open_now: asyncio.Semaphore, heard: list[float]) -> None:
    async with browsers.stream("GET", "/api/v1/events") as stream:
        stream.raise_for_status()
        async for line in stream.aiter_lines():
            if line.startswith("retry"):
                open_now.release()
            if line.startswith("data:") and "worklist" in line:
                heard.append(time.perf_counter())
                return


def _claim(client: httpx.Client) -> None:
    listed = client.get("/api/v1/worklist", params={"state": "waiting"}).json()["items"]
    client.post(f"/api/v1/tasks/{listed[0]['task_id']}/claim").raise_for_status()


def _transactions_per_s(runtime: Runtime) -> float:
    """What the database counts in a while of nothing but waiting, once it has heard of what was before."""
    time.sleep(TOLD_AFTER_S)

    def count() -> int:
        with runtime.reading() as session:
            session.execute(text("SELECT pg_stat_clear_snapshot()"))
            query = text("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
            return session.scalar(query) or 0

    before, began = count(), time.perf_counter()
    time.sleep(WATCHED_S)
    return (count() - before) / (time.perf_counter() - began)


def _times(ask: Callable[[int], None]) -> list[float]:
    """In milliseconds, after one that does not count."""
    ask(0)
    times = []
    for n in range(ASK):
        began = time.perf_counter()
        ask(n)
        times.append((time.perf_counter() - began) * 1000)
    return times


def _row(work: str, times: list[float]) -> Row:
    p95 = statistics.quantiles(times, n=20)[-1]
    remark = f"p50 {statistics.median(times):.0f}"
    return Row(work=f"{work}, p95", ours=p95, unit="ms", at_most=P95_MS, remark=remark)


def _caller(person: Person) -> Caller:
    return Caller(
        subject=Subject.of(person), person_id=person.id, username=person.username, name=person.name, language="zh",
        address="", token_hash="",
    )  # fmt: skip
