"""Templates over HTTP: what is offered, the centre's own book, files in and out, scores, and what a report keeps."""

import json
import uuid
from typing import Any

import pytest

from adapters.xlsx import read_workbook, write_workbook
from gateway.runtime import Runtime
from tests.builders import NOW, County, identity, waiting_task
from tests.gateway.web.work.conftest import Client
from tests.rule_drafts import let_live
from worklists.directory import Kind

RULES, PHRASES = "/api/v1/rules/templates", "/api/v1/phrases"
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def _task(runtime: Runtime, county: County, **about: Any) -> uuid.UUID:
    with runtime.sessions.begin() as session:
        task = waiting_task(session, county, **about)
        task.claim(county.wang, NOW)
        return task.id


@pytest.fixture
def chest(runtime: Runtime, county: County) -> uuid.UUID:
    return _task(runtime, county, modality="CR", body_part="CHEST", description="胸部正位")


def _offered(client: Client, task_id: uuid.UUID, who: str = "wang", **query: str) -> list[dict[str, Any]]:
    answer = client(who).get(PHRASES, params={"task": str(task_id), **query})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()
    return items


def _go_live(client: Client, county: County, content: dict[str, Any]) -> int:
    head = client("reviewer")
    made = head.post(RULES, params={"centre": str(county.imaging.id)}, json={"content": content})
    assert made.status_code == 201, made.text
    assert head.post(f"{RULES}/{made.json()['id']}/dry-run").status_code == 200
    assert let_live(head, f"{RULES}/{made.json()['id']}").status_code == 200
    version: int = made.json()["version"]
    return version


def test_the_best_template_comes_first_and_one_is_what_one_key_writes(
    client: Client, chest: uuid.UUID
) -> None:
    offered = _offered(client, chest)

    assert (offered[0]["code"], offered[0]["chosen"], offered[0]["fit"]) == ("dr-chest-normal", True, "exact")
    assert [one["code"] for one in offered if one["chosen"]] == ["dr-chest-normal"]
    assert not [one for one in offered if one["code"].startswith(("ct-", "us-"))]
    pneumonia = next(one for one in offered if one["code"] == "dr-chest-pneumonia")
    assert [slot["name"] for slot in pneumonia["slots"]] == ["部位", "形态"]


def test_they_are_found_by_code_by_pinyin_and_by_words(client: Client, chest: uuid.UUID) -> None:
    for typed in ("dr-chest-pneumothorax", "xbzwqx", "气胸"):
        assert _offered(client, chest, q=typed)[0]["code"] == "dr-chest-pneumothorax"
    assert _offered(client, chest, q="没有这样的") == []


def test_the_old_question_by_modality_is_still_answered(client: Client, county: County) -> None:
    phrases = client("li").get(PHRASES, params={"modality": "CR", "q": "胸部"}).json()

    assert (phrases[0]["code"], phrases[0]["normal"]) == ("dr-chest-normal", True)
    assert all(phrase["code"].startswith("dr-") for phrase in phrases)


def test_another_centres_book_and_tasks_are_not_shown(
    client: Client, county: County, chest: uuid.UUID
) -> None:
    for who in ("ecg_reader", "other_reader"):
        assert client(who).get(PHRASES, params={"task": str(chest)}).status_code == 404
    assert client("ecg_reader").get(PHRASES, params={"centre": str(county.imaging.id)}).status_code == 404
    for who in ("radiographer", "village_doctor", "it", "admin", "auditor"):
        assert client(who).get(PHRASES).status_code == 403
    centre = {"centre": str(county.imaging.id)}
    for path in ("match", "export"):
        assert client("ecg_reader").get(f"/api/v1/templates/{path}", params=centre).status_code == 403
        assert client("radiographer").get(f"/api/v1/templates/{path}", params=centre).status_code == 403
    file = {"file": ("a.json", b"{}")}
    assert client("wang").post("/api/v1/templates/import", params=centre, files=file).status_code == 403


def test_a_centre_edits_its_templates_and_its_readers_get_them(
    client: Client, county: County, chest: uuid.UUID
) -> None:
    centre = {"centre": str(county.imaging.id)}
    content = client("reviewer").get(RULES, params=centre).json()["in_force"]
    content["templates"][0] |= {"name": "我院胸片 正常", "initials": "", "findings": "我院的所见。"}

    version = _go_live(client, county, content)

    first = _offered(client, chest)[0]
    assert (first["name"], first["findings"], first["initials"], first["version"]) == (
        "我院胸片 正常", "我院的所见。", "wyxpzc", version,
    )  # fmt: skip


@on_one_database
def test_what_is_wrong_is_named_by_its_place(client: Client, county: County) -> None:
    centre = {"centre": str(county.imaging.id)}
    content = client("reviewer").get(RULES, params=centre).json()["in_force"]
    content["templates"][2]["slots"].pop()
    content["templates"][3]["code"] = "dr-chest-normal"
    content["phrases"][0]["text"] = "{"

    answer = client("reviewer").post(RULES, params=centre, json={"content": content})

    assert answer.status_code == 422
    assert {one["field"] for one in answer.json()["errors"]} == {
        "templates.2.slots.形态", "templates.3.code", "phrases.0.text",
    }  # fmt: skip


def test_a_dry_run_says_what_one_key_would_write_and_where_nothing_is(
    runtime: Runtime, client: Client, county: County, chest: uuid.UUID
) -> None:
    _task(runtime, county, modality="NM", body_part="CHEST", patient=identity(patient_id="P9", name="邹渊"))
    head, centre = client("reviewer"), {"centre": str(county.imaging.id)}
    made = head.post(RULES, params=centre, json={}).json()

    run = head.post(f"{RULES}/{made['id']}/dry-run").json()["dry_run"]

    assert (run["tasks"], run["with_normal"], run["offered"]) == (2, 1, 1)
    assert run["normal"] == [{"code": "dr-chest-normal", "name": "胸部正位 正常", "tasks": 1}]
    assert run["gaps"] == [{"modality": "NM", "body_part": "CHEST", "sex": "M", "tasks": 1}]


@on_one_database
def test_matching_is_tried_on_an_examination_that_somebody_describes(client: Client, county: County) -> None:
    asked = {"centre": str(county.imaging.id), "modality": "US", "description": "子宫附件", "sex": "F"}
    found = client("wang").get("/api/v1/templates/match", params=asked).json()

    assert (found["body_parts"], found["normal"]) == (["UTERUS"], "us-uterus-normal")
    assert all(one["fit"] != "other" for one in found["items"])
    asked["version"] = str(uuid.uuid4())
    assert client("wang").get("/api/v1/templates/match", params=asked).status_code == 404


@pytest.mark.parametrize("kind", ["json", "xlsx"])
@on_one_database
def test_what_is_exported_is_imported(client: Client, county: County, kind: str) -> None:
    head, centre = client("reviewer"), {"centre": str(county.imaging.id)}
    before = head.get(RULES, params=centre).json()["in_force"]
    file = head.get("/api/v1/templates/export", params={**centre, "format": kind})
    assert file.status_code == 200

    made = head.post("/api/v1/templates/import", params=centre, files={"file": (f"t.{kind}", file.content)})

    assert made.status_code == 201, made.text
    assert made.json()["content"] == before
    assert (made.json()["state"], made.json()["note"]) == ("draft", f"t.{kind}")


@on_one_database
def test_a_wrong_row_of_a_workbook_is_named_and_nothing_is_kept(client: Client, county: County) -> None:
    head, centre = client("reviewer"), {"centre": str(county.imaging.id)}
    sheets = read_workbook(head.get("/api/v1/templates/export", params=centre).content)

    def refused(sheet: str, row: int, column: int, text: str) -> set[str]:
        changed = {name: [[*one] for one in rows] for name, rows in sheets.items()}
        cells = changed[sheet][row]
        cells += [""] * (column + 1 - len(cells))
        cells[column] = text
        answer = head.post(
            "/api/v1/templates/import", params=centre, files={"file": ("t.xlsx", write_workbook(changed))}
        )
        assert answer.status_code == 422, answer.text
        return {one["field"] for one in answer.json()["errors"]}

    assert refused("报告模板", 3, 3, "XYZ") == {"templates.2.modalities"}
    assert refused("报告模板", 4, 6, "也许") == {"templates.3.normal"}
    assert refused("填空", 1, 1, "没有的编码") == {"slots.0.code"}
    assert refused("填空", 1, 7, "很小") == {"slots.0.low"}
    assert refused("报告模板", 0, 1, "别的列") == {"templates"}
    assert head.get(RULES, params=centre).json()["items"] == []


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 422),
        (b"\xff\xfe", 422),
        (b"[]", 422),
        (b"PK\x03\x04nothing", 422),
        (b"{}", 422),
        (b"[" * 100_000, 422),
    ],
)
@on_one_database
def test_what_is_no_book_is_refused(client: Client, county: County, data: bytes, status: int) -> None:
    answer = client("reviewer").post(
        "/api/v1/templates/import", params={"centre": str(county.imaging.id)}, files={"file": ("t", data)}
    )
    assert answer.status_code == status, answer.text


@on_one_database
def test_scores_are_listed_and_rated(client: Client, county: County) -> None:
    reader = client("wang")
    assert {"bi-rads-us", "c-ti-rads", "ti-rads", "lung-rads", "li-rads", "pi-rads", "fleischner"} <= {
        one["code"] for one in reader.get("/api/v1/scores").json()
    }
    rated = reader.post(
        "/api/v1/scores/pi-rads",
        json={"inputs": {"zone": "peripheral", "t2": "2", "dwi": "3", "dce": "positive"}},
    )
    assert (rated.json()["category"], rated.json()["version"]) == ("4", "2.1")
    refused = reader.post(
        "/api/v1/scores/pi-rads", json={"inputs": {"zone": "middle", "t2": "2", "dwi": "3"}}
    )
    assert refused.status_code == 422
    assert {one["field"] for one in refused.json()["errors"]} == {"inputs.zone", "inputs.dce"}
    assert reader.post("/api/v1/scores/none", json={"inputs": {}}).status_code == 404
    assert client("radiographer").get("/api/v1/scores").status_code == 403


CONTENT = {
    "templates": [{"code": "dr-chest-normal", "version": 0}],
    "scores": [
        {
            "scheme": "fleischner",
            "inputs": {"density": "solid", "number": "single", "risk": "low", "size_mm": 7},
        }
    ],
}


def test_a_report_keeps_its_templates_and_scores(client: Client, chest: uuid.UUID) -> None:
    reader = client("wang")
    body = {"findings": "所见", "impression": "意见", "content": CONTENT}

    saved = reader.put(f"/api/v1/tasks/{chest}/report", json=body)
    assert saved.status_code == 200, saved.text
    [score] = saved.json()["content"]["scores"]
    assert (score["version"], score["category"], score["advice"]) == (
        "2017", "6_12_maybe", "建议6～12个月后CT复查，之后考虑18～24个月复查。",
    )  # fmt: skip
    assert reader.post(f"/api/v1/tasks/{chest}/submit").status_code == 200
    signed = client("reviewer").post(f"/api/v1/tasks/{chest}/sign")
    assert signed.status_code == 200, signed.text

    report = client("reviewer").get(f"/api/v1/reports/{signed.json()['report_id']}").json()
    assert report["content"]["templates"] == CONTENT["templates"]
    assert report["content"]["scores"] == [score]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"statements": []}, "content.statements"),
        ({"templates": [{"code": "", "version": 1}]}, "content.templates.0.code"),
        ({"templates": [{"code": "a", "version": "1"}]}, "content.templates.0.version"),
        ({"templates": {}}, None),
        ({"templates": {"a": 1}}, "content.templates"),
        ({"templates": [{"code": "a", "version": 1}] * 41}, "content.templates"),
        ({"scores": [{"scheme": "none", "inputs": {}}]}, "content.scores.0.scheme"),
        ({"scores": [{"scheme": "pi-rads", "inputs": {}}]}, "content.scores.0.inputs.zone"),
        ({"scores": ["pi-rads"]}, "content.scores.0.scheme"),
    ],
)
@on_one_database
def test_a_content_that_cannot_be_used_is_named(
    client: Client, chest: uuid.UUID, content: dict[str, Any], field: str | None
) -> None:
    answer = client("wang").put(
        f"/api/v1/tasks/{chest}/report", json={"findings": "a", "impression": "b", "content": content}
    )
    if field is None:
        assert answer.status_code == 200
        return
    assert answer.status_code == 422
    assert field in {one["field"] for one in answer.json()["errors"]}


@on_one_database
def test_an_ecg_keeps_statements_and_no_templates(runtime: Runtime, county: County, client: Client) -> None:
    with runtime.sessions.begin() as session:
        task = waiting_task(session, county, kind=Kind.ECG, modality="ECG")
        task.claim(county.ecg_reader, NOW)
        task_id = task.id
    answer = client("ecg_reader").put(
        f"/api/v1/tasks/{task_id}/report", json={"findings": "a", "impression": "b", "content": CONTENT}
    )
    assert answer.status_code == 422


@on_one_database
def test_a_book_of_json_says_the_same_as_the_page(client: Client, county: County) -> None:
    file = client("wang").get(
        "/api/v1/templates/export", params={"centre": str(county.imaging.id), "format": "json"}
    )
    assert json.loads(file.content).keys() == {"templates", "phrases"}
