"""What a measurement says: our figure, the peers' figures of the same run, and the ratio that is promised."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """A peer's figure of the same run. The promise is about ours ÷ theirs."""

    peer: str
    figure: float
    at_least: float | None = None  # of a rate
    at_most: float | None = None  # of a time, or of anything else that is to be small

    def ratio(self, ours: float) -> float:
        return ours / self.figure

    def is_met(self, ours: float) -> bool:
        return _within(self.ratio(ours), self.at_least, self.at_most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: medians of the repetitions."""

    work: str
    ours: float
    unit: str  # "inst/s", "ms", "MB"
    against: Sequence[Against] = ()
    at_least: float | None = None  # promises about the figure itself
    at_most: float | None = None
    remark: str = ""

    @property
    def is_met(self) -> bool:
        return _within(self.ours, self.at_least, self.at_most) and all(
            peer.is_met(self.ours) for peer in self.against
        )


def as_table(rows: Sequence[Row]) -> Table:
    """For a terminal."""
    table = Table("work", "this gateway", "peers", "ratio", "promised", "")
    for row in rows:
        table.add_row(*_cells(row), "yes" if row.is_met else "NO")
    return table


def as_line(row: Row) -> str:
    """While the others are still being measured."""
    return "  ".join(filter(None, (*_cells(row), "" if row.is_met else "NOT MET")))


def as_markdown(rows: Sequence[Row]) -> str:
    """For the README."""
    lines = ["| work | this gateway | peers | ratio | promised | met |", "|---|---|---|---|---|---|"]
    lines += [f"| {' | '.join(_cells(row))} | {'yes' if row.is_met else '**no**'} |" for row in rows]
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, str, str, str, str]:
    work = f"{row.work} ({row.remark})" if row.remark else row.work
    return (
        work,
        f"{_number(row.ours)} {row.unit}",
        " · ".join(f"{peer.peer} {_number(peer.figure)}" for peer in row.against),
        " · ".join(f"{peer.ratio(row.ours):.2f} ×" for peer in row.against),
        " · ".join(_promises(row)),
    )


def _promises(row: Row) -> list[str]:
    own = [f"≥ {_number(row.at_least)} {row.unit}"] if row.at_least is not None else []
    own += [f"≤ {_number(row.at_most)} {row.unit}"] if row.at_most is not None else []
    for peer in row.against:
        own += [f"≥ {peer.at_least} ×"] if peer.at_least is not None else []
        own += [f"≤ {peer.at_most} ×"] if peer.at_most is not None else []
    return own


def _within(figure: float, at_least: float | None, at_most: float | None) -> bool:
    return (at_least is None or figure >= at_least) and (at_most is None or figure <= at_most)


def _number(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"
