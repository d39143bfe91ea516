"""What a process that was killed left behind: folders half made, objects half put, packs that no record points to.

A pack has its row before it is put, without a time; a pack that no row knows is never removed: it may be all that is
left of originals whose rows were lost with the database. Only the drain of a node calls this, and only while nothing
of that node is being put.
"""

from collections.abc import Collection

import structlog
from sqlalchemy import delete, exists, select

from gateway import journal
from gateway.index import Pack, Record
from gateway.packs import pack_folder
from gateway.runtime import Runtime

log = structlog.get_logger()


def clear(runtime: Runtime, journals: Collection[str]) -> None:
    """Clear up after a drain that was killed. Raises Unavailable while the store is away."""
    journal.remove_leftovers(runtime.journal_dir)
    for journal_id in journals:
        runtime.objects.tidy(pack_folder(journal_id))
    drop_interrupted(runtime, journals)


def drop_interrupted(runtime: Runtime, journals: Collection[str]) -> None:
    """Remove the packs of these journals whose putting did not end well; their records are filed again."""
    with runtime.reading() as session:
        interrupted = session.execute(select(Pack.id, Pack.key).where(Pack.filed_at.is_(None))).all()
    folders = tuple(map(pack_folder, journals))
    for pack_id, key in interrupted:
        if not key.startswith(folders):
            continue  # of another node
        runtime.objects.delete(key)
        with runtime.sessions.begin() as session:
            pointed_to = exists().where(Record.pack_id == pack_id)
            session.execute(delete(Pack).where(Pack.id == pack_id, Pack.filed_at.is_(None), ~pointed_to))
        log.info("interrupted_pack_removed", key=key)
