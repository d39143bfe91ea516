"""Frames and bulk data: as they are stored, decoded, in ranges (PS3.18 10.4.1.1.5, 10.4.1.1.6)."""

import httpx
import pytest

from tests.gateway.web.dicomweb.conftest import AS_STORED, OCTETS, Stored, image
from tests.gateway.web.stored import (
    parts_of,
    pydicom_file,
)

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_native_frame_is_cut_out(stored: Stored, browser: httpx.Client) -> None:
    sent, url = stored.file(pydicom_file("SC_rgb_small_odd.dcm"))

    ((head, body),) = parts_of(browser.get(f"{url}/frames/1", headers={"Accept": AS_STORED}))

    assert head["content-type"] == "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
    assert body == sent.PixelData[: sent.Rows * sent.Columns * 3]


def test_frames_come_in_the_order_that_is_asked_for(stored: Stored, browser: httpx.Client) -> None:
    sent, url = stored.file(pydicom_file("rtdose.dcm"))
    size = sent.Rows * sent.Columns * 4

    parts = parts_of(browser.get(f"{url}/frames/3,1", headers={"Accept": OCTETS}))

    assert [body for _, body in parts] == [sent.PixelData[2 * size : 3 * size], sent.PixelData[:size]]
    assert browser.get(f"{url}/frames/99").status_code == 404
    assert browser.get(f"{url}/frames/0").status_code == 404
    assert browser.get(f"{url}/frames/one").status_code == 400


def test_a_compressed_frame_is_given_as_stored_or_decoded(stored: Stored, browser: httpx.Client) -> None:
    sent, url = stored.file(pydicom_file("MR_small_jpeg_ls_lossless.dcm"))
    syntax = "1.2.840.10008.1.2.4.80"

    ((viewer, raw),) = parts_of(browser.get(f"{url}/frames/1", headers={"Accept": AS_STORED}))
    ((any_form, same),) = parts_of(browser.get(f"{url}/frames/1"))
    ((decoded, plain),) = parts_of(browser.get(f"{url}/frames/1", headers={"Accept": OCTETS}))
    other = browser.get(f"{url}/frames/1", headers={"Accept": 'multipart/related; type="image/jp2"'})

    assert viewer["content-type"] == f"application/octet-stream; transfer-syntax={syntax}"
    assert any_form["content-type"] == f"image/jls; transfer-syntax={syntax}"
    assert raw == same
    assert raw.startswith(b"\xff\xd8\xff\xf7")
    assert decoded["content-type"].endswith("1.2.840.10008.1.2.1")
    assert plain == sent.pixel_array.tobytes()
    assert other.status_code == 406


@pytest.mark.parametrize("name", ["MR_small_bigendian.dcm", "image_dfl.dcm"])
def test_big_endian_and_deflated_pixels_leave_as_plain_ones(
    stored: Stored, browser: httpx.Client, name: str
) -> None:
    sent, url = stored.file(pydicom_file(name))

    ((_, body),) = parts_of(browser.get(f"{url}/frames/1", headers={"Accept": AS_STORED}))

    assert body == sent.pixel_array.astype(sent.pixel_array.dtype.newbyteorder("<")).tobytes()


def test_a_range_of_bulk_data_is_given(stored: Stored, browser: httpx.Client) -> None:
    sent = image()
    (path,) = stored(sent)
    accept = {"Accept": "application/octet-stream"}

    part = browser.get(f"{path}/bulkdata/7FE00010", headers={**accept, "Range": "bytes=10-19"})
    beyond = browser.get(f"{path}/bulkdata/7FE00010", headers={**accept, "Range": "bytes=99999999-"})

    assert (part.status_code, part.content) == (206, sent.PixelData[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(sent.PixelData)}"
    assert beyond.status_code == 416
    assert browser.get(f"{path}/bulkdata/nothing").status_code == 400
