"""Reports to a FHIR R4 server: what it keeps, that nothing is there twice, and what counts as sent."""

import base64
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.audit import Actor
from gateway.deliveries.endpoints import Tried, try_endpoint
from gateway.deliveries.looking import resend
from gateway.deliveries.queueing import queue_void
from gateway.deliveries.rows import Endpoint, EndpointWire
from gateway.directory import FieldErrors
from gateway.runtime import Runtime
from tests.builders import identity
from tests.conftest import Clock
from tests.gateway.deliveries.conftest import PDF, Post
from tests.gateway.deliveries.fhir_server import FhirPeer, running_fhir_server
from tests.gateway.deliveries.test_hl7 import amend
from worklists.amending import AfterVoid, make_void
from worklists.recognition import Mark
from worklists.reports import Report

MARK = Mark(
    item_code="DR-CHEST", item_name="胸部正位", text="全国HR", scope="national", remark="", reason=None
)
TOKEN = "a bearer token of the county"


@pytest.fixture
def database_url(sqlite_schema: Path, tmp_path: Path) -> str:
    """Of one kind: what differs by database is tested with HL7."""
    shutil.copyfile(sqlite_schema, tmp_path / "gateway.sqlite3")
    return f"sqlite:///{tmp_path / 'gateway.sqlite3'}"


@pytest.fixture
def peer() -> Iterator[FhirPeer]:
    with running_fhir_server(TOKEN) as running:
        yield running


def fhir(post: Post, peer: FhirPeer, *, secret: str = TOKEN, **settings: Any) -> Any:
    stated = {"url": peer.url, "within_s": 10, **settings}
    return post.add(EndpointWire.FHIR, stated, secret=secret, name="县平台")


def void(post: Post, report_id: Any) -> None:
    with post.runtime.sessions.begin() as session:
        report = session.get_one(Report, report_id)
        make_void(
            session,
            report,
            post.county.reviewer,
            reason="患者错误",
            after=AfterVoid.NOTHING,
            now=post.runtime.now(),
        )
        queue_void(session, report, post.runtime.now())


@pytest.mark.parametrize("update", ["id", "identifier"])
def test_a_report_is_one_report_there_however_often_it_is_sent_corrected_and_taken_back(
    post: Post, peer: FhirPeer, runtime: Runtime, update: str
) -> None:
    fhir(post, peer, update=update)
    first = post.sign(marks=(MARK,))
    post.send()

    assert [(one.state.value, one.answer[:4]) for one in post.deliveries()] == [("sent", "200 ")]
    report = peer.one("DiagnosticReport")
    assert (report["status"], report["conclusion"]) == ("final", "心肺膈未见明显异常。")
    assert base64.b64decode(report["presentedForm"][0]["data"]).startswith(PDF)
    [mark] = [one for one in report["extension"] if one["url"].endswith("/recognition-mark")]
    assert {one["url"]: one["valueString"] for one in mark["extension"]}["text"] == "全国HR"
    patient = peer.one("Patient")
    assert report["subject"]["reference"] == f"Patient/{patient['id']}"
    assert (patient["name"][0]["text"], patient["identifier"][0]["value"]) == ("仇明", "P001")
    assert {one["name"] for one in peer.all("Organization")} == {"城东镇卫生院", "县人民医院"}
    assert {one["name"][0]["text"] for one in peer.all("Practitioner")} == {"王医师", "周主任"}
    assert [one["valueString"] for one in peer.all("Observation")] == ["双肺野清晰。"]

    [delivery] = post.deliveries()
    resend(runtime, Actor(name="it"), delivery.id)
    post.send()
    second = amend(post, first)
    post.send()
    amended = peer.one("DiagnosticReport")
    assert (amended["id"], amended["status"], amended["conclusion"]) == (
        report["id"], "amended", "修订：右肺结节。"
    )  # fmt: skip

    void(post, second)
    post.send()
    gone = peer.one("DiagnosticReport")
    assert (gone["id"], gone["status"], gone.get("presentedForm")) == (report["id"], "entered-in-error", None)
    [observation] = peer.all("Observation")
    assert (observation["status"], "valueString" in observation) == ("entered-in-error", False)
    assert len(peer.all("Patient")) == 1
    assert post.states() == ["sent"] * 3
    expected = {"CREATE", "UPDATE", "NULLIFY"} if update == "id" else set()
    assert {one["activity"]["coding"][0]["code"] for one in peer.all("Provenance")} == expected


def test_the_provenance_names_who_wrote_who_signed_and_what_was_read(post: Post, peer: FhirPeer) -> None:
    fhir(post, peer)
    report_id = post.sign()
    post.send()

    provenance, report = peer.one("Provenance"), post.report(report_id)
    people = {one["id"]: one["name"][0]["text"] for one in peer.all("Practitioner")}
    agents = {
        one["type"]["coding"][0]["code"]: people[one["who"]["reference"].split("/")[1]]
        for one in provenance["agent"]
    }
    assert agents == {"author": "王医师", "verifier": "周主任"}
    assert provenance["entity"][0]["what"]["identifier"]["value"] == report.manifest_sha256
    assert provenance["target"] == [{"reference": f"DiagnosticReport/{report.examination_id}"}]
    study = peer.one("ImagingStudy")
    assert provenance["entity"][1]["what"] == {"reference": f"ImagingStudy/{study['id']}"}
    assert peer.one("Endpoint")["address"].endswith("/dicomweb")


def test_the_document_may_stand_by_itself(post: Post, peer: FhirPeer) -> None:
    fhir(post, peer, document="binary")
    post.sign()
    post.send()

    binary = peer.one("Binary")
    assert base64.b64decode(binary["data"]).startswith(PDF)
    assert peer.one("DiagnosticReport")["presentedForm"][0]["url"] == f"Binary/{binary['id']}"


def test_a_late_answer_makes_no_second_report(post: Post, peer: FhirPeer, clock: Clock) -> None:
    fhir(post, peer, within_s=1)
    peer.tell({"after": True, "delay_ms": 2500})
    post.sign()
    post.send()
    assert post.states() == ["pending"]
    assert len(peer.all("DiagnosticReport")) == 1  # it took it, and said so too late

    clock.advance(seconds=10)
    post.send()
    assert post.states() == ["sent"]
    assert len(peer.all("DiagnosticReport")) == 1


OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "invariant", "diagnostics": "no such patient 仇明 P001"}],
}
WRONG_ENTRY = {
    "resourceType": "Bundle",
    "type": "transaction-response",
    "entry": [{"response": {"status": "400 Bad Request", "outcome": OUTCOME}}],
}


@pytest.mark.parametrize(
    ("answer", "state", "whole", "said"),
    [
        ({"status": 422, "body": OUTCOME}, "refused", False, "422 Unprocessable Entity: no such patient *** ***"),
        ({"status": 400, "body": "no json"}, "refused", False, "400 Bad Request"),
        ({"status": 429, "body": OUTCOME}, "pending", False, "429 Too Many Requests: no such patient *** ***"),
        ({"status": 409, "body": OUTCOME}, "pending", False, "409 Conflict: no such patient *** ***"),
        ({"status": 500, "body": "<html>"}, "pending", False, "500 Internal Server Error"),
        ({"status": 503}, "pending", True, "503 Service Unavailable: as told"),
        ({"status": 200, "body": "<html>"}, "pending", True, "200 OK: not the answer to a transaction"),
        ({"status": 200, "body": WRONG_ENTRY}, "refused", False, "answers for"),
        ({"status": 302, "headers": {"Location": "http://elsewhere/"}}, "pending", True, "redirects are not followed"),
    ],
)  # fmt: skip
def test_only_a_transaction_that_succeeded_whole_was_sent(
    post: Post, peer: FhirPeer, runtime: Runtime, answer: dict[str, Any], state: str, whole: bool, said: str
) -> None:
    endpoint_id = fhir(post, peer)
    peer.tell(answer)
    post.sign()
    post.send()

    [delivery] = post.deliveries()
    with runtime.reading() as session:
        waits = session.get_one(Endpoint, endpoint_id).retry_at is not None
    assert (delivery.state.value, waits, said in delivery.answer) == (state, whole, True), delivery.answer
    assert peer.all("DiagnosticReport") == []


def test_a_server_that_says_when_to_come_again_is_left_alone_until_then(
    post: Post, peer: FhirPeer, runtime: Runtime, clock: Clock
) -> None:
    endpoint_id = fhir(post, peer)
    peer.tell({"status": 429, "headers": {"Retry-After": "600"}})
    post.sign()
    post.send()
    [delivery] = post.deliveries()
    assert delivery.next_at == runtime.now() + timedelta(seconds=600)
    clock.advance(seconds=300)
    assert post.send() == 0

    clock.advance(seconds=301)
    peer.tell({"status": 503, "headers": {"Retry-After": "900"}})
    post.send()
    with runtime.reading() as session:
        assert session.get_one(Endpoint, endpoint_id).retry_at == runtime.now() + timedelta(seconds=900)
    clock.advance(seconds=901)
    post.send()
    assert post.states() == ["sent"]


def test_without_its_token_the_whole_server_waits_and_trying_it_says_why(
    post: Post, peer: FhirPeer, runtime: Runtime
) -> None:
    right, wrong = fhir(post, peer), fhir(post, peer, secret="another token of somebody")
    post.sign()
    while post.send():
        pass
    found = {one.endpoint_id: one for one in post.deliveries()}
    assert (found[right].state.value, found[wrong].state.value) == ("sent", "pending")
    assert found[wrong].answer == "401 Unauthorized: who are you"
    assert try_endpoint(runtime, Actor(name="it"), right) == Tried(
        reached=True, answer="FHIR 4.0.1 Medplum 5.2.13"
    )
    assert not try_endpoint(runtime, Actor(name="it"), wrong).reached


def test_a_server_that_knows_the_numbers_of_patients_by_its_own_system_finds_them_by_that(
    post: Post, peer: FhirPeer
) -> None:
    fhir(post, peer, update="identifier", patient_system="urn:oid:1.2.3.4")
    post.sign()
    post.sign(patient=identity(), study_instance_uid="2.25.4711")
    post.send()

    assert peer.one("Patient")["identifier"][0]["system"] == "urn:oid:1.2.3.4"
    assert len(peer.all("DiagnosticReport")) == 2


@pytest.mark.parametrize(
    ("stated", "field"),
    [
        ({"url": "http://platform.county/fhir"}, "settings.url"),
        ({"url": "https://platform/fhir?tenant=1"}, "settings.url"),
        ({"url": "https://user:word@platform/fhir"}, "settings.url"),
        ({"url": "https://platform/fhir", "update": "identifier", "document": "binary"}, "settings.document"),
        ({"url": "https://platform/fhir", "patient_system": "not a system"}, "settings.patient_system"),
    ],
)
def test_what_would_not_be_safe_or_not_be_one_report_is_not_entered(
    post: Post, stated: dict[str, Any], field: str
) -> None:
    with pytest.raises(FieldErrors) as refused:
        post.add(EndpointWire.FHIR, stated)
    assert list(refused.value.reasons) == [field]
