"""Workers that die on the way: what was sent and not noted goes again as the same, and is one report at the peer."""

import os
import shutil
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hl7
import pytest
from sqlalchemy import select

from gateway import fault_points
from gateway.deliveries.queueing import DELIVER
from gateway.deliveries.rows import DeliveryAttempt, EndpointWire
from gateway.runtime import Runtime, open_runtime
from gateway.settings import Settings
from gateway.sweep import SweepThread, sweep_one
from gateway.tasks import OUTWARD, TASKS
from gateway.work import Work
from tests.builders import identity
from tests.conftest import Clock
from tests.gateway.deliveries.conftest import Post
from tests.gateway.deliveries.peers import HospitalSystem
from tests.journeys.gateways import wait_for


@pytest.fixture
def database_url(sqlite_schema: Path, tmp_path: Path) -> str:
    """Of one kind: what is killed is a process, not its transaction."""
    shutil.copyfile(sqlite_schema, tmp_path / "gateway.sqlite3")
    return f"sqlite:///{tmp_path / 'gateway.sqlite3'}"


def run_worker(settings: Settings, faults: str) -> int:
    """A process that delivers what is due, as one of Celery does; the signal that it died of."""
    child = os.fork()
    if child == 0:
        fault_points.arm(faults)
        sweep_one(open_runtime(settings), TASKS, DELIVER)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status)


@pytest.mark.parametrize(
    ("point", "before"), [("deliver.begun", 0), ("deliver.answered", 1), ("sweep.worked", 1)]
)
def test_a_worker_that_is_killed_leaves_no_report_out_and_none_twice(
    runtime: Runtime, post: Post, his: HospitalSystem, clock: Clock, point: str, before: int
) -> None:
    clock.time = datetime.now(UTC)
    post.endpoint(EndpointWire.HL7_ORU, his.port)
    post.sign()

    assert run_worker(runtime.settings, f"{point}=kill") == signal.SIGKILL
    clock.time = datetime.now(UTC)
    assert len(his.received) == before
    assert post.send() == 0  # the dead one's lease runs on
    clock.time = datetime.now(UTC) + timedelta(minutes=3)
    post.send()

    [delivery] = post.deliveries()
    assert (delivery.state.value, len(his.reports)) == ("sent", 1)
    assert len({str(one) for one in his.received}) == 1
    with runtime.reading() as session:
        ends = session.scalars(select(DeliveryAttempt.outcome).order_by(DeliveryAttempt.number)).all()
    noted = ["sent"] if point == "sweep.worked" else [None, "sent"]
    assert [one.value if one else None for one in ends] == noted


def test_a_peer_that_does_not_answer_keeps_no_other_work_waiting(
    runtime: Runtime, post: Post, his: HospitalSystem
) -> None:
    def silence(message: hl7.Message) -> list[object]:
        return [2.0, message.create_ack("AA")]

    his.answer = silence
    ran: list[str] = []
    post.endpoint(EndpointWire.HL7_ORU, his.port, settings={"within_s": 5})
    post.sign(patient=identity(patient_id="P1", name="=王^一"))
    tasks = {"other": lambda _runtime, leased: ran.append(leased.subject), DELIVER: TASKS[DELIVER]}
    sweep = SweepThread(runtime, tasks, apart=OUTWARD)
    sweep.start()
    try:
        wait_for(lambda: len(his.received) == 1, 20, "the peer has it, and says nothing yet")
        with runtime.sessions.begin() as session:
            session.add(Work(task="other", subject="else", due_at=runtime.now()))
        wait_for(lambda: ran == ["else"], 20, "the other work is done")
        assert post.states() == ["pending"]
        wait_for(lambda: post.states() == ["sent"], 20, "the late answer is heard")
    finally:
        sweep.stop()
