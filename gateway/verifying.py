"""Whether a report is genuine: found by what is printed on it or by its file; its versions, and the originals it names.

For anybody who holds it, so nothing here says more of the patient than that the paper is the right one.
"""

import base64
import hashlib
import json
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.errors import Unavailable
from gateway import township
from gateway.index import Instance, Record, RecordState
from gateway.originals import Original, open_original, original_of
from gateway.runtime import Runtime
from worklists.errors import NotFound
from worklists.reports import Report

T = TypeVar("T")

IN_ONE_QUESTION = 400
LONGEST_WAIT_S = 5.0
_READERS = threading.BoundedSemaphore(1)  # of checks that read every original: one in a process


class Busy(Unavailable):
    """Another report is being looked at just now."""


class Kept(StrEnum):
    """How an original that the manifest names stands today."""

    SOUND = "sound"
    REPLACED = "replaced"  # sound, and there is a newer version of it
    CHANGED = "changed"
    MISSING = "missing"


def find_report(session: Session, code: str) -> Report:
    """By what is printed on it. Raises NotFound."""
    report = session.scalars(select(Report).where(Report.verification_code == code)).one_or_none()
    if report is None:
        raise NotFound("report")
    return report


def find_by_document(session: Session, sha256: str) -> Report | None:
    """The report whose document has exactly these bytes."""
    kept = select(Record).where(Record.sha256 == sha256, Record.kind == "report.pdf")
    record = session.scalars(kept.where(Record.state == RecordState.INDEXED)).first()
    report = session.get(Report, uuid.UUID(record.origin["report_id"])) if record is not None else None
    return report if report is not None and report.pdf_sha256 == sha256 else None


def versions_of(session: Session, report: Report) -> list[Report]:
    """Every version, the newest first."""
    of_it = select(Report).where(Report.examination_id == report.examination_id)
    return list(session.scalars(of_it.order_by(Report.version.desc())))


def count_originals(report: Report) -> int:
    return len(json.loads(report.manifest)["originals"])


def find_seal_of(session: Session, code: str) -> tuple[bytes, bytes]:
    """Signature and certificates of the seal over a report's document. Raises NotFound."""
    record = township.find_document(session, find_report(session, code))
    seal = record.origin.get("seal") if record is not None else None
    if seal is None:
        raise NotFound("seal")
    return base64.b64decode(seal["signature"]), str(seal["certificate"]).encode()


def check_originals(runtime: Runtime, code: str) -> dict[Kept, int]:
    """Read every original that the manifest names and compare it; how many stand how.

    Raises NotFound; Unavailable when one cannot be read now, Busy while another report is looked at.
    """
    with runtime.reading() as session:
        named = _find_originals(session, json.loads(find_report(session, code).manifest)["originals"])
    counted = dict.fromkeys(Kept, 0)
    with alone(_READERS):
        for one in named:
            counted[_look_at(runtime, one)] += 1
    return counted


@contextmanager
def alone(turns: threading.BoundedSemaphore) -> Iterator[None]:
    if not turns.acquire(timeout=LONGEST_WAIT_S):
        raise Busy("another one is being looked at")
    try:
        yield
    finally:
        turns.release()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """An original of a manifest, and where its bytes lie today."""

    sha256: str
    place: Original | None
    data_set_offset: int
    replaced: bool


def _find_originals(session: Session, originals: Sequence[Mapping[str, Any]]) -> list[_Named]:
    """The records of these very bytes; a later version of the same instance is another record."""
    named: list[_Named] = []
    for some in batched(originals, IN_ONE_QUESTION):
        records = session.scalars(
            # A repeat of the same bytes is a record too, of which nothing is kept.
            select(Record)
            .where(Record.sha256.in_([one["sha256"] for one in some]))
            .where(Record.state != RecordState.DUPLICATE)
        )
        kept = {record.sha256: record for record in records}
        instances = select(Instance.sop_instance_uid, Instance.record_id).where(
            Instance.sop_instance_uid.in_([one["sop_instance_uid"] for one in some]), Instance.current
        )
        current = dict(iter(session.execute(instances)))
        for one in some:
            record = kept.get(one["sha256"])
            named.append(
                _Named(
                    sha256=one["sha256"],
                    place=original_of(record) if record is not None else None,
                    data_set_offset=record.data_set_offset if record is not None else 0,
                    replaced=record is not None
                    and current.get(one["sop_instance_uid"], record.id) != record.id,
                )
            )
    return named


def _look_at(runtime: Runtime, named: _Named) -> Kept:
    if named.place is None:
        return Kept.MISSING
    digest = hashlib.sha256()
    for chunk in open_original(runtime, named.place, offset=named.data_set_offset, ahead=False):
        digest.update(chunk)
    if digest.hexdigest() != named.sha256:
        return Kept.CHANGED
    return Kept.REPLACED if named.replaced else Kept.SOUND


def batched(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
