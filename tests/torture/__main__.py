"""The whole torture in one go: `python -m tests.torture [pytest's arguments]`; at its end, what was done and what came of it.

The two stacks are tortured beside each other. What judges rates comes after them and alone.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table

from tests.torture.lanes import ALONE, STACKS, TOGETHER
from tests.torture.tally import OUTCOMES, read_tally

NOTHING_TO_DO = 5  # pytest's exit code when nothing was chosen
WIDTH = 170


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One test as pytest reported it."""

    module: str
    stack: str
    outcome: str
    duration_s: float
    tally: Counter[str]


def main() -> int:
    """Torture, print the summary; 0 when nothing failed."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        codes = run_lanes(TOGETHER, Path(folder), sys.argv[1:]) + run_lanes(
            [ALONE], Path(folder), sys.argv[1:]
        )
        seen = [test for report in sorted(Path(folder).glob("*.xml")) for test in read_report(report)]
    console = Console(width=WIDTH)
    console.print(as_table(seen))
    console.print(verdict(seen, minutes=(time.monotonic() - began) / 60))
    return max((code for code in codes if code != NOTHING_TO_DO), default=0)


def run_lanes(lanes: Iterable[str], folder: Path, arguments: Sequence[str]) -> list[int]:
    """Beside each other, each line of theirs with its lane; pytest's exit codes."""
    running = {
        lane: subprocess.Popen(
            [sys.executable, "-um", "pytest", "-n0", "-s", "-vv", "tests/torture", f"--lane={lane}",
             f"--junit-xml={folder / lane}.xml", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            env={**os.environ, "GATEWAY_LONG_TESTS": "1"},
        )
        for lane in lanes
    }  # fmt: skip
    echoes = [
        threading.Thread(target=echo, args=(lane, process), daemon=True) for lane, process in running.items()
    ]
    for one in echoes:
        one.start()
    for one in echoes:
        one.join()
    return [process.wait() for process in running.values()]


def echo(lane: str, process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        print(f"{time.strftime('%H:%M:%S')} {lane:<7} {line}", end="", flush=True)


def read_report(path: Path) -> Iterator[Seen]:
    """The tests in a JUnit file of pytest's."""
    for case in ElementTree.parse(path).iter("testcase"):
        outcomes = [kind for kind in ("error", "failure", "skipped") if case.find(kind) is not None]
        name = case.get("name", "")
        yield Seen(
            module=case.get("classname", "").rpartition("test_")[2].replace("_", " "),
            stack=next((stack for stack in STACKS if stack in name), ""),
            outcome=outcomes[0] if outcomes else "passed",
            duration_s=float(case.get("time", "0")),
            tally=read_tally((one.get("name", ""), one.get("value", "")) for one in case.iter("property")),
        )


def as_table(seen: Iterable[Seen]) -> Table:
    rows: defaultdict[tuple[str, str], list[Seen]] = defaultdict(list)
    for test in seen:
        rows[test.module, test.stack].append(test)
    table = Table(title="Tortured", show_lines=True)
    table.add_column("what")
    table.add_column("tests")
    table.add_column("min", justify="right")
    for name in OUTCOMES:
        table.add_column(name, justify="right")
    table.add_column("done")
    for (module, stack), tests in sorted(rows.items()):
        tally = total_of(tests)
        table.add_row(
            f"{module}\n{stack}".strip(),
            outcomes_of(tests),
            f"{sum(test.duration_s for test in tests) / 60:.1f}",
            *(f"{tally[name]:,}" if name in tally else "" for name in OUTCOMES),
            ", ".join(f"{number:,} {what}" for what, number in tally.most_common() if what not in OUTCOMES),
        )
    return table


def verdict(seen: Sequence[Seen], *, minutes: float) -> str:
    tally = total_of(seen)
    came = ", ".join(f"{tally[name]:,} {name}" for name in OUTCOMES)
    return f"{came}; tests: {outcomes_of(seen)}; {minutes:.0f} minutes"


def outcomes_of(tests: Iterable[Seen]) -> str:
    return ", ".join(
        f"{number} {outcome}" for outcome, number in Counter(test.outcome for test in tests).items()
    )


def total_of(tests: Iterable[Seen]) -> Counter[str]:
    total: Counter[str] = Counter()
    for test in tests:
        total.update(test.tally)
    return total


if __name__ == "__main__":
    sys.exit(main())
