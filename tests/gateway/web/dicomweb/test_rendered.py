"""Rendered frames, thumbnails, documents (PS3.18 10.4.1.1.3, 10.4.1.1.4)."""

import io
import subprocess
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.adapters.dicom.conftest import DCMTK
from tests.gateway.web.dicomweb.conftest import Stored, image
from tests.gateway.web.stored import parts_of, pydicom_file

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_frame_is_rendered_with_the_window_and_size_asked_for(
    stored: Stored, browser: httpx.Client
) -> None:
    _, url = stored.file(pydicom_file("CT_small.dcm"))

    dark = browser.get(f"{url}/rendered?window=5000,1,linear&viewport=64,64", headers={"Accept": "image/png"})
    plain = browser.get(f"{url}/rendered")

    picture = Image.open(io.BytesIO(dark.content))
    assert (dark.headers["content-type"], picture.size) == ("image/png", (64, 64))
    assert np.asarray(picture).max() == 0
    assert np.asarray(Image.open(io.BytesIO(plain.content))).std() > 20
    assert browser.get(f"{url}/rendered?window=wide").status_code == 400
    assert browser.get(f"{url}/rendered", headers={"Accept": "image/gif"}).status_code == 406


@pytest.mark.parametrize(
    ("source", "asked", "options"),
    [
        ("CT_small.dcm", "window=40,400", "+Ww 40 400"),
        ("CT_small.dcm", "window=300,1000,sigmoid", "+Ww 300 1000 +Wfs"),
        ("MR_small_RLE.dcm", "", "+Wi 1"),
        ("MONOCHROME1", "window=2000,3000", "+Ww 2000 3000"),
        ("examples_palette.dcm", "", ""),
        ("SC_ybr_full_422_uncompressed.dcm", "", ""),
    ],
)
def test_a_picture_is_the_one_that_dcmtk_makes(
    stored: Stored, browser: httpx.Client, tmp_path: Path, source: str, asked: str, options: str
) -> None:
    if not (DCMTK / "dcmj2pnm").exists():
        pytest.skip("dcmtk's dcmj2pnm is not installed")
    if source == "MONOCHROME1":
        image(PhotometricInterpretation=source).save_as(file := tmp_path / "x.dcm", enforce_file_format=True)
    else:
        file = pydicom_file(source)
    subprocess.run([DCMTK / "dcmj2pnm", "+on", *options.split(), file, tmp_path / "x.png"], check=True)

    _, url = stored.file(file)
    answer = browser.get(f"{url}/rendered?{asked}", headers={"Accept": "image/png"})

    ours, theirs = (
        np.asarray(Image.open(one).convert("RGB")).astype(int)
        for one in (io.BytesIO(answer.content), tmp_path / "x.png")
    )
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1


@pytest.mark.parametrize(
    "asked", ["window=nan,1", "window=1,inf", "window=1,-1", "quality=nan", "viewport=inf,9"]
)
def test_what_is_no_number_changes_no_picture(stored: Stored, browser: httpx.Client, asked: str) -> None:
    (path,) = stored(image())

    assert browser.get(f"{path}/rendered?{asked}").status_code == 400


def test_several_frames_are_rendered_as_parts(stored: Stored, browser: httpx.Client) -> None:
    _, url = stored.file(pydicom_file("rtdose.dcm"))

    several = parts_of(browser.get(f"{url}/frames/3,1/rendered"))
    alone = [browser.get(f"{url}/frames/{number}/rendered") for number in (3, 1)]
    as_part = browser.get(f"{url}/frames/3/rendered?accept=multipart/related; type=image/png")

    assert [body for _, body in several] == [one.content for one in alone]
    assert {head["content-type"] for head, _ in several} == {"image/jpeg"}
    assert several[0][0]["content-location"].endswith(f"{url}/frames/3/rendered")
    ((head, body),) = parts_of(as_part)
    assert (head["content-type"], Image.open(io.BytesIO(body)).format) == ("image/png", "PNG")
    assert browser.get(f"{url}/frames/1,99/rendered").status_code == 404
    assert browser.get(f"{url}/frames/1,2/rendered", headers={"Accept": "image/png"}).status_code == 406


@pytest.mark.parametrize(
    "name",
    [
        "SC_rgb_rle.dcm",
        "examples_palette.dcm",
        "SC_ybr_full_422_uncompressed.dcm",
        "MR_small_jp2klossless.dcm",
    ],
)
def test_every_kind_of_colour_has_a_thumbnail(stored: Stored, browser: httpx.Client, name: str) -> None:
    sent, url = stored.file(pydicom_file(name))

    for place in (url, url.rpartition("/instances")[0], url.rpartition("/series")[0]):
        answer = browser.get(f"{place}/thumbnail")
        picture = Image.open(io.BytesIO(answer.content))
        assert answer.headers["content-type"] == "image/jpeg"
        assert max(picture.size) == 128
        assert np.asarray(picture).std() > 5
    assert sent.Rows > 0


def test_a_pdf_is_opened_as_a_pdf(stored: Stored, browser: httpx.Client) -> None:
    document = b"%PDF-1.7\n" + b"x" * 9000
    sent = image(modality="OT")
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(sent, keyword)
    sent.SOPClassUID = sent.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.104.1"
    sent.MIMETypeOfEncapsulatedDocument = "application/pdf"
    sent.EncapsulatedDocument, sent.EncapsulatedDocumentLength = document + b"\0", len(document)
    (path,) = stored(sent)

    for url in (f"{path}/rendered", f"{path}/bulkdata/00420011?accept=application/pdf"):
        answer = browser.get(url)
        assert (answer.headers["content-type"], answer.content) == ("application/pdf", document)
