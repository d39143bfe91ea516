"""Named fault points: off unless armed, refused when misspelt, each one standing somewhere in the code."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import gateway
from gateway.fault_points import POINTS, Fault, arm, reach, read_faults, read_trace

PACKAGE = Path(gateway.__file__).parent


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    arm("")


def test_nothing_happens_unless_armed() -> None:
    arm(";".join(f"{point}=delay:0.1" for point in POINTS))
    arm("")
    began = time.monotonic()
    for point in POINTS:
        reach(point)
    assert time.monotonic() - began < 1


def test_a_fault_is_read_as_it_is_written() -> None:
    assert read_faults("journal.synced=kill@3; file.putting=error;index.committed=delay@2:0.5;") == [
        Fault(point="journal.synced", action="kill", at=3),
        Fault(point="file.putting", action="error"),
        Fault(point="index.committed", action="delay", at=2, delay_s=0.5),
    ]


@pytest.mark.parametrize(
    "text", ["journal.sinked=kill", "journal.synced=explode", "journal.synced=error", "journal.synced=kill@x"]
)
def test_what_is_no_fault_ends_the_command(text: str) -> None:
    program = Path(sys.executable).with_name("gateway")
    done = subprocess.run(
        [program, "ingest"], env={"GATEWAY_FAULTS": text}, capture_output=True, text=True, check=False, timeout=60
    )  # fmt: skip
    assert done.returncode == 2
    assert "GATEWAY_FAULTS" in done.stdout


@pytest.mark.parametrize("point", [point for point, natural in POINTS.items() if natural])
def test_an_error_is_the_one_that_really_comes_there_and_only_the_nth_time(point: str) -> None:
    arm(f"{point}=error@2")
    reach(point)
    with pytest.raises(Exception) as raised:
        reach(point)
    assert type(raised.value).__name__ in {"OSError", "Unavailable", "OperationalError"}
    reach(point)


def test_a_delay_waits() -> None:
    arm("journal.written=delay:0.05")
    began = time.monotonic()
    reach("journal.written")
    assert time.monotonic() - began >= 0.05


def test_where_a_process_is_outlives_it(tmp_path: Path) -> None:
    code = """if True:
        import os, sys
        from gateway.fault_points import arm, reach
        arm(f"trace={sys.argv[1]}; file.put=kill")
        for point in ("journal.opened", "journal.written", "file.putting", "file.put"):
            reach(point)
    """
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    assert process.wait(30) == -signal.SIGKILL
    assert read_trace(tmp_path, process.pid) == {"journal": "journal.written", "file": "file.put"}
    assert read_trace(tmp_path, 1) == {}


def test_kill_ends_the_process_that_comes_there() -> None:
    code = """if True:
        from gateway.fault_points import arm, reach
        arm("file.put=kill@2")
        reach("file.put")
        print("once", flush=True)
        reach("file.put")
        print("twice")
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert "once" in done.stdout
    assert "twice" not in done.stdout


def test_every_point_stands_in_the_code_and_the_code_has_no_other() -> None:
    used = [
        name for path in PACKAGE.rglob("*.py") for name in re.findall(r'reach\("([^"]+)"', path.read_text())
    ]
    assert sorted(set(used)) == sorted(POINTS)
