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


@pytest.mark.parametrize("setting", ["GATEWAY_HTTP_PORT", "GATEWAY_DICOM_PORT"])
def test_an_occupied_port_is_heard_of_at_once(tmp_path: Path, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = str(occupied.getsockname()[1])
        ended = subprocess.run(
            [sys.executable, "-m", "gateway", "serve"],
            env={**os.environ, "GATEWAY_DATA_DIR": str(tmp_path), "GATEWAY_HTTP_PORT": "0",
                 "GATEWAY_DICOM_PORT": "0", setting: port},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    assert ended.returncode == 1
    assert f"port {port} on 127.0.0.1 cannot be used" in ended.stderr
