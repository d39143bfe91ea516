"""Small files of formats that nobody of us writes: ISHNE, EDF, BDF; and a signal that looks like an ECG."""

import binascii
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LEAD_CODES = {"I": 5, "II": 6, "III": 7, "V1": 11, "V2": 12, "V5": 15}


def heartbeats(leads: int, samples: int, *, rate: int = 250, seed: int = 7) -> NDArray[np.int16]:
    """Counts of the shape (leads, samples): a spike a second on noise, different in every lead."""
    random = np.random.default_rng(seed)
    noise = random.integers(-8, 9, (leads, samples))
    spikes = np.exp(-(((np.arange(samples) % rate) - rate / 4) ** 2) / (rate / 50) ** 2) * 400
    return (noise + np.outer(np.arange(1, leads + 1), spikes)).astype(np.int16)


def ishne(
    counts: NDArray[np.int16],
    *,
    leads: Sequence[str] = ("I", "II", "V1"),
    rate: int = 250,
    resolution_nv: int = 2500,
    name: tuple[bytes, bytes] = (b"Xiaodong", b"Wang"),
    claimed: int | None = None,
    variable: bytes = b"",
) -> bytes:
    """A Holter file with a right checksum."""
    number = len(leads)
    block = struct.pack(
        "<4i", len(variable), counts.shape[1] if claimed is None else claimed, 522, 522 + len(variable)
    )
    block += (
        struct.pack("<h", 1) + name[0].ljust(40, b"\0") + name[1].ljust(40, b"\0") + b"H-77".ljust(20, b"\0")
    )
    block += struct.pack("<2h", 1, 0) + struct.pack("<3h", 8, 5, 1953) + struct.pack("<3h", 22, 11, 2026)
    block += struct.pack("<3h", 22, 11, 2026) + struct.pack("<3h", 9, 30, 15) + struct.pack("<h", number)
    pad = [-9] * (12 - number)
    block += struct.pack("<12h", *(LEAD_CODES[lead] for lead in leads), *pad)
    block += struct.pack("<12h", *[1] * number, *pad) + struct.pack("<12h", *[resolution_nv] * number, *pad)
    block += struct.pack("<h", 0) + b"recorder".ljust(40, b"\0") + struct.pack("<h", rate)
    block = block.ljust(512, b"\0") + variable
    crc = binascii.crc_hqx(block, 0xFFFF)
    return b"ISHNE1.0" + struct.pack("<H", crc) + block + counts.T.astype("<i2").tobytes()


def edf(
    counts: NDArray[np.int16],
    *,
    labels: Sequence[str] = ("ECG I", "ECG II", "ECG V1"),
    units: Sequence[str] | None = None,
    rate: int = 250,
    plus: str = "EDF+C",
    patient: bytes = b"H-77 M 08-MAY-1953 Wang_Xiaodong",
    bytes_per_sample: int = 2,
    records: int | None = None,
) -> bytes:
    """One-second records; one count is 2.5 microvolts (a tenth of it in BDF, with ten times the counts)."""
    number, seconds = len(labels), counts.shape[1] // rate

    def fields(values: Sequence[object], size: int) -> bytes:
        return b"".join(str(value).encode().ljust(size)[:size] for value in values)

    step = 2.5 if bytes_per_sample == 2 else 0.25
    top = (1 << (8 * bytes_per_sample - 1)) - 1
    head = (b"0       " if bytes_per_sample == 2 else b"\xffBIOSEMI") + patient.ljust(80)
    head += b"Startdate 22-NOV-2026 X X cart".ljust(80) + b"22.11.26" + b"09.30.15"
    head += fields([256 * (number + 1)], 8) + plus.encode().ljust(44)
    head += fields([seconds if records is None else records], 8) + fields([1], 8) + fields([number], 4)
    head += fields(labels, 16) + fields([""] * number, 80) + fields(units or ["uV"] * number, 8)
    head += fields([round(-step * (top + 1))] * number, 8) + fields([f"{step * top:.8}"] * number, 8)
    head += fields([-(top + 1)] * number, 8) + fields([top] * number, 8)
    head += (
        fields(["HP:0.05Hz LP:150Hz N:50Hz"] * number, 80)
        + fields([rate] * number, 8)
        + fields([""] * number, 32)
    )
    data = counts[:, : seconds * rate].reshape(number, seconds, rate).transpose(1, 0, 2)
    if bytes_per_sample == 2:
        return head + data.astype("<i2").tobytes()
    wide = (data.astype("<i4") * 10).reshape(-1, 1).view(np.uint8).reshape(-1, 4)[:, :3]
    return head + wide.tobytes()


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path
