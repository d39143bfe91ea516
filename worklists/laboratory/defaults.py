"""The dictionary and the profiles that a county begins with, from `data/`. A county edits them as rows.

Adults' ranges follow WS/T 405-2012 and WS/T 404, children's WS/T 779-2021 and 780-2021; each range names what it
follows, and is unconfirmed until a laboratory has looked at it. Critical and delta limits are what is common in
Chinese practice, and unconfirmed all.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import resources
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklists.base import new_id
from worklists.laboratory.contents import write_item, write_panel
from worklists.laboratory.dictionary import LabItem, LabPanel
from worklists.laboratory.profiles import AnalyserProfile, ProfileVersion
from worklists.laboratory.tables import Row, Tables, read_tables
from worklists.recognition import RecognitionItem

DATA = resources.files("worklists.laboratory") / "data"
SHIPPED = "shipped"  # the note of a version that came with the product


def read_default_dictionary() -> Tables:
    sheets: Mapping[str, Sequence[Row]] = {name: _rows(name) for name in ("items", "ranges", "panels")}
    return read_tables(sheets)


def seed_dictionary(session: Session) -> int:
    """Lay the dictionary down where there is none; a county that has one keeps it. Answers how many items came.

    An item is recognisable under its usual code where the county's catalogue has that code.
    """
    if session.scalars(select(LabItem.code).limit(1)).first() is not None:
        return 0
    tables = read_default_dictionary()
    recognised = set(session.scalars(select(RecognitionItem.code)))
    for content in tables.items.values():
        item = LabItem(code=content["code"])
        code = content["recognition_item_code"]
        write_item(item, {**content, "recognition_item_code": code if code in recognised else None})
        session.add(item)
    known = set(session.scalars(select(LabPanel.code)))
    for content in tables.panels.values():
        if content["code"] not in known:
            panel = LabPanel(code=content["code"])
            write_panel(panel, content)
            session.add(panel)
    session.flush()
    return len(tables.items)


def recognition_codes() -> dict[str, str]:
    """Code of an item → code under which catalogues of recognition are expected to list it."""
    items = read_default_dictionary().items.values()
    return {one["code"]: one["recognition_item_code"] for one in items if one["recognition_item_code"]}


def read_default_profiles() -> list[dict[str, Any]]:
    """Each as its file has it; `source` says which manual, sample or message it follows."""
    files = sorted((DATA / "profiles").iterdir(), key=lambda one: one.name)
    return [json.loads(one.read_text(encoding="utf-8")) for one in files if one.name.endswith(".json")]


def seed_profiles(session: Session, now: datetime) -> int:
    """Lay down the profiles that are not there, and bring up to date what nobody has touched. Answers how many.

    What a county changed, or confirmed with an analyser, stays as it is.
    """
    rows = {row.code: row for row in session.scalars(select(AnalyserProfile))}
    versions = session.scalars(select(ProfileVersion).order_by(ProfileVersion.version))
    newest = {one.profile_code: one for one in versions}
    done = 0
    for shipped in read_default_profiles():
        row = rows.get(shipped["code"])
        if row is None:
            row = AnalyserProfile(**shipped, version=1, changed_at=now, enabled=True)
            session.add(row)
        elif _is_untouched(row, newest.get(row.code)) and _differs(row, shipped):
            if row.content != shipped["content"]:
                row.version, row.changed_at = row.version + 1, now
            for name, value in shipped.items():
                setattr(row, name, value)
        else:
            continue
        done += 1
        session.flush()
        if row.changed_at == now:
            session.add(
                ProfileVersion(
                    id=new_id(), profile_code=row.code, version=row.version, content=row.content, changed_at=now,
                    note=SHIPPED,
                )
            )  # fmt: skip
    session.flush()
    return done


def _is_untouched(row: AnalyserProfile, newest: ProfileVersion | None) -> bool:
    """As it was laid down: whatever a person changes of it, its head too, moves `changed_at`."""
    return newest is not None and newest.note == SHIPPED and newest.changed_at == row.changed_at


def _differs(row: AnalyserProfile, shipped: Mapping[str, Any]) -> bool:
    return any(getattr(row, name) != value for name, value in shipped.items())


def is_behind_shipped(row: AnalyserProfile, versions: Sequence[ProfileVersion]) -> bool:
    """A county edited it, and what ships is not what it began with any more."""
    shipped = next((one["content"] for one in read_default_profiles() if one["code"] == row.code), None)
    return shipped is not None and all(
        shipped != content for content in (row.content, *(one.content for one in versions))
    )


def _rows(name: str) -> list[dict[str, str]]:
    text = (DATA / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))
