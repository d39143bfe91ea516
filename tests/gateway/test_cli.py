"""The command line when something around it is wrong: a sentence that says what to do, never a traceback."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

NOWHERE = "postgresql://a:secret-word@127.0.0.1:1/x"


@pytest.mark.parametrize(
    ("command", "environment", "expected"),
    [
        (["migrate"], {"GATEWAY_DATABASE_URL": NOWHERE}, "the database cannot be used"),
        (["migrate"], {"GATEWAY_DATABASE_URL": "garbage"}, "GATEWAY_DATABASE_URL"),
        (["migrate"], {"GATEWAY_OBJECT_STORE": "s3://bucket"}, "GATEWAY_OBJECT_STORE"),
        (["migrate"], {"GATEWAY_DATA_DIR": "/proc/nowhere"}, "/proc/nowhere"),
        (["serve"], {"GATEWAY_DICOM_PORT": "many"}, "GATEWAY_DICOM_PORT"),
        (["user", "list"], {}, "gateway migrate"),
        (["check"], {}, "gateway migrate"),
        (["worker"], {}, "GATEWAY_BROKER_URL"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    tmp_path: Path, command: list[str], environment: dict[str, str], expected: str
) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", *command],
        env={**clean, "GATEWAY_DATA_DIR": str(tmp_path), **environment},
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip

    said = ended.stdout + ended.stderr
    assert ended.returncode in {1, 2}
    assert expected in said
    assert "Traceback" not in said
    assert "secret-word" not in said


@pytest.mark.parametrize("setting", ["GATEWAY_HTTP_PORT", "GATEWAY_DICOM_PORT", "GATEWAY_MLLP_PORT"])
def test_an_occupied_port_is_heard_of_at_once(tmp_path: Path, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = str(occupied.getsockname()[1])
        ended = subprocess.run(
            [sys.executable, "-m", "gateway", "serve"],
            env={**os.environ, "GATEWAY_DATA_DIR": str(tmp_path), "GATEWAY_HTTP_PORT": "0",
                 "GATEWAY_DICOM_PORT": "0", "GATEWAY_MLLP_PORT": "0", "GATEWAY_ASTM_PORT": "0", setting: port},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    assert ended.returncode == 1
    assert f"port {port} on 127.0.0.1 cannot be used" in ended.stderr


def run(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return subprocess.run(
        [sys.executable, "-m", "gateway", "user", "list"],
        env={**clean, "GATEWAY_DATA_DIR": str(folder), **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_key_of_the_file_that_is_no_setting_is_named(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('node = "n"\nhttp_prot = 8080\n')

    ended = run(tmp_path, GATEWAY_CONFIG=str(file))

    assert ended.returncode == 2
    assert "http_prot: there is no such setting" in ended.stdout
    file.write_text('node = "n"\n')
    assert "no such setting" not in run(tmp_path, GATEWAY_CONFIG=str(file)).stdout


def test_a_variable_that_is_no_setting_is_warned_of_and_changes_nothing(tmp_path: Path) -> None:
    known = {"GATEWAY_SAMPLES": "x", "GATEWAY_LONG_TESTS": "1", "GATEWAY_FONTS": "x", "GATEWAY_NODE": "n"}

    ended = run(tmp_path, GATEWAY_HTTP_PROT="80", **known)

    assert [line for line in ended.stderr.splitlines() if line.startswith("warning")] == [
        "warning: GATEWAY_HTTP_PROT is no setting; see docs/operations.md"
    ]
    assert "gateway migrate" in ended.stderr  # it went on to the database
