"""Everything in one process tree, and the web processes by themselves."""

import signal
import socket
import tempfile
import threading
from collections.abc import Callable
from functools import partial

import uvicorn
from fastapi import FastAPI

from gateway import tasks
from gateway.doors import listen
from gateway.hints import Hint
from gateway.ingest import ingest_children
from gateway.nodes import register_until
from gateway.preparation import Fill, Preparation
from gateway.presence import Presence
from gateway.processes import Supervisor, keep_what_is_loaded, share_one_heap
from gateway.pulse import DRAIN_DUE_S, warn_without_drain
from gateway.runtime import open_runtime
from gateway.settings import Settings
from gateway.sweep import SweepThread
from gateway.web.app import create_app
from gateway.web.server import Shares, WebServer

KEEP_ALIVE_S = (
    75  # longer than a proxy in front keeps an idle connection, so that it never meets a closed one
)


def serve(
    settings: Settings, *, fill: Fill = lambda _session: None, on_ready: Callable[[], None] = lambda: None
) -> None:
    """Run listeners, drain and web under one supervisor until told to stop; the database is prepared before, or once
    it is there.
    """
    preparation = Preparation(settings, fill)
    web = Web(settings, preparation)
    preparation.begin()
    children = {**ingest_children(settings, prepared=preparation.is_done), **web.children()}
    Supervisor(children=children, on_tick=once(on_ready)).run()


def run_web(settings: Settings) -> None:
    """The web processes until told to stop; without a broker the first of them sweeps."""
    Supervisor(children=Web(settings).children()).run()


class Web:
    """The web processes of one supervisor: they accept from one socket, which is bound now. The first does what only
    one may do: it finishes the preparation of the database and, without a broker, runs the sweep in a thread.
    """

    def __init__(self, settings: Settings, preparation: Preparation | None = None) -> None:
        self._settings, self._preparation = settings, preparation
        self._listener: socket.socket = listen(settings.bind, settings.http_port)
        self._shares = Shares(settings.web_workers)
        self._hint = Hint()

    def children(self) -> dict[str, Callable[[], None]]:
        names = ["web", *(f"web-{number}" for number in range(2, self._settings.web_workers + 1))]
        return {name: partial(self._run, place) for place, name in enumerate(names)}

    def _run(self, place: int) -> None:
        """FastAPI on uvicorn, in one process."""
        share_one_heap()
        runtime = open_runtime(self._settings)
        # An upload that is spooled may be larger than what a container has for /tmp.
        spool = self._settings.data_dir.resolve() / "spool"
        spool.mkdir(mode=0o750, exist_ok=True)
        tempfile.tempdir = str(spool)
        app = create_app(runtime)
        keep_what_is_loaded()
        app.state.wake_sweep = self._hint.set
        app.state.prepared = self._preparation.is_done if self._preparation else (lambda: True)
        sweeps = place == 0 and not self._settings.broker_url
        sweep = SweepThread(runtime, tasks.TASKS, self._hint, apart=tasks.OUTWARD) if sweeps else None
        stop = threading.Event()

        def begin_work() -> None:
            if self._preparation:
                self._preparation.finish(stop)
            if sweep and not stop.is_set():
                sweep.start()
            if not stop.wait(DRAIN_DUE_S):
                warn_without_drain(self._settings.data_dir / "run", now=runtime.now())

        registering = threading.Thread(
            target=register_until,
            args=(stop, self._settings, runtime.sessions, runtime.now),
            name="registering",
            daemon=True,
        )
        beginning = threading.Thread(target=begin_work, name="preparation", daemon=True)
        presence = Presence(
            self._settings.data_dir / "run", role="web", node=self._settings.node, now=runtime.now
        )
        presence.start()
        if place == 0:
            beginning.start()
            registering.start()
        server = WebServer(web_config(app, self._settings), self._listener, self._shares, place)
        # Also before uvicorn listens to signals; and it raises them again once it has ended in order: what follows
        # must run all the same.
        signal.signal(signal.SIGTERM, server.end)
        server.run()
        stop.set()
        presence.stop()
        if place == 0:
            beginning.join()
        if sweep:
            sweep.stop()
        runtime.readers.close()
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
        timeout_keep_alive=KEEP_ALIVE_S,
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
