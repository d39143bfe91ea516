"""Files are read in processes of their own: what hangs or dies there is refused, and the next file is read."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.errors import Unavailable
from gateway.carts.apart import NotTaken, Readers
from tests.gateway.carts.recordings import aecg


@pytest.fixture
def own() -> Iterator[Readers]:
    made = Readers()
    yield made
    made.close()


@pytest.fixture
def ecg(tmp_path: Path) -> Path:
    (tmp_path / "a.xml").write_bytes(aecg())
    return tmp_path / "a.xml"


def test_one_that_was_killed_is_replaced(own: Readers, ecg: Path) -> None:
    assert own.read(ecg, "a.xml")["format"] == "aecg"
    (process,) = own._idle
    os.kill(process.pid, signal.SIGKILL)

    assert own.read(ecg, "a.xml")["format"] == "aecg"


def test_a_file_is_found_from_wherever_we_run(
    own: Readers, ecg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ecg.parent)

    assert own.read(Path(ecg.name), "1.xml")["format"] == "aecg"


def test_a_disk_that_does_not_give_the_file_refuses_nothing(own: Readers, tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        own.read(tmp_path / "gone.xml", "gone.xml")


def test_one_that_takes_too_long_is_ended_and_the_file_refused(ecg: Path) -> None:
    hasty = Readers(longest_read_s=0.0)
    with pytest.raises(NotTaken) as caught:
        hasty.read(ecg, "a.xml")

    assert caught.value.reason == "takes_too_long"
    assert hasty._idle == []


def test_what_is_wrong_with_a_file_is_said_with_its_code(own: Readers, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("hello")
    entities = b'<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;">]><AnnotatedECG xmlns="urn:hl7-org:v3">&z;</AnnotatedECG>'
    (tmp_path / "entities.xml").write_bytes(entities)
    for name, codes in {
        "empty": {"empty"},
        "text": {"unknown_format"},
        "entities.xml": {"xml_entities", "unknown_format"},
    }.items():
        with pytest.raises(NotTaken) as caught:
            own.read(tmp_path / name, name)
        assert caught.value.reason in codes, name
    assert len(own._idle) == 1  # none of them cost a process
