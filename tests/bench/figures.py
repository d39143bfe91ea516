"""How long the head's figures take over a million examinations: every measure by everything, a month, a year, all.

    python -m tests.bench.million --database-url …     once
    python -m tests.bench.figures --database-url … [--measure M] [--by B]

Asked through the product's own code, as somebody who oversees all four centres, and the lists behind numbers, what
waits now, and a member's month besides. A cell is how long it took, the median of ASK, and of the least of them how
much processor it was: on a machine that others use only the latter says much. The database's processor is added where
the database runs here.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from os import sysconf
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table
from sqlalchemy import select, text

from gateway.rows import MODULES
from gateway.runtime import Runtime, open_runtime
from gateway.settings import Settings
from gateway.web import figures, quality
from gateway.web.deps import Caller
from gateway.web.figure_shapes import Narrowed
from tests.bench.million import HEAD
from worklists.access import Subject
from worklists.directory import Institution, InstitutionKind, Person
from worklists.errors import Invalid
from worklists.figures.asking import By, Measure
from worklists.figures.measuring import MEASURES

SPANS = {
    "a month": (date(2026, 10, 1), date(2026, 10, 31)),
    "a year": (date(2025, 11, 22), date(2026, 11, 21)),
    "all": (date(2023, 11, 1), date(2026, 11, 30)),
}
ASK, WITHIN_S = 3, 1.0
Took = tuple[float, float]  # by the clock, and of the processor


class Asking:
    """Somebody who asks, and what their asking costs."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.slowest = 0.0
        with runtime.reading() as session:
            person = session.scalars(select(Person).where(Person.username == HEAD)).one()
            self.caller = Caller(
                subject=Subject.of(person), person_id=person.id, username=HEAD, name=person.name, language="zh-CN",
                address="", token_hash="",
            )  # fmt: skip
            townships = select(Institution).where(Institution.kind == InstitutionKind.TOWNSHIP)
            self.township = session.scalars(townships.order_by(Institution.code)).first()
            lite = runtime.engine.dialect.name == "sqlite"
            self._backend = None if lite else session.scalar(text("SELECT pg_backend_pid()"))

    def cell(self, ask: Callable[[], object]) -> str:
        """Milliseconds; a dash for what cannot be asked."""
        try:
            took = [self._once(ask) for _ in range(ASK)]
        except Invalid:  # this measure is not told by that, or days of years
            return "—"
        self.slowest = max(self.slowest, median(one for one, _ in took))
        return f"{median(one for one, _ in took) * 1000:,.0f} · {min(one for _, one in took) * 1000:,.0f}"

    def _once(self, ask: Callable[[], object]) -> Took:
        began, spent = time.perf_counter(), self._spent()
        ask()
        return time.perf_counter() - began, self._spent() - spent

    def _spent(self) -> float:
        return time.process_time() + (_spent_by(self._backend) if self._backend else 0)


def _spent_by(backend: int) -> float:
    """Of a connection's server process, and of those that helped it and have ended: of its parent's children."""
    try:
        own = _stat(backend)
        return (int(own[11]) + int(own[12]) + sum(map(int, _stat(int(own[1]))[13:15]))) / sysconf(
            "SC_CLK_TCK"
        )
    except FileNotFoundError:  # it runs elsewhere
        return 0


def _stat(pid: int) -> list[str]:
    """From its state on (proc(5): the third field)."""
    return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(") ")[2].split()


def figures_table(asking: Asking, which: Measure, bys: list[By]) -> Table:
    """A measure by everything."""
    table = Table(which, *SPANS)
    for by in bys:
        table.add_row(by, *(asking.cell(_ask(asking, which, by, span)) for span in SPANS.values()))
    return table


def _ask(asking: Asking, which: Measure, by: By, span: tuple[date, date]) -> Callable[[], object]:
    asked = _narrowed(by, span)
    return lambda: figures.read_figures(which, asked, asking.caller, asking.runtime)


def _narrowed(by: By, span: tuple[date, date]) -> Narrowed:
    return Narrowed(first=span[0], last=span[1], by=by)


def lists_table(asking: Asking, which: Measure) -> Table:
    """The first page behind each number: of all lines, and of one township's."""
    table = Table(f"the list behind {which}", "of", *SPANS)
    for column in MEASURES[which].narrowed:
        for of, key in (("all", None), ("a township", str(asking.township.id))):
            cells = [asking.cell(_list(asking, which, column, key, span)) for span in SPANS.values()]
            table.add_row(column, of, *cells)
    return table


def _list(
    asking: Asking, which: Measure, column: str, key: str | None, span: tuple[date, date]
) -> Callable[[], object]:
    asked = _narrowed(By.TOWNSHIP, span)
    return lambda: figures.list_behind(which, asked, asking.caller, asking.runtime, column=column, key=key)


def others_table(asking: Asking) -> Table:
    """What waits now; a member's month."""
    table, runtime, caller = Table("what else", "ms"), asking.runtime, asking.caller
    table.add_row("what waits now", asking.cell(lambda: figures.read_now(caller, runtime)))
    month, site = "2026-10", asking.township.id
    sheet = asking.cell(lambda: quality.read_sheet(caller, runtime, month, site))
    table.add_row("a member's month of image quality", sheet)
    sheet = asking.cell(lambda: quality.read_sheet(caller, runtime, month, site, format="xlsx"))
    table.add_row("… as a workbook", sheet)
    days = _narrowed(By.DAY, SPANS["a year"])
    book = asking.cell(lambda: figures.read_figures(Measure.TURNAROUND, days, caller, runtime, format="xlsx"))
    table.add_row("turnaround of each day of a year as a workbook", book)
    return table


def tables(asking: Asking, measures: list[Measure], bys: list[By]) -> Iterator[Table]:
    """One for each measure, as soon as it was asked: all of it takes minutes."""
    for which in measures:
        yield figures_table(asking, which, bys)
    for which in measures:
        yield lists_table(asking, which)
    yield others_table(asking)


def main() -> None:
    """Ask and print. Ends with 1 when something took longer than a second."""
    assert MODULES  # every row is known
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--measure", type=Measure, choices=list(Measure), action="append")
    parser.add_argument("--by", type=By, choices=list(By), action="append")
    arguments = parser.parse_args()
    console = Console(width=120)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), database_url=arguments.database_url)  # type: ignore[call-arg]
        asking = Asking(open_runtime(settings))
        for table in tables(asking, arguments.measure or list(Measure), arguments.by or list(By)):
            console.print(table)
        asking.runtime.engine.dispose()
    console.print(
        f"milliseconds by the clock, median of {ASK} · of the processor; the slowest {asking.slowest:.2f} s"
    )
    raise SystemExit(asking.slowest > WITHIN_S)


if __name__ == "__main__":
    main()
