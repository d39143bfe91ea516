"""Result files in the watched folder: read as the analyser's profile says, or refused with a sentence beside them."""

import time
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import select

from gateway.carts.accounts import Accounts
from gateway.carts.folder import Watch
from gateway.carts.process import open_taking
from gateway.lab.rows import LabHeld, LabHeldReason, LabMessage, MessageState
from gateway.runtime import Runtime
from tests.builders import build_county
from tests.gateway.lab.listening import drain, tell_listeners
from tests.laboratory import build_laboratory, register
from worklists.laboratory.profiles import AnalyserProfile
from worklists.laboratory.results import LabAttachment, LabResult

TABLE = {
    "layout": "long",
    "heading_row": 1,
    "columns": {"barcode": "条码", "test": "项目", "value": "结果", "unit": "单位"},
}
CSV = "条码,项目,结果,单位\nB001,WBC,5.5,10^9/L\nB001,HGB,142,g/L\n".encode("gb18030")
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


@pytest.fixture
def put(runtime: Runtime) -> Iterator[Callable[[str, bytes], None]]:
    """A file in the folder of the eastern bench, looked at until it was dealt with."""
    with runtime.sessions.begin() as session:
        county = build_county(session)
        build_laboratory(session, county).bench.account = "east-lab"
        register(session, county, "B001")
        profile = session.get_one(AnalyserProfile, "test")
        profile.content = {**profile.content, "file": {"table": TABLE, "document": "{barcode}_*.pdf"}}
    tell_listeners(runtime)
    settings = runtime.settings.model_copy(update={"drop_quiet_s": 0.05})
    taking = open_taking(settings)
    watch = Watch(settings, taking, Accounts(settings.directory_snapshot))
    watch.look()

    def drop(name: str, body: bytes) -> None:
        (settings.drop_folder / "east-lab" / name).write_bytes(body)
        deadline = time.monotonic() + 20
        while not watch.look():
            assert time.monotonic() < deadline
            time.sleep(0.06)

    yield drop
    taking.readers.close()
    taking.journal.close()


def test_a_table_becomes_results_and_the_same_table_again_changes_nothing(
    runtime: Runtime, put: Callable[[str, bytes], None]
) -> None:
    put("a.csv", CSV)
    put("b.csv", CSV)
    drain(runtime)

    with runtime.reading() as session:
        values = {one.item_code: one.value for one in session.scalars(select(LabResult))}
        states = [one.state for one in session.scalars(select(LabMessage).order_by(LabMessage.id))]
    assert values == {"WBC": "5.50", "HGB": "142"}
    assert sorted(states) == [MessageState.DUPLICATE, MessageState.FILED]
    assert [one.name for one in (runtime.settings.drop_folder / "east-lab" / "done").rglob("*.csv")] != []


def test_a_document_joins_the_specimen_that_its_name_says(
    runtime: Runtime, put: Callable[[str, bytes], None]
) -> None:
    put("B001_报告.pdf", PDF)
    drain(runtime)

    with runtime.reading() as session:
        [found] = session.scalars(select(LabAttachment))
    assert (found.media_type, found.size_bytes) == ("application/pdf", len(PDF))


@pytest.mark.parametrize(
    ("name", "body"), [("c.csv", b"\x01\x00\x02\x00"), ("cut.pdf", PDF[:30]), ("log.csv", b"one\ntwo\n")]
)
def test_what_is_neither_a_table_nor_a_whole_document_is_refused_with_the_reason_beside_it(
    runtime: Runtime, put: Callable[[str, bytes], None], name: str, body: bytes
) -> None:
    put(name, body)
    drain(runtime)

    refused = runtime.settings.drop_folder / "east-lab" / "refused"
    assert (refused / name).read_bytes() == body
    assert "结果表格" in (refused / f"{name}.txt").read_text("utf-8-sig")
    with runtime.reading() as session:
        assert session.scalars(select(LabMessage)).all() == []


@pytest.mark.parametrize(("name", "body"), [("c.csv", b"a,b\n1,2\n"), ("nobody.pdf", PDF)])
def test_a_file_that_no_mapping_fits_waits_for_one(
    runtime: Runtime, put: Callable[[str, bytes], None], name: str, body: bytes
) -> None:
    put(name, body)
    drain(runtime)

    with runtime.reading() as session:
        [held] = session.scalars(select(LabHeld))
        assert (held.reason, held.message.state) == (LabHeldReason.FILE_UNMAPPED, MessageState.HELD)
        assert held.detail["why"]
