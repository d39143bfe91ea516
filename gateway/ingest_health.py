"""What an ingest node says over HTTP by itself: that it is alive, that it is ready while its journal takes more, and,
to the other nodes, its segments. For `gateway ingest` without a web.
"""

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway.database import open_engine, open_sessions
from gateway.nodes import register_until
from gateway.runtime import utc_now
from gateway.segments import segment_route
from gateway.settings import Settings

CONNECTIONS_LIMIT = 200  # of nodes that read, and of probes; more are told 503
KEEP_ALIVE_S = 75
STALE_AFTER = timedelta(seconds=5)  # five times as long as a listener is silent


def run_health(settings: Settings) -> None:
    """Serve `/livez`, `/readyz` and the node's segments on its own port, and say where that is."""
    stop = threading.Event()
    sessions = open_sessions(open_engine(settings.database))
    threading.Thread(
        target=register_until, args=(stop, settings, sessions, utc_now), name="registering", daemon=True
    ).start()
    uvicorn.run(
        make_app(settings),
        host=settings.bind,
        port=settings.ingest_http_port,
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS_LIMIT,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    stop.set()


def make_app(settings: Settings) -> Starlette:
    def livez(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "alive"})

    def readyz(_request: Request) -> JSONResponse:
        problems = find_problems(settings, datetime.now(UTC))
        return JSONResponse({"ready": not problems, "problems": problems}, 503 if problems else 200)

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz), segment_route(settings)])


def find_problems(settings: Settings, now: datetime) -> list[str]:
    """Why this node should get no more work: no listener alive, or no room in the journal."""
    fresh = [status for status in read_statuses(settings.data_dir) if now - _at(status) < STALE_AFTER]
    if not fresh:
        return ["no listener is running"]
    if all(status["journal"]["unfiled_bytes"] >= status["journal"]["limit_bytes"] for status in fresh):
        return ["the journal is full"]
    return []


def read_statuses(data_dir: Path) -> list[dict[str, Any]]:
    """What the listener processes last said of themselves; one that is just being replaced is left out.

    What takes files (the watched folder, FTP) says nothing of the journal, and the node is no readier for it.
    """
    found = []
    for path in sorted((data_dir / "run").glob("ingest-*.json")):
        try:
            status = json.loads(path.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            continue
        if "journal" in status:
            found.append(status)
    return found


def _at(status: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(status["at"])
