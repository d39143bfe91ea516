"""Arithmetic of times that the two databases spell differently."""

from typing import Any

from sqlalchemy import Integer
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement


class utc_hour(FunctionElement[int]):  # noqa: N801 (a function, and SQLAlchemy names it so)
    """The hour of a time, in UTC whatever the connection's zone."""

    type = Integer()
    inherit_cache = True
    name = "utc_hour"


class minutes_between(FunctionElement[int]):  # noqa: N801
    """Whole minutes from one time to another."""

    type = Integer()
    inherit_cache = True
    name = "minutes_between"


class tested(FunctionElement[Any]):  # noqa: N801
    """A column of rows that are found some other way.

    Of two ranges SQLite takes the first it meets, be it years for a day's rows; and what is to be equal it makes an
    index of its own for, in every statement anew.
    """

    inherit_cache = True
    name = "tested"

    def __init__(self, of: Any) -> None:
        super().__init__(of)
        self.type = of.type


@compiles(tested, "sqlite")
def _sqlite_tested(element: tested, compiler: SQLCompiler, **options: Any) -> str:
    return f"+{compiler.process(element.clauses, **options)}"  # sqlite.org/optoverview.html, on unary "+"


@compiles(tested)
def _tested(element: tested, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(utc_hour, "sqlite")
def _sqlite_hour(element: utc_hour, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(substr({compiler.process(element.clauses, **options)}, 12, 2) AS INTEGER)"


@compiles(utc_hour)
def _hour(element: utc_hour, compiler: SQLCompiler, **options: Any) -> str:
    at = compiler.process(element.clauses, **options)  # extract() would reckon in decimals: slower by a fifth
    return f"CAST(date_part('hour', {at} AT TIME ZONE 'UTC') AS INTEGER)"


@compiles(minutes_between, "sqlite")
def _sqlite_minutes(element: minutes_between, compiler: SQLCompiler, **options: Any) -> str:
    begin, end = (compiler.process(one, **options) for one in element.clauses)
    return f"(CAST(round((julianday({end}) - julianday({begin})) * 86400) AS INTEGER) / 60)"


@compiles(minutes_between)
def _minutes(element: minutes_between, compiler: SQLCompiler, **options: Any) -> str:
    begin, end = (compiler.process(one, **options) for one in element.clauses)
    return f"CAST(floor(date_part('epoch', {end} - {begin}) / 60) AS INTEGER)"
