"""Codes for reports: who makes them, and what whoever has one is shown without signing in."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from gateway.audit import AuditEvent
from gateway.runtime import Runtime
from gateway.share_queue import SHARE
from gateway.sweep import sweep_one
from gateway.tasks import TASKS
from gateway.web import share_pages
from gateway.web.share_pages import Limits
from gateway.web.share_words import WORDS
from gateway.work import Work
from tests.builders import SHA, County, identity, signed_report
from tests.conftest import Clock
from tests.fonts import fonts_dir
from tests.gateway.ecg.test_report import CONTENT, an_ecg
from tests.gateway.ecg.test_report import sign as sign_ecg
from tests.gateway.lab.saying import result
from tests.gateway.web.work.conftest import Client, Desk
from worklists.directory import Centre, Institution
from worklists.ecg_statements import seed_statements
from worklists.laboratory.dictionary import LabItem
from worklists.reports import Report, deliver
from worklists.sharing import LOCKED_FOR, TRIES_BEFORE_LOCK, TRIES_IN_ALL, ReportShare, ShareTries

CARD, TAIL = "33010619790304009X", "009X"
NOBODYS = "22222222"


@pytest.fixture(autouse=True)
def limits(app: FastAPI) -> Limits:
    """Answers need not take their time here, but for the test of that."""
    app.state.share_limits = Limits(answered_after_s=0.0)
    return app.state.share_limits  # type: ignore[no-any-return]


@pytest.fixture
def report(runtime: Runtime, county: County) -> str:
    return sign(runtime, county)


@pytest.fixture
def fonts(runtime: Runtime) -> None:
    """The fonts where the viewer's build would have left them."""
    folder = runtime.settings.viewer_dir / "fonts"
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.symlink_to(fonts_dir())


@pytest.fixture
def phone(app: FastAPI) -> TestClient:
    """A telephone that nobody signed in with."""
    return TestClient(app, follow_redirects=True, headers={"Accept-Language": "zh-CN"})


def sign(runtime: Runtime, county: County, **fields: Any) -> str:
    person = fields.pop("patient", identity(national_id=CARD))
    with runtime.sessions.begin() as session:
        return str(signed_report(session, county, patient=person, **fields).id)


def share(client: Client, report: str, who: str = "radiographer", **body: Any) -> dict[str, Any]:
    answer = client(who).post(f"/api/v1/reports/{report}/share", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def answer(phone: TestClient, code: str, tail: str = TAIL) -> Any:
    return phone.post("/p", data={"code": code, "answer": tail})


def shares_of(client: Client, report: str, who: str = "wang") -> list[dict[str, Any]]:
    return list(client(who).get(f"/api/v1/reports/{report}").json()["shares"])


def amend(client: Client, report: str, impression: str) -> str:
    wang = client("wang")
    task = wang.post(
        f"/api/v1/reports/{report}/amend", json={"kind": "correction", "reason": "侧别有误"}
    ).json()
    words = {"findings": "左肺野清晰。", "impression": impression, "critical": False, "preliminary": False}
    wang.put(f"/api/v1/tasks/{task['task_id']}/report", json=words)
    wang.post(f"/api/v1/tasks/{task['task_id']}/submit")
    return str(client("reviewer").post(f"/api/v1/tasks/{task['task_id']}/sign").json()["report_id"])


# -- made by those who got the report


def test_a_code_is_made_once_shown_again_and_made_anew(
    client: Client, report: str, audited: Callable[..., list[str]], phone: TestClient
) -> None:
    first = share(client, report)
    again = share(client, report)
    anew = share(client, report, anew=True)

    assert re.fullmatch(r"[2-9A-HJKMNP-TV-Z]{4}-[2-9A-HJKMNP-TV-Z]{4}", first["code"])
    assert first["address"].endswith("/p/" + first["code"].replace("-", ""))
    assert first["qr"].startswith("<svg")
    assert (first["share"]["asks"], first["share"]["made_by"]["name"]) == ("card", "赵放射")
    assert again["code"] == first["code"]
    assert anew["code"] != first["code"]
    states = [(one["state"], one["revoked_because"]) for one in shares_of(client, report)]
    assert states == [("standing", None), ("revoked", "replaced")]
    assert answer(phone, first["code"]).status_code == 403
    assert answer(phone, anew["code"]).status_code == 200
    made = ["report_shared", "share_shown", "share_revoked", "report_shared"]
    assert [one for one in audited() if "share" in one] == made


def test_the_code_itself_is_nowhere_in_the_database(runtime: Runtime, client: Client, report: str) -> None:
    code = share(client, report)["code"].replace("-", "")
    with runtime.reading() as session:
        row = session.scalars(select(ReportShare)).one()
        details = session.scalars(select(AuditEvent.detail)).all()

    assert code not in row.code_hash
    assert code.encode() not in row.code_sealed
    assert all(code not in str(detail) for detail in details)


def test_who_may_share_a_report(client: Client, report: str) -> None:
    route = f"/api/v1/reports/{report}/share"
    assert (
        client("wang").post(route, json={}).status_code == 403
    )  # the county signed it; it hands out nothing
    assert client("west_radiographer").post(route, json={}).status_code == 404
    assert client("village_doctor").post(route, json={}).status_code == 404
    made = share(client, report)["share"]["id"]
    assert client("west_radiographer").delete(f"/api/v1/shares/{made}").status_code == 404
    assert client("wang").get(f"/api/v1/shares/{made}/slip").status_code == 403


def test_without_a_card_the_birth_date_is_asked_for_and_without_both_nothing_is_shared(
    runtime: Runtime, client: Client, county: County, phone: TestClient
) -> None:
    by_date = share(client, sign(runtime, county, patient=identity()))
    nothing = sign(runtime, county, patient=identity(birth_date=None, patient_id="P2"))

    assert by_date["share"]["asks"] == "birth_date"
    assert answer(phone, by_date["code"], "19790305").status_code == 403
    assert answer(phone, by_date["code"], "1979-03-04").status_code == 200
    refused = client("radiographer").post(f"/api/v1/reports/{nothing}/share", json={})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "patient")


@pytest.mark.usefixtures("fonts")
def test_a_slip_is_printed_on_both_papers(
    client: Client, report: str, audited: Callable[..., list[str]]
) -> None:
    made = share(client, report)["share"]["id"]
    for paper in ("a5", "roll"):
        printed = client("radiographer").get(f"/api/v1/shares/{made}/slip", params={"paper": paper})
        assert (printed.status_code, printed.content[:5]) == (200, b"%PDF-")
    assert audited().count("share_printed") == 2

    client("radiographer").delete(f"/api/v1/shares/{made}")
    assert client("radiographer").get(f"/api/v1/shares/{made}/slip").status_code == 404


def test_a_village_that_wants_one_has_a_code_for_each_report_by_itself(
    runtime: Runtime, client: Client, county: County, report: str
) -> None:
    path = f"/api/v1/institutions/{county.village.id}"
    assert client("admin").patch(path, json={"share_reports": True, "share_days": 7}).status_code == 200
    examination = client("wang").get(f"/api/v1/reports/{report}").json()["examination"]["examination_id"]
    client("radiographer").patch(
        f"/api/v1/examinations/{examination}", json={"village_id": str(county.village.id)}
    )
    with runtime.reading() as session:
        assert session.scalars(select(Work.task).where(Work.task == SHARE)).all() == [SHARE]

    assert sweep_one(runtime, TASKS, SHARE) == 1

    [made] = shares_of(client, report)
    assert (made["made_by"], made["institution"]["code"]) == (None, "VILLAGE")
    assert share(client, report, "village_doctor")["share"]["id"] == made["id"]


# -- what a telephone is shown


def test_whoever_knows_the_tail_reads_the_report_and_says_so(
    client: Client, report: str, phone: TestClient, audited: Callable[..., list[str]]
) -> None:
    code = share(client, report)["code"]
    asked = phone.get("/p/" + code.replace("-", ""))
    assert code in asked.text
    assert "仇" not in asked.text

    page = answer(phone, code, "００９x")  # full width, lower case: as telephones type

    assert str(page.url).endswith("/p/report")
    for word in (
        "仇明",
        "心肺膈未见明显异常。",
        "双肺野清晰。",
        "城东镇卫生院",
        "县人民医院",
        "王医师",
        "周主任",
    ):
        assert word in page.text
    proof = re.findall(r'name="proof" value="(\w+)"', page.text)[0]
    said = phone.post("/p/acknowledge", data={"who": "family", "name": "仇小明", "proof": proof})
    assert "已阅读：家属 仇小明" in said.text
    [seen] = shares_of(client, report)
    assert (seen["opened_count"], seen["opened_version"]) == (1, 1)
    assert (seen["acknowledged_as"], seen["acknowledged_name"]) == ("family", "仇小明")
    assert [one for one in audited() if one in {"report_opened", "share_acknowledged"}][:2] == [
        "report_opened",
        "share_acknowledged",
    ]


def test_the_visit_ends_by_itself_and_when_somebody_leaves(
    client: Client, report: str, phone: TestClient, clock: Clock
) -> None:
    code = share(client, report)["code"]
    answer(phone, code)
    assert phone.get("/p/report").status_code == 200
    clock.advance(minutes=31)
    assert phone.get("/p/report").status_code == 401
    answer(phone, code)
    phone.post("/p/leave")
    assert phone.get("/p/report").status_code == 401


def test_what_is_not_proven_to_come_from_our_page_changes_nothing(
    client: Client, report: str, phone: TestClient
) -> None:
    answer(phone, share(client, report)["code"])
    assert phone.post("/p/acknowledge", data={"who": "patient", "proof": "0" * 32}).status_code == 401
    assert shares_of(client, report)[0]["acknowledged_at"] is None


def test_a_tampered_visit_is_none(client: Client, report: str, phone: TestClient) -> None:
    answer(phone, share(client, report)["code"])
    token = phone.cookies[share_pages.COOKIE]
    phone.cookies.clear()
    for tampered in (token[:-4] + "AAA=", "x", "é", token[: len(token) // 2]):
        headers = {"Cookie": f"{share_pages.COOKIE}={tampered}".encode()}
        assert phone.get("/p/report", headers=headers).status_code == 401


def test_five_wrong_answers_lock_it_for_a_while_and_twenty_take_it_back(
    client: Client, report: str, phone: TestClient, clock: Clock, audited: Callable[..., list[str]]
) -> None:
    code = share(client, report)["code"]
    for turn in range(TRIES_IN_ALL // TRIES_BEFORE_LOCK):
        states = [answer(phone, code, "1234").status_code for _ in range(TRIES_BEFORE_LOCK)]
        assert states == [403] * (TRIES_BEFORE_LOCK - 1) + [429], turn
        locked = answer(phone, code)  # also for the right answer
        assert locked.status_code == 429
        assert "15 分钟后再试" in locked.text
        clock.advance(seconds=LOCKED_FOR.total_seconds() + 1)

    assert answer(phone, code).status_code == 403
    [gone] = shares_of(client, report)
    assert (gone["state"], gone["revoked_because"]) == ("revoked", "guessed")
    [returned] = client("radiographer").get("/api/v1/returns").json()["items"]
    assert returned["share"]["revoked_because"] == "guessed"
    assert [one for one in audited() if one in {"share_locked", "share_revoked"}] == [
        "share_locked", "share_locked", "share_locked", "share_revoked",
    ]  # fmt: skip


def test_no_answer_tells_which_codes_there_are(
    client: Client, runtime: Runtime, county: County, phone: TestClient, clock: Clock
) -> None:
    """Known, unknown, expired, revoked: the same bytes, at the first try as at the one that locks."""
    known = share(client, sign(runtime, county))["code"]
    expired = share(client, sign(runtime, county))["code"]
    revoked = share(client, sign(runtime, county))
    client("radiographer").delete(f"/api/v1/shares/{revoked['share']['id']}")
    with runtime.sessions.begin() as session:
        for row in session.scalars(select(ReportShare)):
            row.expires_at = runtime.now() + timedelta(days=1)
        newest = session.scalars(select(ReportShare).order_by(ReportShare.made_at, ReportShare.id)).all()[1]
        newest.expires_at = runtime.now()
    codes = [known, expired, revoked["code"], "2222-2222"]
    asked = {re.sub(code, "", phone.get(f"/p/{code.replace('-', '')}").text) for code in codes}
    assert len({re.sub(r"/p/[0-9A-Z]{8}", "/p/", one) for one in asked}) == 1

    for _ in range(TRIES_BEFORE_LOCK):
        clock.advance(seconds=60)
        answers = [answer(phone, code, "9999") for code in codes]
        assert len({one.status_code for one in answers}) == 1
        shown = {one.text.replace(code, "") for one, code in zip(answers, codes, strict=True)}
        assert len(shown) == 1
    clock.advance(seconds=LOCKED_FOR.total_seconds() + 1)
    over = [answer(phone, code) for code in codes[1:]]  # the right answer to what is over
    assert {one.status_code for one in over} == {403}


def test_an_answer_takes_as_long_whether_the_code_is_there_or_not(
    client: Client, report: str, phone: TestClient, limits: Limits
) -> None:
    limits.answered_after_s = 0.5
    code = share(client, report)["code"]
    took = [answer(phone, one, "9999").elapsed.total_seconds() for one in (code, NOBODYS)]
    assert min(took) >= 0.5


def test_what_cannot_be_an_answer_is_no_try(
    runtime: Runtime, client: Client, report: str, phone: TestClient
) -> None:
    code = share(client, report)["code"]
    for typed in ("", "12", "12345", "XXXX", "0" * 90):
        assert answer(phone, code, typed).status_code == 422
    assert answer(phone, "OOOO-1111").status_code == 422  # no letter of ours
    with runtime.reading() as session:
        assert session.scalar(select(func.count()).select_from(ShareTries)) == 0


def test_tries_are_bounded_for_each_address(phone: TestClient) -> None:
    codes = [answer(phone, f"{n:08d}".translate(str.maketrans("01", "AB"))).status_code for n in range(25)]
    assert codes[:20] == [403] * 20
    assert set(codes[20:]) == {429}


def test_tries_at_codes_that_nobody_has_are_forgotten_and_at_others_not(
    runtime: Runtime, client: Client, report: str, phone: TestClient, clock: Clock
) -> None:
    code = share(client, report)["code"]
    answer(phone, code, "9999")
    answer(phone, NOBODYS, "9999")
    clock.advance(hours=25)
    answer(phone, "33333333", "9999")
    with runtime.reading() as session:
        assert session.scalar(select(func.count()).select_from(ShareTries)) == 2


def test_a_corrected_report_says_so_at_the_next_visit_and_is_read_again(
    client: Client, report: str, phone: TestClient
) -> None:
    code = share(client, report)["code"]
    page = answer(phone, code)
    assert "报告有改动" not in page.text
    proof = re.findall(r'name="proof" value="(\w+)"', page.text)[0]
    phone.post("/p/acknowledge", data={"who": "village_doctor", "proof": proof})

    amend(client, report, "左侧气胸，请立即就诊。")
    next_time = answer(phone, code)

    assert "报告有改动（原第 1 版，现第 2 版）" in next_time.text
    assert "侧别有误" in next_time.text
    assert "左侧气胸" in next_time.text
    assert "我已阅读" in next_time.text
    assert "报告有改动" not in answer(phone, code).text  # it was read once now


def test_a_void_report_says_only_that(client: Client, report: str, phone: TestClient) -> None:
    code = share(client, report)["code"]
    answer(phone, code)
    voided = client("reviewer").post(
        f"/api/v1/reports/{report}/void", json={"reason": "认错人", "after": "nothing"}
    )
    assert voided.status_code == 200
    page = phone.get("/p/report")

    assert "已作废" in page.text
    for word in ("仇明", "心肺膈", "双肺野", "认错人"):
        assert word not in page.text
    assert str(phone.get("/p/report.pdf").url).endswith("/p/report")


def test_a_critical_report_says_whom_to_call(
    runtime: Runtime, client: Client, county: County, report: str, phone: TestClient
) -> None:
    for path, number in (("centres/" + str(county.imaging.id), "0571-8800 1234转802"),
                         ("institutions/" + str(county.east.id), "0571-88005678")):  # fmt: skip
        assert client("admin").patch(f"/api/v1/{path}", json={"phone": number}).status_code == 200
    with runtime.sessions.begin() as session:  # as if its reader had said so
        session.execute(Report.__table__.update().values(critical=True))  # type: ignore[attr-defined]
    page = answer(phone, share(client, report)["code"])

    assert page.text.index("危急值") < page.text.index("心肺膈未见明显异常。")
    assert 'href="tel:0571880012' in page.text
    assert page.text.index("tel:057188001234,802") < page.text.index("tel:057188005678")
    known = client("radiographer").get(f"/api/v1/reports/{report}").json()["phones"]
    assert [one["dialled"] for one in known] == ["057188001234,802", "057188005678"]


def test_pages_tell_nobody_where_somebody_was_and_are_kept_nowhere(
    client: Client, report: str, phone: TestClient
) -> None:
    code = share(client, report)["code"]
    for page in (phone.get("/p"), phone.get(f"/p/{code}"), answer(phone, code), phone.get("/p/report")):
        headers = page.headers
        assert (headers["referrer-policy"], headers["cache-control"]) == ("no-referrer", "no-store")
        assert "noindex" in headers["x-robots-tag"]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "仇" not in str(page.url)
        assert TAIL not in str(page.url)
    cookie = answer(phone, code).history[0].headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/p" in cookie


def test_a_visit_opens_nothing_but_its_pages(client: Client, report: str, phone: TestClient) -> None:
    answer(phone, share(client, report)["code"])
    assert phone.get(f"/api/v1/reports/{report}").status_code == 401


def test_a_page_is_small(client: Client, report: str, phone: TestClient) -> None:
    page = answer(phone, share(client, report)["code"])
    files = re.findall(r'(?:href|src)="(/p/(?:style\.css|page\.js)\?\w+)"', page.text)
    assert len(files) == 2
    assert len(page.content) + sum(len(phone.get(file).content) for file in files) < 20_000


def test_the_pages_speak_english_too(client: Client, report: str, phone: TestClient) -> None:
    code = share(client, report)["code"]
    assert "Open the report" in phone.get("/p", params={"lang": "en"}).text
    page = answer(phone, code)
    assert "Conclusion" in page.text
    assert "诊断意见" not in page.text


def test_the_final_report_after_a_preliminary_one_says_so(
    runtime: Runtime, client: Client, report: str, phone: TestClient
) -> None:
    with runtime.sessions.begin() as session:  # as if a reader had signed the first version alone, at night
        amendment = {"kind": "final", "reason": "", "of_version": 1}
        session.execute(Report.__table__.update().values(amendment=amendment))  # type: ignore[attr-defined]
    page = answer(phone, share(client, report)["code"])

    assert page.status_code == 200
    assert "替代第 1 版临时报告" in page.text


VIEWER = Path(__file__).parents[4] / "viewer" / "src"
_PART = re.compile(r'data-part="(\w+)"')
_WORD = re.compile(r"^  (\w+): '(.*)',$", re.MULTILINE)


def test_the_village_and_the_shared_page_have_the_same_parts_in_the_same_order() -> None:
    shared = _PART.findall((share_pages.TEMPLATES / "report.html").read_text())
    village = _PART.findall((VIEWER / "parts/township/VillageReport.vue").read_text())

    shared = list(dict.fromkeys(shared))  # a conclusion is written in two ways
    assert {"conclusion", "findings", "results", "origin"} <= set(shared)
    assert [part for part in shared if part != "tracing"] == [part for part in village if part != "images"]


@pytest.mark.parametrize(("language", "place"), [("zh", 0), ("en", 1)])
def test_the_village_and_the_shared_page_have_the_same_words(language: str, place: int) -> None:
    found = dict(_WORD.findall((VIEWER / f"i18n/{language}/village.ts").read_text()))

    assert len(found) > 30
    assert {name: word.replace("\\'", "'") for name, word in found.items()} == {
        name: WORDS[name][place] for name in found
    }


def test_every_word_is_there_in_both_languages() -> None:
    assert [name for name, pair in WORDS.items() if len(pair) != 2 or not all(pair)] == []


def test_the_report_is_not_shared_before_it_came_back(
    runtime: Runtime, client: Client, county: County
) -> None:
    waiting = sign(runtime, county, delivered=False)
    assert client("radiographer").post(f"/api/v1/reports/{waiting}/share", json={}).status_code == 403


def test_an_institution_says_how_long_its_codes_are_good(
    client: Client, county: County, report: str, runtime: Runtime, phone: TestClient, clock: Clock
) -> None:
    answered = client("admin").patch(f"/api/v1/institutions/{county.east.id}", json={"share_days": 2})
    assert answered.status_code == 200, answered.text
    code = share(client, report)["code"]
    with runtime.reading() as session:
        assert session.get_one(Institution, county.east.id).share_days == 2
    clock.advance(hours=47)
    assert answer(phone, code).status_code == 200
    clock.advance(hours=2)
    assert answer(phone, code).status_code == 403
    assert shares_of(client, report)[0]["state"] == "expired"


def test_results_stand_with_arrows_what_is_abnormal_first(
    open_desk: Callable[..., Desk], runtime: Runtime, client: Client, phone: TestClient
) -> None:
    with runtime.sessions.begin() as session:
        session.get_one(LabItem, "HGB").name_en = "Haemoglobin"
    desk = open_desk(result("WBC", "14.2"), result("HGB", "96"), result("PLT", "210"))
    for item in ("WBC", "HGB"):
        assert desk.post("verify", result_ids=[desk.id_of(item)], reason="复查一致").status_code == 200
    signed = desk.reader.post(f"{desk.task}/sign")
    assert signed.status_code == 200, signed.text
    with runtime.sessions.begin() as session:
        report = session.scalars(select(Report)).one()
        deliver(session, report, pdf_sha256=SHA, now=runtime.now())
        report_id = str(report.id)

    page = answer(phone, share(client, report_id)["code"], "19790304").text

    assert "3 项结果中有 2 项不在参考范围内" in page
    assert page.index("14.2") < page.index("210")
    assert re.search(r"14\.20</b> <small>[^<]*</small> <b class=\"tag care\">↑+ 偏高", page)
    assert re.search(r"96</b> <small>g/L</small> <b class=\"tag care\">↓+ 偏低", page)
    english = phone.get("/p/report", params={"lang": "en"}).text
    assert "Haemoglobin" in english
    assert "血红蛋白" not in english


def test_an_electrocardiogram_is_seen_as_it_was_signed_and_the_page_stays_light(
    runtime: Runtime, client: Client, county: County, phone: TestClient
) -> None:
    with runtime.sessions.begin() as session:
        session.get_one(Centre, county.ecg.id).review_required = False
        seed_statements(session)
    an_ecg(runtime, county, PatientBirthDate="19790304")
    report_id = sign_ecg(runtime, county, CONTENT | {"statements": ["sinus_rhythm"]})
    with runtime.sessions.begin() as session:
        deliver(session, session.get_one(Report, report_id), pdf_sha256=SHA, now=runtime.now())

    page = answer(phone, share(client, str(report_id))["code"], "19790304")
    tracing = phone.get("/p/tracing.svg", headers={"Accept-Encoding": "gzip"})

    assert "窦性心律" in page.text
    assert "心率" in page.text
    assert '<img class="tracing" src="/p/tracing.svg"' in page.text
    assert (tracing.headers["content-type"], tracing.headers["content-encoding"]) == ("image/svg+xml", "gzip")
    assert tracing.text.startswith("<svg")
    assert "script" not in tracing.headers["content-security-policy"]
    assert int(tracing.headers["content-length"]) + len(page.content) < 150_000

    english = phone.get("/p/report", params={"lang": "en"}).text
    assert "Sinus rhythm" in english
    assert "Heart rate" in english
    assert "设备测量" not in english

    phone.post("/p/leave")
    assert phone.get("/p/tracing.svg").status_code == 401
