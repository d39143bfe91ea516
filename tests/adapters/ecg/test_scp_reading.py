"""SCP-ECG: what our encoder wrote in every way that the standard allows comes out again."""

import struct
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from adapters.ecg.errors import NotAnEcg
from adapters.ecg.reading import read_recording
from adapters.ecg.scp_samples import default_codes
from tests.adapters.ecg.builders import heartbeats, put
from tests.adapters.ecg.scp_builder import (
    DEFAULT,
    coded,
    definition,
    own_table,
    patient,
    record,
    statements,
)

SAMPLES = 1000
COUNTS = heartbeats(3, SAMPLES, rate=500).astype(np.int64)
NAMES = ("I", "II", "V1")
WHOLE = [(1, SAMPLES)] * 3
TABLES = {"default": struct.pack("<H", 19999), "own": own_table()}


def scp(*, order: int = 2, table: str = "default", place: tuple[int, ...] = (), **more: bytes) -> bytes:
    sections = {1: patient(), 3: definition(NAMES, WHOLE), 6: coded(list(COUNTS), order=order, table=table)}
    sections |= {2: TABLES[table]} if table != "none" else {}
    sections |= {int(name.removeprefix("section")): body for name, body in more.items()}
    return record(sections, order=place)


def microvolts(path: Path) -> np.ndarray:
    recording = read_recording(path)
    return np.stack([recording.lead(name).window_uv() for name in NAMES])  # type: ignore[union-attr]


def test_the_default_table_is_the_standard_s() -> None:
    ours = {
        code.value: f"{code.bits:0{code.prefix_bits}b}"
        for code in default_codes()
        if code.prefix_bits == code.total_bits
    }

    assert ours == DEFAULT


@pytest.mark.parametrize("table", ["default", "own", "none"])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_every_table_and_difference_gives_the_samples(tmp_path: Path, order: int, table: str) -> None:
    path = put(tmp_path, "a.scp", scp(order=order, table=table))

    assert np.array_equal(microvolts(path), COUNTS * 2.5)


def test_sections_may_lie_in_any_order(tmp_path: Path) -> None:
    path = put(tmp_path, "a.scp", scp(place=(6, 3, 2, 1)))

    assert np.array_equal(microvolts(path), COUNTS * 2.5)


def test_patient_cart_and_statements_are_read(tmp_path: Path) -> None:
    lines = statements([b"Sinus rhythm", b"Acute inferior infarct"])
    recording = read_recording(put(tmp_path, "a.scp", scp(section8=lines)))

    assert (recording.patient.name, recording.patient.patient_id, recording.patient.sex) == (
        "Wang^Xiaodong",
        "H-77",
        "M",
    )
    assert (recording.patient.birth_date, recording.patient.age_years) == (date(1953, 5, 8), 73)
    assert recording.started_at == datetime(2026, 11, 22, 1, 30, 15, tzinfo=UTC)
    assert (recording.device.manufacturer, recording.device.model, recording.device.serial_number) == (
        "Maker",
        "CART-1",
        "S/N 7",
    )
    assert (recording.filters.high_pass_hz, recording.filters.low_pass_hz, recording.filters.notch_hz) == (
        0.05,
        150,
        50,
    )
    assert recording.statements == ("Sinus rhythm", "Acute inferior infarct")
    assert recording.acute


@pytest.mark.parametrize(
    ("encoding", "language"), [("gbk", 0), ("utf-8", 0), ("gb2312", 0x27), ("utf-8", 0x37)]
)
def test_a_chinese_name_is_read_whatever_the_cart_declares(
    tmp_path: Path, encoding: str, language: int
) -> None:
    section = patient(name="王小东".encode(encoding), language=language)

    assert read_recording(put(tmp_path, "a.scp", scp(section1=section))).patient.name == "王小东^Xiaodong"


def test_reference_beats_are_added_again(tmp_path: Path) -> None:
    shape = np.rint(np.hanning(100) * 200).astype(np.int64)
    beats = [(120, 200), (620, 700)]  # first sample and fiducial of each, from 1
    residual = COUNTS.copy()
    for first, _ in beats:
        residual[:, first - 1 : first + 99] -= shape
    section4 = struct.pack("<3H", 200, 81, 2)
    section4 += b"".join(struct.pack("<HIII", 0, first, fiducial, first + 99) for first, fiducial in beats)
    section4 += b"".join(struct.pack("<II", first + 50, first + 90) for first, _ in beats)
    sections = {
        1: patient(), 2: TABLES["default"], 3: definition(NAMES, WHOLE, subtracted=True), 4: section4,
        5: coded([shape] * 3, order=2, table="default"), 6: coded(list(residual), order=2, table="default"),
    }  # fmt: skip

    assert np.array_equal(microvolts(put(tmp_path, "a.scp", record(sections))), COUNTS * 2.5)


def test_bimodal_rhythm_is_exact_in_protected_zones_and_interpolated_between(tmp_path: Path) -> None:
    zones = [(101, 200), (601, 700)]
    slow = np.rint(np.stack([np.sin(np.arange(SAMPLES) / 150) * 300 * lead for lead in (1, 2, 3)])).astype(
        np.int64
    )
    stored = [_decimated(lead, zones) for lead in slow]
    section4 = struct.pack("<3H", 200, 81, 2)
    section4 += b"".join(struct.pack("<HIII", 1, first, first + 50, last) for first, last in zones)
    section4 += b"".join(struct.pack("<II", first, last) for first, last in zones)
    sections = {
        1: patient(), 2: TABLES["default"], 3: definition(NAMES, WHOLE), 4: section4,
        5: coded([np.zeros(100, dtype=np.int64)] * 3, order=2, table="default"),
        6: coded(stored, order=2, table="default", interval_us=8000, bimodal=1),
    }  # fmt: skip

    recording = read_recording(put(tmp_path, "a.scp", record(sections)))
    found = np.stack([recording.lead(name).window_uv() for name in NAMES])  # type: ignore[union-attr]

    assert (recording.samples, recording.sampling_rate_hz) == (SAMPLES, 500)
    for first, last in zones:
        assert np.array_equal(found[:, first - 1 : last], slow[:, first - 1 : last] * 2.5)
    assert np.abs(found - slow * 2.5).max() < 40  # of 2250, where a quarter of the samples was kept


def _decimated(lead: np.ndarray, zones: list[tuple[int, int]]) -> np.ndarray:
    parts, at = [], 0
    for first, last in [*zones, (len(lead) + 1, len(lead))]:
        gap = lead[at : first - 1]
        parts.append(np.rint(gap.reshape(-1, 4).mean(axis=1)).astype(np.int64))
        parts.append(lead[first - 1 : last])
        at = last
    return np.concatenate(parts)


def test_leads_recorded_one_after_the_other_stand_where_they_were_recorded(tmp_path: Path) -> None:
    sections = {
        1: patient(), 2: TABLES["default"], 3: definition(("V1", "V2"), [(1, 400), (401, 800)]),
        6: coded([COUNTS[0, :400], COUNTS[1, :400]], order=1, table="default"),
    }  # fmt: skip

    recording = read_recording(put(tmp_path, "a.scp", record(sections)))
    first, second = recording.window_uv()

    assert recording.samples == 800
    assert np.array_equal(first[:400], COUNTS[0, :400] * 2.5)
    assert np.array_equal(second[400:], COUNTS[1, :400] * 2.5)
    assert np.isnan(first[400:]).all()
    assert np.isnan(second[:400]).all()


def test_a_wrong_checksum_is_told_with_the_section_it_belongs_to(tmp_path: Path) -> None:
    data = bytearray(scp())
    data[0] ^= 1

    recording = read_recording(put(tmp_path, "a.scp", bytes(data)))

    assert [
        (caution.code, caution.about) for caution in recording.cautions if caution.code == "crc_wrong"
    ] == [("crc_wrong", "SCP")]


@pytest.mark.parametrize(
    ("section3", "code"),
    [
        (definition(("I",), [(1, 0xFFFFFFFF)]), "too_large"),
        (definition(("I",), [(1, 1 << 23)]), "truncated"),
        (definition(("I",), [(5, 4)]), "damaged"),
        (b"\0\4", "no_leads"),
    ],
)
def test_claims_are_held_against_what_is_there(tmp_path: Path, section3: bytes, code: str) -> None:
    sections = {2: TABLES["default"], 3: section3, 6: coded([COUNTS[0]], order=2, table="default")}

    with pytest.raises(NotAnEcg) as refusal:
        read_recording(put(tmp_path, "a.scp", record(sections)))
    assert refusal.value.code == code
