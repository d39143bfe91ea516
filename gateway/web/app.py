"""The web application: one FastAPI app over a runtime. Endpoints are plain functions in a pool of threads."""

import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio.to_thread import current_default_thread_limiter
from fastapi import APIRouter, FastAPI

from gateway import __version__
from gateway.runtime import Runtime
from gateway.web import errors
from gateway.web.edge import BodyLimit, SecurityHeaders

THREADS = 20  # as many as the database pool has connections (10 kept, 10 more): a thread never waits for one

_ROUTERS = (
    "session",
    "admin",
    "system",
    "audit",
    "health",
    "live",
    "worklist",
    "tasks",
    "reports",
    "examinations",
    "returns",
    "held",
    "verifications",
    "dicomweb",
    "pages",
)


def create_app(runtime: Runtime) -> FastAPI:
    """The application; starting it (its lifespan) is what opens threads, not this."""
    app = FastAPI(
        title="Shared-Centre Gateway",
        version=__version__,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        redirect_slashes=False,
    )
    app.state.runtime = runtime
    errors.install(app)
    # The last added is the outermost: headers stand on every answer, also on a refusal.
    app.add_middleware(BodyLimit, upload_limit_bytes=runtime.settings.upload_limit_bytes)
    app.add_middleware(errors.UnforeseenErrors)
    app.add_middleware(SecurityHeaders)
    for router in _find_routers():
        app.include_router(router)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = THREADS
    yield


def _find_routers() -> list[APIRouter]:
    names = [f"gateway.web.{name}" for name in _ROUTERS]
    return [importlib.import_module(name).router for name in names if importlib.util.find_spec(name)]
