"""The dictionary and the profiles over HTTP: who may change them, what is refused, workbooks, previews, versions."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from adapters.xlsx import read_workbook, write_workbook
from gateway.directory import Change
from gateway.lab.rows import LabMessage
from gateway.runtime import Runtime
from tests.builders import County
from tests.gateway.web.work.conftest import Client
from tests.gateway.web.work.test_lab_held import oru, send
from tests.laboratory import Laboratory, build_laboratory, register
from worklists.laboratory.profiles import ProfileVersion

LAB = "/api/v1/lab"


@pytest.fixture
def lab(runtime: Runtime, county: County) -> Laboratory:
    with runtime.sessions.begin() as session:
        return build_laboratory(session, county)


def test_who_sets_the_dictionary_changes_an_item_and_its_ranges(
    runtime: Runtime, county: County, lab: Laboratory, client: Client, audited: Callable[..., list[str]]
) -> None:
    head = client("lab_head")
    wbc = head.get(f"{LAB}/items/WBC").json()
    ranges = [{**wbc["ranges"][0], "high": 10.0, "source": "WS/T 405-2012"}]
    assert client("lab").patch(f"{LAB}/items/WBC", json={"ranges": ranges}).status_code == 403
    changed = head.patch(f"{LAB}/items/WBC", json={"ranges": ranges, "name": "白细胞"})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["ranges"][0]["high"], changed.json()["initials"]) == (10.0, "bxb")
    with runtime.reading() as session:
        [kept] = session.scalars(select(Change))
        assert (kept.entity, kept.subject, kept.before["name"], kept.after["name"]) == (  # type: ignore[index]
            "lab_item", "WBC", "白细胞计数", "白细胞",
        )  # fmt: skip
    assert "directory_changed" in audited()
    assert client("radiographer").get(f"{LAB}/items").json()["may_change"] is False


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ranges": [{"low": 9, "high": 3}]}, "ranges.0.high"),
        ({"ranges": [{"low": 3, "critical_low": 5}]}, "ranges.0.critical_low"),
        ({"units": [{"unit": "g/dL", "factor": 0}]}, "units"),
        ({"units": [{"unit": "x10*9/L", "factor": 2}]}, "units"),
        ({"loinc": "6690-3"}, "loinc"),
        ({"recognition_item_code": "NONE"}, "recognition_item_code"),
        ({"decimals": 9}, "decimals"),
        ({"name": " "}, "name"),
    ],
)  # fmt: skip
def test_what_an_item_cannot_be_is_named(
    lab: Laboratory, client: Client, change: dict[str, Any], field: str
) -> None:
    answer = client("lab_head").patch(f"{LAB}/items/WBC", json=change)
    assert (answer.status_code, [one["field"] for one in answer.json()["errors"]]) == (422, [field])


def test_a_workbook_is_shown_first_and_then_carried_over(lab: Laboratory, client: Client) -> None:
    admin = client("admin")
    book = read_workbook(admin.get(f"{LAB}/dictionary/export").content)
    heading = book["items"][0]
    name = heading.index("name")
    wbc = next(row for row in book["items"] if row[0] == "WBC")
    wbc[name] = "白细胞"
    book["items"].append(
        [
            {"code": "CRP", "name": "C反应蛋白", "section": "immunology", "unit": "mg/L"}.get(c, "")
            for c in heading
        ]
    )

    shown = carry(admin, book)
    assert (shown["done"], shown["errors"], shown["unchanged"]) == (False, [], 6)
    assert [(one["code"], one["is_new"]) for one in shown["differences"]] == [("WBC", False), ("CRP", True)]
    assert shown["differences"][0]["fields"]["name"] == ["白细胞计数", "白细胞"]
    assert admin.get(f"{LAB}/items/CRP").status_code == 404

    assert carry(admin, book, dry_run=False)["done"] is True
    assert admin.get(f"{LAB}/items/CRP").json()["unit"] == "mg/L"
    assert carry(admin, book)["differences"] == []


def test_one_wrong_row_leaves_all_as_it_was(lab: Laboratory, client: Client) -> None:
    admin = client("admin")
    book = read_workbook(admin.get(f"{LAB}/dictionary/export").content)
    heading = book["ranges"][0]
    book["ranges"].append([{"item_code": "WBC", "low": "9", "high": "3"}.get(c, "") for c in heading])
    book["ranges"].append([{"item_code": "NONE", "low": "1"}.get(c, "") for c in heading])
    book["ranges"].append([{"item_code": "WBC", "from_age": "old"}.get(c, "") for c in heading])
    rows = len(book["ranges"])
    answer = carry(admin, book, dry_run=False)
    assert answer["done"] is False
    assert [(one["sheet"], one["row"], one["column"], one["reason"]) for one in answer["errors"]] == [
        ("ranges", rows - 2, "high", "low_high"),
        ("ranges", rows - 1, "item_code", "unknown"),
        ("ranges", rows, "from_age", "age"),
    ]
    refused = admin.post(f"{LAB}/dictionary/import", files={"file": ("x.xlsx", b"no workbook")})
    assert (refused.status_code, refused.json()["code"]) == (422, "malformed")


def test_a_preview_shows_what_each_result_would_become_and_keeps_nothing(
    runtime: Runtime, county: County, lab: Laboratory, client: Client
) -> None:
    with runtime.sessions.begin() as session:
        register(session, county, "B001")
    send(runtime, lab.bench, oru("B001", ("WBC", "22.5", "K/uL"), ("HB", "14.2", "g/dL"), ("Q", "1", "")))
    with runtime.reading() as session:
        [message] = session.scalars(select(LabMessage))
    content = {"tests": {"WBC": {"item": "WBC"}, "HB": {"item": "HGB"}, "Q": {"ignored": True}}}
    asked = {"message_id": str(message.id), "content": content}
    shown = client("lab").post(f"{LAB}/profiles/preview", json=asked).json()
    names = ("code", "item_code", "becomes", "abnormal", "held", "left_out")
    assert [tuple(one[name] for name in names) for one in shown] == [
        ("WBC", None, "", "", "unknown_unit", ""),
        ("HB", "HGB", "142", "", None, ""),
        ("Q", None, "", "", None, "ignored"),
    ]  # fmt: skip
    content["units"] = {"K/uL": "10^9/L"}  # type: ignore[assignment]
    shown = client("lab").post(f"{LAB}/profiles/preview", json=asked).json()
    assert (shown[0]["becomes"], shown[0]["abnormal"]) == ("22.50", "H")
    assert [one["taken_unit"] for one in shown] == ["", "", ""]
    # An administrator sees what it is mapped to, and no values of anybody's.
    assert client("admin").post(f"{LAB}/profiles/preview", json=asked).json()[0]["becomes"] == ""
    assert client("west_radiographer").post(f"{LAB}/profiles/preview", json=asked).status_code == 404
    assert client("lab").get(f"{LAB}/profiles/test").json()["version"] == 1


def test_a_preview_says_where_a_unit_is_the_mapping_s_word(
    runtime: Runtime, county: County, lab: Laboratory, client: Client
) -> None:
    send(runtime, lab.bench, oru("B001", ("HGB", "14.2", ""), ("K", "4.1", "")))
    with runtime.reading() as session:
        [message] = session.scalars(select(LabMessage))
    content = {"tests": {"HGB": {"item": "HGB", "unit": "g/dL"}, "K": {"item": "K"}}}
    asked = {"message_id": str(message.id), "content": content}
    shown = client("lab").post(f"{LAB}/profiles/preview", json=asked).json()
    names = ("code", "becomes", "becomes_unit", "taken_unit", "held", "held_text")
    assert [tuple(one[name] for name in names) for one in shown] == [
        ("HGB", "142", "g/L", "g/dL", None, ""),
        ("K", "", "", "", "unit_missing", "没有单位，对照方案也没有说明"),
    ]


def test_a_change_is_another_version_and_offers_what_waits(
    runtime: Runtime, county: County, lab: Laboratory, client: Client, audited: Callable[..., list[str]]
) -> None:
    with runtime.sessions.begin() as session:
        register(session, county, "B001")
    send(runtime, lab.bench, oru("B001", ("HB", "142", "g/L")))
    head = client("lab_head")
    profile = head.get(f"{LAB}/profiles/test").json()
    assert (profile["waiting"], profile["may_change"]) == (1, True)
    body = {
        key: profile[key]
        for key in ("name", "manufacturer", "models", "wire", "source", "unconfirmed", "enabled")
    }
    content = {**profile["content"], "tests": {**profile["content"]["tests"], "HB": {"item": "HGB"}}}
    wrong = {**content, "controls": [{"pattern": "(a*)*", "level": "1"}]}
    refused = head.put(f"{LAB}/profiles/test", json={**body, "version": 1, "content": wrong})
    assert [one["field"] for one in refused.json()["errors"]] == ["controls.0"]
    wrong = {**content, "dialect": {"barcode_field": 4, "test_component": -1, "termination": "NN", "x": 1}}
    refused = head.put(f"{LAB}/profiles/test", json={**body, "version": 1, "content": wrong})
    assert {one["field"] for one in refused.json()["errors"]} == {
        "dialect.test_component", "dialect.termination", "dialect.x",
    }  # fmt: skip
    content["dialect"] = {"barcode_field": 4, "termination": "N"}
    changed = head.put(
        f"{LAB}/profiles/test", json={**body, "version": 1, "content": content, "note": "血红蛋白"}
    )
    assert (changed.status_code, changed.json()["version"], changed.json()["waiting"]) == (200, 2, 1)
    assert (
        head.put(f"{LAB}/profiles/test", json={**body, "version": 1, "content": content}).status_code == 409
    )
    assert (
        client("lab").put(f"{LAB}/profiles/test", json={**body, "version": 2, "content": content}).status_code
        == 403
    )
    versions = head.get(f"{LAB}/profiles/test/versions").json()
    assert [(one["version"], one["note"], one["changed_by"]["name"]) for one in versions] == [
        (2, "血红蛋白", "何主任")
    ]
    assert head.post(f"{LAB}/held/reprocess", json={"filter": {"profile_code": "test"}}).json()["held"] == 0
    assert head.get(f"{LAB}/profiles/test").json()["waiting"] == 0
    assert "analyser_profile_changed" in audited()
    with runtime.reading() as session:
        assert [one.version for one in session.scalars(select(ProfileVersion))] == [2]


def carry(person: Any, book: dict[str, list[list[str]]], *, dry_run: bool = True) -> dict[str, Any]:
    files = {"file": ("dictionary.xlsx", write_workbook(book))}
    answer = person.post(f"{LAB}/dictionary/import", params={"dry_run": dry_run}, files=files)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


@pytest.mark.parametrize("path", ["items/WBC", "panels/CBC"])
def test_a_later_change_of_an_older_dictionary_is_told_by_whom(
    lab: Laboratory, client: Client, path: str
) -> None:
    head = client("lab_head")
    [line] = [
        one
        for one in head.get(f"{LAB}/{path.split('/', maxsplit=1)[0]}").json()["items"]
        if one["code"] == path.split("/")[1]
    ]
    seen = {"If-Match": f'"{line["revision"]}"'}
    assert head.patch(f"{LAB}/{path}", json={"name": "先改"}, headers=seen).status_code == 200

    late = client("admin").patch(f"{LAB}/{path}", json={"name": "后改"}, headers=seen)

    assert (late.status_code, late.json()["code"]) == (412, "changed_since")
    assert (late.json()["current"]["name"], "何主任" in late.json()["detail"]) == ("先改", True)
    again = {"If-Match": f'"{late.json()["current"]["revision"]}"'}
    assert client("admin").patch(f"{LAB}/{path}", json={"name": "后改"}, headers=again).status_code == 200
