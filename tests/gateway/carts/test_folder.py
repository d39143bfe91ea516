"""The watched folder: what is taken, when, and what becomes of the file."""

import json
import os
import shutil
from pathlib import Path

from pydicom.data import get_testdata_file

from gateway.carts.process import describe
from tests.gateway.carts.conftest import Drop, write_directory
from tests.gateway.carts.recordings import aecg, put, wfdb

DAY = "done/2026-11-21"


def test_every_device_with_an_account_has_its_folder(drop: Drop) -> None:
    assert {path.name for path in drop.root.iterdir()} == {"cart-1", "cart-2"}


def test_a_file_is_taken_when_it_has_stopped_growing_and_lies_in_done_afterwards(drop: Drop) -> None:
    path = drop.root / "cart-1" / "a.xml"
    path.write_bytes(aecg()[:500])
    assert drop.look() == drop.look(after_s=2) == 0
    path.write_bytes(aecg())
    assert drop.look(after_s=2) == drop.look(after_s=2) == 0
    assert drop.look(after_s=1) == 1

    (record,) = drop.records("ecg.file")
    assert drop.body(record) == aecg()
    origin = record.origin
    assert (origin["wire"], origin["filename"], origin["priority"]) == ("folder", "a.xml", "")
    assert origin["ecg"]["patient"]["patient_id"] == "E1"
    assert origin["examination_id"] and origin["device_id"] and origin["institution_id"]
    assert drop.files("cart-1") == {f"{DAY}/a.xml"}


def test_a_dicom_file_goes_the_way_of_images(drop: Drop) -> None:
    shutil.copy(get_testdata_file("waveform_ecg.dcm"), drop.root / "cart-1" / "a.dcm")
    drop.settle()

    (record,) = drop.records()
    assert record.kind == "dicom.instance"
    assert record.origin["sop_class_uid"] == "1.2.840.10008.5.1.4.1.1.9.1.1"
    assert drop.files("cart-1") == {f"{DAY}/a.dcm"}


def test_what_is_no_ecg_is_refused_with_a_text_in_both_languages(drop: Drop) -> None:
    put(drop.root / "cart-1", {"readme.txt": b"hello, this is no ECG at all"})
    drop.settle()

    assert drop.files("cart-1") == {"refused/readme.txt", "refused/readme.txt.txt"}
    text = (drop.root / "cart-1/refused/readme.txt.txt").read_bytes()
    assert text.startswith(b"\xef\xbb\xbf") and b"\r\n" in text
    said = text.decode("utf-8-sig")
    assert said.startswith("文件未被接收：readme.txt") and "DICOM、SCP-ECG" in said
    assert "Not taken: readme.txt" in said and "What to do:" in said
    (note,) = drop.wait_for_records("file.refusal")
    assert (note.kind, note.origin["status"], note.origin["what"]) == (
        "file.refusal",
        "unknown_format",
        "file",
    )


def test_names_of_files_that_are_not_whole_are_left_alone(drop: Drop) -> None:
    names = ["a.xml.tmp", "b.part", "c.xml~", ".d.xml", "e.XML.FILEPART", "Thumbs.db"]
    put(drop.root / "cart-1", dict.fromkeys(names, aecg()))
    drop.settle()
    assert drop.records() == []
    (drop.root / "cart-1/a.xml.tmp").rename(drop.root / "cart-1/a.xml")
    drop.settle()

    assert [record.origin["filename"] for record in drop.records()] == ["a.xml"]


def test_the_same_name_on_one_day_is_numbered_and_nothing_is_lost(drop: Drop) -> None:
    for patient in ("E1", "E2", "E3"):
        put(drop.root / "cart-1", {"ecg.xml": aecg(patient)})
        drop.settle()
    for _ in range(2):
        put(drop.root / "cart-1", {"bad.bin": os.urandom(64)})
        drop.settle()

    assert drop.files("cart-1") == {
        f"{DAY}/ecg.xml", f"{DAY}/ecg (2).xml", f"{DAY}/ecg (3).xml",
        "refused/bad.bin", "refused/bad.bin.txt", "refused/bad (2).bin", "refused/bad (2).bin.txt",
    }  # fmt: skip
    assert len(drop.records("ecg.file")) == 3


def test_folders_of_a_cart_are_walked_and_one_for_chest_pain_marks_it(drop: Drop) -> None:
    put(drop.root / "cart-1/2026/11/王五", {"a.xml": aecg("E1")})
    put(drop.root / "cart-1/胸痛", {"b.xml": aecg("E2")})
    put(drop.root / "cart-2/chest-pain/today", {"c.xml": aecg("E3")})
    drop.settle()

    found = {record.origin["filename"]: record.origin["priority"] for record in drop.records("ecg.file")}
    assert found == {"a.xml": "", "b.xml": "chest_pain", "c.xml": "chest_pain"}
    assert [record.origin["filename"] for record in drop.records()][-1] == "a.xml"  # chest pain goes first


def test_links_are_never_followed(drop: Drop, tmp_path: Path) -> None:
    put(tmp_path / "outside", {"secret.xml": aecg()})
    (drop.root / "cart-1/link.xml").symlink_to(tmp_path / "outside/secret.xml")
    (drop.root / "cart-1/folder").symlink_to(tmp_path / "outside")
    put(drop.root / "cart-2", {"a.xml": aecg("E2")})
    (drop.root / "cart-2/done").symlink_to(tmp_path / "outside")
    drop.settle()
    drop.look(after_s=60)

    assert [record.origin["filename"] for record in drop.records()] == ["a.xml"]
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["secret.xml"]
    assert (drop.root / "cart-2/a.xml").exists()
    assert "drop_stuck" in drop.watch.tally.troubles


def test_what_belongs_to_nobody_is_left_alone_and_named(drop: Drop) -> None:
    put(drop.root, {"王五.xml": aecg()})
    put(drop.root / "old-cart", {"a.xml": aecg()})
    drop.settle()

    assert drop.records() == []
    assert (drop.root / "王五.xml").exists() and (drop.root / "old-cart/a.xml").exists()
    assert describe(drop.settings, drop.watch.tally)["troubles"] == {"drop_of_nobody": "old-cart、1×"}


def test_a_device_that_is_disabled_hands_over_nothing(drop: Drop) -> None:
    put(drop.root / "cart-1", {"a.xml": aecg()})
    write_directory(drop.settings.directory_snapshot, "cart-1", enabled=False)
    drop.settle()

    assert drop.records() == []
    assert drop.watch.tally.troubles == {"drop_of_nobody": "cart-1、cart-2"}


def test_a_file_that_was_journalled_and_could_not_be_moved_is_not_taken_twice(drop: Drop) -> None:
    (drop.root / "cart-1/done").write_text("in the way")
    put(drop.root / "cart-1", {"a.xml": aecg()})
    drop.settle()
    for _ in range(3):
        drop.look(after_s=40)
    assert len(drop.records("ecg.file")) == 1
    assert drop.watch.tally.troubles["drop_stuck"]

    (drop.root / "cart-1/done").unlink()
    drop.look(after_s=40)
    drop.look(after_s=1)
    assert drop.files("cart-1") == {f"{DAY}/a.xml"}
    assert len(drop.records("ecg.file")) == 1
    assert drop.watch.tally.troubles == {}


def test_after_a_kill_between_journal_and_move_the_same_bytes_are_taken_again(drop: Drop) -> None:
    (drop.root / "cart-1/done").write_text("in the way")
    put(drop.root / "cart-1", {"a.xml": aecg()})
    drop.settle()
    (drop.root / "cart-1/done").unlink()
    drop.restart()
    drop.settle()

    first, again = drop.records("ecg.file")
    assert drop.body(first) == drop.body(again)
    assert drop.files("cart-1") == {f"{DAY}/a.xml"}


def test_an_empty_file_waits_and_is_refused_at_last(drop: Drop) -> None:
    put(drop.root / "cart-1", {"a.xml": b""})
    drop.settle()
    assert drop.files("cart-1") == {"a.xml"}
    drop.look(after_s=drop.settings.drop_incomplete_s)

    assert drop.files("cart-1") == {"refused/a.xml", "refused/a.xml.txt"}


def test_old_days_are_removed_and_nothing_else(drop: Drop) -> None:
    for day in ("2026-01-01", "2026-11-20", "mine"):
        put(drop.root / "cart-1/done" / day, {"a.xml": b"x"})
    drop.restart()
    drop.look()

    assert drop.files("cart-1") == {"done/2026-11-20/a.xml", "done/mine/a.xml"}


def test_without_room_in_the_journal_files_stay_and_are_taken_later(drop: Drop) -> None:
    drop.settings.journal_dir.parent.mkdir(exist_ok=True)
    drop.settings.journal_dir.write_text("no folder can be made here")
    put(drop.root / "cart-1", {"a.xml": aecg()})
    drop.settle()
    assert drop.files("cart-1") == {"a.xml"}
    assert "drop_waits" in drop.watch.tally.troubles

    drop.settings.journal_dir.unlink()
    drop.look(after_s=10)
    assert drop.files("cart-1") == {f"{DAY}/a.xml"}
    assert drop.watch.tally.troubles == {}
    assert len(drop.records("ecg.file")) == 1


def test_a_header_whose_signals_never_come_is_refused_with_their_names(drop: Drop) -> None:
    put(drop.root / "cart-1", {"rec.hea": wfdb("rec")["rec.hea"]})
    drop.settle()
    drop.look(after_s=60)
    assert drop.files("cart-1") == {"rec.hea"}
    drop.look(after_s=drop.settings.drop_incomplete_s)

    assert drop.files("cart-1") == {"refused/rec.hea", "refused/rec.hea.txt"}
    assert "rec.dat" in (drop.root / "cart-1/refused/rec.hea.txt").read_text("utf-8-sig")


def test_signals_without_a_header_are_refused_after_a_while(drop: Drop) -> None:
    put(drop.root / "cart-1", {"rec.dat": wfdb("rec")["rec.dat"]})
    drop.settle()
    assert drop.files("cart-1") == {"rec.dat"}
    drop.look(after_s=drop.settings.drop_incomplete_s)

    assert drop.files("cart-1") == {"refused/rec.dat", "refused/rec.dat.txt"}
    assert ".hea" in (drop.root / "cart-1/refused/rec.dat.txt").read_text("utf-8-sig")


def test_a_recording_that_grows_while_it_is_read_is_left_for_another_round(drop: Drop) -> None:
    path = drop.root / "cart-1" / "a.xml"
    path.write_bytes(aecg())
    drop.look()
    stamp = path.stat()
    with path.open("ab") as file:
        file.write(b" ")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    drop.look(after_s=3)
    assert drop.records() == []
    drop.look(after_s=3)
    assert len(drop.records("ecg.file")) == 1


def test_what_the_folder_does_is_told_as_a_listener_does(drop: Drop) -> None:
    put(drop.root / "cart-1", {"a.xml": aecg(), "b.txt": b"nothing"})
    drop.settle()

    told = json.loads(json.dumps(describe(drop.settings, drop.watch.tally)))
    assert (told["name"], told["port"], told["accepted"], told["refused"]) == ("folder", 0, 1, 1)
    assert told["address"] == str(drop.root)
