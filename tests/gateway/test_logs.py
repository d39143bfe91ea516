"""What the log shows: never the values with which something failed."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

FAILING = """
import structlog
from gateway.logs import set_up_logging

def read(patient_name):
    raise ValueError("the name cannot be read")

set_up_logging()
try:
    read("Wang^Qiang".upper())
except ValueError as error:
    structlog.get_logger().warning("batch_failed", exc_info=error)
"""

TALKING = """
import structlog
from gateway.logs import set_up_logging

set_up_logging()
for number in range(2000):
    structlog.get_logger().info("instance_received", number=number)
"""


def test_processes_that_share_a_log_write_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("ab") as log:
        talking = [subprocess.Popen([sys.executable, "-c", TALKING], stderr=log) for _ in range(3)]
        assert [one.wait(60) for one in talking] == [0, 0, 0]

    numbers = [json.loads(line)["number"] for line in path.read_text().splitlines()]
    assert sorted(numbers) == sorted(list(range(2000)) * 3)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_traceback_names_the_place_and_shows_no_values(terminal: bool) -> None:
    ours, theirs = pty.openpty() if terminal else os.pipe()
    with os.fdopen(ours, "rb", 0) as log:
        subprocess.run([sys.executable, "-c", FAILING], stderr=theirs, check=True, timeout=30)
        shown = log.read(1 << 16).decode()
        os.close(theirs)

    assert "batch_failed" in shown
    assert "ValueError" in shown
    assert "WANG^QIANG" not in shown
