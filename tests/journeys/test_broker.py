"""With a broker: Celery carries the due rows over a real Redis, which is emptied in the middle, and nothing is lost."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis as redis_client
from sqlalchemy import update

from gateway.work import Work
from tests.journeys.gateways import Gateway, get_json, run_dcmtk, wait_for
from tests.servers import Redis
from tests.synthetic import new_uid, write_study

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-broker"), pytest.mark.timeout(1800)]

LONG = os.environ.get("GATEWAY_LONG_TESTS") == "1"
PARTS = ("ingest", "web", "worker --concurrency 1")


def test_emptying_the_broker_loses_nothing(
    new_gateway: Callable[..., Gateway], redis: Redis, tmp_path: Path
) -> None:
    gateway = new_gateway("demo --no-samples", broker_url=redis.url).start()
    gateway.stop()  # the county is made; from here on as in production, each part by itself
    gateway.start(PARTS)
    broker = redis_client.Redis.from_url(redis.url)

    def empty() -> None:
        for _ in range(10):  # whatever is queued at any of these moments is gone
            broker.flushall()
            time.sleep(0.2)

    study_uid = new_uid()
    files = write_study(tmp_path / "study", 2, modality="DX", study_uid=study_uid, patient_id="BROKER-1")
    assert run_dcmtk("storescu", gateway.dicom_port, *files, calling="DEMO_DR").returncode == 0
    empty()
    let_leases_run_out(gateway)
    reader, reviewer = gateway.sign_in("reader"), gateway.sign_in("reviewer")
    item = wait_for(lambda: waiting(reader, study_uid), 180, "the examination waits", gateway.log)
    task = f"/api/v1/tasks/{item['task_id']}"
    do(reader, "POST", f"{task}/claim")
    body = {"findings": "未见异常。", "impression": "未见异常。", "critical": False, "preliminary": False}
    do(reader, "PUT", f"{task}/report", json=body)
    do(reader, "POST", f"{task}/submit")
    signed = do(reviewer, "POST", f"{task}/sign")
    empty()
    let_leases_run_out(gateway)
    radiographer = gateway.sign_in("radiographer")

    def is_returned() -> bool:
        items = get_json(radiographer, "/api/v1/returns")["items"]
        return any(one["report_id"] == signed["report_id"] for one in items)

    wait_for(is_returned, 240, "the report is returned", gateway.log)
    pdf = radiographer.get(f"/api/v1/reports/{signed['report_id']}/pdf")
    assert pdf.content.startswith(b"%PDF")
    assert len(get_json(radiographer, "/api/v1/returns")["items"]) == 1


def let_leases_run_out(gateway: Gateway) -> None:
    """What was on the broker was leased for two minutes, which are over at once unless there is time to wait."""
    if LONG:
        return
    with gateway.session() as session, session.begin():
        held = update(Work).where(Work.leased_until.is_not(None))
        session.execute(held.values(leased_until=datetime.now(UTC)))


def waiting(client: httpx.Client, study_uid: str) -> Any:
    items = get_json(client, "/api/v1/worklist", state="waiting")["items"]
    return next((item for item in items if item["study_instance_uid"] == study_uid), None)


def do(client: httpx.Client, method: str, path: str, **content: Any) -> Any:
    answer = client.request(method, path, **content)
    assert answer.is_success, (path, answer.status_code, answer.text[:500])
    return answer.json()
