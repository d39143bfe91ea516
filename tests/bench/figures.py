"""How long the head's figures take over a million examinations: every measure by everything, a month, a year, all.

python -m tests.bench.million --database-url …     once
python -m tests.bench.figures --database-url … [--centre]
"""

import argparse
import time
from collections.abc import Iterator
from datetime import date
from statistics import median

from rich.console import Console
from rich.table import Table
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from gateway.rows import MODULES
from worklists.directory import Centre
from worklists.errors import Invalid
from worklists.figures.asking import By, Measure, Question
from worklists.figures.measuring import measure

SPANS = {
    "a month": (date(2026, 10, 1), date(2026, 10, 31)),
    "a year": (date(2025, 11, 22), date(2026, 11, 21)),
    "all": (date(2023, 1, 1), date(2026, 11, 30)),
}
ASK = 3


def main() -> None:
    """Ask and print the median of each."""
    assert MODULES  # every row is known
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--centre", action="store_true", help="of one centre, not of all")
    parser.add_argument("--measure", choices=list(Measure), action="append")
    parser.add_argument("--by", choices=list(By), action="append")
    arguments = parser.parse_args()
    table = Table("measure", "by", *SPANS)
    slowest = 0.0
    engine = create_engine(arguments.database_url)
    with Session(engine) as session:
        centres = frozenset(
            session.scalars(select(Centre.id).order_by(Centre.id).limit(1 if arguments.centre else None))
        )
        for which in arguments.measure or Measure:
            for by in arguments.by or By:
                took = list(_ask(session, Measure(which), By(by), centres))
                table.add_row(which, by, *("—" if one is None else f"{one * 1000:,.0f}" for one in took))
                slowest = max([slowest, *(one for one in took if one is not None)])
    Console(width=120).print(table, f"milliseconds, median of {ASK}; the slowest {slowest * 1000:,.0f}")


def _ask(
    session: Session, which: Measure, by: By, centres: frozenset[object] | None
) -> Iterator[float | None]:
    for first, last in SPANS.values():
        try:
            yield median(_once(session, which, by, first, last, centres) for _ in range(ASK))
        except Invalid:  # this measure is not told by that, or days of years
            yield None


def _once(
    session: Session, which: Measure, by: By, first: date, last: date, centres: frozenset[object] | None
) -> float:
    began = time.perf_counter()
    measure(session, which, Question(by=by, first=first, last=last, centre_ids=centres))  # type: ignore[arg-type]
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
