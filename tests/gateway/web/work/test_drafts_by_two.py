"""Two people and one draft of a rule book, over HTTP: nobody's words are lost, nobody lets live what they never saw."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from gateway.rule_books import BOOKS
from gateway.runtime import Runtime
from tests.builders import County
from tests.gateway.web.work.conftest import Client
from tests.laboratory import Laboratory
from tests.rule_drafts import keep, let_live, seen

Content = dict[str, Any]


def _routing(content: Content, n: int) -> None:
    content["routes"] = [{"kind": "imaging", "centre": "lead", "words": [f"词{n}"]}]


def _minutes(content: Content, n: int) -> None:
    content["turnaround"][0]["minutes"] = 40 + n


def _timer(content: Content, n: int) -> None:
    content["review_minutes"] = 10 + n


def _phrase(content: Content, n: int) -> None:
    content["phrases"] = content["phrases"][n:]


def _word(content: Content, n: int) -> None:
    content["quick_reasons"] = [f"已核对 {n}"]


def _percent(content: Content, n: int) -> None:
    content["rules"] = [{"code": "range", "percent": n}]


CHANGES: dict[str, Callable[[Content, int], None]] = {
    "routing": _routing,
    "assignment": _minutes,
    "critical": _timer,
    "templates": _phrase,
    "checking": _word,
    "verification": _percent,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One book, and two people who may set it: an administrator and another one."""

    name: str
    query: dict[str, str]
    first: TestClient
    second: TestClient

    @property
    def base(self) -> str:
        return f"/api/v1/rules/{self.name}"

    def begin(self) -> str:
        made = self.first.post(self.base, params=self.query, json={"note": "第一次"})
        assert made.status_code == 201, made.text
        return f"{self.base}/{made.json()['id']}"

    def other(self, address: str, n: int) -> Content:
        """The words of a draft with another change in them."""
        content: Content = self.first.get(address).json()["content"]
        CHANGES[self.name](content, n)
        return content

    def live(self, n: int) -> int:
        """Another version that is live; its number."""
        address = self.begin()
        tried(keep(self.first, address, self.other(address, n)))
        self.first.post(f"{address}/dry-run")
        return int(tried(let_live(self.first, address))["version"])


def tried(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture(params=sorted(BOOKS))
def desk(
    request: pytest.FixtureRequest, county: County, laboratory: Laboratory, client: Client
) -> Iterator[Desk]:
    name = request.param
    of_centre = BOOKS[name].of_a_centre
    second = {"routing": "admin", "verification": "lab_head"}.get(name, "reviewer")
    yield Desk(
        name=name, query={"centre": str(county.imaging.id)} if of_centre else {},
        first=client("admin"), second=client(second),
    )  # fmt: skip


def test_every_book_is_tried_here() -> None:
    assert CHANGES.keys() == BOOKS.keys()


def test_the_later_save_of_an_older_draft_is_told_who_changed_it_and_loses_nothing(desk: Desk) -> None:
    address = desk.begin()
    read = seen(desk.second, address)
    mine, yours = desk.other(address, 1), desk.other(address, 2)
    assert mine != yours
    kept = keep(desk.first, address, yours, "先改")

    late = desk.second.put(address, json={"content": mine, "note": "后改"}, headers=read)

    assert (late.status_code, late.json()["code"]) == (412, "changed_since")
    now = late.json()["current"]
    assert now["changed_by"]["name"] in late.json()["detail"]
    assert (now["content"], now["note"], now["revision"]) == (
        kept.json()["content"], "先改", kept.json()["revision"],
    )  # fmt: skip
    assert desk.first.get(address).json()["content"] == kept.json()["content"]
    again = {"If-Match": f'"{now["revision"]}"'}
    assert (
        tried(desk.second.put(address, json={"content": mine, "note": "后改"}, headers=again))["note"]
        == "后改"
    )


def test_a_save_whose_answer_was_lost_is_said_again(desk: Desk) -> None:
    address = desk.begin()
    body, read = {"content": desk.other(address, 1), "note": "一次"}, seen(desk.first, address)

    first = desk.first.put(address, json=body, headers=read)
    repeated = desk.first.put(address, json=body, headers=read)

    assert tried(repeated) == tried(first)
    assert repeated.headers["ETag"] == first.headers["ETag"]


def test_nobody_lets_live_or_tries_what_they_never_saw(desk: Desk) -> None:
    address = desk.begin()
    read = seen(desk.second, address)
    keep(desk.first, address, desk.other(address, 1))
    assert desk.second.post(f"{address}/dry-run", headers=read).status_code == 412
    tried(desk.first.post(f"{address}/dry-run"))

    unseen = desk.second.post(f"{address}/go-live", headers=read)

    assert (unseen.status_code, unseen.json()["code"]) == (412, "changed_since")
    assert desk.first.get(address).json()["state"] == "draft"
    assert tried(let_live(desk.second, address))["state"] == "live"


@pytest.mark.parametrize("head", [{}, {"If-Match": "*"}])
def test_who_does_not_say_what_they_have_read_changes_nothing(desk: Desk, head: dict[str, str]) -> None:
    address = desk.begin()
    body = {"content": desk.other(address, 1), "note": ""}

    for answer in (
        desk.first.put(address, json=body, headers=head),
        desk.first.post(f"{address}/go-live", headers=head),
    ):
        assert (answer.status_code, answer.json()["code"]) == (428, "revision_required")


def test_a_tag_that_a_proxy_made_weak_still_names_the_draft_and_another_word_is_refused(desk: Desk) -> None:
    address = desk.begin()
    body = {"content": desk.other(address, 1), "note": ""}
    assert desk.first.put(address, json=body, headers={"If-Match": "seven"}).status_code == 422

    tag = desk.first.get(address).headers["ETag"]
    assert desk.first.put(address, json=body, headers={"If-Match": f"W/{tag}"}).status_code == 200


def test_going_live_over_a_version_that_the_draft_was_not_begun_from_says_what_it_would_undo(
    desk: Desk,
) -> None:
    address = desk.begin()
    begun = tried(desk.first.get(address))["begun_from"]
    live = desk.live(2)
    assert live != begun
    tried(keep(desk.second, address, desk.other(address, 1)))
    desk.second.post(f"{address}/dry-run")

    refused = let_live(desk.second, address)

    assert (refused.status_code, refused.json()["code"]) == (409, "rules_live_moved")
    assert (refused.json()["live"]["version"], refused.json()["live"]["state"]) == (live, "live")
    assert str(live) in refused.json()["detail"]
    confirmed = desk.second.post(
        f"{address}/go-live", json={"replaces": live}, headers=seen(desk.second, address)
    )
    assert tried(confirmed)["state"] == "live"


def test_what_was_let_live_under_somebodys_hands_is_answered_with_it_and_kept_as_a_draft_of_its_own(
    desk: Desk,
) -> None:
    address = desk.begin()
    draft = tried(desk.second.get(address))
    read, mine = seen(desk.second, address), desk.other(address, 1)
    desk.first.post(f"{address}/dry-run")
    tried(let_live(desk.first, address))

    late = desk.second.put(address, json={"content": mine, "note": "我的"}, headers=read)
    own = desk.second.post(
        desk.base, params=desk.query,
        json={"content": mine, "note": "我的", "begun_from": draft["begun_from"]},
    )  # fmt: skip

    assert (late.status_code, late.json()["code"]) == (409, "rules_not_a_draft")
    assert late.json()["current"]["live_by"] is not None
    assert (own.status_code, own.json()["note"], own.json()["begun_from"]) == (
        201, "我的", draft["begun_from"],
    )  # fmt: skip


def test_two_who_let_two_drafts_live_are_told_of_each_other(runtime: Runtime, desk: Desk) -> None:
    drafts = [desk.begin(), desk.begin()]
    for n, address in enumerate(drafts):
        tried(keep(desk.first, address, desk.other(address, n + 1)))
        tried(desk.first.post(f"{address}/dry-run"))

    answers = [let_live(desk.first, drafts[0]), let_live(desk.second, drafts[1])]

    assert [one.status_code for one in answers] == [200, 409]
    assert answers[1].json()["code"] == "rules_live_moved"
