"""The files of the county's stack name only what there is: settings, commands, paths, metrics, secrets, versions.

No container engine is at hand where these tests run; the same processes run by hand in tests/journeys/test_stack.py.
"""

import json
import os
import re
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from gateway.backups.rows import BackupRun
from gateway.cli import app
from gateway.index import Record, RecordState
from gateway.lab.rows import LabHeld, LabHeldReason, LabMessage, MessageState
from gateway.metrics import registry_of
from gateway.presence import Presence
from gateway.probes import Probes
from gateway.runtime import Runtime
from gateway.settings import PREFIX, SECRETS, Settings, unknown_variables
from gateway.signing import authority_certificate
from gateway.system import Overseer
from tests.builders import build_county
from tests.gateway.sending import open_wire
from tests.gateway.web.installation import write_status
from tests.laboratory import build_laboratory
from worklists.base import new_id
from worklists.directory import Device

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "shared-centre-gateway" in service["image"]}
FTP: dict[str, Any] = yaml.safe_load((DOCKER / "compose.ftp.yaml").read_text())["services"]["ingest"]
ALERTS = [
    rule
    for group in yaml.safe_load((DOCKER / "prometheus" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((DOCKER / "grafana" / "dashboards" / "gateway.json").read_text())
EXPRESSIONS = [rule["expr"] for rule in ALERTS] + [
    target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]
]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_bounded_hardened_and_watched(name: str):
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["logging"]["options"]["max-size"]
    assert re.search(r":(v?\d+\.\d+|\$\{GATEWAY_VERSION:-\d)", service["image"]), (
        "an image without its version"
    )
    assert name == "migrate" or service["deploy"]["resources"]["limits"]["memory"]
    assert "test" in service["healthcheck"] or name in {"migrate", "backup"}


def test_only_the_ports_of_devices_and_https_are_published():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert set(published) == {"caddy", "ingest"}
    inside = {name for name, network in COMPOSE["networks"].items() if network.get("internal")}
    for name in set(SERVICES) - set(published):
        assert set(SERVICES[name]["networks"]) <= inside, name


@pytest.mark.parametrize("name", OURS)
def test_what_the_environment_says_is_a_setting_and_no_secret(name: str):
    environment = OURS[name]["environment"]
    ours = {key: str(value) for key, value in environment.items() if key.startswith(PREFIX)}

    assert unknown_variables(ours) == []
    assert not {key.removeprefix(PREFIX).lower() for key in ours} & (SECRETS - {"backup_store"})
    plain = {key.removeprefix(PREFIX).lower(): value for key, value in ours.items() if "$" not in value}
    Settings(**{key: value for key, value in plain.items() if key in Settings.model_fields})  # type: ignore[arg-type]


def test_carts_reach_the_folder_and_where_it_is_wanted_ftp():
    settings = {key: filled(value) for key, value in FTP["environment"].items()}
    folder = SERVICES["ingest"]["environment"]["GATEWAY_DROP_DIR"]

    assert f"${{DROP_DIR:-drop}}:{folder}" in SERVICES["ingest"]["volumes"]
    assert f"{folder}\n" in (DOCKER / "Dockerfile").read_text()  # made for the user that writes to it
    assert unknown_variables(settings) == []
    read = Settings(
        bind="0.0.0.0", **{key.removeprefix(PREFIX).lower(): value for key, value in settings.items()}
    )  # type: ignore[arg-type]
    assert read.ftp_passive_range is not None
    first, last = read.ftp_passive_range[0], read.ftp_passive_range[-1]
    assert [filled(ports) for ports in FTP["ports"]] == [
        f"{read.ftp_port}:{read.ftp_port}",
        f"{first}-{last}:{first}-{last}",
    ]
    assert not read.ftp_plain_allowed


def filled(text: str) -> str:
    """With the defaults of its variables, and an address where one must be given."""
    return re.sub(r"\$\{\w+(?::-([^}]*)|:\?[^}]*)\}", lambda found: found[1] or "10.1.0.5", text)


@pytest.mark.parametrize("name", OURS)
def test_a_command_is_one_of_the_gateway(name: str):
    words = OURS[name]["command"]
    known = {
        command.name or command.callback.__name__ for command in app.registered_commands if command.callback
    }

    assert words[0] in known
    helped = subprocess.run(
        [ROOT / ".venv/bin/gateway", words[0], "--help"], capture_output=True, text=True, check=True,
        env={**os.environ, "COLUMNS": "200", "TERM": "dumb"},
    )  # fmt: skip
    for option in (word for word in words if word.startswith("--")):
        assert option in helped.stdout


def test_health_is_asked_where_it_is_told():
    asked = {name: " ".join(map(str, OURS[name]["healthcheck"].get("test", []))) for name in OURS}
    settings = Settings()

    assert f":{settings.http_port}/readyz" in asked["web"]
    assert f":{settings.ingest_http_port}/readyz" in asked["ingest"]
    for role in ("worker", "beat"):
        assert f"process-{role}-" in asked[role]


def test_a_process_that_says_so_is_healthy_and_one_that_fell_silent_is_not(tmp_path: Path):
    from gateway.runtime import utc_now

    run = tmp_path / "run"
    Presence(run, role="worker", node="n", now=utc_now).say()
    command = OURS["worker"]["healthcheck"]["test"][1].replace("$$", "$")
    command = command.replace("/var/lib/gateway/data", str(tmp_path))

    assert subprocess.run(command, shell=True, check=False).returncode == 0

    for path in run.iterdir():
        os.utime(path, (0, 0))
    assert subprocess.run(command, shell=True, check=False).returncode != 0


def test_every_secret_is_made_once_and_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "secrets"
    make = [DOCKER / "make-secrets.sh", str(folder)]
    subprocess.run(make, check=True, capture_output=True)
    first = {path.name: path.read_text() for path in folder.iterdir()}
    subprocess.run(make, check=True, capture_output=True)

    assert {path.name: path.read_text() for path in folder.iterdir()} == first
    assert set(COMPOSE["secrets"]) == set(first)
    assert folder.stat().st_mode & 0o777 == 0o700
    monkeypatch.setenv("GATEWAY_SECRETS_DIR", str(folder))
    settings = Settings()
    assert settings.database.startswith("postgresql+psycopg://gateway:")
    assert f":{first['postgres_password'].strip()}@postgres:" in settings.database
    store = json.loads(first["seaweedfs_s3"])["identities"][0]["credentials"][0]
    assert f"://{store['accessKey']}:{store['secretKey']}@seaweedfs:8333/" in settings.objects
    assert settings.broker_url is not None
    assert f":{first['valkey_conf'].split()[1]}@valkey:" in settings.broker_url
    assert len(settings.metrics_token or "") >= 32


def test_secrets_are_in_no_commit_and_in_no_image():
    assert "/secrets/" in (DOCKER / ".gitignore").read_text()
    assert "docker" in (ROOT / ".dockerignore").read_text().split()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_metric_that_is_asked_for_is_exported(runtime: Runtime):
    wire = open_wire(runtime)
    wire.send(wire.image())
    wire.index()
    write_status(runtime, refused_instances_by_status={"A700": 1})
    authority_certificate(runtime)
    now = runtime.now()
    with runtime.sessions.begin() as session:
        run = BackupRun(
            stamp="20261121T000000Z", began_at=now, ended_at=now - timedelta(days=2), size_bytes=1, packs=0,
            originals=False, verified=True, problems=[],
        )  # fmt: skip
        session.add(run)
    said = generate_latest(registry_of(runtime, Overseer(runtime, Probes(runtime)))).decode()
    exported = {line.split()[2] for line in said.splitlines() if line.startswith("# TYPE")}
    asked = {name for expression in EXPRESSIONS for name in re.findall(r"\bgateway_[a-z_]+", expression)}

    assert asked <= exported, asked - exported
    assert len(asked) > 25


def test_every_alert_says_what_to_do():
    text = (ROOT / "docs" / "operations.md").read_text()

    for rule in ALERTS:
        assert f"`{rule['alert']}`" in text, rule["alert"]
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"]


def test_the_dashboard_has_its_source_and_no_panel_twice():
    source = yaml.safe_load((DOCKER / "grafana/provisioning/datasources/prometheus.yml").read_text())
    [known] = [one["uid"] for one in source["datasources"]]
    assert {target["datasource"]["uid"] for panel in DASHBOARD["panels"] for target in panel["targets"]} == {
        known
    }
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_alerts_of_the_laboratory_fire_when_something_waits_or_falls_silent(runtime: Runtime):
    with runtime.sessions.begin() as session:
        county = build_county(session)
        bench = build_laboratory(session, county).bench
        bench.last_heard_at = runtime.now() - timedelta(minutes=5)
    assert firing(runtime) == set()

    since = runtime.now() - timedelta(days=4)
    with runtime.sessions.begin() as session:
        session.get_one(Device, bench.id).last_heard_at = since
        message = LabMessage(id=new_id(), record=a_record(since), wire="hl7", kind="results", received_at=since,
                             state=MessageState.HELD)  # fmt: skip
        session.add(message)
        session.flush()
        session.add(
            LabHeld(id=new_id(), message_id=message.id, reason=LabHeldReason.UNKNOWN_TEST, held_at=since)
        )

    assert firing(runtime) == {"AnalyserSilent", "LabResultsHeld"}
    codes = {fault.code for fault in Overseer(runtime, Probes(runtime)).look().faults}
    assert {"analysers_silent", "lab_held"} <= codes


def a_record(at: datetime) -> Record:
    return Record(
        id=new_id(), journal="j", sequence=1, node="n", segment=1, offset=0, size_bytes=1, data_set_offset=0,
        kind="hl7.message", state=RecordState.INDEXED, reason="", origin={}, received_at=at, sha256="", local=True,
    )  # fmt: skip


def firing(runtime: Runtime) -> set[str]:
    """Of the laboratory's alerts that compare one metric with one number."""
    said = generate_latest(registry_of(runtime, Overseer(runtime, Probes(runtime)))).decode()
    now = dict(line.rsplit(" ", 1) for line in said.splitlines() if not line.startswith("#"))
    found = {rule["alert"]: re.fullmatch(r"(gateway_lab_\w+) > (\d+)", rule["expr"]) for rule in ALERTS}
    asked = {alert: match for alert, match in found.items() if match}
    assert len(asked) == 2
    return {alert for alert, match in asked.items() if float(now[match[1]]) > float(match[2])}
