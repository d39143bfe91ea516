"""MFER, Edan, Mortara: small files of each, built here."""

import base64
import struct
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from adapters.ecg.content import content_of
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.formats import FORMATS, find_format
from adapters.ecg.reading import read_recording, read_set
from tests.adapters.ecg.builders import heartbeats, put

COUNTS = heartbeats(3, 1000)


def tlv(tag: int, value: bytes) -> bytes:
    size = bytes([len(value)]) if len(value) < 128 else b"\x84" + len(value).to_bytes(4, "big")
    return bytes([tag]) + size + value


def mfer(*, big: bool, wav: bytes | None = None, name: bytes = b"Wang^^Xiaodong") -> bytes:
    """Three channels at 250 Hz, 2.5 microvolts a count (ISO 22077-1)."""
    order = ">" if big else "<"

    def number(value: int, form: str = "H") -> bytes:
        return struct.pack(order + form, value)

    channels = b"".join(
        bytes([0x3F, index]) + bytes([4]) + tlv(0x09, number(lead)) for index, lead in enumerate((1, 2, 3))
    )
    head = (
        tlv(0x40, b"MFR ".ljust(32))
        + tlv(0x01, b"\0" if big else b"\1")
        + tlv(0x08, number(1))
        + tlv(0x81, name)
    )
    head += (
        tlv(0x82, b"H-77")
        + tlv(0x84, b"\1")
        + tlv(0x85, number(2026) + bytes([11, 22, 9, 30, 15]) + number(0) + number(0))
    )
    head += (
        tlv(0x0B, b"\1" + b"\xfd" + number(4)) + tlv(0x0C, b"\0" + b"\xf9" + number(25)) + tlv(0x0A, b"\0")
    )
    head += tlv(0x05, number(3)) + tlv(0x04, number(1, "I")) + tlv(0x06, number(1000, "I")) + channels
    return head + tlv(0x1E, COUNTS.T.astype(order + "i2").tobytes() if wav is None else wav) + b"\x80\0"


@pytest.mark.parametrize("big", [True, False])
def test_mfer_of_either_byte_order_is_read(tmp_path: Path, big: bool) -> None:
    recording = read_recording(put(tmp_path, "a.mwf", mfer(big=big)))

    assert recording.format == "mfer"
    assert [lead.name for lead in recording.leads if not lead.derived] == ["I", "II", "V1"]
    assert np.allclose(recording.lead("V1").window_uv(), COUNTS[2] * 2.5, atol=0.01)  # type: ignore[union-attr]
    assert recording.sampling_rate_hz == 250
    assert (recording.patient.name, recording.patient.patient_id, recording.patient.sex) == (
        "Wang^Xiaodong",
        "H-77",
        "M",
    )
    assert recording.started_at == datetime(2026, 11, 22, 1, 30, 15, tzinfo=UTC)


def test_the_rate_of_mfer_is_exact(tmp_path: Path) -> None:
    data = mfer(big=True).replace(b"\x0b\4\1\xfd\0\4", b"\x0b\4\1\xfd\0\3")

    assert read_recording(put(tmp_path, "a.mwf", data)).sampling_rate_hz == pytest.approx(1000 / 3)


def test_a_frame_of_another_scale_is_left_out_and_told(tmp_path: Path) -> None:
    first = mfer(big=True).removesuffix(b"\x80\0")
    second = tlv(0x0C, b"\0\xf9\0\x32") + tlv(0x1E, COUNTS.T.astype(">i2").tobytes()) + b"\x80\0"

    recording = read_recording(put(tmp_path, "a.mwf", first + second))

    assert np.allclose(recording.lead("V1").window_uv(), COUNTS[2] * 2.5, atol=0.01)  # type: ignore[union-attr]
    assert "lead_left_out" in {caution.code for caution in recording.cautions}


def test_mfer_that_ends_early_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAnEcg):
        read_recording(put(tmp_path, "a.mwf", mfer(big=True)[:-500]))


def test_a_name_in_gbk_in_mfer_is_read(tmp_path: Path) -> None:
    path = put(tmp_path, "a.mwf", mfer(big=True, name="王小东".encode("gbk")))

    assert read_recording(path).patient.name == "王小东"


def edan(*, channels: int = 3, rate: int = 250, name: str = "王小东") -> bytes:
    header = bytearray(3672)
    struct.pack_into("<IIB", header, 4, 1_763_000_000, 1_763_000_004, channels)
    struct.pack_into("<h", header, 32, rate)
    for number, label in enumerate(("I", "II", "V1")):
        header[1796 + 8 * number : 1796 + 8 * number + len(label)] = label.encode()
    header[108:112] = b"H-77"
    raw = name.encode("gbk")
    header[2637 : 2637 + len(raw)] = raw
    return bytes(header)


def test_an_edan_holter_is_read_and_said_to_be_uncalibrated(tmp_path: Path) -> None:
    wired = np.zeros((12, 1000), dtype=np.int64)
    wired[:3] = COUNTS
    paths = [
        put(tmp_path, "patient.hea", edan()),
        put(tmp_path, "ecgraw.dat", (wired.T + 16384).astype("<u2").tobytes()),
    ]

    recording = read_set(paths)

    assert [lead.name for lead in recording.leads if not lead.derived] == ["I", "II", "V1"]
    assert np.allclose(recording.lead("II").window_uv(), COUNTS[1])  # type: ignore[union-attr]
    assert recording.patient.name == "王小东"
    assert "not_calibrated" in {caution.code for caution in recording.cautions}


def test_an_edan_header_alone_says_what_it_waits_for(tmp_path: Path) -> None:
    with pytest.raises(NotAnEcg) as refusal:
        read_recording(put(tmp_path, "patient.hea", edan()))
    assert (refusal.value.code, refusal.value.about) == ("waits_for", "ecgraw.dat")


def test_a_mortara_file_is_read(tmp_path: Path) -> None:
    channels = "".join(
        f'<CHANNEL OFFSET="0" BITS="16" FORMAT="SIGNED" UNITS_PER_MV="400" DURATION="1000" SAMPLE_FREQ="1000" NAME="{name}" '
        f'ENCODING="BASE64" DATA="{base64.b64encode(counts.astype("<i2").tobytes()).decode()}"/>'
        for name, counts in zip(("I", "II", "V1"), COUNTS, strict=True)
    )
    text = f"""<?xml version="1.0"?><ECG ACQUISITION_TIME="20261122093015" VENT_RATE="60"><SUBJECT LAST_NAME="Wang"
    FIRST_NAME="Xiaodong" ID="H-77" GENDER="MALE"/><SOURCE TYPE="E" MANUFACTURER="MORTARA"/>{channels}</ECG>"""

    recording = read_recording(put(tmp_path, "a.xml", text.encode()))

    assert recording.format == "mortara"
    assert np.allclose(recording.lead("V1").window_uv(), COUNTS[2] * 2.5, atol=0.01)  # type: ignore[union-attr]


def test_every_format_has_its_names_and_noise_is_none_of_them() -> None:
    assert len({known.key for known in FORMATS}) == len(FORMATS)
    assert all(known.chinese and known.english for known in FORMATS)
    random = np.random.default_rng(3)
    for _ in range(300):
        assert find_format(content_of(random.bytes(3000), "noise.scp")) is None


@pytest.mark.parametrize(
    "data", [b"", b" ", b"hello world\n", b"\0" * 5000, b"<html></html>", b"MZ\x90", b"{}"]
)
def test_other_files_are_refused_with_a_sentence(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(NotAnEcg) as refusal:
        read_recording(put(tmp_path, "ecg.xml", data))
    assert refusal.value.code == ("unknown_format" if data else "empty")
    assert str(refusal.value).endswith(".")
    assert refusal.value.chinese.endswith("。")
