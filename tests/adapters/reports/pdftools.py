"""What independent readers (poppler) and plain eyes find in a PDF."""

import re
import subprocess
import tempfile
from pathlib import Path


def run_on(pdf: bytes, *command: str) -> str:
    """The output of a poppler command; `{pdf}` in it is the file, `{folder}` an empty folder beside it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.pdf"
        path.write_bytes(pdf)
        words = [word.format(pdf=path, folder=folder) for word in command]
        return subprocess.run(words, capture_output=True, check=True, text=True, cwd=folder).stdout


def text_of(pdf: bytes) -> str:
    return run_on(pdf, "pdftotext", "-layout", "{pdf}", "-")


def squeezed(pdf: bytes) -> str:
    """The text without any space: where lines break is the layout's affair."""
    return re.sub(r"[\s\u200b]", "", text_of(pdf))


def attachments_of(pdf: bytes) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.pdf"
        path.write_bytes(pdf)
        out = Path(folder) / "out"
        out.mkdir()
        subprocess.run(["pdfdetach", "-saveall", "-o", out, path], capture_output=True, check=True)
        return {file.name: file.read_bytes() for file in out.iterdir()}


def xmp_of(pdf: bytes) -> list[bytes]:
    """Every XMP packet in the file, oldest first."""
    return re.findall(rb"<\?xpacket begin.*?<\?xpacket end[^>]*>", pdf, re.DOTALL)


def pages_of(pdf: bytes) -> int:
    found = re.search(r"^Pages:\s+(\d+)", run_on(pdf, "pdfinfo", "{pdf}"), re.MULTILINE)
    assert found is not None
    return int(found.group(1))
