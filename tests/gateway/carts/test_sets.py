"""Files that belong together: a WFDB header and what it names."""

import zipfile
from io import BytesIO

from gateway.carts.sets import group, named_files
from tests.gateway.carts.conftest import Drop
from tests.gateway.carts.recordings import put, wfdb

DAY = "done/2026-11-21"


def test_a_header_waits_for_its_signals_and_they_are_one_entry(drop: Drop) -> None:
    files = wfdb("rec")
    put(drop.root / "cart-1", {"rec.dat": files["rec.dat"]})
    drop.settle()
    drop.look(after_s=30)
    put(drop.root / "cart-1", {"rec.hea": files["rec.hea"]})
    drop.settle()

    (record,) = drop.records("ecg.file")
    assert record.origin["filename"] == "rec.zip"
    with zipfile.ZipFile(BytesIO(drop.body(record))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == files
        assert all(one.compress_type == zipfile.ZIP_STORED for one in archive.infolist())
    assert drop.files("cart-1") == {f"{DAY}/rec.hea", f"{DAY}/rec.dat"}


def test_a_header_names_its_signals_once_and_never_a_way_out() -> None:
    header = b"# made by\nrec 4 500 1000\nrec.dat 16 200 16 0 0 0 0 I\nrec.dat 16 200 16 0 0 0 0 II\n../x 16\n~ 0\n"
    assert named_files(header) == ("rec.dat",)
    assert named_files(b"rec/3 2 500 3000\nrec_1 1000\n~ 1000\nrec_2 1000\n") == ("rec_1.hea", "rec_2.hea")
    assert named_files(b"") == named_files(b"#\n") == ()


def test_a_record_in_segments_is_one_entry_with_all_that_they_name() -> None:
    heads = {
        "r.hea": b"r/2 1 500 20\nr_1 10\nr_2 10\n", "r_1.hea": b"r_1 1 500 10\nr_1.dat 16\n",
        "r_2.hea": b"r_2 1 500 10\nr_2.dat 16\n",
    }  # fmt: skip
    files = {name: name for name in [*heads, "r_1.dat", "r_2.dat", "R.ATR", "other.xml"]}
    groups = group(files, lambda name: heads.get(name, b""))

    assert [(one.files, one.missing) for one in groups] == [
        (("r.hea", "r_1.hea", "r_1.dat", "r_2.hea", "r_2.dat", "R.ATR"), ()),
        (("other.xml",), ()),
    ]
    del files["r_2.dat"]
    assert group(files, lambda name: heads.get(name, b""))[0].missing == ("r_2.dat",)


def test_names_differ_in_case_where_windows_wrote_them() -> None:
    files = {"REC.HEA": "h", "REC.DAT": "d"}
    (one,) = group(files, lambda _: b"rec 1 500 10\nrec.dat 16\n")
    assert (one.files, one.missing) == (("h", "d"), ())


def test_a_record_may_have_a_chinese_name(drop: Drop) -> None:
    put(drop.root / "cart-1", wfdb("王五"))
    drop.settle()

    assert [record.origin["filename"] for record in drop.records("ecg.file")] == ["王五.zip"]
    assert drop.files("cart-1") == {f"{DAY}/王五.hea", f"{DAY}/王五.dat"}
