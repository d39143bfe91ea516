"""What must hold after every torture: nothing that was acknowledged is gone, changed or there twice; nothing is left over."""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gateway import journal
from gateway.filing import waiting_to_be_filed
from gateway.index import Instance, Pack, Record, RecordState, SegmentCursor
from gateway.objects import open_object_store
from gateway.originals import read_original
from gateway.runtime import open_runtime
from tests.journeys.gateways import Gateway, wait_for
from tests.torture.installation import Installation
from tests.torture.tally import count

DRAINED_S = 120.0


def assert_nothing_lost(
    installation: Installation,
    accepted: Collection[str],
    originals: Mapping[str, bytes],
    *,
    commands: Collection[str] = ("ingest",),
) -> None:
    """Drain, file and evict everything, then look at it out of the packs alone; leaves the installation stopped."""
    installation.arm()
    installation.set(cache_bytes=0, file_after_s=0)
    installation.stop()
    installation.start(commands)
    installation.wait_until_drained(DRAINED_S)
    wait_for(lambda: not unfiled(installation), DRAINED_S, "all is filed", installation.log)
    # The journals of those who took it ended with them, before this drain began: nothing is left for another.
    wait_for(
        lambda: not segments(installation),
        DRAINED_S,
        "all segments are gone",
        lambda: _standing(installation),
    )
    installation.stop()
    assert_kept_once(installation, accepted, originals)
    assert_nothing_left_over(installation)
    done = installation.check()
    assert done.returncode == 0, done.stdout


def assert_kept_once(
    installation: Installation, accepted: Collection[str], originals: Mapping[str, bytes]
) -> None:
    """Every acknowledged instance is there once, with the bytes that were sent."""
    runtime = open_runtime(installation.settings)
    try:
        with installation.session() as session:
            instances = session.scalars(select(Instance)).all()
            kept = Counter(instance.sop_instance_uid for instance in instances)
            twice = [uid for uid, times in kept.items() if times > 1]
            gone = set(accepted) - set(kept)
            count("accepted", len(set(accepted)))
            count("lost", len(gone))
            count("twice", len(twice))
            assert not twice, "instances are there twice"
            odd = select(Record).where(Record.state.in_([RecordState.QUARANTINED, RecordState.HELD]))
            found = [described(record) for record in session.scalars(odd)]
            assert not found, "\n".join([*found, complaints(installation)])
            assert not gone, (
                f"{len(gone)} of {len(set(accepted))} accepted instances are gone\n"
                f"{whereabouts(session, sorted(gone)[:5])}\n{complaints(installation)}"
            )
            changed = [
                instance.sop_instance_uid
                for instance in instances
                if originals[instance.sop_instance_uid]
                != read_original(runtime, instance.record, offset=instance.record.data_set_offset)
            ]
            count("changed", len(changed))
            assert not changed, changed
    finally:
        runtime.engine.dispose()


def whereabouts(session: Session, uids: Collection[str]) -> str:
    """What the rows still say of instances that are gone: what their listener had written of them, and what is beside it."""
    rows = list(session.scalars(select(Record)))
    lines = []
    for uid in uids:
        found = [described(row) for row in rows if row.origin.get("sop_instance_uid") == uid]
        lines += [f"{uid}:", *(found or ["  no record was ever indexed"])]
    cursors = session.execute(select(SegmentCursor.journal, SegmentCursor.segment, SegmentCursor.offset))
    return "\n".join([*lines, "cursors:", *(f"  {row}" for row in cursors)])


def described(record: Record) -> str:
    where = f"journal {record.journal} record {record.sequence} (segment {record.segment}, {record.offset})"
    return f"  {where}: {record.kind} {record.state.value} {record.reason}; pack {record.pack and record.pack.key}"


def complaints(installation: Installation) -> str:
    """What the processes said that was not all well."""
    lines = installation.log().splitlines()
    return "\n".join(
        line[:300] for line in lines if '"level": "error"' in line or '"level": "warning"' in line
    )


def assert_nothing_left_over(installation: Installation) -> None:
    """No object that no row points to, no half-written file, no folder of a journal that never was or is gone."""
    left = sorted(left_over(installation))
    count("left over", len(left))
    assert not left, left


def left_over(installation: Installation) -> Iterator[str]:
    root = installation.settings.journal_dir
    for state in journal.journals(root):
        if state.alive or state.segments:
            yield f"journal {state.id}"
    yield from (f"journal/{path.name}" for path in root.glob(".*"))
    yield from (f"journal/{path.name}" for path in root.glob("*/*.part"))
    objects = installation.settings.data_dir / "objects"
    yield from (str(path.relative_to(objects)) for path in objects.rglob(".put-*"))
    yield from (f"run/{path.name}" for path in (installation.settings.data_dir / "run").glob("*.tmp"))
    with installation.session() as session:
        # The row of one that was interrupted stays for a while (gateway/leftovers.py), without an object.
        known = set(session.scalars(select(Pack.key).where(Pack.filed_at.is_not(None))))
    yield from set(open_object_store(installation.settings.objects).keys()) ^ known


def unfiled(installation: Gateway) -> int:
    with installation.session() as session:
        return session.scalar(select(func.count(Record.id)).where(waiting_to_be_filed())) or 0


def _standing(installation: Installation) -> str:
    """What is left of the journals and how far the index has read it, after the log."""
    with installation.session() as session:
        cursors = [(row.journal, row.segment, row.offset) for row in session.scalars(select(SegmentCursor))]
    left = [str(state) for state in journal.journals(installation.settings.journal_dir) if state.segments]
    return "\n".join([installation.log(), *left, f"cursors {cursors}"])


def segments(installation: Installation) -> list[str]:
    """By a walk, which bears that folders vanish meanwhile."""
    walked = os.walk(installation.settings.journal_dir)
    return [name for _, _, names in walked for name in names if name.endswith((".seg", ".single"))]
