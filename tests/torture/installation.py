"""A gateway that can be killed hundreds of times: its processes are forked from one that has loaded everything.

Each is what the `gateway` command runs, with an environment and a process group of its own. Installations are copies
of one that was prepared once: the demonstration county, without studies.
"""

import faulthandler
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import IO, Any, cast

from gateway.fault_points import POINTS
from tests.journeys.gateways import Gateway, listens, processes_of, wait_for

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        *(f"gateway.{name}" for name in ("cli", "serve", "ingest", "drain", "celery_app", "check", "status")),
        *("gateway.objects.s3", "psycopg", "sqlalchemy.dialects.postgresql.psycopg"),
        *("tests.torture.installation", "tests.torture.frozen"),
    ]
)
HAPPENED = "fault_happened"
STACKS = signal.SIGUSR2  # asks for where every thread stands, into the log


class Installation(Gateway):
    """One that starts in a fraction of a second."""

    @property
    def log_path(self) -> Path:
        return self.data_dir.with_name(f"{self.data_dir.name}.log")  # not on a disk that is full or gone

    def arm(self, faults: str = "") -> None:
        """What goes wrong from the next start on; nothing when it is empty."""
        self.set(faults=faults)

    def use_database(self, url: str) -> None:
        """Another one from the next start on."""
        self.settings = self.settings.model_copy(update={"database_url": url})
        self.set(database_url=url)

    @property
    def is_armed(self) -> bool:
        """Something goes wrong on purpose; being watched is not that."""
        faults = self.environment.get("GATEWAY_FAULTS", "")
        return bool(faults) and not faults.startswith("trace")

    def happened(self, point: str) -> bool:
        """Whether an armed point was reached, in any process since the installation was made."""
        assert point in POINTS
        return any(HAPPENED in line and f'"{point}"' in line for line in self.log().splitlines())

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        said = self.log_path.with_name(f"{self.data_dir.name}-said")
        said.unlink(missing_ok=True)
        code = _Forked(list(words), dict(self.environment), said).wait(300)
        assert code is not None, f"{words} does not end"
        return subprocess.CompletedProcess(words, code, said.read_text())

    def start_what_ended(self, killed: int = 0) -> None:
        """A supervisor that was killed takes its children with it; whoever watches it starts it again."""
        for tree in self._trees:
            if tree.pid == killed:
                tree.wait(20)
        ended = [tree for tree in self._trees if tree.poll() is not None]
        for tree in ended:
            self._await_end(tree.pid)
            self._trees.remove(tree)
        if ended:
            self.start([" ".join(map(str, list(cast(Any, tree.args))[1:])) for tree in ended])

    def _await_end(self, group: int) -> None:
        def stuck() -> str:
            for process in processes_of(group):
                process.send_signal(STACKS)
            time.sleep(1.0)
            return self.log()

        wait_for(lambda: not processes_of(group), 60, "its children are gone", stuck)

    def _is_ready(self) -> bool:
        return (
            listens(self.dicom_port) if self.is_armed else super()._is_ready()
        )  # an armed one may die at once

    def _spawn(self, words: list[str], log: IO[bytes]) -> "subprocess.Popen[bytes]":
        return cast("subprocess.Popen[bytes]", _Forked(words, dict(self.environment), Path(log.name)))


class _Forked:
    """As much of Popen as `Gateway` uses."""

    def __init__(self, words: list[str], environment: dict[str, str], log: Path) -> None:
        self.args = ["gateway", *words]
        self._process: ForkServerProcess = _FORKS.Process(
            target=_run, args=(self.args, environment, str(log))
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int | None:
        self._process.join(timeout)
        return self._process.exitcode

    def send_signal(self, how: signal.Signals) -> None:
        if self._process.is_alive():
            os.kill(self.pid, how)


def _run(arguments: list[str], environment: dict[str, str], log: str) -> None:
    os.setsid()
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(Path(log).parent)
    faulthandler.register(STACKS)
    sys.argv = arguments

    from gateway.cli import main  # loaded in the fork server already

    main()


def copy_of(template: Path, folder: Path) -> Path:
    """A data dir as it was when the county had just been made."""
    return Path(shutil.copytree(template, folder, dirs_exist_ok=True))
