"""The journal of a process whose work is done in threads: what is left of it once it is closed."""

import threading
from pathlib import Path

import pytest

from adapters.errors import Unavailable
from gateway.threads import JournalThread


def journals_running() -> int:
    return sum(thread.name == "journal" for thread in threading.enumerate())


def open_journal(root: Path) -> JournalThread:
    return JournalThread(root, node="local", limit_bytes=1 << 30)


def test_once_closed_its_thread_has_ended_and_it_can_be_used_again(tmp_path: Path) -> None:
    before = journals_running()
    journal = open_journal(tmp_path / "journal")
    first = journal.append("report.pdf", {}, [b"one"])
    assert journals_running() == before + 1

    journal.close()

    assert journals_running() == before
    assert journal.append("report.pdf", {}, [b"two"]) != first
    journal.close()
    assert journals_running() == before


def test_one_that_could_not_be_opened_leaves_nothing_running(tmp_path: Path) -> None:
    before = journals_running()
    (tmp_path / "journal").write_bytes(b"a file where the folder should be")
    journal = open_journal(tmp_path / "journal")
    with pytest.raises(Unavailable):
        journal.append("report.pdf", {}, [b"one"])

    journal.close()
    journal.close()

    assert journals_running() == before
