"""A centre's roster over HTTP: its reviewers keep it, its readers look at it, two who write at once do not lose a line."""

from typing import Any

import pytest

from tests.builders import County
from tests.gateway.web.work.conftest import Client


@pytest.fixture
def path(county: County) -> str:
    return f"/api/v1/centres/{county.imaging.id}/roster"


def _sheet(read: dict[str, Any], **lines: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: lines.get(name, read[name]) for name in ("revision", "duty", "absences", "qualifications")}


def test_a_reviewer_keeps_the_roster_and_who_works_now_is_told(
    county: County, client: Client, path: str
) -> None:
    head = client("reviewer")
    begun = head.get(path).json()
    reader, reviewer = str(county.wang.id), str(county.reviewer.id)
    assert {one["id"] for one in begun["people"]} >= {reader, reviewer}
    assert (begun["duty"], begun["may_set"]) == ([], True)

    first = head.put(
        path, json=_sheet(begun, duty=[{"person_id": reader}, {"person_id": reviewer, "position": 2}])
    )
    assert first.status_code == 200, first.text
    assert [one["id"] for one in first.json()["working"]] == [reader, reviewer]

    today = {"first_day": "2000-01-01", "last_day": "2099-12-31"}
    kept = first.json()["duty"][:1]
    second = head.put(
        path,
        json=_sheet(
            first.json(),
            duty=kept,
            absences=[{"person_id": reader, "cover_id": reviewer, **today}],
            qualifications=[{"person_id": reader, "modalities": ["CT"], "subspecialties": ["胸部"]}],
        ),
    )
    assert second.status_code == 200, second.text
    [working] = second.json()["working"]
    assert (working["id"], working["covers_for"]) == (reviewer, county.wang.name)
    assert second.json()["duty"] == kept

    changes = client("admin").get("/api/v1/changes").json()["items"]
    assert [(one["entity"], one["before"] is None, one["after"] is None) for one in changes[:3]] == [
        ("reader_qualification", True, False), ("absence", True, False), ("duty", False, True),
    ]  # fmt: skip
    undone = client("admin").post(f"/api/v1/changes/{changes[2]['id']}/undo")
    assert undone.status_code == 200, undone.text
    assert len(head.get(path).json()["duty"]) == 2


def test_who_wrote_upon_an_older_sheet_is_told_and_nothing_is_lost(
    county: County, client: Client, path: str
) -> None:
    head = client("reviewer")
    begun = head.get(path).json()
    line = {"person_id": str(county.wang.id)}
    assert head.put(path, json=_sheet(begun, duty=[line])).status_code == 200

    late = head.put(path, json=_sheet(begun, duty=[]))

    assert (late.status_code, late.json()["code"]) == (409, "roster_moved_on")
    assert len(head.get(path).json()["duty"]) == 1


def test_a_wrong_line_is_named_and_none_is_kept(county: County, client: Client, path: str) -> None:
    head = client("reviewer")
    begun = head.get(path).json()
    lines = [{"person_id": str(county.wang.id)}, {"person_id": str(county.wang.id), "begins": "25:00"}]

    answer = head.put(path, json=_sheet(begun, duty=lines))

    assert answer.status_code == 422
    assert {one["field"] for one in answer.json()["errors"]} == {"duty.1.begins", "duty.1.ends"}
    assert head.get(path).json()["duty"] == []


def test_readers_look_at_it_and_others_do_not(county: County, client: Client, path: str) -> None:
    reader = client("wang")
    seen = reader.get(path)
    assert (seen.status_code, seen.json()["may_set"]) == (200, False)
    assert reader.put(path, json=_sheet(seen.json())).status_code == 403
    assert client("radiographer").get(path).status_code == 403
    elsewhere = path.replace(str(county.imaging.id), str(county.ecg.id))
    assert client("reviewer").put(elsewhere, json=_sheet(seen.json())).status_code == 403
