"""What the log shows: never the values with which something failed."""

import os
import pty
import subprocess
import sys

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
