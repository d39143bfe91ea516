"""ECG carts at a gateway as its users run it: a watched folder, FTP, a kill between the journal and the folder."""

import ftplib
import io
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.carts.recordings import aecg, put, wfdb
from tests.journeys.gateways import Gateway, get_json, wait_for
from tests.servers import free_ports

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-carts"), pytest.mark.timeout(1800)]

PASSWORD = "cart-secret-1"


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """With a device that has an account."""
    (ftp_port,) = free_ports(1)
    folder = tmp_path_factory.mktemp("carts") / "gateway-data"
    with Gateway(folder, ftp_port=ftp_port, drop_quiet_s=0.5) as running:
        running.start()
        admin = running.sign_in("admin")
        device = next(
            one for one in get_json(admin, "/api/v1/devices")["items"] if one["ae_title"] == "DEMO_CT"
        )
        answer = admin.patch(
            f"/api/v1/devices/{device['id']}", json={"account": "east-ecg", "password": PASSWORD}
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["has_account_password"] and PASSWORD not in answer.text
        wait_for(lambda: drop_of(running).is_dir(), 30, "the device has its folder", running.log)
        yield running


def drop_of(gateway: Gateway) -> Path:
    return gateway.settings.drop_folder / "east-ecg"


def watcher_of(gateway: Gateway) -> int:
    """The process that looks at the folder."""
    files = (gateway.data_dir / "run").glob("ingest-*.json")
    told = [json.loads(path.read_text()) for path in files]
    return next(int(one["pid"]) for one in told if one["listeners"][0]["name"] == "folder")


def made(gateway: Gateway, radiographer: httpx.Client, patient_id: str) -> list[dict[str, Any]]:
    gateway.wait_until_drained()
    items: list[dict[str, Any]] = get_json(radiographer, "/api/v1/examinations", q=patient_id)["items"]
    return items


def faults(it: httpx.Client) -> dict[str, str]:
    return {fault["code"]: fault["where"] for fault in get_json(it, "/api/v1/system")["faults"]}


def test_a_cart_writes_into_its_folder_and_the_county_has_the_ecg(county: Gateway) -> None:
    put(drop_of(county) / "胸痛", {"a.xml": aecg("CART-1")})
    put(drop_of(county), {**wfdb("rec"), "notes.txt": b"no ECG"})
    done = drop_of(county) / "done"
    wait_for(lambda: len(list(done.rglob("*.*"))) == 3, 60, "all is taken", county.log)
    radiographer, it = county.sign_in("radiographer"), county.sign_in("it")

    (item,) = made(county, radiographer, "CART-1")
    assert (item["kind"], item["priority"], item["device"]["ae_title"]) == ("ecg", "chest_pain", "DEMO_CT")
    assert (drop_of(county) / "refused/notes.txt.txt").read_text("utf-8-sig").startswith("文件未被接收")
    (refusal,) = wait_for(
        lambda: get_json(radiographer, "/api/v1/refusals"), 30, "the refusal is shown", county.log
    )
    assert (refusal["what"], refusal["count"]) == ("file", 1) and "notes.txt" in refusal["reason"]
    assert get_json(it, f"/api/v1/system/devices/{item['device']['id']}")["last_heard_at"]
    listeners = {one["name"]: one for one in get_json(it, "/api/v1/system")["listeners"]}
    assert listeners["folder"]["up"] and listeners["ftp"]["up"]
    assert (listeners["folder"]["accepted"], listeners["folder"]["refused"]) == (2, 1)


def test_a_cart_uploads_by_ftp_and_the_answer_is_the_countys(county: Gateway) -> None:
    with ftplib.FTP(timeout=60) as client:
        client.connect("127.0.0.1", county.settings.ftp_port or 0)
        client.login("east-ecg", PASSWORD)
        assert client.storbinary("STOR b.xml", io.BytesIO(aecg("CART-2"))) == "226 Taken."
        with pytest.raises(ftplib.error_perm, match="550 This is no ECG format"):
            client.storbinary("STOR b.bin", io.BytesIO(b"nothing"))

    (item,) = made(county, county.sign_in("radiographer"), "CART-2")
    assert (item["kind"], item["priority"]) == ("ecg", "routine")


def test_killed_between_journal_and_folder_nothing_is_lost_and_nothing_is_there_twice(
    county: Gateway,
) -> None:
    done = drop_of(county) / "done"
    done.mkdir(parents=True, exist_ok=True)
    aside = done.rename(drop_of(county).parent / ".done-aside")
    done.write_text("in the way: nothing can be moved there")
    put(drop_of(county), {"c.xml": aecg("CART-3")})
    it, radiographer = county.sign_in("it"), county.sign_in("radiographer")
    wait_for(lambda: "drop_stuck" in faults(it), 60, "IT hears that it cannot be moved", county.log)
    assert len(made(county, radiographer, "CART-3")) == 1
    os.kill(watcher_of(county), signal.SIGKILL)
    done.unlink()
    aside.rename(done)
    wait_for(lambda: list(done.rglob("c.xml")), 60, "it is moved", county.log)
    county.wait_until_drained()

    (item,) = made(county, radiographer, "CART-3")
    assert item["instances"] == 1
    wait_for(lambda: "drop_stuck" not in faults(it), 30, "nothing is wrong any more", county.log)
    checked = county.check()
    assert checked.returncode == 0, checked.stdout


def test_what_belongs_to_no_device_is_named_to_it(county: Gateway) -> None:
    put(county.settings.drop_folder / "nobody", {"a.xml": aecg()})
    it = county.sign_in("it")

    assert wait_for(lambda: faults(it).get("drop_of_nobody"), 30, "IT hears of it", county.log) == "nobody"
    assert (county.settings.drop_folder / "nobody/a.xml").exists()
