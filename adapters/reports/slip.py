"""The slip by which a report is read on a telephone: QR code and short code, on A5 or on a roll of 80 mm.

The code is printed large enough for old telephones: a module of the QR code (ISO/IEC 18004) is 1 mm and more.
"""

import dataclasses
import json
from datetime import datetime
from pathlib import Path
from typing import Literal

import structlog
import typst

from adapters.errors import Unavailable
from adapters.reports.fonts import Fonts
from adapters.reports.printable import make_printable
from adapters.reports.qr import draw_qr

TEMPLATE = Path(__file__).with_name("slip.typ")
Paper = Literal["a5", "roll"]

log = structlog.get_logger()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """What stands on one. All words are ready to print."""

    title: str
    name: str  # masked
    examination: str
    institutions: str
    how: tuple[str, ...]  # step by step
    code_label: str
    code: str
    typed_at: str  # the address under which the code is typed
    expires: str
    phones: tuple[str, ...]
    caution: str


def write_slip(slip: Slip, *, address: str, paper: Paper, fonts: Fonts, printed_at: datetime) -> bytes:
    """One page. `address` is what the QR code says."""
    values, _ = make_printable(dataclasses.asdict(slip), fonts)
    inputs = {
        "slip": json.dumps(values),
        "families": json.dumps(fonts.families),
        "qr": draw_qr(address),
        "paper": paper,
    }
    compiler = typst.Compiler(TEMPLATE, font_paths=fonts.typst, ignore_system_fonts=True, sys_inputs=inputs)
    try:
        pdf, warnings = compiler.compile_with_warnings(format="pdf", timestamp=int(printed_at.timestamp()))
    except typst.TypstError:
        # Its words quote the slip, which no log may hold.
        raise Unavailable("the slip cannot be typeset") from None
    if warnings:
        log.warning("slip_typeset_with_warnings", warnings=len(warnings))
    if not isinstance(pdf, bytes):
        raise TypeError("Typst gave no PDF")
    return pdf
