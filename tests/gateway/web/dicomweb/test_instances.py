"""Whole instances and their metadata: as received, and in other forms (PS3.18 10.4.1.1.1, 10.4.1.1.2)."""

import gzip
import io
import json
from urllib.parse import urlsplit

import httpx
import numpy as np
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from sqlalchemy import select

from gateway import journal
from gateway.index import Instance, Pack, Record, Study
from gateway.runtime import Runtime
from tests.gateway.web.dicomweb.conftest import AS_STORED, Stored, image, path_of
from tests.gateway.web.stored import (
    file_of,
    keep,
    parts_of,
    pydicom_file,
)
from tests.synthetic import make_images

pytestmark = pytest.mark.filterwarnings("ignore")


def test_metadata_is_what_was_sent_with_its_pixels_as_bulk_data(
    stored: Stored, reader: DICOMwebClient, base_url: str
) -> None:
    sent = image(name="WANG^WU=王^五", LUTExplanation="灰阶")
    sent.add_new(0x00291010, "OB", b"x" * 5000)
    sent.add_new(0x00290010, "LO", "MAKER")
    stored(sent)

    (found,) = reader.retrieve_series_metadata(sent.StudyInstanceUID, sent.SeriesInstanceUID)

    assert found["00080005"]["Value"] == ["ISO_IR 192"]
    assert found["00100010"]["Value"][0]["Ideographic"] == "王^五"
    assert found["00280010"]["Value"] == [32]
    for tag, value in (("00291010", b"x" * 5000), ("7FE00010", sent.PixelData)):
        path = urlsplit(found[tag]["BulkDataURI"]).path  # this client names its host without the port
        assert reader.retrieve_bulkdata(base_url + path) == [value]


def test_a_wrongly_declared_name_is_read_as_the_device_is_known_to_write(
    stored: Stored, browser: httpx.Client
) -> None:
    sent = image(patient_id="GBK")
    sent.SpecificCharacterSet = "GB18030"
    sent.PatientName = "王^小东"
    file = file_of(sent).replace(b"GB18030 ", b"ISO_IR 6")
    keep(stored.runtime, [file], institution_id=stored.county.township, character_set="GB18030")

    (found,) = browser.get(path_of(sent) + "/metadata").json()

    assert found["00100010"]["Value"] == [{"Alphabetic": "王^小东"}]


def test_metadata_is_not_sent_again_while_nothing_changed(stored: Stored, browser: httpx.Client) -> None:
    (path,) = stored(image())
    first = browser.get(path + "/metadata")

    again = browser.get(path + "/metadata", headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")


def test_an_instance_comes_back_as_it_was_received(stored: Stored, browser: httpx.Client) -> None:
    path = pydicom_file("MR_small_RLE.dcm")
    _, url = stored.file(path)

    ((head, body),) = parts_of(
        browser.get(url, headers={"Accept": 'multipart/related; type="application/dicom"'})
    )

    assert head["content-type"] == "application/dicom; transfer-syntax=1.2.840.10008.1.2.5"
    assert body == path.read_bytes()


def test_a_study_is_streamed_instance_by_instance(stored: Stored, reader: DICOMwebClient) -> None:
    images = list(make_images(4, size=64))
    stored(*images)

    found = list(reader.iter_study(images[0].StudyInstanceUID))

    assert [one.SOPInstanceUID for one in found] == [one.SOPInstanceUID for one in images]


@pytest.mark.parametrize("name", ["MR_small_RLE.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm"])
def test_an_instance_is_transcoded_to_explicit_little_endian_when_asked(
    stored: Stored, browser: httpx.Client, name: str
) -> None:
    sent, url = stored.file(pydicom_file(name))
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1'

    ((_, body),) = parts_of(browser.get(url, headers={"Accept": accept}))

    found = pydicom.dcmread(io.BytesIO(body))
    assert found.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert np.array_equal(found.pixel_array, sent.pixel_array)


def test_another_transfer_syntax_is_not_acceptable(stored: Stored, browser: httpx.Client) -> None:
    (path,) = stored(image())
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.90'

    assert browser.get(path, headers={"Accept": accept}).status_code == 406


def test_a_separated_study_is_served_under_its_new_uid(
    stored: Stored, runtime: Runtime, browser: httpx.Client, reader: DICOMwebClient
) -> None:
    sent = image()
    stored(sent)
    with runtime.sessions.begin() as session:
        study = session.scalars(select(Study)).one()
        study.study_instance_uid = "2.25.42"

    (metadata,) = reader.retrieve_study_metadata("2.25.42")
    (found,) = reader.retrieve_study("2.25.42")

    assert metadata["0020000D"]["Value"] == ["2.25.42"]
    assert found.StudyInstanceUID == "2.25.42"
    assert found.PixelData == sent.PixelData
    assert browser.get(f"/studies/{sent.StudyInstanceUID}").status_code == 404


def test_an_evicted_original_comes_out_of_its_pack(
    stored: Stored, runtime: Runtime, browser: httpx.Client
) -> None:
    sent = image()
    (path,) = stored(sent)
    file = file_of(sent)
    runtime.objects.put("packs/one.tar", io.BytesIO(b"before" + file), len(file) + 6)
    with runtime.sessions.begin() as session:
        record = session.scalars(select(Record)).one()
        pack = Pack(key="packs/one.tar", size_bytes=len(file) + 6, filed_at=runtime.now())
        session.add(pack)
        session.flush()
        record.pack_id, record.pack_offset = pack.id, 6
        place = (record.journal, record.segment)
    journal.remove_segment(runtime.journal_dir, *place)  # the row still says that it is here

    ((_, body),) = parts_of(browser.get(f"{path}/frames/1", headers={"Accept": AS_STORED}))

    assert body == sent.PixelData


def test_an_original_that_is_nowhere_is_unavailable(
    stored: Stored, runtime: Runtime, browser: httpx.Client
) -> None:
    (path,) = stored(image())
    with runtime.reading() as session:
        record = session.scalars(select(Record)).one()
    journal.remove_segment(runtime.journal_dir, record.journal, record.segment)

    answer = browser.get(f"{path}/frames/1")

    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)


def test_an_older_version_is_not_served(stored: Stored, runtime: Runtime, browser: httpx.Client) -> None:
    (path,) = stored(image())
    with runtime.sessions.begin() as session:
        session.scalars(select(Instance)).one().current = False

    assert browser.get(f"{path}/frames/1").status_code == 404


def test_a_broken_data_set_is_listed_and_its_pixels_say_what_is_wrong(
    stored: Stored, browser: httpx.Client
) -> None:
    sent = image()
    del sent.Columns
    (path,) = stored(sent)

    assert browser.get(f"{path}/metadata").json()[0]["00080018"]["Value"] == [sent.SOPInstanceUID]
    assert browser.get(f"{path}/frames/1").status_code == 422
    assert browser.get(f"{path}/thumbnail").status_code == 422


def test_large_metadata_travels_compressed(stored: Stored, base_url: str, token: str) -> None:
    images = list(make_images(20))
    stored(*images)
    url = f"{base_url}/dicomweb/studies/{images[0].StudyInstanceUID}/metadata"
    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"}

    with httpx.stream("GET", url, headers=headers, trust_env=False) as answer:
        raw = b"".join(answer.iter_raw())

    assert len(json.loads(gzip.decompress(raw))) == 20
