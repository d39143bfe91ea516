"""ECGs that came as a page."""

import io
from pathlib import Path

import pytest
from PIL import Image

from adapters.ecg.errors import NotAnEcg
from adapters.ecg.reading import read_document, read_recording
from tests.adapters.ecg.builders import put
from tests.adapters.ecg.test_dicom_reading import PDF


def picture(form: str) -> bytes:
    buffer = io.BytesIO()
    Image.radial_gradient("L").resize((600, 400)).save(buffer, form)
    return buffer.getvalue()


def test_a_pdf_is_a_document_with_its_pages(tmp_path: Path) -> None:
    path = put(tmp_path, "report.bin", PDF)

    document = read_recording(path).document

    assert document is not None
    assert (document.media_type, document.pages) == ("application/pdf", 1)
    assert read_document(path) == PDF


@pytest.mark.parametrize(("form", "kind"), [("JPEG", "image/jpeg"), ("PNG", "image/png")])
def test_a_scan_is_a_document(tmp_path: Path, form: str, kind: str) -> None:
    document = read_recording(put(tmp_path, "scan.xml", picture(form))).document

    assert document is not None
    assert document.media_type == kind


@pytest.mark.parametrize("data", [PDF[:-40], picture("JPEG")[:3000], picture("PNG")[:-3000]])
def test_a_page_that_ends_early_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(NotAnEcg) as refusal:
        read_recording(put(tmp_path, "scan", data))
    assert refusal.value.code in ("truncated", "document_damaged")


def test_a_picture_that_claims_to_be_enormous_is_refused(tmp_path: Path) -> None:
    data = bytearray(picture("PNG"))
    data[16:24] = (60000).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")

    with pytest.raises(NotAnEcg) as refusal:
        read_recording(put(tmp_path, "scan.png", bytes(data)))
    assert refusal.value.code in ("too_large", "document_damaged")
