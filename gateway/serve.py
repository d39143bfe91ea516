"""Everything in one process tree, and the web process by itself."""

import threading
from collections.abc import Callable

import structlog
import uvicorn
from fastapi import FastAPI

from gateway import tasks
from gateway.ingest import ingest_children, listen
from gateway.migrations import migrate
from gateway.processes import Supervisor
from gateway.runtime import open_runtime
from gateway.settings import Settings
from gateway.snapshot import write_snapshot
from gateway.sweep import SweepThread
from gateway.web.app import create_app

log = structlog.get_logger()


def serve(settings: Settings, *, on_ready: Callable[[], None] = lambda: None) -> None:
    """Migrate, then run listeners, drain and web under one supervisor until told to stop."""
    listen(
        settings.bind, settings.http_port
    ).close()  # uvicorn binds it later; an occupied one is heard of now
    prepare(settings)
    children = {**ingest_children(settings), "web": lambda: run_web(settings)}
    Supervisor(children=children, on_tick=once(on_ready)).run()


def prepare(settings: Settings) -> None:
    """Bring the database up to date and write down what the listeners must know of the directory."""
    runtime = open_runtime(settings)
    migrate(runtime.engine)
    with runtime.sessions.begin() as session:
        tasks.schedule_standing(session, runtime)
        write_snapshot(session, settings.directory_snapshot)
    runtime.engine.dispose()


def run_web(settings: Settings) -> None:
    """FastAPI on uvicorn; without a broker the sweep runs here in a thread."""
    runtime = open_runtime(settings)
    sweep = None if settings.broker_url else SweepThread(runtime, tasks.TASKS)
    app = create_app(runtime)
    app.state.wake_sweep = sweep.wake if sweep else (lambda: None)
    if sweep:
        sweep.start()
    server = uvicorn.Server(web_config(app, settings))
    server.run()
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
