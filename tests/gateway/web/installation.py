"""An installation as its pages and its metrics find it: what its processes say of themselves, its records, its backups."""

import json
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from prometheus_client import generate_latest

from gateway.backups.rows import BackupRun
from gateway.index import Pack, Record, RecordState
from gateway.metrics import registry_of
from gateway.probes import Probes
from gateway.pulse import Pulse
from gateway.runtime import Runtime
from gateway.system import Overseer
from tests.gateway.web.conftest import County


def write_status(runtime: Runtime, *, pid: int = 1, age_s: float = 0, **listener: Any) -> Path:
    """A status file as an ingest process writes it, and the pulse of the drain beside it."""
    folder = runtime.settings.data_dir / "run"
    folder.mkdir(parents=True, exist_ok=True)
    Pulse(folder, now=runtime.now).beat()
    path = folder / f"ingest-{pid}.json"
    content = {
        "pid": pid,
        "at": (runtime.now() - timedelta(seconds=age_s)).isoformat(),
        "listeners": [
            {
                "name": "dicom",
                "address": "127.0.0.1",
                "port": 11112,
                "associations": 1,
                "accepted": 10,
                "refused": 2,
                "instances": 100,
                "bytes": 5000,
                "refused_by_reason": {"calling AE title is not known": 2},
                **listener,
            }
        ],
        "journal": {"unfiled_bytes": 700, "limit_bytes": 1000, "dropped_notes": 0},
    }
    path.write_text(json.dumps(content))
    return path


def keep_record(runtime: Runtime, county: County, **other: Any) -> uuid.UUID:
    fields: dict[str, Any] = {
        "journal": "0" * 32,
        "sequence": 1,
        "node": "local",
        "segment": 1,
        "offset": 0,
        "size_bytes": 3,
        "kind": "dicom.instance",
        "state": RecordState.QUARANTINED,
        "reason": "ValueError: cannot read 王五",
        "origin": {},
        "institution_id": county.township,
        "received_at": runtime.now(),
        "sha256": "0" * 64,
        **other,
    }
    with runtime.sessions.begin() as session:
        row = Record(**fields)
        session.add(row)
        session.flush()
        return row.id


def keep_pack(runtime: Runtime) -> uuid.UUID:
    with runtime.sessions.begin() as session:
        row = Pack(key="packs/1.tar", size_bytes=3, filed_at=runtime.now())
        session.add(row)
        session.flush()
        return row.id


def fault_codes(it: TestClient) -> set[str]:
    return {fault["code"] for fault in it.get("/api/v1/system").json()["faults"]}


def keep_backup(runtime: Runtime, *, age_h: float, problems: list[str] | None = None) -> None:
    ended = runtime.now() - timedelta(hours=age_h)
    with runtime.sessions.begin() as session:
        session.add(
            BackupRun(
                stamp=f"{ended:%Y%m%dT%H%M%SZ}", began_at=ended, ended_at=ended, size_bytes=5, packs=0,
                originals=False, verified=True, problems=problems or [],
            )
        )  # fmt: skip


def faults_of(runtime: Runtime) -> dict[str, datetime | None]:
    """What is wrong and since when, also when everybody's session has long ended."""
    return {fault.code: fault.since for fault in Overseer(runtime, Probes(runtime)).look().faults}


def metrics_of(runtime: Runtime) -> str:
    return generate_latest(registry_of(runtime, Overseer(runtime, Probes(runtime)))).decode()
