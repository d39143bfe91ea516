"""What was counted under one key, and what is said of it: counts, shares, and percentiles that are exact to the minute."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

Number = float | int | None


@dataclass(slots=True)
class Tally:
    """Sums by name, and for each kind of time how often it took how many minutes."""

    sums: dict[str, float] = field(default_factory=dict)
    minutes: dict[str, Counter[int]] = field(default_factory=dict)

    def add(self, name: str, number: float) -> None:
        self.sums[name] = self.sums.get(name, 0) + number

    def took(self, names: Sequence[str], said: str) -> None:
        """Minutes of each name and how often, as `4/10/:3,5/12/40:1`; nothing for what was not done."""
        pairs = [one.rpartition(":") for one in said.split(",")]
        for place, name in enumerate(names):
            counted = self.minutes.setdefault(name, Counter())
            for minutes, _, times in pairs:
                if took := minutes.split("/")[place]:
                    counted[int(took)] += int(times)

    def join(self, other: "Tally") -> None:
        for name, number in other.sums.items():
            self.add(name, number)
        for name, counted in other.minutes.items():
            self.minutes.setdefault(name, Counter()).update(counted)

    def percentile(self, name: str, share: float) -> int | None:
        """The least time within which at least this share was done: nearest rank, as PERCENTILE_DISC has it."""
        counted = self.minutes.get(name)
        if not counted:
            return None
        wanted, reached = share * counted.total(), 0
        for minutes in sorted(counted):
            reached += counted[minutes]
            if reached >= wanted:
                return minutes
        raise AssertionError("a share is not above one")


def whole(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for one in tallies:
        total.join(one)
    return total


Said = Callable[[Tally], Number]


def count_of(*names: str) -> Said:
    return lambda tally: int(sum(tally.sums.get(name, 0) for name in names))


def sum_of(name: str) -> Said:
    return lambda tally: round(tally.sums.get(name, 0), 2)


def share_of(part: str, *of: str) -> Said:
    """None where there is nothing to have a share in."""

    def share(tally: Tally) -> Number:
        among = sum(tally.sums.get(name, 0) for name in of)
        return round(tally.sums.get(part, 0) / among, 4) if among else None

    return share


def percentile_of(name: str, share: float) -> Said:
    return lambda tally: tally.percentile(name, share)
