"""Result files over HTTP: what the columns are is said on a page, previewed, kept, and what waited is filed anew."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from gateway.intake import Drain
from gateway.journal import Journal
from gateway.lab.bodies import FILE
from gateway.lab.rows import LabHeld, LabMessage
from gateway.runtime import Runtime
from tests.builders import County
from tests.gateway.web.work.conftest import Client
from tests.laboratory import NOW, Laboratory, build_laboratory, register
from worklists.laboratory.results import LabResult
from worklists.laboratory.specimens import LabSpecimen

FILES, PROFILE = "/api/v1/lab/files", "/api/v1/lab/profiles/test"
CSV = (
    "检验科导出\n"
    "样本号,姓名,性别,项目,结果,原始,单位\n"
    "B001,仇明,男,WBC,5.5,9.9,10^9/L\n"
    "B001,仇明,男,XYZ,7,7,\n"
    "B002,仇明,男,HGB,142,1,g/L\n"
    "B009,丁一,男,HGB,150,1,g/L\n"
).encode("gb18030")


@pytest.fixture
def lab(runtime: Runtime, county: County) -> Laboratory:
    with runtime.sessions.begin() as session:
        found = build_laboratory(session, county)
        register(session, county, "B001")
        register(session, county, "B002")
        return found


def arrive(runtime: Runtime, lab: Laboratory, body: bytes, name: str = "today.csv") -> str:
    """As the watched folder keeps it for an analyser without a mapping, and the drain files it."""
    origin = {
        "institution_id": str(lab.bench.institution_id),
        "device_id": str(lab.bench.id),
        "received_at": NOW.isoformat(),
        "filename": name,
        "lab_file": {},
    }

    async def keep() -> None:
        journal = Journal.create(runtime.journal_dir, node="local", limit_bytes=1 << 40, floor_bytes=0)
        entry = journal.open(FILE, origin)
        entry.write(body)
        await entry.commit()
        await journal.close()

    asyncio.run(keep())
    drain = Drain(runtime)
    while drain.index_new():
        pass
    with runtime.reading() as session:
        return str(session.scalars(select(LabMessage.id).order_by(LabMessage.id.desc())).first())


def save(person: Any, **file: Any) -> Any:
    profile = person.get(PROFILE).json()
    body = {name: profile[name] for name in ("name", "manufacturer", "models", "wire", "source", "version")}
    answer = person.put(PROFILE, json={**body, "content": {**profile["content"], "file": file}})
    assert answer.status_code == 200, answer.text
    return answer.json()


def reprocess(person: Any) -> Any:
    answer = person.post("/api/v1/lab/held/reprocess", json={"filter": {"profile_code": "test"}})
    assert answer.status_code == 200, answer.text
    return answer.json()


def values(runtime: Runtime) -> dict[str, str]:
    with runtime.reading() as session:
        rows = session.execute(
            select(LabSpecimen.barcode, LabResult.item_code, LabResult.value)
            .join(LabSpecimen, LabSpecimen.examination_id == LabResult.examination_id)
            .where(LabResult.current)
        )
        return {f"{barcode} {item}": value for barcode, item, value in rows}


def test_a_file_without_a_mapping_is_opened_with_a_proposal_previewed_and_filed_from_its_original(
    runtime: Runtime, lab: Laboratory, client: Client, audited: Callable[..., list[str]]
) -> None:
    message_id = arrive(runtime, lab, CSV)
    head = client("lab_head")
    [held] = head.get("/api/v1/lab/held").json()["items"]
    assert (held["reason"], held["reason_text"]) == ("file_unmapped", "结果文件的列还没有对照")

    opened = head.get(f"{FILES}/{message_id}").json()
    assert (opened["file_name"], opened["is_document"], opened["proposed"]["heading_row"]) == (
        "today.csv",
        False,
        2,
    )
    assert opened["headings"][:4] == ["样本号", "姓名", "性别", "项目"]
    assert opened["rows"][0][0] == "B001"
    assert opened["above"][0] == {"number": 1, "cells": ["检验科导出"]}
    assert "lab_message_opened" in audited()

    table = opened["proposed"]
    assert table["columns"]["value"] == "结果"
    content = {**head.get(PROFILE).json()["content"], "file": {"table": table}}
    seen = head.post(f"{FILES}/{message_id}/preview", json={"content": content}).json()
    assert (seen["specimens"], seen["results"], seen["filed"], seen["unmapped"]) == (3, 4, 2, ["XYZ"])
    assert {one["reason"]: one["count"] for one in seen["held"]} == {"unknown_test": 1, "unknown_barcode": 1}
    assert [(one["barcode"], one["name"], one["held"]) for one in seen["shown"]] == [
        ("B001", "仇明", None), ("B002", "仇明", None), ("B009", "丁一", "unknown_barcode"),
    ]  # fmt: skip
    assert values(runtime) == {}  # nothing was kept

    assert save(head, table=table)["version"] == 2
    assert reprocess(head) == {"messages": 1, "unreadable": 0, "filed": 2, "held": 2}
    assert values(runtime) == {"B001 WBC": "5.50", "B002 HGB": "142"}
    [line] = head.get(FILES, params={"profile_code": "test"}).json()
    assert (line["results"], line["filed"], line["state"]) == (4, 2, "held")


def test_what_waits_is_read_with_the_mapping_of_now_and_keeps_what_it_filed_before(
    runtime: Runtime, lab: Laboratory, client: Client
) -> None:
    message_id = arrive(runtime, lab, CSV)
    head = client("lab_head")
    table = head.get(f"{FILES}/{message_id}").json()["proposed"]
    save(head, table={**table, "columns": {**table["columns"], "value": "原始"}})
    reprocess(head)
    assert values(runtime) == {"B001 WBC": "9.90", "B002 HGB": "1"}

    save(head, table=table)
    reprocess(head)
    assert values(runtime) == {"B001 WBC": "5.50", "B002 HGB": "142"}
    with runtime.reading() as session:
        assert len(session.scalars(select(LabResult)).all()) == 4  # the earlier ones stand beside them
        before = session.scalars(select(LabHeld).where(LabHeld.resolved_at.is_not(None))).all()
    assert {one.resolution for one in before} == {"filed_again"}


def test_what_a_person_said_of_a_specimen_is_not_said_of_another_when_the_columns_change(
    runtime: Runtime, lab: Laboratory, client: Client
) -> None:
    message_id = arrive(runtime, lab, CSV)
    head = client("lab_head")
    table = head.get(f"{FILES}/{message_id}").json()["proposed"]
    columns = {name: one for name, one in table["columns"].items() if name not in {"barcode", "name", "sex"}}
    save(head, table={**table, "columns": columns})
    reprocess(head)
    [held] = head.get("/api/v1/lab/held", params={"reason": "no_barcode"}).json()["items"]

    save(head, table=table)
    with runtime.reading() as session:
        chosen = session.scalars(select(LabSpecimen.id).where(LabSpecimen.barcode == "B002")).one()
    answer = head.post(
        f"/api/v1/lab/held/{held['id']}/resolve", json={"action": "attach", "specimen_id": str(chosen)}
    )
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (
        422, "列的对照已改变：请先重新处理此文件。",
    )  # fmt: skip
    reprocess(head)
    assert values(runtime) == {"B001 WBC": "5.50", "B002 HGB": "142"}


def test_whoever_may_not_see_whose_it_is_sees_the_headings_alone(
    runtime: Runtime, lab: Laboratory, client: Client
) -> None:
    message_id = arrive(runtime, lab, CSV)
    admin = client("admin")
    for asked in ({}, {"heading_row": 3}):
        opened = admin.get(f"{FILES}/{message_id}", params=asked)
        assert (opened.json()["names"], opened.json()["rows"], opened.json()["headings"][0]) == (
            False,
            [],
            "样本号",
        )
        assert "仇" not in opened.text
        assert "B001" not in opened.text
    content = {**admin.get(PROFILE).json()["content"], "file": {"table": opened.json()["proposed"]}}
    seen = admin.post(f"{FILES}/{message_id}/preview", json={"content": content})
    assert (seen.json()["filed"], seen.json()["shown"]) == (2, [])
    assert client("west_radiographer").get(f"{FILES}/{message_id}").status_code == 404
    assert client("west_radiographer").get(FILES, params={"profile_code": "test"}).json() == []
    assert client("wang").get(f"{FILES}/{message_id}").status_code == 404


@pytest.mark.parametrize(
    ("file", "field"),
    [({"table": {"layout": "long", "columns": {"value": 1}}}, "file.table"), ({"document": "*.pdf"}, "file.document"),
     ({"other": 1}, "file"), ({"table": {"columns": {"value": 1, "test": 2}, "odd": 1}}, "file.table"),
     ({"table": [1]}, "file.table"), ({"document": 7}, "file.document")],
)  # fmt: skip
def test_what_is_no_mapping_of_columns_is_refused(
    lab: Laboratory, client: Client, file: dict[str, Any], field: str
) -> None:
    head = client("lab_head")
    profile = head.get(PROFILE).json()
    body = {"name": "x", "version": profile["version"], "content": {**profile["content"], "file": file}}
    answer = head.put(PROFILE, json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field), json.dumps(
        answer.json()
    )


def test_a_document_s_barcode_stands_in_its_name(runtime: Runtime, lab: Laboratory, client: Client) -> None:
    pdf = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
    message_id = arrive(runtime, lab, pdf, "2026_B001.pdf")
    head = client("lab_head")
    assert head.get(f"{FILES}/{message_id}").json()["is_document"] is True
    content = {**head.get(PROFILE).json()["content"], "file": {"document": "*_{barcode}.pdf"}}
    seen = head.post(f"{FILES}/{message_id}/preview", json={"content": content}).json()
    assert [(one["barcode"], one["held"], one["attachments"]) for one in seen["shown"]] == [("B001", None, 1)]
    content["file"]["document"] = "x_{barcode}.pdf"
    problem = head.post(f"{FILES}/{message_id}/preview", json={"content": content}).json()["problem"]
    assert problem == "文件名不符合规则 x_{barcode}.pdf。"
    save(head, document="*_{barcode}.pdf")
    assert reprocess(head)["held"] == 0
