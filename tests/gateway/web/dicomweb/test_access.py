"""Who is served and who is not, what the audit hears of it, and which origins a browser lets ask."""

from dataclasses import replace

import httpx
import pytest
from sqlalchemy import select

from gateway.audit import AuditEvent
from gateway.runtime import Runtime
from gateway.web.app import create_app
from tests.conftest import Clock
from tests.gateway.web.conftest import County
from tests.gateway.web.dicomweb.conftest import Stored, image, sign_in
from tests.gateway.web.stored import (
    browser_of,
    serving,
)
from tests.synthetic import make_images
from worklists.directory import Person, PersonRole, Role

pytestmark = pytest.mark.filterwarnings("ignore")


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


def test_head_says_what_get_would_and_sends_nothing(stored: Stored, browser: httpx.Client) -> None:
    (path,) = stored(image())

    for url in ("/studies", path, f"{path}/metadata", f"{path}/frames/1", f"{path}/bulkdata/7FE00010"):
        told, got = browser.head(url), browser.get(url)
        assert (told.status_code, told.content) == (200, b"")
        assert told.headers.get("etag") == got.headers.get("etag")
        kinds = [one.headers["content-type"].partition("boundary=")[0] for one in (told, got)]
        assert kinds[0] == kinds[1]
    assert browser.head(f"{path}/frames/9").status_code == 404
    assert browser.head("/studies/1.2.3/metadata").status_code == 404
