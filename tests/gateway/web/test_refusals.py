"""What IT people see of devices: those of one township, and who was turned away at the door."""

import json
import uuid
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from gateway.index import Refusal
from gateway.intake import Drain
from gateway.runtime import Runtime
from gateway.web.refusals import CAUSES, explain
from tests.gateway.web.conftest import Client, County
from worklists.directory import Device, Role


def refuse(runtime: Runtime, *, times: int = 1, **fields: object) -> None:
    with runtime.sessions.begin() as session:
        for number in range(times):
            values = {
                "refused_at": runtime.now() - timedelta(minutes=number),
                "what": "association",
                "reason": "1/1/3",
                "calling_ae_title": "NEW_DR",
                "peer_address": "10.1.2.3",
                **fields,
            }
            session.add(Refusal(**values))


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.IT])
def test_only_it_people_see_who_was_turned_away(client: Client, county: County, role: Role):
    somebody = client(role.value)

    assert somebody.get("/api/v1/system/refusals").status_code == 403
    assert somebody.get("/api/v1/system/devices", params={"site": str(county.township)}).status_code == 403


def test_the_devices_of_a_township_are_listed(it: TestClient, county: County):
    (device,) = it.get("/api/v1/system/devices", params={"site": str(county.township)}).json()

    assert (device["id"], device["ae_title"], device["modality"]) == (str(county.device), "DEMO_CT", "CT")
    assert (device["enabled"], device["address"], device["last_heard_at"]) == (True, None, None)
    assert device["site"]["code"] == "T1"
    assert it.get("/api/v1/system/devices", params={"site": str(county.village)}).json() == []


def test_a_township_must_be_named_and_there(it: TestClient):
    assert it.get("/api/v1/system/devices").status_code == 422
    assert it.get("/api/v1/system/devices", params={"site": str(uuid.uuid4())}).status_code == 404


def test_alike_refusals_of_an_unknown_device_are_one_row_in_plain_words(it: TestClient, runtime: Runtime):
    refuse(runtime, times=3, detail="calling AE title is not known")

    (row,) = it.get("/api/v1/system/refusals").json()

    assert (row["ae_title"], row["address"], row["count"]) == ("NEW_DR", "10.1.2.3", 3)
    assert (row["what"], row["code"], row["device"]) == ("association", "1/1/3", None)
    assert "未登记" in row["reason"]
    assert row["advice"]
    assert row["last_at"].startswith(runtime.now().isoformat()[:19])


def test_a_refusal_names_the_device_that_has_its_title(it: TestClient, runtime: Runtime, county: County):
    refuse(runtime, calling_ae_title="DEMO_CT")

    (row,) = it.get("/api/v1/system/refusals").json()

    assert (row["device"]["id"], row["device"]["site"]["code"]) == (str(county.device), "T1")


def test_the_last_refused_come_first_and_only_so_many(it: TestClient, runtime: Runtime):
    refuse(runtime, calling_ae_title="OLD", refused_at=runtime.now() - timedelta(hours=2))
    refuse(runtime, calling_ae_title="NEW", what="instance", reason="C000")
    refuse(runtime, calling_ae_title="LAST_WEEK", refused_at=runtime.now() - timedelta(days=8))

    def titles(limit: int) -> list[str]:
        rows = it.get("/api/v1/system/refusals", params={"limit": limit}).json()
        return [row["ae_title"] for row in rows]

    assert (titles(50), titles(1)) == (["NEW", "OLD"], ["NEW"])


def test_the_name_of_a_file_reaches_nobody_here(it: TestClient, runtime: Runtime):
    refuse(runtime, what="file", reason="not_dicom", detail="王五.jpg")

    assert "王五" not in json.dumps(it.get("/api/v1/system/refusals").json(), ensure_ascii=False)


def test_a_rejection_is_kept_with_its_result_and_source(it: TestClient, runtime: Runtime):
    facts = {"calling_ae_title": "BUSY_CT", "peer_address": "10.1.2.4", "result": 2, "source": 3, "reason": 2}
    runtime.journal.append("dicom.rejection", facts, [])
    Drain(runtime).index_new()

    (row,) = it.get("/api/v1/system/refusals", headers={"Accept-Language": "en"}).json()

    assert (row["code"], row["reason"]) == ("2/3/2", "Too many associations at the same time")


@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause_is_said_with_what_to_do_in_both_languages(cause: str):
    for language in ("zh", "en"):
        reason, advice = explain("association", "1/1/3", "", language, cause=cause)
        assert reason
        assert advice
        assert reason != explain("association", "1/1/3", "", language)[0]


def test_a_connection_that_was_refused_before_its_title_names_the_device_at_its_address(
    it: TestClient, runtime: Runtime, county: County
):
    with runtime.sessions.begin() as session:
        session.get_one(Device, county.device).address = "10.1.2.9"
    facts = {"peer_address": "10.1.2.9", "cause": "certificate_revoked", "certificate": "CN=DEMO_CT",
             "explanation": "the certificate is revoked"}  # fmt: skip
    runtime.journal.append("dicom.connection", facts, [])
    Drain(runtime).index_new()

    (row,) = it.get("/api/v1/system/refusals").json()

    assert (row["what"], row["cause"], row["ae_title"]) == ("connection", "certificate_revoked", "")
    assert row["device"]["id"] == str(county.device)
    assert "已吊销" in row["reason"]
    assert "CN=DEMO_CT" in row["reason"]


def test_a_refused_device_sees_its_refusal_on_its_own_page(it: TestClient, runtime: Runtime, county: County):
    facts = {"calling_ae_title": "DEMO_CT", "peer_address": "10.1.2.4", "result": 1, "source": 1, "reason": 3,
             "cause": "certificate_wrong", "certificate": "CN=OTHER", "device_id": str(county.device),
             "institution_id": str(county.township), "explanation": "certificate is not this device's"}  # fmt: skip
    runtime.journal.append("dicom.rejection", facts, [])
    Drain(runtime).index_new()

    (row,) = it.get(f"/api/v1/system/devices/{county.device}").json()["refusals"]

    assert "证书不是它的（CN=OTHER）" in row["reason"]


def test_the_same_reason_of_another_source_is_another_refusal():
    calling_unknown = explain("association", "1/1/3", "", "en")

    assert explain("association", "3", "", "en") == calling_unknown  # as early rows have it
    assert explain("association", "1/1/2", "", "en") != explain("association", "1/2/2", "", "en")
    assert explain("association", "2/3/7", "words", "en")[0] == "words"
