"""The web application: one FastAPI app over a runtime. Endpoints are plain functions in a pool of threads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI

from gateway import __version__, accounts
from gateway.dicomweb.shelf import Shelf
from gateway.ecg.recordings import Recordings
from gateway.live import Feed
from gateway.probes import Probes
from gateway.runtime import Runtime
from gateway.segments import segment_route
from gateway.system import Overseer
from gateway.web import (
    admin,
    amending,
    audit,
    calls,
    character_sets,
    checking,
    critical,
    deliveries,
    device_control,
    dicomweb,
    ecg,
    ecg_files,
    errors,
    examinations,
    fhir,
    figures,
    health,
    held,
    key_images,
    lab_control,
    lab_dictionary,
    lab_files,
    lab_held,
    lab_messages,
    lab_profiles,
    lab_results,
    lab_signing,
    lab_specimens,
    lab_transports,
    live,
    overview,
    pages,
    patients,
    priors,
    quality,
    recognition,
    reports,
    returns,
    roster,
    rule_books,
    session,
    share_pages,
    shares,
    statements,
    stow,
    system,
    tasks,
    templates,
    tokens,
    unread,
    verifications,
    workbooks,
    worklist,
)
from gateway.web.cross_origin import CrossOrigin
from gateway.web.deps import remember_callers
from gateway.web.edge import BodyLimit, SecurityHeaders
from gateway.web.frames import KnownFrames
from gateway.web.onlookers import Onlookers

THREADS = 20  # as many as the database pool has connections (10 kept, 10 more): a thread never waits for one

_PARTS: tuple[ModuleType, ...] = (
    session,
    worklist,
    tasks,
    priors,
    templates,
    key_images,
    calls,
    reports,
    examinations,
    ecg,
    ecg_files,
    lab_results,
    lab_signing,
    overview,
    quality,
    device_control,
    figures,
    returns,
    roster,
    unread,
    shares,
    share_pages,
    rule_books,
    amending,
    checking,
    critical,
    deliveries,
    held,
    lab_dictionary,
    lab_files,
    lab_held,
    lab_profiles,
    lab_control,
    lab_specimens,
    lab_transports,
    lab_messages,
    character_sets,
    patients,
    recognition,
    workbooks,
    verifications,
    dicomweb,
    fhir,
    statements,
    stow,
    admin,
    tokens,
    system,
    audit,
    live,
    health,
    pages,
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
    app.state.feed = Feed(runtime, accounts.find_valid)
    app.state.started_at = runtime.now()
    app.state.probes = Probes(runtime)
    app.state.onlookers = Onlookers(runtime.settings.data_dir / "run" / "onlookers")
    app.state.callers = remember_callers()
    app.state.shelf = Shelf(runtime)
    app.state.recordings = Recordings(runtime)
    app.state.prepared = lambda: True
    app.state.overseer = Overseer(runtime, app.state.probes)
    errors.install(app)
    # The last added is the outermost: headers stand on every answer, also on a refusal.
    app.add_middleware(KnownFrames, state=app.state)
    app.add_middleware(
        BodyLimit,
        upload_limit_bytes=runtime.settings.upload_limit_bytes,
        store_limit_bytes=runtime.settings.stow_limit_bytes,
    )
    app.add_middleware(errors.UnforeseenErrors)
    app.add_middleware(SecurityHeaders)
    if runtime.settings.cors_origins:
        origins = [one.strip() for one in runtime.settings.cors_origins.split(",")]
        app.add_middleware(CrossOrigin, origins=origins)
    for part in _PARTS:
        # As they were built when the part was loaded. Including a router would build each once more for every
        # application: up to half a second in which the first request to a process waits, and memory in each of them.
        app.router.routes.extend(part.router.routes)
    app.router.routes.append(segment_route(runtime.settings))
    pages.mount(app, runtime.settings.viewer_dir)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = THREADS
    feed: Feed = app.state.feed
    poller = asyncio.create_task(feed.run())
    yield
    feed.close()
    poller.cancel()
