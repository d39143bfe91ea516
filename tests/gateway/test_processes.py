"""A tree of processes and the signals that it gets."""

import os
import signal
import subprocess
import sys
import time

import pytest

# Whoever runs the tests may have told its children to ignore SIGHUP.
PROGRAM = """
import signal, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from gateway.processes import Supervisor
def sleep():
    print("child", flush=True)
    time.sleep(60)
Supervisor(children={"one": sleep}).run()
print("ended in order", flush=True)
"""


def start(**options: object) -> "subprocess.Popen[str]":
    tree = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True, **options,
    )  # type: ignore[call-overload]  # fmt: skip
    assert tree.stdout is not None
    assert tree.stdout.readline() == "child\n"
    return tree


def test_a_service_that_is_told_to_reload_goes_on_with_all_its_processes() -> None:
    tree = start(stdin=subprocess.DEVNULL)
    assert tree.stdout is not None

    os.killpg(tree.pid, signal.SIGHUP)

    assert "files_are_read_when_they_change" in tree.stdout.readline()
    time.sleep(0.5)
    tree.send_signal(signal.SIGTERM)
    rest, _ = tree.communicate(timeout=20)
    assert rest.strip() == "ended in order"  # and no child was started again


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminals here")
def test_a_terminal_that_hangs_up_ends_it_in_order() -> None:
    _, terminal = os.openpty()
    tree = start(stdin=terminal)

    os.killpg(tree.pid, signal.SIGHUP)

    rest, _ = tree.communicate(timeout=20)
    assert (rest.strip(), tree.returncode) == ("ended in order", 0)
