"""The DICOM conformance statement says what the code does: its tables are compared, the tests that it names are there."""

import re
from pathlib import Path

from adapters.dicom import admission, dimse, negotiation, status
from gateway.web.refusals import EXPLANATIONS
from tests.conformance.tables import STATEMENT, TABLES, write_tables

ROOT = Path(__file__).resolve().parents[2]
CLAUSES = ROOT / "docs" / "conformance" / "points.md"


def rows(first_cell: str) -> list[list[str]]:
    """The table of the statement whose head begins with this cell."""
    text = STATEMENT.read_text(encoding="utf-8")
    found = re.search(rf"^\| {first_cell} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert found, first_cell
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines()]


def test_the_tables_are_those_of_the_code():
    assert TABLES.read_text(encoding="utf-8") == write_tables()


def test_every_status_is_in_the_table_and_no_other():
    answered = {code for _, code in status._STATUS_OF} | {dimse.SUCCESS.code, dimse.UNRECOGNIZED_OPERATION}
    dimse_table, stow_table = ({int(row[0], 16) for row in rows(name)} for name in ("status", "reason"))

    assert dimse_table <= answered
    assert dimse_table | stow_table == answered | {0x0110}  # of STOW-RS alone, beside its own codes


def test_every_rejection_is_in_the_table_and_explained_to_people():
    stated = {tuple(map(int, row[:3])) for row in rows("result")}

    assert stated == _rejections_in_the_code()
    explained = {code for what, code in EXPLANATIONS if what == "association"}
    assert {f"{source}/{reason}" for _, source, reason in stated} <= explained


def test_every_result_of_a_context_is_named():
    text = STATEMENT.read_text(encoding="utf-8")

    for result in (
        negotiation.ACCEPTED,
        negotiation.USER_REJECTION,
        negotiation.ABSTRACT_SYNTAX_UNKNOWN,
        negotiation.TRANSFER_SYNTAX_UNKNOWN,
    ):
        assert re.search(rf"\b{result} \(", text)


def test_every_test_that_the_statement_names_is_there():
    named = set(re.findall(r"`((?:tests/[\w/]+/)?test_\w+\.py)`", STATEMENT.read_text(encoding="utf-8")))

    assert named
    known = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    assert [name for name in named if not ((ROOT / name).exists() or name in known)] == []


def test_every_test_of_the_table_of_clauses_is_there():
    text = CLAUSES.read_text(encoding="utf-8")
    [folders] = re.findall(r"^Folders: (.*)\.$", text, re.MULTILINE)
    roots = {letter: ROOT / path for letter, path in re.findall(r"(\w) (?:is )?`([\w/]+)`", folders)}
    named = re.findall(r"`(\w)/(test_\w+\.py)(?:::(test_\w+))?`", text)

    assert len(named) > 90
    for letter, file, function in named:
        source = (roots[letter] / file).read_text(encoding="utf-8")
        assert f"def {function}(" in source or not function, f"{letter}/{file}::{function}"
    assert text.count("::test_") == sum(bool(function) for _, _, function in named)


def _rejections_in_the_code() -> set[tuple[int, int, int]]:
    """Every AssociationRefused that is raised, by the names of its first three arguments."""
    names = {**vars(admission)}
    found = set()
    for folder in ("adapters/dicom", "gateway"):
        for path in (ROOT / folder).glob("*.py"):
            source = path.read_text(encoding="utf-8")
            for match in re.finditer(r"AssociationRefused\(\s*(\w+), (\w+), (\w+),", source):
                found.add(tuple(names.get(name, name) for name in match.groups()))
    # `gateway.connecting` raises its two through one function.
    found.discard(next(one for one in found if "reason" in one))
    found |= {(1, 1, admission.NO_REASON), (1, 1, admission.CALLING_UNKNOWN)}
    return found
