"""The listeners of this node as their processes describe themselves: one file each, written every second."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

GONE_AFTER = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerTls:
    """Why a listener does not use its files as they are now, and until when its revocation lists are good."""

    error: str
    lists: Mapping[str, datetime]  # issuer → when a newer one is due


@dataclass(slots=True, kw_only=True)
class Listener:
    """One wire at one port, summed over the processes that accept from it."""

    name: str
    address: str
    port: int
    up: bool = False
    seen_at: datetime | None = None
    associations: int = 0
    accepted: int = 0
    refused: int = 0
    instances: int = 0
    bytes: int = 0
    refused_by_reason: Counter[str] = field(default_factory=Counter)
    refused_instances_by_status: Counter[str] = field(default_factory=Counter)
    tls: ListenerTls | None = None
    troubles: dict[str, str] = field(default_factory=dict)  # code of a fault: where


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the processes say together."""

    listeners: tuple[Listener, ...]
    unfiled_bytes: int | None
    filed_bytes: int | None
    limit_bytes: int | None
    dropped_notes: int
    writes_direct: bool | None  # large bodies go past the page cache, in every journal


def read_status(folder: Path, *, now: datetime) -> Status:
    """Read every status file. One older than five seconds is of a process that is gone."""
    found = [content for path in sorted(folder.glob("ingest-*.json")) if (content := _read(path))]
    alive = [content for content in found if now - content["at"] <= GONE_AFTER]
    journals = [content["journal"] for content in alive if "journal" in content]
    return Status(
        listeners=tuple(_sum(found, alive)),
        unfiled_bytes=max((j["unfiled_bytes"] for j in journals), default=None),
        filed_bytes=max((j.get("filed_bytes", 0) for j in journals), default=None),
        limit_bytes=max((j["limit_bytes"] for j in journals), default=None),
        dropped_notes=sum(j["dropped_notes"] for j in journals),
        writes_direct=min(
            (j["writes_direct"] for j in journals if j.get("writes_direct") is not None), default=None
        ),
    )


def _sum(found: Iterable[dict[str, Any]], alive: list[dict[str, Any]]) -> list[Listener]:
    listeners: dict[tuple[str, int], Listener] = {}
    for content in found:
        for item in content["listeners"]:
            key = (item["name"], item["port"])
            total = listeners.setdefault(
                key, Listener(name=item["name"], address=item["address"], port=item["port"])
            )
            total.seen_at = max(total.seen_at or content["at"], content["at"])
            if content in alive:
                _add(total, item)
    return [listeners[key] for key in sorted(listeners)]


def _add(total: Listener, item: dict[str, Any]) -> None:
    total.up = True
    for name in ("associations", "accepted", "refused", "instances", "bytes"):
        setattr(total, name, getattr(total, name) + int(item.get(name, 0)))
    total.troubles.update(item.get("troubles", {}))
    if "tls" in item:
        total.tls = _read_tls(item["tls"])
    total.refused_by_reason.update(item.get("refused_by_reason", {}))
    total.refused_instances_by_status.update(item.get("refused_instances_by_status", {}))


def _read_tls(item: Mapping[str, Any]) -> ListenerTls:
    return ListenerTls(
        error=item["error"] or "",
        lists={issuer: datetime.fromisoformat(due) for issuer, due in item["lists"].items()},
    )


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        content["at"] = datetime.fromisoformat(content["at"])
        _ = content["listeners"], content.get("journal", {"unfiled_bytes": 0})["unfiled_bytes"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # gone between the listing and now, or not written by an ingest process
    return content
