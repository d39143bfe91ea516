"""How far a backup or a restore is, on a terminal or in a log."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

T = TypeVar("T")


class Steps:
    """One line for each step; a bar where there are many alike. Plain lines when nobody looks on."""

    def __init__(self, console: Console):
        self._console = console

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        with self._console.status(text):
            yield
        self._console.print(f"[green]✓[/] {text}", highlight=False)

    def each(self, text: str, items: Sequence[T]) -> Iterator[T]:
        """The items, counted as they are done."""
        yield from self._counted(text, items, len(items))
        self._console.print(f"[green]✓[/] {text}: {len(items)}", highlight=False)

    def _counted(self, text: str, items: Iterable[T], total: int) -> Iterator[T]:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        hidden = not self._console.is_terminal
        with Progress(
            *columns, TimeElapsedColumn(), console=self._console, transient=True, disable=hidden
        ) as bar:
            task = bar.add_task(text, total=total)
            for item in items:
                yield item
                bar.advance(task)

    def say(self, text: str) -> None:
        self._console.print(f"[yellow]![/] {text}", highlight=False)
