"""The process tree is killed while a modality sends: what was answered 0000 is there afterwards, once."""

import os
import random
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from gateway.index import Instance, Record, RecordState
from gateway.originals import read_original
from gateway.runtime import open_runtime
from tests.journeys.gateways import Gateway, dcmtk, run_dcmtk
from tests.synthetic import data_sets_of, new_uid, split_file, write_study

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-kill"), pytest.mark.timeout(1200)]

KILLS = 20
WHOLE_TREE_EVERY = 4  # the other kills are of `gateway ingest`, which starts in a fraction of the time
SENT_AT_ONCE = 150


@pytest.mark.parametrize("kills", [KILLS])
def test_what_was_accepted_survives_twenty_kills(
    new_gateway: Callable[..., Gateway], tmp_path: Path, kills: int
) -> None:
    chance = random.Random(20261121)
    files = {
        n: write_study(tmp_path / f"study-{n}", SENT_AT_ONCE, patient_id=f"KILL-{n}", size=180)
        for n in range(4)
    }
    originals = {uid: data for paths in files.values() for uid, data in data_sets_of(paths).items()}
    gateway = new_gateway("demo --no-samples", journal_bytes=256 << 20).start()
    accepted: list[str] = []
    cut_short = 0
    for number in range(kills):
        if number:
            gateway.start(["demo --no-samples" if number % WHOLE_TREE_EVERY == 0 else "ingest"])
        paths = files[number % len(files)]
        sender = send(gateway, paths, tmp_path / f"said-{number}")
        time.sleep(chance.uniform(0.05, 0.6))
        gateway.kill()
        sender.wait(60)
        answered = accepted_in(tmp_path / f"said-{number}", paths)
        cut_short += len(answered) < len(paths)
        accepted += answered
    assert cut_short >= kills // 2, "the kills came too late to show anything"
    assert len(set(accepted)) > SENT_AT_ONCE // 2, "the kills came too early to show anything"

    gateway.start()
    gateway.wait_until_drained()

    assert_kept_once(gateway, set(accepted), originals)
    done = gateway.check()
    assert done.returncode == 0, done.stdout
    last = write_study(tmp_path / new_uid(), 2, patient_id="KILL-LAST")
    assert run_dcmtk("storescu", gateway.dicom_port, *last).returncode == 0


def send(gateway: Gateway, paths: list[Path], said: Path) -> subprocess.Popen[bytes]:
    with said.open("wb") as out:
        return subprocess.Popen(
            [dcmtk("storescu"), "-v", "-aet", "DEMO_CT", "-aec", "GATEWAY", "127.0.0.1",
             str(gateway.dicom_port), *map(str, paths)],
            stdout=out, stderr=out, env={**os.environ, "TCP_NODELAY": "1"},
        )  # fmt: skip


def accepted_in(said: Path, paths: list[Path]) -> list[str]:
    """The instances whose success storescu reports, in the order in which it sent them."""
    successes = len(re.findall(r"Received Store Response \(Success\)", said.read_text(errors="replace")))
    return [split_file(path)[1] for path in paths[:successes]]


def assert_kept_once(gateway: Gateway, accepted: set[str], originals: dict[str, bytes]) -> None:
    runtime = open_runtime(gateway.settings)
    with gateway.session() as session:
        instances = session.scalars(select(Instance)).all()
        uids = [instance.sop_instance_uid for instance in instances]
        assert len(uids) == len(set(uids)), "an instance is there twice"
        assert accepted <= set(uids), f"{len(accepted - set(uids))} accepted instances are gone"
        assert not session.scalars(
            select(Record.id).where(Record.state.in_([RecordState.QUARANTINED, RecordState.HELD]))
        ).all()
        for instance in instances:
            kept = read_original(runtime, instance.record, offset=instance.record.data_set_offset)
            assert kept == originals[instance.sop_instance_uid]
    runtime.engine.dispose()
