"""The web process behind a proxy: whose word about the real address is believed."""

import http.client
import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from sqlalchemy import select

from gateway.audit import AuditEvent
from gateway.doors import listen
from gateway.runtime import Runtime
from gateway.serve import web_config
from gateway.web.app import create_app
from gateway.web.server import Shares, WebServer

REAL = "203.0.113.9"


@contextmanager
def serving(runtime: Runtime, proxies: str | None) -> Iterator[int]:
    """The web application on a port of its own."""
    settings = runtime.settings.model_copy(update={"http_port": 0, "trusted_proxies": proxies})
    server = uvicorn.Server(web_config(create_app(runtime), settings))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until = time.monotonic() + 10
        while not server.started and time.monotonic() < until:
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def ask(port: int, method: str, path: str, body: object = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"X-Forwarded-For": REAL, "Content-Type": "application/json"}
    connection.request(method, path, json.dumps(body) if body else None, headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_web_process_that_is_told_to_end_before_it_listens_ends(runtime: Runtime) -> None:
    """Else it outlived a supervisor that was killed just then, and held the port."""
    listener = listen("127.0.0.1", 0)
    server = WebServer(web_config(create_app(runtime), runtime.settings), listener, Shares(1), 0)
    server.end(signal.SIGTERM, None)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    listener.close()


@pytest.mark.parametrize(
    ("proxies", "address"),
    [(None, "127.0.0.1"), ("127.0.0.1", REAL), ("127.0.0.0/8", REAL), ("192.0.2.1", "127.0.0.1")],
)
def test_only_a_trusted_proxy_is_believed_about_the_address(
    runtime: Runtime, proxies: str | None, address: str
):
    with serving(runtime, proxies) as port:
        status = ask(port, "POST", "/api/v1/session", {"username": "nobody", "password": "wrong word"})

    with runtime.reading() as session:
        event = session.scalars(select(AuditEvent).where(AuditEvent.action == "sign_in_failed")).one()
    assert (status, event.address) == (401, address)


@pytest.mark.parametrize("proxies", [None, "127.0.0.1"])
def test_what_a_proxy_beside_us_passes_on_is_not_from_this_machine(runtime: Runtime, proxies: str | None):
    with serving(runtime, proxies) as port:
        assert ask(port, "GET", "/metrics") == 401
