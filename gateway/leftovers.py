"""What a process that was killed left behind: folders half made, objects half put, packs that no record points to.

A pack has its row before it is put, without a time; a pack that no row knows is never removed: it may be all that is
left of originals whose rows were lost with the database. Only the drain of a node does this, and only while nothing
of that node is being put.

A put of which nothing was heard may still be carried out, by a server that hung or by something before it that held
the request back. So the row of an interrupted pack stays until none can come any more: nothing else gets its key, and
what lies under it by then is removed.
"""

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import structlog
from sqlalchemy import delete, exists, select

from gateway import journal
from gateway.index import Pack, Record
from gateway.packs import journal_of, pack_folder
from gateway.runtime import Runtime

log = structlog.get_logger()

LATEST_PUT_S = 1800.0  # S3 takes nothing that was signed over a quarter of an hour ago; clocks differ


@dataclass(slots=True)
class Leftovers:
    """What one node's drain clears up. Keeps only since when it has known of which interrupted pack."""

    runtime: Runtime
    latest_put_s: float = LATEST_PUT_S
    _since: dict[str, float] = field(default_factory=dict)

    def clear(self, journals: Collection[str]) -> None:
        """Clear up after a drain that was killed. Raises Unavailable while the store is away."""
        journal.remove_leftovers(self.runtime.journal_dir)
        for journal_id in journals:
            self.runtime.objects.tidy(pack_folder(journal_id))
        self.drop_interrupted(journals)

    def drop_interrupted(self, journals: Collection[str]) -> None:
        """Remove what was put of packs that did not end well; their records are filed again, in other packs."""
        now = time.monotonic()
        for key in self._interrupted(journals):
            since = self._since.get(key)
            if (since is not None and now - since < self.latest_put_s) or not self._is_interrupted(key):
                continue
            self.runtime.objects.tidy(pack_folder(journal_of(key)))
            self.runtime.objects.delete(key)
            self._since.setdefault(key, now)
            log.info("interrupted_pack_removed", key=key)
            if since is not None or not self.latest_put_s:
                self._forget(key)

    def _interrupted(self, journals: Collection[str]) -> Iterator[str]:
        """Those of this node: of a journal that is here, or whose records say that it was."""
        with self.runtime.reading() as session:
            keys = session.scalars(select(Pack.key).where(Pack.filed_at.is_(None)).order_by(Pack.key)).all()
            for key in keys:
                if journal_of(key) in journals or self.runtime.settings.node == session.scalar(
                    select(Record.node).where(Record.journal == journal_of(key)).limit(1)
                ):
                    yield key

    def _is_interrupted(self, key: str) -> bool:
        """Waits for a commit that is under way though its connection was lost: it may say that the pack is filed."""
        with self.runtime.sessions.begin() as session:
            row = select(Pack.id).where(Pack.key == key, Pack.filed_at.is_(None)).with_for_update()
            return session.scalars(row).first() is not None

    def _forget(self, key: str) -> None:
        with self.runtime.sessions.begin() as session:
            pointed_to = exists().where(Record.pack_id == Pack.id)
            session.execute(delete(Pack).where(Pack.key == key, Pack.filed_at.is_(None), ~pointed_to))
        del self._since[key]
