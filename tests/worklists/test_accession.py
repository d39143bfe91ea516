"""Accession numbers are found by the whole number, its beginning with or without letters, its end; through an index."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from gateway.runtime import Runtime
from tests.builders import arrive, build_county
from worklists.accession import is_numbered
from worklists.examinations import Examination

NUMBERS = (
    "A77", "a771", "CT20261121-0015", "DX20261121-0015", "20261121", "00770", "US-3.14", "B_%1", "R" * 20 + "9",
    "É12", "", "77",
)  # fmt: skip


@pytest.fixture
def numbered(runtime: Runtime) -> Runtime:
    with runtime.sessions.begin() as session:
        county = build_county(session)
        for number in NUMBERS:
            arrive(session, county, accession_number=number)
    return runtime


def _found(runtime: Runtime, word: str) -> set[str]:
    with runtime.reading() as session:
        number = Examination.accession_number
        return set(session.scalars(select(number).where(is_numbered(word, number))))


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("a77", {"A77", "a771"}),
        ("77", {"A77", "a771", "77"}),
        ("ct2026", {"CT20261121-0015"}),
        ("20261121", {"CT20261121-0015", "DX20261121-0015", "20261121"}),
        ("0015", {"CT20261121-0015", "DX20261121-0015"}),
        ("1121-0015", {"CT20261121-0015", "DX20261121-0015"}),
        ("cT20261121-0015", {"CT20261121-0015"}),
        ("ct20261121-0016", set()),
        ("770", {"00770"}),
        ("3", {"US-3.14"}),
        ("us-3", {"US-3.14"}),
        ("_%1", {"B_%1"}),
        ("b_", {"B_%1"}),
        ("R" * 19 + "9", {"R" * 20 + "9"}),
        ("x" + "R" * 18 + "9", set()),
        ("12", {"É12"}),
        ("261", set()),
    ],
)
def test_by_the_number_its_beginning_and_its_end(numbered: Runtime, typed: str, found: set[str]) -> None:
    assert _found(numbered, typed) == found


@pytest.mark.parametrize("typed", ["a77", "77"])
def test_an_index_answers(sessions: sessionmaker[Session], numbered: Runtime, typed: str) -> None:
    query = select(Examination.id).where(is_numbered(typed, Examination.accession_number))
    with sessions() as session:
        lite = session.get_bind().dialect.name == "sqlite"
        if not lite:
            session.execute(text("SET enable_seqscan = off"))  # a dozen rows are read faster without any
        compiled = query.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
        explain = "EXPLAIN QUERY PLAN" if lite else "EXPLAIN"
        rows = session.connection().exec_driver_sql(f"{explain} {str(compiled).replace('%', '%%')}").all()
        plan = "\n".join(str(row[-1]) for row in rows)
    first = "begins" if typed == "a77" else "digits"
    assert f"ix_examination_number_{first}" in plan
    assert "ix_examination_number_ends" in plan
