"""Celery carries the sweep: beat says when to look, workers run what is due. The broker holds no truth.

A message only names rows that are leased already; lost with the broker, their leases run out and beat finds them again.
"""

import os
import signal
from datetime import datetime
from functools import cache
from pathlib import Path
from threading import Timer
from typing import Any
from uuid import UUID

from celery import Celery
from celery.signals import beat_embedded_init, beat_init, worker_process_init, worker_ready, worker_shutdown

from gateway.presence import Presence
from gateway.processes import die_with_parent
from gateway.pulse import DRAIN_DUE_S, warn_without_drain
from gateway.runtime import Runtime, open_runtime, utc_now
from gateway.settings import Settings
from gateway.sweep import Leased, lease_sets, run_leased
from gateway.tasks import TASKS

SWEEP_INTERVAL_S = 1.0


def make_celery(settings: Settings) -> Celery:
    """The Celery application of an installation with a broker."""
    if not settings.broker_url:
        raise SystemExit(
            "GATEWAY_BROKER_URL is not set: without a broker the sweep runs inside `gateway web`"
        )
    app = Celery("gateway", broker=settings.broker_url)
    app.conf.update(
        task_ignore_result=True,
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        broker_connection_retry=True,
        broker_connection_max_retries=None,
        worker_hijack_root_logger=False,
        timezone="UTC",
        beat_schedule={
            "sweep": {
                "task": "gateway.sweep",
                "schedule": SWEEP_INTERVAL_S,
                "options": {"expires": SWEEP_INTERVAL_S * 10},
            }
        },
    )

    worker = os.getpid()

    @beat_embedded_init.connect(weak=False)
    @worker_process_init.connect(weak=False)
    def end_with_worker(**_: Any) -> None:
        # A beat whose worker was killed would beat for ever, and its pool wait for it to hear of what is done.
        die_with_parent(worker, signal.SIGKILL)

    @beat_init.connect(weak=False)
    def say_beat(**_: Any) -> None:
        Presence(settings.data_dir / "run", role="beat", node=settings.node, now=utc_now).start()

    @worker_ready.connect(weak=False)
    def warn(**_: Any) -> None:
        presence = Presence(settings.data_dir / "run", role="worker", node=settings.node, now=utc_now)
        presence.start()
        worker_shutdown.connect(lambda **_: presence.stop(), weak=False)
        timer = Timer(DRAIN_DUE_S, lambda: warn_without_drain(settings.data_dir / "run", now=utc_now()))
        timer.daemon = True
        timer.start()

    @cache
    def runtime() -> Runtime:  # one per worker process, opened after the fork
        return open_runtime(settings)

    @app.task(name="gateway.sweep")
    def sweep() -> None:
        for leased in lease_sets(runtime(), TASKS):
            run.delay([_as_message(one) for one in leased])

    @app.task(name="gateway.run")
    def run(messages: list[dict[str, Any]]) -> None:
        run_leased(runtime(), [_from_message(one) for one in messages], TASKS)

    return app


def schedule_path(settings: Settings) -> Path:
    """Where beat keeps when it last said something; its folder is made."""
    folder = settings.data_dir / "run"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "celerybeat-schedule"


def _as_message(leased: Leased) -> dict[str, Any]:
    return {
        "id": str(leased.id),
        "task": leased.task,
        "subject": leased.subject,
        "arguments": dict(leased.arguments),
        "generation": leased.generation,
        "leased_until": leased.leased_until.isoformat(),
    }


def _from_message(message: dict[str, Any]) -> Leased:
    return Leased(
        id=UUID(message["id"]),
        task=message["task"],
        subject=message["subject"],
        arguments=message["arguments"],
        generation=message["generation"],
        leased_until=datetime.fromisoformat(message["leased_until"]),
    )
