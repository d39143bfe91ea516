"""Is it alive, is it ready, how is it doing: `/livez`, `/readyz`, `/metrics`."""

import hmac
import ipaddress
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway import accounts
from gateway.accounts import MACHINE_PREFIX, NotSignedIn
from gateway.listeners import read_status
from gateway.metrics import registry_of
from gateway.probes import Probes
from gateway.web.deps import RuntimeDep, find_secret, peer_address
from gateway.web.system import OverseerDep
from worklists.access import Wire
from worklists.errors import NotAllowed

router = APIRouter(tags=["health"])

NOT_PREPARED = "not prepared yet"  # there, and not at the revision of this version


@router.get("/livez")
def is_alive() -> dict[str, str]:
    """This process answers."""
    return {"status": "alive"}


@router.get("/readyz")
def is_ready(request: Request, runtime: RuntimeDep) -> JSONResponse:
    """A web process is ready when its database answers and is prepared; all else is told as degraded."""
    probes: Probes = request.app.state.probes
    database = probes.database.ask()
    prepared = request.app.state.prepared()
    ready = database.up and prepared
    store = probes.store.ask() if database.up else None
    listeners = read_status(runtime.settings.data_dir / "run", now=runtime.now()).listeners
    degraded = [] if store is None or store.up else ["object store"]
    degraded += [f"listener {one.name}" for one in listeners if not one.up]
    content: dict[str, Any] = {
        "status": "ready" if ready else "not ready",
        "database": database.detail if not database.up else "up" if prepared else NOT_PREPARED,
        "degraded": degraded,
    }
    headers = {} if ready else {"Retry-After": "2"}
    return JSONResponse(content, 200 if ready else 503, headers=headers)


@router.get("/metrics", response_class=Response)
def show_metrics(request: Request, runtime: RuntimeDep, overseer: OverseerDep) -> Response:
    """Prometheus' text form, for loopback or a machine token with the wire `metrics`."""
    _check_reader(request, runtime)
    return Response(
        generate_latest(registry_of(runtime, overseer)), headers={"Content-Type": CONTENT_TYPE_LATEST}
    )


def _check_reader(request: Request, runtime: RuntimeDep) -> None:
    secret, bearer = find_secret(request)
    stated = runtime.settings.metrics_token  # needs no database, which is when somebody must be alarmed
    if bearer and secret and stated and hmac.compare_digest(secret.encode(), stated.encode()):
        return
    if bearer and secret is not None:
        machine = accounts.find_machine(runtime, secret) if secret.startswith(MACHINE_PREFIX) else None
        if machine is None:
            raise NotSignedIn
        if Wire.METRICS.value not in machine.wires:
            raise NotAllowed("metrics")
    elif not _is_loopback(peer_address(request)) or "x-forwarded-for" in request.headers:
        raise NotSignedIn  # what a proxy beside us passes on comes from loopback too


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
