"""What a process remembers of images, and for how long."""

import time

import httpx
import pytest
from sqlalchemy import delete, select

from gateway import accounts, journal
from gateway.dicomweb.shelf import ALLOWED_FOR_S
from gateway.index import Record
from gateway.runtime import Runtime
from gateway.web.app import create_app
from gateway.web.deps import RECOGNISED_FOR_S
from tests.gateway.web.dicomweb.conftest import AS_STORED, Stored, image
from tests.gateway.web.stored import (
    browser_of,
    parts_of,
    serving,
)
from tests.synthetic import make_images
from worklists.directory import Agreement
from worklists.reading import ReadingTask

pytestmark = pytest.mark.filterwarnings("ignore")


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
        assert "Accept-Encoding" in answer.headers["vary"]
        assert [one["00080018"]["Value"][0] for one in answer.json()] == [
            one.SOPInstanceUID for one in images
        ]
