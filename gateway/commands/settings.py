"""What every command begins with: the settings, and where it writes."""

import os

import typer
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from rich.console import Console

from gateway import fault_points
from gateway.settings import PREFIX, Settings, unknown_variables

console = Console()


def read_settings() -> Settings:
    for name in unknown_variables(os.environ):
        typer.echo(f"warning: {name} is no setting; see docs/operations.md", err=True)
    try:
        settings = Settings()
    except ValidationError as error:
        for problem in error.errors():
            name = _name_of(problem)
            console.print(f"[red]{name}[/red]: {problem['msg']}", highlight=False)
        raise typer.Exit(2) from error
    except OSError as error:
        console.print(f"[red]settings[/red] {error.filename}: {error.strerror}")
        raise typer.Exit(2) from error
    fault_points.arm(settings.faults)
    return settings


def _name_of(problem: ErrorDetails) -> str:
    """As it is written where it stands: a key of the file that is no setting is no variable either."""
    name = "_".join(str(part) for part in problem["loc"])
    return name if problem["type"] == "unknown_setting" else PREFIX + name.upper()
