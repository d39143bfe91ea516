"""Every measurement, printed as one table: `python -m tests.bench [SECTION…] [--repetitions N] [--markdown FILE]`.

A section is a module of this folder with `measure(repetitions) -> Iterator[Row]`. Ours and the peers' figures come
from the same run, interleaved; sender, receiver and drain share the machine, so only ratios mean anything.
"""

import argparse
import warnings
from importlib import import_module
from pathlib import Path

from rich.console import Console

from tests.bench.table import Row, as_line, as_markdown, as_table

SECTIONS = ("ingest", "drain", "web")
# `big` takes as long as the others together; `ecg` and `lab` are about one kind of examination each.
ON_REQUEST = ("big", "ecg", "lab", "worklist")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, *ON_REQUEST, []], default=[])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--markdown", type=Path, help="write the table here, too")
    arguments = parser.parse_args()
    # Alembic compares no index of an expression; nobody who measures has to do with it.
    warnings.filterwarnings("ignore", "Skipped unsupported reflection of expression-based index")
    console = Console(width=180)
    rows: list[Row] = []
    for section in arguments.sections or SECTIONS:
        for row in import_module(f"tests.bench.{section}").measure(arguments.repetitions):
            rows.append(row)
            console.print(as_line(row), highlight=False, soft_wrap=True)
    console.print(as_table(rows))
    if arguments.markdown:
        arguments.markdown.write_text(as_markdown(rows) + "\n", "utf-8")


if __name__ == "__main__":
    main()
