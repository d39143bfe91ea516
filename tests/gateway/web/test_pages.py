import gzip
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from gateway.runtime import Runtime


@pytest.fixture
def built(runtime: Runtime) -> Path:
    viewer = runtime.settings.viewer_dir
    for name in ("app/assets", "ohif"):
        (viewer / name).mkdir(parents=True)
    (viewer / "app/index.html").write_text("our pages")
    (viewer / "app/assets/index-BvV1t0Xk.js").write_text("script")
    (viewer / "app/favicon.svg").write_text("<svg/>")
    (viewer / "ohif/index.html").write_text("the viewer")
    (viewer / "ohif/app.bundle.0c5b3b4ad6b0f1d9.js").write_text("script")
    (viewer / "ohif/0ddf166f7a343eda.wasm").write_bytes(b"\0asm")
    (viewer / "secret.txt").write_text("secret")
    return viewer


@pytest.mark.parametrize(
    ("path", "text"),
    [("/app/", "our pages"), ("/app/worklist", "our pages"), ("/app/verify/Ab-1_", "our pages"),
     ("/ohif/viewer?StudyInstanceUIDs=1.2", "the viewer"), ("/app/assets/index-BvV1t0Xk.js", "script")],
)  # fmt: skip
def test_pages_are_served_and_the_router_of_the_page_decides(
    built: Path, anybody: TestClient, path: str, text: str
):
    answer = anybody.get(path)

    assert (answer.status_code, answer.text) == (200, text)


def test_only_a_name_with_a_hash_is_kept_for_ever(built: Path, anybody: TestClient):
    def cached(path: str) -> str:
        return anybody.get(path).headers["cache-control"]

    assert "immutable" in cached("/app/assets/index-BvV1t0Xk.js")
    assert "immutable" in cached("/ohif/app.bundle.0c5b3b4ad6b0f1d9.js")
    assert "immutable" in cached("/ohif/0ddf166f7a343eda.wasm")
    assert anybody.get("/ohif/0ddf166f7a343eda.wasm").headers["content-type"] == "application/wasm"
    assert {cached("/app/"), cached("/app/worklist"), cached("/app/favicon.svg")} == {"no-cache"}


def test_a_packed_file_goes_to_a_browser_that_takes_it(built: Path, anybody: TestClient):
    path = "app/assets/index-BvV1t0Xk.js"
    (built / f"{path}.gz").write_bytes(gzip.compress(b"script"))

    packed = anybody.get(f"/{path}", headers={"Accept-Encoding": "gzip, br"})
    plain = anybody.get(f"/{path}", headers={"Accept-Encoding": "identity"})

    assert (packed.headers["content-encoding"], packed.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert packed.headers["content-type"] == plain.headers["content-type"]
    assert "immutable" in packed.headers["cache-control"]
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text == "script"


def test_a_file_that_is_not_there_is_not_a_page(built: Path, anybody: TestClient):
    assert anybody.get("/app/assets/gone-AAAAAAAA.js").status_code == 404
    assert anybody.get("/app/../secret.txt").status_code == 404
    assert anybody.get("/app/%2e%2e/secret.txt").status_code == 404


def test_short_ways_lead_to_the_pages(anybody: TestClient):
    def leads(path: str) -> str:
        return anybody.get(path, follow_redirects=False).headers["location"]

    assert leads("/") == leads("/app") == "/app/"
    assert leads("/v/Ab-1_") == "/app/verify/Ab-1_"
    assert anybody.get("/v/a.b").status_code == 404


def test_pages_that_are_not_built_say_so(anybody: TestClient):
    answer = anybody.get("/app/worklist")

    assert answer.status_code == 503
    assert "make setup" in answer.text
