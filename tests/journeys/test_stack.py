"""The county's stack by hand: the processes of docker/compose.yaml with its environment, on real servers.

Secrets come from files, as there. Studies are sent, read, signed and returned; then each process is restarted in turn
and the broker emptied while studies arrive; a backup is taken meanwhile and becomes an installation elsewhere.
"""

import ftplib
import re
import subprocess
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis as redis_client
from sqlalchemy import select

from gateway.index import Instance
from gateway.originals import read_original
from gateway.runtime import open_runtime
from tests.gateway.carts.recordings import aecg, put
from tests.gateway.lab.listening import Hl7Line
from tests.instruments import ACK, Instrument
from tests.journeys.gateways import PASSWORD, PROGRAM, Gateway, get_json, run_dcmtk, wait_for
from tests.journeys.test_main_path import act, find_item, poppler
from tests.servers import Postgres, Redis, SeaweedFs, free_ports, need
from tests.synthetic import data_sets_of, new_uid, write_study

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-stack"), pytest.mark.timeout(1800)]

PROCESSES = ("ingest", "web", "worker --concurrency 2 --no-beat", "beat")
DEVICES = ("DEMO_CT", "DEMO_DR", "DEMO_US")
START_S = 300  # four processes import at once, on a machine on which much else runs
SECRETS = ("database_url", "object_store", "broker_url", "metrics_token", "backup_passphrase")


class Stack:
    """One installation whose processes are started and ended one by one."""

    def __init__(self, folder: Path, **secrets: str):
        self.secrets_dir = folder / "secrets"
        self.secrets_dir.mkdir(parents=True)
        for name, value in secrets.items():
            (self.secrets_dir / f"gateway_{name}").write_text(value + "\n")
        ftp_port, data_port = free_ports(2)
        self.gateway = Gateway(
            folder / "data", ("demo --no-samples",), ingest_workers=2, web_workers=2, journal_bytes=1 << 30,
            cache_bytes=0, drop_dir=folder / "drop", ftp_port=ftp_port, ftp_address="127.0.0.1",
            ftp_passive_ports=f"{data_port}-{data_port}", **secrets,
        )  # fmt: skip
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def cart_folder(self) -> Path:
        return self.gateway.settings.drop_folder / "demo-ecg"

    @property
    def environment(self) -> dict[str, str]:
        hidden = {f"GATEWAY_{name.upper()}" for name in SECRETS}
        kept = {name: value for name, value in self.gateway.environment.items() if name not in hidden}
        return {**kept, "GATEWAY_SECRETS_DIR": str(self.secrets_dir)}

    def start(self, command: str) -> None:
        with self.gateway.log_path.open("ab") as log:
            self.running[command] = subprocess.Popen(
                [PROGRAM, *command.split()], env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True, cwd=self.gateway.data_dir,
            )  # fmt: skip

    def restart(self, command: str) -> None:
        process = self.running[command]
        process.terminate()
        assert process.wait(90) in {0, -15}, f"{command} ended with {process.returncode}"
        self.start(command)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROGRAM, *words], env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )

    def is_ready(self) -> bool:
        try:
            return (
                httpx.get(f"{self.gateway.base_url}/readyz", timeout=5).status_code == 200
                and httpx.get(
                    f"http://127.0.0.1:{self.gateway.settings.ingest_http_port}/readyz", timeout=5
                ).status_code == 200
            )  # fmt: skip
        except httpx.TransportError:
            return False

    def close(self) -> None:
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            process.wait(90)
        self.gateway.close()


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, seaweedfs: SeaweedFs, redis: Redis
) -> Iterator[Stack]:
    need("pg_dump", "Debian's package postgresql-client")
    stack = Stack(
        tmp_path_factory.mktemp("stack"), database_url=postgres.url(), object_store=seaweedfs.url(),
        broker_url=redis.url, metrics_token="scraped-by-prometheus", backup_passphrase="kept elsewhere too",
    )  # fmt: skip
    stack.gateway.start()  # makes the county; from here on each process by itself
    stack.gateway.stop()
    for command in PROCESSES:
        stack.start(command)
    wait_for(stack.is_ready, START_S, "web and ingest are ready", stack.gateway.log)
    yield stack
    stack.close()


@pytest.fixture(scope="module")
def sent() -> dict[str, bytes]:
    """What was accepted so far, by instance."""
    return {}


def send(
    stack: Stack, folder: Path, sent: dict[str, bytes], *, calling: str, count: int = 3, **fields: Any
) -> str:
    study_uid = new_uid()
    files = write_study(folder / study_uid, count, size=64, study_uid=study_uid, **fields)
    said = run_dcmtk("storescu", stack.gateway.dicom_port, *files, calling=calling)
    assert said.returncode == 0, said.stdout
    sent.update(data_sets_of(files))
    return study_uid


@pytest.fixture(scope="module")
def signed(stack: Stack, sent: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A report that was signed and returned."""
    study_uid = send(
        stack, tmp_path_factory.mktemp("signed"), sent, calling="DEMO_DR", modality="DX", patient_id="STACK-1"
    )
    reader, reviewer = stack.gateway.sign_in("reader"), stack.gateway.sign_in("reviewer")
    item = wait_for(
        lambda: find_item(reader, "/api/v1/worklist", study_uid, state="waiting"),
        90,
        "it waits",
        stack.gateway.log,
    )
    task = f"/api/v1/tasks/{item['task_id']}"
    act(reader, "POST", f"{task}/claim")
    body = {"findings": "未见异常。", "impression": "未见异常。", "critical": False, "preliminary": False}
    act(reader, "PUT", f"{task}/report", json=body)
    act(reader, "POST", f"{task}/submit")
    report = act(reviewer, "POST", f"{task}/sign")
    radiographer = stack.gateway.sign_in("radiographer")

    def is_returned() -> bool:
        items = get_json(radiographer, "/api/v1/returns")["items"]
        return any(one["report_id"] == report["report_id"] for one in items)

    wait_for(is_returned, 120, "the report is returned", stack.gateway.log)
    return report


def test_a_study_is_sent_read_signed_and_returned(stack: Stack, signed: dict[str, Any]) -> None:
    radiographer = stack.gateway.sign_in("radiographer")
    assert radiographer.get(f"/api/v1/reports/{signed['report_id']}/pdf").content.startswith(b"%PDF")


def test_every_process_is_seen_and_measured(stack: Stack) -> None:
    token = {"Authorization": "Bearer scraped-by-prometheus"}

    def processes() -> dict[str, int] | None:
        said = httpx.get(f"{stack.gateway.base_url}/metrics", headers=token, timeout=30).text
        found = {
            role: int(float(n)) for role, n in re.findall(r'gateway_processes\{role="(\w+)"\} (\S+)', said)
        }
        return found if found.keys() >= {"ingest", "drain", "web", "worker", "beat"} else None

    found = wait_for(processes, 60, "all roles are there", stack.gateway.log)
    assert (found["ingest"], found["web"], found["carts"]) == (2, 2, 2)

    said = stack.run("status")

    assert "database postgresql" in said.stdout, said.stdout + said.stderr
    assert "store s3" in said.stdout
    assert said.returncode == 0, said.stdout


def test_a_cart_hands_over_by_folder_and_ftp_and_its_ecgs_wait_for_a_reader(stack: Stack) -> None:
    admin = stack.gateway.sign_in("admin")
    cart = next(
        one for one in get_json(admin, "/api/v1/devices")["items"] if one["account"] == stack.cart_folder.name
    )
    act(admin, "PATCH", f"/api/v1/devices/{cart['id']}", json={"password": PASSWORD})
    wait_for(stack.cart_folder.is_dir, 30, "the cart has its folder", stack.gateway.log)
    put(stack.cart_folder / "胸痛", {"a.xml": aecg("STACK-FOLDER")})

    wait_for(lambda: can_sign_in(stack), 30, "the listener knows the password", stack.gateway.log)
    with ftplib.FTP(timeout=60) as client:
        client.connect("127.0.0.1", stack.gateway.settings.ftp_port or 0)
        client.login(stack.cart_folder.name, PASSWORD)
        assert client.storbinary("STOR b.xml", BytesIO(aecg("STACK-FTP"))) == "226 Taken."

    waiting = wait_for_ecgs(stack, "STACK-FOLDER", "STACK-FTP")
    assert (waiting["STACK-FOLDER"]["priority"], waiting["STACK-FTP"]["priority"]) == (
        "chest_pain",
        "routine",
    )
    assert {path.name for path in (stack.cart_folder / "done").rglob("*.xml")} == {"a.xml", "b.xml"}


def test_analysers_report_over_hl7_and_astm_and_their_results_are_filed(stack: Stack) -> None:
    blood, serum = (register(stack, one) for one in ("WBC", "ALT"))
    gateway = stack.gateway
    with Hl7Line(gateway.mllp_port, patience_s=60) as counter:
        answer = counter.ask(
            "MSH|^~\\&|BC-5390|Mindray|||20261121143000||ORU^R01|S1|P|2.3.1||||0||UNICODE\r"
            f"OBR|1||{blood}|00001^Automated Count^99MRC|||20261121143000\r"
            "OBX|1|NM|6690-2^WBC^LN||5.48|10*9/L||N|||F\r"
        )
    assert "MSA|AA|S1" in answer, answer
    with Instrument(gateway.astm_port, patience_s=60) as chemistry:
        records = ("H|\\^&|||BS-240^Mindray|||||||P|LIS2-A2|20261121143000", "P|1", f"O|1|{serum}||^^^ALT|R",
                   "R|1|^^^ALT|18|U/L||N||F||||20261121143000", "L|1|N")  # fmt: skip
        assert set(chemistry.send(records)) == set(ACK)

    lab = gateway.sign_in("lab")
    for barcode, test in ((blood, "WBC"), (serum, "ALT")):
        message = wait_for(lambda: filed(lab, barcode), 120, "the message is filed", gateway.log)  # noqa: B023
        said = get_json(lab, f"/api/v1/lab/messages/{message['id']}")["parsed"]["specimens"][0]["results"]
        assert [(one["outcome"]["state"], one["outcome"]["item_code"]) for one in said] == [("result", test)]


def register(stack: Stack, item: str) -> str:
    """A specimen at the first township; answers its barcode."""
    body = {"patient": {"name": "顾念一", "sex": "F", "birth_date": "1980-02-27"}, "items": [item]}
    made = act(stack.gateway.sign_in("radiographer"), "POST", "/api/v1/lab/specimens", json=body)
    return str(made["specimens"][0]["barcode"])


def filed(lab: httpx.Client, barcode: str) -> dict[str, Any] | None:
    items = get_json(lab, "/api/v1/lab/messages", q=barcode, state="filed")["items"]
    return items[0] if items else None


def can_sign_in(stack: Stack) -> bool:
    with ftplib.FTP(timeout=60) as client:
        client.connect("127.0.0.1", stack.gateway.settings.ftp_port or 0)
        try:
            return client.login(stack.cart_folder.name, PASSWORD).startswith("230")
        except ftplib.error_perm:
            time.sleep(2)  # five wrong ones lock an account
            return False


def wait_for_ecgs(stack: Stack, *patient_ids: str) -> dict[str, Any]:
    """What waits for the reader of ECGs, each patient once."""
    reader = stack.gateway.sign_in("ecg")

    def found() -> list[Any] | None:
        items = get_json(reader, "/api/v1/worklist", limit=100, state="waiting")["items"]
        items = [one for one in items if one["patient"]["patient_id"] in patient_ids]
        return items if len(items) >= len(patient_ids) else None

    items = wait_for(found, 120, "the ECGs wait for a reader", stack.gateway.log)
    assert sorted(one["patient"]["patient_id"] for one in items) == sorted(patient_ids)
    return {one["patient"]["patient_id"]: one for one in items}


def test_each_process_is_restarted_and_the_broker_emptied_while_studies_arrive(
    stack: Stack, sent: dict[str, bytes], redis: Redis, tmp_path: Path
) -> None:
    broker = redis_client.Redis.from_url(redis.url)
    studies = []
    for number, command in enumerate(PROCESSES):
        studies.append(
            send(stack, tmp_path, sent, calling=DEVICES[number % 3], patient_id=f"STACK-A{number}")
        )
        put(stack.cart_folder, {f"{number}.xml": aecg(f"STACK-E{number}")})
        stack.restart(command)
        if command == "ingest":  # a listener that restarts is asked again, as a modality does
            wait_for(stack.is_ready, START_S, "ingest is back", stack.gateway.log)
        studies.append(
            send(stack, tmp_path, sent, calling=DEVICES[number % 3], patient_id=f"STACK-B{number}")
        )
        broker.flushall()
    wait_for(stack.is_ready, START_S, "everything is back", stack.gateway.log)

    reader = stack.gateway.sign_in("reader")
    for study_uid in studies:
        wait_for(
            lambda: find_item(reader, "/api/v1/worklist", study_uid, state="waiting"),  # noqa: B023
            180, "each study waits for a reader", stack.gateway.log,
        )  # fmt: skip
    wait_for_ecgs(stack, *(f"STACK-E{number}" for number in range(len(PROCESSES))))
    handed_over = ["STACK-FOLDER", "STACK-FTP", *(f"STACK-E{number}" for number in range(len(PROCESSES)))]
    kept = originals_of(stack.gateway)
    ecgs = [kept.pop(uid) for uid in kept.keys() - sent.keys()]
    assert kept == sent
    assert sorted(ecgs) == sorted(map(aecg, handed_over))
    done = stack.run("check")
    assert done.returncode == 0, done.stdout


def test_a_backup_taken_while_studies_arrive_becomes_an_installation(
    stack: Stack,
    sent: dict[str, bytes],
    signed: dict[str, Any],
    postgres: Postgres,
    seaweedfs: SeaweedFs,
    redis: Redis,
    tmp_path: Path,
) -> None:
    before = dict(sent)
    making = subprocess.Popen(
        [PROGRAM, "backup", str(tmp_path / "backups"), "--originals"], env=stack.environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    for number in range(4):
        send(stack, tmp_path, sent, calling="DEMO_CT", patient_id=f"STACK-C{number}")
        time.sleep(0.5)
    said, _ = making.communicate(timeout=240)
    assert making.returncode == 0, said

    second = Stack(
        tmp_path / "second", database_url=postgres.url(), object_store=seaweedfs.url(), broker_url=redis.url,
        metrics_token="scraped-by-prometheus", backup_passphrase="kept elsewhere too",
    )  # fmt: skip
    try:
        restored = second.run("restore", str(tmp_path / "backups"))
        assert restored.returncode == 0, restored.stdout + restored.stderr
        for command in ("ingest", "web"):
            second.start(command)
        wait_for(second.is_ready, START_S, "the second installation is ready", second.gateway.log)
        second.gateway.wait_until_drained()
        done = second.run("check")
        assert done.returncode == 0, done.stdout
        kept = originals_of(second.gateway)
        assert {uid: kept.get(uid) for uid in before} == before
        assert_report_verifies(second.gateway, signed["report_id"], tmp_path)
    finally:
        second.close()


def assert_report_verifies(gateway: Gateway, report_id: str, folder: Path) -> None:
    radiographer = gateway.sign_in("radiographer")
    [returned] = get_json(radiographer, "/api/v1/returns")["items"]
    assert returned["report_id"] == report_id
    path = folder / "report.pdf"
    path.write_bytes(radiographer.get(f"/api/v1/reports/{returned['report_id']}/pdf").content)
    said = poppler("pdfsig", "-nocert", str(path))
    assert "Signature is Valid" in said, said
    code = get_json(radiographer, f"/api/v1/reports/{returned['report_id']}")["verification_url"].rsplit(
        "/", 1
    )[1]
    assert get_json(radiographer, f"/api/v1/verifications/{code}")["valid"] is True


def originals_of(gateway: Gateway) -> dict[str, bytes]:
    """Every instance as it is kept; one that is there twice is a failure."""
    runtime = open_runtime(gateway.settings)
    with gateway.session() as session:
        instances = session.scalars(select(Instance)).all()
        found = {
            one.sop_instance_uid: read_original(runtime, one.record, offset=one.record.data_set_offset)
            for one in instances
        }
    runtime.engine.dispose()
    assert len(found) == len(instances)
    return found
