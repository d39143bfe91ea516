"""Everything in one process tree, and the web process by itself."""

import threading
from collections.abc import Callable

import structlog
import uvicorn
from fastapi import FastAPI

from gateway import tasks
from gateway.ingest import ingest_children, listen
from gateway.preparation import Fill, Preparation
from gateway.processes import Supervisor
from gateway.pulse import DRAIN_DUE_S, warn_without_drain
from gateway.runtime import open_runtime
from gateway.settings import Settings
from gateway.sweep import SweepThread
from gateway.web.app import create_app

log = structlog.get_logger()


def serve(
    settings: Settings, *, fill: Fill = lambda _session: None, on_ready: Callable[[], None] = lambda: None
) -> None:
    """Run listeners, drain and web under one supervisor until told to stop; the database is prepared before, or once
    it is there.
    """
    listen(
        settings.bind, settings.http_port
    ).close()  # uvicorn binds it later; an occupied one is heard of now
    preparation = Preparation(settings, fill)
    preparation.begin()
    children = ingest_children(settings, prepared=preparation.is_done)
    children["web"] = lambda: run_web(settings, preparation)
    Supervisor(children=children, on_tick=once(on_ready)).run()


def run_web(settings: Settings, preparation: Preparation | None = None) -> None:
    """FastAPI on uvicorn; without a broker the sweep runs here in a thread, once the database is prepared."""
    runtime = open_runtime(settings)
    sweep = None if settings.broker_url else SweepThread(runtime, tasks.TASKS)
    app = create_app(runtime)
    app.state.wake_sweep = sweep.wake if sweep else (lambda: None)
    app.state.prepared = preparation.is_done if preparation else (lambda: True)
    stop = threading.Event()

    def begin_work() -> None:
        if preparation:
            preparation.finish(stop)
        if sweep and not stop.is_set():
            sweep.start()
        if not stop.wait(DRAIN_DUE_S):
            warn_without_drain(settings.data_dir / "run", now=runtime.now())

    beginning = threading.Thread(target=begin_work, name="preparation", daemon=True)
    beginning.start()
    uvicorn.Server(web_config(app, settings)).run()
    stop.set()
    beginning.join()
    if sweep:
        sweep.stop()
    runtime.journal.close()


def web_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves. X-Forwarded-For is believed of the named proxies only: lock-out and audit go by address."""
    return uvicorn.Config(
        app,
        host=settings.bind,
        port=settings.http_port,
        log_config=None,
        access_log=False,
        loop="uvloop",
        http="httptools",
        timeout_graceful_shutdown=3,
        server_header=False,
        proxy_headers=settings.trusted_proxies is not None,
        forwarded_allow_ips=settings.trusted_proxies or "",
    )


def once(action: Callable[[], None]) -> Callable[[], None]:
    """The action, but only the first time; in a thread, so that supervision goes on."""
    started = threading.Event()

    def run() -> None:
        if not started.is_set():
            started.set()
            threading.Thread(target=action, name="on-ready", daemon=True).start()

    return run
