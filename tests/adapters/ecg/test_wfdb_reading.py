"""WFDB records, against the `wfdb` package and against our own writer."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import wfdb

from adapters.ecg.errors import NotAnEcg
from adapters.ecg.reading import companions_of, read_recording, read_set
from adapters.ecg.units import COUNTY_TIME
from adapters.ecg.wfdb_writing import write_wfdb
from tests.adapters.ecg.builders import heartbeats, put
from tests.samples import samples_dir

COUNTS = heartbeats(3, 3000)


def record(folder: Path, name: str) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name.startswith(f"{name}."))


@pytest.mark.samples
@pytest.mark.parametrize(
    ("name", "leads", "samples", "rate"),
    [
        ("100", 2, 650000, 360),
        ("a103l", 2, 82500, 250),
        ("s0010_re", 15, 38400, 1000),
        ("v102s", 2, 75000, 250),
    ],
)
def test_real_records_are_read_as_wfdb_reads_them(name: str, leads: int, samples: int, rate: int) -> None:
    folder = samples_dir() / "ecg" / "wfdb"
    expected = wfdb.rdrecord(str(folder / name))

    recording = read_set([path for path in record(folder, name) if path.suffix != ".atr"])

    assert (len(recording.leads), recording.samples, recording.sampling_rate_hz) == (leads, samples, rate)
    for lead, index in zip(recording.leads, range(leads), strict=True):
        assert lead.name.lower().lstrip("v") == expected.sig_name[index].lower().lstrip("v")
        assert np.allclose(lead.window_uv(), expected.p_signal[:, index] * 1000, atol=0.05, equal_nan=True)


@pytest.mark.samples
def test_what_is_no_voltage_is_left_out_and_told() -> None:
    recording = read_set(record(samples_dir() / "ecg" / "wfdb", "v102s"))

    assert [caution.about for caution in recording.cautions if caution.code == "lead_left_out"] == [
        "PLETH",
        "RESP",
    ]


@pytest.mark.samples
def test_a_diagnosis_in_a_comment_is_no_statement_of_a_cart() -> None:
    recording = read_set(record(samples_dir() / "ecg" / "wfdb", "s0010_re"))

    assert (recording.patient.age_years, recording.patient.sex) == (81, "F")
    assert recording.statements == ()
    assert not recording.acute


@pytest.mark.parametrize(
    "form", ["16", "24", "32", "61", "80", "160", "212", "310", "311", "508", "516", "524"]
)
def test_every_format_is_read_as_wfdb_reads_it(tmp_path: Path, form: str) -> None:
    counts = np.clip(COUNTS, -120, 127).T.astype(np.int64)
    if form in ("310", "311", "61", "160"):  # which the package reads and does not write
        _write_packed(tmp_path, form, counts)
    else:
        wfdb.wrsamp(
            "r", fs=250, units=["mV"] * 3, sig_name=["I", "II", "V1"], d_signal=counts, fmt=[form] * 3,
            adc_gain=[400.0] * 3, baseline=[3] * 3, write_dir=str(tmp_path),
        )  # fmt: skip
    expected = wfdb.rdrecord(str(tmp_path / "r")).p_signal

    recording = read_set(sorted(tmp_path.iterdir()))

    for index, name in enumerate(["I", "II", "V1"]):
        lead = recording.lead(name)
        assert lead is not None
        assert np.allclose(lead.window_uv(), expected[:, index] * 1000, atol=0.01)
        assert np.allclose(lead.window_uv(1234, 1240), expected[1234:1240, index] * 1000, atol=0.01)


def _write_packed(folder: Path, form: str, counts: np.ndarray) -> None:
    if form in ("61", "160"):
        put(
            folder,
            "r.dat",
            (counts + 32768 if form == "160" else counts).astype("<u2" if form == "160" else ">i2").tobytes(),
        )
    flat = (counts.reshape(-1) & 0x3FF).astype(np.uint32)
    one, two, three = flat[0::3], flat[1::3], flat[2::3]
    if form == "311":
        words = (one | two << 10 | three << 20).astype("<u4")
        put(folder, "r.dat", words.tobytes())
    elif form == "310":
        low = one << 1 | (three & 0x1F) << 11
        high = two << 1 | (three >> 5) << 11
        put(folder, "r.dat", np.stack([low, high], axis=1).astype("<u2").tobytes())
    lines = "".join(f"r.dat {form} 400(3)/mV 10 0 0 0 0 {name}\n" for name in ("I", "II", "V1"))
    put(folder, "r.hea", f"r 3 250 {len(counts)}\n{lines}".encode())


def test_differences_are_summed_from_the_initial_value(tmp_path: Path) -> None:
    counts = np.cumsum(np.random.default_rng(5).integers(-100, 100, 2000))
    put(tmp_path, "r.dat", np.concatenate(([0], np.diff(counts))).astype("i1").tobytes())
    put(tmp_path, "r.hea", f"r 1 250 2000\nr.dat 8 400/mV 16 0 {counts[0]} 0 0 II\n".encode())

    assert np.allclose(read_set(sorted(tmp_path.iterdir())).window_uv()[0], counts * 2.5)


def test_a_segment_without_a_voltage_is_a_gap(tmp_path: Path) -> None:
    put(tmp_path, "s1.dat", COUNTS[1, :500].astype("<i2").tobytes())
    put(tmp_path, "s1.hea", b"s1 1 250 500\ns1.dat 16 400/mV 16 0 0 0 0 II\n")
    put(tmp_path, "s2.dat", bytes(1000))
    put(tmp_path, "s2.hea", b"s2 1 250 500\ns2.dat 16 400/NU 16 0 0 0 0 RESP\n")
    put(tmp_path, "lay.hea", b"lay 2 250 0\n~ 0 400/mV 16 0 0 0 0 II\n~ 0 400/NU 16 0 0 0 0 RESP\n")
    put(tmp_path, "m.hea", b"m/3 2 250 1000\nlay 0\ns1 500\ns2 500\n")

    found = read_set(sorted(tmp_path.iterdir())).window_uv()

    assert found.shape == (1, 1000)
    assert np.allclose(found[0, :500], COUNTS[1, :500] * 2.5)
    assert np.isnan(found[0, 500:]).all()


def test_a_skewed_signal_begins_later_in_its_file(tmp_path: Path) -> None:
    frames = np.stack([COUNTS[0, :500], np.concatenate((np.zeros(7), COUNTS[1, :493]))], axis=1).astype("<i2")
    put(tmp_path, "r.dat", frames.tobytes())
    put(tmp_path, "r.hea", b"r 2 250 500\nr.dat 16 400/mV 16 0 0 0 0 V1\nr.dat 16:7 400/mV 16 0 0 0 0 V2\n")

    second = read_set(sorted(tmp_path.iterdir())).window_uv()[1]

    assert np.allclose(second[:493], COUNTS[1, :493] * 2.5)
    assert np.isnan(second[493:]).all()


def test_samples_per_frame_and_byte_offset_are_followed(tmp_path: Path) -> None:
    lead, slow = COUNTS[0, :2000], COUNTS[1, :500]
    frames = np.concatenate([lead.reshape(500, 4), slow.reshape(500, 1)], axis=1).astype("<i2")
    put(tmp_path, "r.dat", b"\0" * 24 + frames.tobytes())
    put(
        tmp_path,
        "r.hea",
        b"r 2 125 500\nr.dat 16x4+24 400/mV 16 0 0 0 0 II\nr.dat 16+24 400/NU 16 0 0 0 0 RESP\n",
    )

    recording = read_set(sorted(tmp_path.iterdir()))

    assert recording.sampling_rate_hz == 500
    assert np.allclose(recording.lead("II").window_uv(5, 1999), lead[5:1999] * 2.5)  # type: ignore[union-attr]


def test_the_rate_is_that_of_the_ecg_among_voltages(tmp_path: Path) -> None:
    frames = np.concatenate([COUNTS[0, :2000].reshape(500, 4), np.ones((500, 2))], axis=1).astype("<i2")
    put(tmp_path, "r.dat", frames.tobytes())
    slow = "".join(f"r.dat 16 400/mV 16 0 0 0 0 {name}\n" for name in ("PLETH", "RESP"))
    put(tmp_path, "r.hea", f"r 3 125 500\nr.dat 16x4 400/mV 16 0 0 0 0 II\n{slow}".encode())

    recording = read_set(sorted(tmp_path.iterdir()))

    assert ([lead.name for lead in recording.leads], recording.sampling_rate_hz) == (["II"], 500)


def test_segments_stand_where_they_belong_and_a_gap_is_not_recorded(tmp_path: Path) -> None:
    for name, at in (("s1", 0), ("s2", 1000)):
        wfdb.wrsamp(name, fs=250, units=["mV"], sig_name=["II"], d_signal=COUNTS[1:2, at : at + 1000].T.astype(int),
                    fmt=["16"], adc_gain=[400.0], baseline=[0], write_dir=str(tmp_path))  # fmt: skip
    put(tmp_path, "m.hea", b"m/3 1 250 2500\ns1 1000\n~ 500\ns2 1000\n")

    found = read_set(sorted(tmp_path.iterdir())).window_uv()[0]

    assert np.allclose(found[:1000], COUNTS[1, :1000] * 2.5)
    assert np.isnan(found[1000:1500]).all()
    assert np.allclose(found[1500:], COUNTS[1, 1000:2000] * 2.5)


def test_segments_of_several_samples_per_frame_are_as_long_as_they_are(tmp_path: Path) -> None:
    lead = COUNTS[1, :1000]
    frames = np.concatenate([lead.reshape(250, 4), np.ones((250, 1))], axis=1).astype("<i2")
    put(tmp_path, "s1.dat", frames.tobytes())
    put(
        tmp_path,
        "s1.hea",
        b"s1 2 125 250\ns1.dat 16x4 400/mV 16 0 0 0 0 II\ns1.dat 16 1/NU 16 0 0 0 0 RESP\n",
    )
    put(tmp_path, "m.hea", b"m/3 2 125 400\ns1 250\n~ 100\n~ 50\n")

    found = read_set(sorted(tmp_path.iterdir())).window_uv()[0]

    assert np.allclose(found[:1000], lead * 2.5)
    assert found.size == 1600 and np.isnan(found[1000:]).all()


def test_two_signals_of_one_name_stay_two_over_segments(tmp_path: Path) -> None:
    put(tmp_path, "s1.dat", COUNTS[:2, :500].T.astype("<i2").tobytes())
    put(tmp_path, "s1.hea", b"s1 2 250 500\ns1.dat 16 400 16 0 0 0 0 ECG\ns1.dat 16 400 16 0 0 0 0 ECG\n")
    put(tmp_path, "m.hea", b"m/1 2 250 500\ns1 500\n")

    assert np.allclose(read_set(sorted(tmp_path.iterdir())).window_uv(), COUNTS[:2, :500] * 2.5)


SIGNALS = "a.dat 16 200 16 0 0 0 0 I\na.dat 16 200 16 0 0 0 0 II\n"


@pytest.mark.parametrize(
    "header",
    [
        "r 2\n" + SIGNALS,
        "r 2 250 500 12:30 22/11/2026\n" + SIGNALS,  # minutes and seconds
        "r 2 250 500 30.5 22/11/2026\n" + SIGNALS,
        "r 2 250 500 # ten seconds\n" + SIGNALS,
        "\ufeffr 2 250 500\r\n" + SIGNALS.replace("\n", "\r\n"),
        "# first\n r 2 250 500\n\n" + SIGNALS.replace("a.dat", "  a.dat").replace(" ", "\t"),
        "r 2 250 500\na.dat 16 (100)/mV 16 0 0 0 0 I\na.dat 16 1.5e2(-7) 16 1024 0 0 0 II\n",
        "r 2 250 500\na.dat 16 -200/uV 16 0 I\na.dat 16 200 II\n",
        "r 2 250 500\na.dat 16 1000/adu 16 0 0 0 0 I\na.dat 16 1000/adu 16 0 0 0 0 II\n",
    ],
)
def test_headers_as_they_are_written_are_read_as_wfdb_reads_them(tmp_path: Path, header: str) -> None:
    put(tmp_path, "a.dat", COUNTS[:2, :500].T.astype("<i2").tobytes())
    put(tmp_path, "r.hea", header.encode())
    expected = wfdb.rdrecord(str(tmp_path / "r"))
    unit = {"mV": 1000.0, "uV": 1.0, "adu": 5000.0}  # the last means nothing: WFDB's 200 counts per millivolt

    recording = read_set(sorted(tmp_path.iterdir()))

    for index, name in enumerate(("I", "II")):
        found = recording.lead(name).window_uv()  # type: ignore[union-attr]
        assert np.allclose(found, expected.p_signal[:, index] * unit[expected.units[index]], atol=0.01)
    if expected.base_datetime:
        assert recording.started_at == expected.base_datetime.replace(tzinfo=COUNTY_TIME)
    told = {caution.code for caution in recording.cautions}
    assert ("not_calibrated" in told) == ("adu" in header or "16 (100)" in header)


def test_a_unit_in_greek_is_no_millivolt(tmp_path: Path) -> None:
    put(tmp_path, "a.dat", COUNTS[:1, :500].T.astype("<i2").tobytes())
    for charset in ("utf-8", "gb18030"):
        put(tmp_path, "r.hea", "r 1 250 500\na.dat 16 2/μV 16 0 0 0 0 II\n".encode(charset))
        assert read_set(sorted(tmp_path.iterdir())).leads[0].gain_uv == 0.5


def test_a_header_that_cannot_be_read_says_where(tmp_path: Path) -> None:
    path = put(tmp_path, "r.hea", b"r 1 250 500 10:00:00 2026-11-22\na.dat 16 200 16 0 0 0 0 I\n")

    with pytest.raises(NotAnEcg) as refusal:
        read_recording(path)
    assert refusal.value.code == "damaged" and "2026-11-22" in refusal.value.about


def test_a_header_alone_says_what_it_waits_for(tmp_path: Path) -> None:
    path = put(tmp_path, "r.hea", b"r 2 250 10\na.dat 16 200 16 0 0 0 0 I\nb.dat 16 200 16 0 0 0 0 II\n")

    assert companions_of(path) == ("a.dat", "b.dat")
    with pytest.raises(NotAnEcg) as refusal:
        read_recording(path)
    assert (refusal.value.code, refusal.value.about) == ("waits_for", "a.dat")


def test_more_samples_than_the_file_has_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "r.dat", bytes(2000))
    put(tmp_path, "r.hea", b"r 1 250 5000000000\nr.dat 16 200 16 0 0 0 0 I\n")

    with pytest.raises(NotAnEcg) as refusal:
        read_set(sorted(tmp_path.iterdir()))
    assert refusal.value.code == "truncated"


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..\\x"])
def test_a_header_names_no_path(tmp_path: Path, name: str) -> None:
    put(tmp_path, "r.hea", f"r 1 250 10\n{name} 16 200 16 0 0 0 0 I\n".encode())

    with pytest.raises(NotAnEcg) as refusal:
        read_set(sorted(tmp_path.iterdir()))
    assert refusal.value.code in ("damaged", "unknown_format")


@pytest.mark.samples
@pytest.mark.parametrize("name", ["clark/Example.dcm", "muse/braveheart-example1.xml", "sierra/129DYPRG.XML"])
def test_what_our_writer_wrote_is_read_back(tmp_path: Path, name: str) -> None:
    from adapters.ecg.units import COUNTY_TIME

    recording = read_recording(samples_dir() / "ecg" / name)
    path = put(tmp_path, "x.zip", write_wfdb(recording, name="x", time_zone=COUNTY_TIME))

    again = read_recording(path)

    assert np.allclose(again.window_uv(), recording.window_uv(), atol=0.01)
    assert [(lead.name, lead.derived) for lead in again.leads] == [
        (lead.name, lead.derived) for lead in recording.leads
    ]
    for field in ("started_at", "statements", "acute", "measurements", "filters", "sampling_rate_hz"):
        assert getattr(again, field) == getattr(recording, field), field


# --- zips ------------------------------------------------------------------------------------------------------------


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


RECORD = {
    "deep/folder/r.hea": b"r 1 250 3000\nr.dat 16 400/mV 16 0 0 0 0 II\n",
    "deep/folder/r.dat": COUNTS[1].astype("<i2").tobytes(),
}


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_record_in_a_zip_is_read(tmp_path: Path, compression: int) -> None:
    members = {
        **RECORD,
        "__MACOSX/deep/._r.hea": b"junk",
        "deep/readme.txt": b"hello",
        "deep/version.txt": b"version 2\n",
    }

    recording = read_recording(put(tmp_path, "r.zip", zipped(members, compression)))

    assert np.allclose(recording.window_uv()[0], COUNTS[1] * 2.5)


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"../r.hea": b"x"}, "zip_unsafe"),
        ({"/abs/r.hea": b"x"}, "zip_unsafe"),
        ({"a.txt": b"hello"}, "zip_without_ecg"),
        ({**RECORD, "s.hea": b"s 1 250 3\nr.dat 16 400/mV 16 0 0 0 0 II\n"}, "several_recordings"),
        ({"bomb.xml": b"\0" * (64 << 20)}, "zip_too_large"),
        ({f"{number}.txt": b"x" for number in range(1001)}, "zip_too_large"),
    ],
)
def test_zips_that_are_not_taken(tmp_path: Path, members: dict[str, bytes], code: str) -> None:
    with pytest.raises(NotAnEcg) as refusal:
        read_recording(put(tmp_path, "r.zip", zipped(members)))
    assert refusal.value.code == code


def test_compressions_that_ask_for_much_memory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAnEcg) as refusal:
        read_recording(put(tmp_path, "r.zip", zipped(RECORD, zipfile.ZIP_LZMA)))
    assert refusal.value.code == "unsupported"


def test_an_encrypted_zip_says_so(tmp_path: Path) -> None:
    data = bytearray(zipped(RECORD, zipfile.ZIP_STORED))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        position = -1
        while (position := data.find(signature, position + 1)) >= 0:
            data[position + at] |= 1

    with pytest.raises(NotAnEcg) as refusal:
        read_recording(put(tmp_path, "r.zip", bytes(data)))
    assert refusal.value.code == "encrypted_zip"


def test_a_member_that_was_damaged_is_refused(tmp_path: Path) -> None:
    data = zipped(RECORD, zipfile.ZIP_STORED).replace(COUNTS[1][:8].astype("<i2").tobytes(), b"\1" * 16)

    with pytest.raises(NotAnEcg) as refusal:
        read_recording(put(tmp_path, "r.zip", data))
    assert refusal.value.code == "crc_wrong"
