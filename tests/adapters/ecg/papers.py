"""What can be measured on a printed tracing: in its SVG in millimetres, in its PDF in pixels."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.ecg.recording import EcgRecording, Lead
from tests.adapters.ecg.recordings import made_recording

DOTS_PER_INCH = 300
MM_PER_DOT = 25.4 / DOTS_PER_INCH
PULSE_FROM_S, PULSE_S, PULSE_UV = 4.0, 1.0, 1000


def known_recording(names: tuple[str, ...] = ("X",), **changes: Any) -> EcgRecording:
    """Ten seconds of nothing with a pulse of 1 mV for 1 s in every lead."""
    digital = np.zeros(5000, dtype=np.int16)
    digital[round(PULSE_FROM_S * 500) : round((PULSE_FROM_S + PULSE_S) * 500)] = PULSE_UV
    made = made_recording(names, **changes)
    leads = tuple(Lead(name=lead.name, digital=digital, derived=lead.derived) for lead in made.leads)
    return replace(made, leads=leads)


def day_of_nothing() -> EcgRecording:
    """A day at 125 Hz in three leads, in no memory."""
    made = made_recording(("I", "II", "V5"), sampling_rate_hz=125)
    silence = np.broadcast_to(np.int16(0), (86_400 * 125,))
    return replace(made, leads=tuple(Lead(name=lead.name, digital=silence) for lead in made.leads))


def points_mm(path: str) -> list[NDArray[np.float64]]:
    """The absolute points, in mm, of each connected stretch of a path of ours."""
    stretches = []
    for first, moves in re.findall(r"M(-?\d+ -?\d+)(?:l([-\d ]+)|h0)", path):
        steps = np.array([first.split(), *np.array(moves.split()).reshape(-1, 2).tolist()], dtype=np.int64)
        stretches.append(np.cumsum(steps, axis=0) / 1000)
    return stretches


def rendered(pdf: bytes, folder: Path, *, dpi: int = DOTS_PER_INCH, page: int = 1) -> NDArray[np.uint8]:
    """A page as poppler draws it: rows, columns, red green blue."""
    path = folder / "tracing.pdf"
    path.write_bytes(pdf)
    command = ["pdftoppm", "-r", str(dpi), "-f", str(page), "-singlefile", path, folder / "page"]
    subprocess.run(command, check=True, capture_output=True)
    data = (folder / "page.ppm").read_bytes()
    head = re.match(rb"P6\s(\d+) (\d+)\s255\s", data)
    assert head is not None
    width, height = int(head[1]), int(head[2])
    return np.frombuffer(data[head.end() :], np.uint8).reshape(height, width, 3)


def is_ink(page: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where the curve is: dark in every colour, as the grid is not."""
    return page.max(axis=2) < 110
