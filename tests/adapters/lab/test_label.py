"""Labels: a scanner reads them at the printer's own resolution, and no text makes a second page."""

import io
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

from adapters.lab.label import QUIET_MODULES, Label, draw_code, write_labels
from adapters.reports.fonts import Fonts
from tests.fonts import fonts_dir
from tests.servers import need

DPI = 203  # of the usual label printer


def _label(barcode: str, **fields: str) -> Label:
    values = {
        "name": "欧阳明月",
        "person": "女 47岁",
        "tests": "血细胞分析",
        "specimen": "全血 · 紫",
        "taken": "11-22 08:10",
    }
    return Label(barcode=barcode, **{**values, **fields})


def _pages(pdf: bytes, folder: Path) -> list[Image.Image]:
    (folder / "labels.pdf").write_bytes(pdf)
    subprocess.run(
        ["pdftoppm", "-r", str(DPI), "-png", "labels.pdf", "page"], cwd=folder, check=True, timeout=60
    )
    return [Image.open(io.BytesIO(page.read_bytes())) for page in sorted(folder.glob("page*.png"))]


def test_a_scanner_reads_each_label_as_it_is_printed(tmp_path: Path) -> None:
    need("pdftoppm", "Debian's package poppler-utils")
    barcodes = ["261122000017", "LX-0012345", "B001", "261122999998"]
    labels = [_label(barcode, urgent="急", tests="肝功能、" * 40, name="买买提" * 20) for barcode in barcodes]

    pages = _pages(
        write_labels(labels, fonts=Fonts([fonts_dir()]), printed_at=datetime(2026, 11, 22, tzinfo=UTC)),
        tmp_path,
    )

    assert [page.size for page in pages] == [(400, 240)] * len(barcodes)  # 50 × 30 mm
    assert [[read.text for read in zxingcpp.read_barcodes(page)] for page in pages] == [
        [one] for one in barcodes
    ]


@pytest.mark.parametrize("barcode", ["261122000017", "LX-00012345"])
def test_beside_the_bars_ten_modules_stay_blank(barcode: str) -> None:
    bars = draw_code(barcode)["bars"]
    assert isinstance(bars, list)
    module = min(width for _, width in bars)
    first, (last, width) = bars[0][0], bars[-1]

    assert module >= 0.25  # two dots
    assert min(first, 50 - last - width) >= QUIET_MODULES * module - 1e-9


def test_a_code_too_long_for_the_label_is_printed_without_bars() -> None:
    assert draw_code("ABCDEFGHIJKLMNOP-QRSTUVWX")["bars"] == []
