"""A study sent three times at once, by two devices, to two ingest nodes that share a PostgreSQL and an S3 store."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gateway.index import Instance, Record, RecordState
from tests.journeys.gateways import run_dcmtk, wait_for
from tests.synthetic import data_sets_of, write_study
from tests.torture.conftest import LONG, NewInstallation
from tests.torture.installation import Installation, copy_of
from tests.torture.lanes import STACKS
from tests.torture.verifying import assert_kept_once, unfiled
from worklists.examinations import Examination

pytestmark = [pytest.mark.xdist_group("torture-at-once"), pytest.mark.timeout(600)]

INSTANCES = 1000 if LONG else 60
SECRET = "shared-by-both-of-these-nodes"


def test_a_study_sent_three_times_at_once_by_two_devices_to_two_nodes_is_there_once(
    new_installation: NewInstallation, county_on_servers: tuple[Path, str], tmp_path: Path
) -> None:
    files = write_study(tmp_path / "study", INSTANCES, size=48)
    settings = {"file_after_s": 0.5, "pack_bytes": 1 << 20, "cache_bytes": 0, "node_secret": SECRET}
    first = new_installation(STACKS[1], ingest_workers=2, **settings)
    shared = {"database_url": first.settings.database, "object_store": first.settings.objects}
    with Installation(
        copy_of(county_on_servers[0], tmp_path / "second"), ("ingest",), node="second", **shared, **settings
    ) as second:
        for node in (first, second):
            node.start()
        with ThreadPoolExecutor(3) as senders:
            sent = [
                senders.submit(run_dcmtk, "storescu", node.dicom_port, *files, calling=device)
                for node, device in ((first, "DEMO_CT"), (second, "DEMO_CT"), (second, "DEMO_MR"))
            ]
        assert [one.result().returncode for one in sent] == [0, 0, 0]
        for node in (first, second):
            node.wait_until_drained(120)
        wait_for(lambda: not unfiled(first), 120, "all is filed", first.log)
        for node in (first, second):
            node.stop()

        originals = data_sets_of(files)
        assert_kept_once(first, set(originals), originals)
        with first.session() as session:
            states = Counter(
                dict(session.execute(select(Record.state, func.count()).group_by(Record.state)).all())
            )
            assert states == {RecordState.INDEXED: INSTANCES, RecordState.DUPLICATE: 2 * INSTANCES}
            assert set(session.scalars(select(Instance.current))) == {True}
            assert session.scalars(select(Examination.instances)).all() == [INSTANCES]
        for node in (first, second):
            done = node.check()
            assert done.returncode == 0, done.stdout
