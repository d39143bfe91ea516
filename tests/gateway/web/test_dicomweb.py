"""DICOMweb on a real socket: what dicomweb-client and OHIF ask, and what others should not get."""

import gzip
import io
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from fastapi import FastAPI
from pydicom.dataset import Dataset
from sqlalchemy import delete, select, update

from gateway import accounts, journal
from gateway.audit import AuditEvent
from gateway.dicomweb.search import SKIPPED_LIMIT
from gateway.dicomweb.shelf import ALLOWED_FOR_S
from gateway.index import Instance, Pack, Record, Series, Study
from gateway.runtime import Runtime
from gateway.web.app import create_app
from gateway.web.deps import RECOGNISED_FOR_S
from tests.bench.many import write_studies
from tests.conftest import Clock
from tests.gateway.web.conftest import County
from tests.gateway.web.stored import (
    browser_of,
    file_of,
    keep,
    let_read,
    parts_of,
    pydicom_file,
    reader_of,
    serving,
)
from tests.synthetic import make_images
from worklists.directory import Agreement, Person, PersonRole, Role
from worklists.reading import ReadingTask

pytestmark = pytest.mark.filterwarnings("ignore")

OCTETS = 'multipart/related; type="application/octet-stream"'
AS_STORED = "multipart/related; type=application/octet-stream; transfer-syntax=*"


@pytest.fixture
def base_url(app: FastAPI) -> Iterator[str]:
    with serving(app) as url:
        yield url


def sign_in(runtime: Runtime, person_id: uuid.UUID) -> str:
    token, now = f"{accounts.SESSION_PREFIX}{uuid.uuid4().hex}", runtime.now()
    with runtime.sessions.begin() as session:
        session.add(
            accounts.LoginSession(
                token_hash=accounts.hash_token(token),
                person_id=person_id,
                csrf_token="proof",
                created_at=now,
                last_used_at=now,
                expires_at=now + accounts.ENDS_AFTER,
            )
        )
    return token


@pytest.fixture
def token(runtime: Runtime, county: County) -> str:
    """The reader's, to whose centre the township's studies go."""
    let_read(runtime, lead=county.hospital, member=county.township)
    return sign_in(runtime, county.people["reader"])


@pytest.fixture
def reader(base_url: str, token: str) -> DICOMwebClient:
    return reader_of(base_url, token)


@pytest.fixture
def browser(base_url: str, token: str) -> Iterator[httpx.Client]:
    with browser_of(base_url, token) as client:
        yield client


class Stored:
    """Puts data sets into the gateway as the township's."""

    def __init__(self, runtime: Runtime, county: County) -> None:
        self.runtime, self.county = runtime, county

    def __call__(self, *data_sets: Dataset, **origin: Any) -> list[str]:
        keep(self.runtime, map(file_of, data_sets), institution_id=self.county.township, **origin)
        return [_path(one) for one in data_sets]

    def file(self, path: Path) -> tuple[Dataset, str]:
        keep(self.runtime, [path.read_bytes()], institution_id=self.county.township)
        data_set = pydicom.dcmread(path, force=True)
        return data_set, _path(data_set)


def _path(one: Dataset) -> str:
    return f"/studies/{one.StudyInstanceUID}/series/{one.SeriesInstanceUID}/instances/{one.SOPInstanceUID}"


@pytest.fixture
def stored(runtime: Runtime, county: County) -> Stored:
    return Stored(runtime, county)


def image(**fields: Any) -> Dataset:
    (made,) = make_images(1, **fields)
    return made


# Search


def test_a_study_is_found_with_its_counts_and_modalities(stored: Stored, reader: DICOMwebClient) -> None:
    images = list(make_images(3, name="ZHANG^SAN=张^三", patient_id="P1"))
    stored(*images)

    (found,) = reader.search_for_studies(fields=["StudyDescription"], limit=10)

    assert found["0020000D"]["Value"] == [images[0].StudyInstanceUID]
    assert found["00100010"]["Value"] == [{"Alphabetic": "ZHANG^SAN", "Ideographic": "张^三"}]
    assert found["00080061"]["Value"] == ["CT"]
    assert found["00201206"]["Value"] == [1]
    assert found["00201208"]["Value"] == [3]
    assert list(found) == sorted(found)


@pytest.mark.parametrize(
    ("key", "value", "matches"),
    [
        ("PatientName", "zhang*", True),
        ("PatientName", "ZHANG^SAN", True),
        ("PatientName", "张三", True),
        ("PatientName", "张^?", True),
        ("PatientName", "*三", True),
        ("PatientName", "li*", False),
        ("PatientName", "100%", False),
        ("PatientID", "P1", True),
        ("00100020", "P?", True),
        ("PatientBirthDate", "19700101", True),
        ("StudyDate", "20261120", True),
        ("StudyDate", "20261101-20261130", True),
        ("StudyDate", "-20261119", False),
        ("StudyDate", "20261120-", True),
        ("StudyTime", "10", True),
        ("StudyTime", "1016-11", False),
        ("ModalitiesInStudy", "MR\\CT", True),
        ("ModalitiesInStudy", "MR", False),
        ("StudyInstanceUID", "1.2.3,2.25.1", False),
        ("AccessionNumber", "", True),
    ],
)
def test_a_key_matches_as_the_standard_says(
    stored: Stored, reader: DICOMwebClient, key: str, value: str, matches: bool
) -> None:
    stored(image(name="ZHANG^SAN=张^三", patient_id="P1"))

    assert bool(reader.search_for_studies(search_filters={key: value})) is matches


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("Nonsense=1", "Nonsense"),
        ("Modality=CT", "Modality"),
        ("StudyDate=yesterday", "StudyDate"),
        ("limit=many", "limit"),
        ("includefield=Nonsense", "Nonsense"),
    ],
)
def test_what_cannot_be_used_is_a_400_that_names_it(browser: httpx.Client, query: str, named: str) -> None:
    answer = browser.get(f"/studies?{query}")

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert named in answer.json()["detail"]


def test_nothing_found_is_an_empty_list(browser: httpx.Client) -> None:
    answer = browser.get("/studies?PatientID=nobody&includefield=all")

    assert (answer.status_code, answer.json()) == (200, [])
    assert answer.headers["content-type"] == "application/dicom+json"


def test_pages_follow_one_another(stored: Stored, browser: httpx.Client) -> None:
    stored(*(image(patient_id=f"P{number}") for number in range(5)))

    whole = [one["0020000D"]["Value"][0] for one in browser.get("/studies").json()]
    paged = [
        one["0020000D"]["Value"][0]
        for offset in (0, 2, 4)
        for one in browser.get(f"/studies?limit=2&offset={offset}").json()
    ]

    assert len(whole) == 5
    assert paged == whole


def test_a_page_far_behind_is_the_page_that_stands_there(runtime: Runtime, browser: httpx.Client) -> None:
    with runtime.sessions.begin() as session:
        write_studies(session, SKIPPED_LIMIT + 30)

    whole = browser.get("/studies").json()
    page = browser.get(f"/studies?limit=5&offset={SKIPPED_LIMIT + 10}").json()

    assert len(whole) == SKIPPED_LIMIT + 30
    assert page == whole[SKIPPED_LIMIT + 10 : SKIPPED_LIMIT + 15]


def test_a_study_with_nothing_in_it_and_text_that_json_escapes(
    stored: Stored, runtime: Runtime, browser: httpx.Client
) -> None:
    one = image(patient_id="P1")
    one.StudyDescription = 'a "b" \\ c'
    stored(one)
    with runtime.sessions.begin() as session:
        session.execute(update(Series).values(instances=0))

    (found,) = browser.get("/studies").json()

    assert found["00081030"]["Value"] == ['a "b" \\ c']
    assert found["00080061"] == {"vr": "CS"}
    assert [found["00201206"]["Value"], found["00201208"]["Value"]] == [[0], [0]]


def test_series_and_instances_are_listed_in_reading_order(stored: Stored, reader: DICOMwebClient) -> None:
    images = list(make_images(3))
    stored(*reversed(images))
    study, series = images[0].StudyInstanceUID, images[0].SeriesInstanceUID

    (one,) = reader.search_for_series(study, search_filters={"Modality": "CT"})
    instances = reader.search_for_instances(study, series)

    assert one["0020000E"]["Value"] == [series]
    assert one["00201209"]["Value"] == [3]
    assert [found["00200013"]["Value"][0] for found in instances] == [1, 2, 3]
    assert [len(reader.search_for_instances()), len(reader.search_for_series())] == [3, 1]
    assert instances[0]["00280010"]["Value"] == [32]


@pytest.mark.parametrize(
    ("value", "found"),
    [("zhangsan", 1), ("san zhang", 1), ("zs", 1), ("三", 1), ("张三", 1), ("lisi", 0), ("%", 0), ("^", 0)],
)
def test_fuzzy_matching_finds_a_name_by_its_pinyin_and_in_any_order(
    stored: Stored, browser: httpx.Client, value: str, found: int
) -> None:
    stored(image(name="=张^三", patient_id="P1"))

    answer = browser.get("/studies", params={"PatientName": value, "fuzzymatching": "true"})

    assert len(answer.json()) == found
    assert "warning" not in answer.headers


def test_what_is_not_supported_is_warned_about_or_refused(browser: httpx.Client) -> None:
    assert "emptyvaluematching" in browser.get("/studies?emptyvaluematching=true").headers["warning"]
    refused = browser.get("/studies", headers={"Accept": 'multipart/related; type="application/dicom+xml"'})
    assert refused.status_code == 406


# Metadata


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

    (found,) = browser.get(_path(sent) + "/metadata").json()

    assert found["00100010"]["Value"] == [{"Alphabetic": "王^小东"}]


def test_metadata_is_not_sent_again_while_nothing_changed(stored: Stored, browser: httpx.Client) -> None:
    (path,) = stored(image())
    first = browser.get(path + "/metadata")

    again = browser.get(path + "/metadata", headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")


# Instances


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


# Frames


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


# Rendered


def test_a_frame_is_rendered_with_the_window_and_size_asked_for(
    stored: Stored, browser: httpx.Client
) -> None:
    from PIL import Image

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
    "name",
    [
        "SC_rgb_rle.dcm",
        "examples_palette.dcm",
        "SC_ybr_full_422_uncompressed.dcm",
        "MR_small_jp2klossless.dcm",
    ],
)
def test_every_kind_of_colour_has_a_thumbnail(stored: Stored, browser: httpx.Client, name: str) -> None:
    from PIL import Image

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


# Who, and where from


def test_nobody_else_learns_that_it_is_there(
    stored: Stored, runtime: Runtime, county: County, base_url: str, token: str
) -> None:
    (path,) = stored(image())
    routes = ["", "/metadata", "/frames/1", "/rendered", "/thumbnail", "/bulkdata/7FE00010"]

    for name in ("village", "it", "admin", "auditor"):
        with browser_of(base_url, sign_in(runtime, county.people[name])) as other:
            assert {other.get(path + route).status_code for route in routes} == {404}
            assert other.get("/studies").json() == []
    with browser_of(base_url, sign_in(runtime, county.people["radiographer"])) as own:
        assert own.get(path + "/frames/1").status_code == 200
    with httpx.Client(base_url=base_url, trust_env=False) as stranger:
        assert stranger.get("/dicomweb/studies").status_code == 401


def test_opening_a_study_is_audited_once_in_a_quarter_of_an_hour(
    stored: Stored, runtime: Runtime, clock: Clock, browser: httpx.Client
) -> None:
    images = list(make_images(3))
    paths = stored(*images)

    def openings() -> int:
        with runtime.reading() as session:
            rows = session.scalars(select(AuditEvent).where(AuditEvent.action == "images_opened")).all()
        assert all(row.examination_id is not None and row.person_id is not None for row in rows)
        return len(rows)

    browser.get("/studies")
    assert openings() == 0
    for path in paths:
        assert browser.get(f"{path}/frames/1").status_code == 200
    assert openings() == 1
    clock.advance(minutes=16)
    browser.get(f"{paths[0]}/frames/1")
    assert openings() == 2


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


def test_a_second_reader_of_the_centre_is_audited_too(
    stored: Stored, runtime: Runtime, county: County, base_url: str, browser: httpx.Client
) -> None:
    (path,) = stored(image())
    with runtime.sessions.begin() as session:
        other = Person(
            username="li",
            name="李",
            institution_id=county.hospital,
            roles=[PersonRole(role=Role.READER, centre_id=county.centre)],
        )
        session.add(other)
        session.flush()
        other_id = other.id
    browser.get(f"{path}/frames/1")
    with browser_of(base_url, sign_in(runtime, other_id)) as second:
        second.get(f"{path}/frames/1")

    with runtime.reading() as session:
        actors = session.scalars(select(AuditEvent.actor).where(AuditEvent.action == "images_opened")).all()
    assert sorted(actors) == ["li", "reader"]


def test_large_metadata_travels_compressed(stored: Stored, base_url: str, token: str) -> None:
    images = list(make_images(20))
    stored(*images)
    url = f"{base_url}/dicomweb/studies/{images[0].StudyInstanceUID}/metadata"
    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"}

    with httpx.stream("GET", url, headers=headers, trust_env=False) as answer:
        raw = b"".join(answer.iter_raw())

    assert len(json.loads(gzip.decompress(raw))) == 20


# From elsewhere


def test_a_listed_origin_may_read_with_a_token_and_no_other(
    stored: Stored, runtime: Runtime, token: str
) -> None:
    (path,) = stored(image())
    settings = runtime.settings.model_copy(
        update={"cors_origins": "https://viewer.example, http://other:3000"}
    )
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    with serving(create_app(replace(runtime, settings=settings))) as url, browser_of(url, token) as browser:
        preflight = browser.options(path, headers={"Origin": "https://viewer.example", **asked})
        answer = browser.get(f"{path}/frames/1", headers={"Origin": "http://other:3000"})
        strange = browser.options(path, headers={"Origin": "https://evil.example", **asked})
        elsewhere = httpx.get(f"{url}/livez", headers={"Origin": "https://viewer.example"}, trust_env=False)

    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "https://viewer.example"
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in preflight.headers
    assert answer.headers["access-control-allow-origin"] == "http://other:3000"
    assert "Origin" in answer.headers["vary"]
    for other in (strange, elsewhere):
        assert not [name for name in other.headers if name.startswith("access-control")]


def test_no_origin_may_read_unless_it_is_listed(browser: httpx.Client) -> None:
    answer = browser.get("/studies", headers={"Origin": "https://viewer.example"})
    assert "access-control-allow-origin" not in answer.headers


# What is remembered


def test_a_frame_that_was_looked_at_is_the_same_when_it_is_remembered(
    stored: Stored, browser: httpx.Client
) -> None:
    images = list(make_images(2, size=64))
    paths = stored(*images)
    browser.get(f"{paths[0].rpartition('/instances')[0]}/metadata")  # as a viewer does first

    for _ in range(2):
        first = browser.get(f"{paths[1]}/frames/1", headers={"Accept": AS_STORED})
        ((head, body),) = parts_of(first)
        assert body == images[1].PixelData
        assert head["content-location"].endswith(f"{paths[1]}/frames/1")
    unchanged = browser.get(
        f"{paths[1]}/frames/1", headers={"Accept": AS_STORED, "If-None-Match": first.headers["etag"]}
    )
    assert unchanged.status_code == 304
    assert browser.get(f"{paths[1]}/frames/2", headers={"Accept": AS_STORED}).status_code == 404
    assert browser.get(f"{paths[1]}/frames/1", headers={"Accept": "image/gif"}).status_code == 406


def test_whoever_signed_out_sees_no_frame_and_a_lost_right_bites_within_seconds(
    stored: Stored, runtime: Runtime, browser: httpx.Client, base_url: str
) -> None:
    (path,) = stored(image())
    for _ in range(2):
        assert browser.get(f"{path}/frames/1").status_code == 200

    with runtime.sessions.begin() as session:
        session.execute(delete(Agreement))
        session.execute(delete(ReadingTask))
    time.sleep(ALLOWED_FOR_S + 0.1)
    assert browser.get(f"{path}/frames/1").status_code == 404

    with runtime.sessions.begin() as session:
        session.execute(delete(accounts.LoginSession))
    time.sleep(RECOGNISED_FOR_S + 0.1)
    assert browser.get(f"{path}/frames/1").status_code == 401


def test_metadata_that_was_written_down_is_read_by_another_process(
    stored: Stored, runtime: Runtime, base_url: str, token: str
) -> None:
    images = list(make_images(3))
    paths = stored(*images)
    series = paths[0].rpartition("/instances")[0]
    with browser_of(base_url, token) as first:
        told = first.get(f"{series}/metadata").json()
    files = list((runtime.settings.cache_dir / "descriptions").glob("??/*"))
    assert len(files) == 1

    with runtime.reading() as session:
        record = session.scalars(select(Record)).first()
    assert record is not None
    journal.remove_segment(
        runtime.journal_dir, record.journal, record.segment
    )  # nothing to read it from again
    with serving(create_app(runtime)) as url, browser_of(url, token) as second:
        again = second.get(f"{series}/metadata").json()
    assert [one["00080018"] for one in again] == [one["00080018"] for one in told]

    torn = files[0].read_bytes()[:-10]
    files[0].write_bytes(torn)
    with serving(create_app(runtime)) as url, browser_of(url, token) as third:
        assert third.get(f"{series}/metadata").status_code == 503  # it is not believed


def test_metadata_of_many_instances_is_sent_whole_while_it_is_made(
    stored: Stored, base_url: str, token: str
) -> None:
    images = list(make_images(450, size=4))
    stored(*images)
    url = f"{base_url}/dicomweb/studies/{images[0].StudyInstanceUID}/metadata"
    for encoding in ("identity", "gzip"):
        headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": encoding}
        answer = httpx.get(url, headers=headers, trust_env=False, timeout=60)
        assert "content-length" not in answer.headers
        assert [one["00080018"]["Value"][0] for one in answer.json()] == [
            one.SOPInstanceUID for one in images
        ]
