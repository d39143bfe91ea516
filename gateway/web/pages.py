"""Our built pages under `/app/`, OHIF under `/ohif/`, and the short ways to them."""

import re
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import RedirectResponse
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from gateway.web.messages import LANGUAGES, say
from worklists.errors import NotFound

router = APIRouter(include_in_schema=False)

# A name with a hash of its content never changes its content: Vite's `index-BvV1t0Xk.js`, OHIF's
# `app.bundle.0c5b3b4ad6b0f1d9.js`.
_HASHED = re.compile(r"(?:-[A-Za-z0-9_-]{8}|(?:^|[./])[0-9a-f]{16,32})\.[a-z0-9]+$")
_CODE = re.compile("[A-Za-z0-9_-]{1,64}")
_FOREVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"
_PACKED = "gzip"  # the only coding that browsers take over plain HTTP too


class Pages(StaticFiles):
    """Files of one application; what is no file is a page of it, and its router decides."""

    def __init__(self, directory: Path):
        super().__init__(directory=directory, check_dir=False)
        self._index = directory / "index.html"

    async def check_config(self) -> None:
        """The folder may be built while we run."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        if not self._index.is_file():
            return _not_built()
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != 404 or _names_a_file(path):
                raise
            response = await super().get_response("index.html", scope)
        except ValueError:  # a path that no file system takes
            raise HTTPException(404) from None
        response.headers["Cache-Control"] = _FOREVER if _HASHED.search(path) else _ASK_AGAIN
        return await self._packed(path, scope, response)

    async def _packed(self, path: str, scope: Scope, plain: Response) -> Response:
        """The `.gz` that the build put beside a file, for a browser that takes it: OHIF is 50 MB otherwise."""
        if plain.status_code != 200 or _PACKED not in Headers(scope=scope).get("accept-encoding", ""):
            return plain
        try:
            packed = await super().get_response(f"{path}.gz", scope)
        except HTTPException:
            return plain
        for name in ("content-type", "cache-control"):
            packed.headers[name] = plain.headers[name]
        packed.headers["Content-Encoding"] = _PACKED
        packed.headers["Vary"] = "Accept-Encoding"
        return packed


def mount(app: FastAPI, viewer_dir: Path) -> None:
    """After every other route: what nobody else answers below these is a page."""
    for name in ("app", "ohif"):
        app.mount(f"/{name}", Pages(viewer_dir / name), name=name)


@router.get("/")
@router.get("/app")
def go_to_app() -> RedirectResponse:
    return RedirectResponse("/app/")


@router.get("/v/{code}")
def go_to_verification(code: str) -> RedirectResponse:
    """What the QR code on a report says; a short address makes a coarse code that phones read well."""
    if not _CODE.fullmatch(code):
        raise NotFound("code")
    return RedirectResponse(f"/app/verify/{code}")


def _names_a_file(path: str) -> bool:
    name = path.rpartition("/")[2]
    return "." in name and name != "."  # which is the folder itself


def _not_built() -> Response:
    sentences = "".join(f"<p>{say('viewer_not_built', language)}</p>" for language in LANGUAGES)
    page = (
        f'<!doctype html><html lang="{LANGUAGES[0]}"><meta charset="utf-8">'
        f"<title>Shared-Centre Gateway</title><body>{sentences}</body></html>"
    )
    return HTMLResponse(page, 503, headers={"Cache-Control": _ASK_AGAIN})
