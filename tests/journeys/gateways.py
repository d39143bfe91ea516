"""A gateway as its users start it: the `gateway` command in a process group of its own, killed, stopped, started again."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar

import httpx
import psutil
from sqlalchemy import Engine, select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from gateway import journal
from gateway.database import open_engine, open_sessions
from gateway.index import SegmentCursor
from gateway.settings import Settings
from tests.servers import free_ports

PROGRAM = Path(sys.executable).with_name("gateway")
PASSWORD = "journey-password-1"
PATIENCE = (
    5  # times as slow a machine as ours may be: what is waited for comes, and only what fails takes so long
)
READY_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0
T = TypeVar("T")


class Gateway:
    """One installation: its data dir, its ports, and the processes that run on it now."""

    def __init__(self, data_dir: Path, commands: Iterable[str] = ("demo --no-samples",), **settings: object):
        """Settings by their names; each command is a process tree of its own on the same installation."""
        self.data_dir = data_dir
        data_dir.mkdir(parents=True, exist_ok=True)
        self.commands = tuple(commands)
        self.dicom_port, self.http_port, ingest_http_port, *lab_ports = free_ports(7)
        self.mllp_port, mllp_tls_port, self.astm_port, astm_tls_port = lab_ports
        self.base_url = f"http://127.0.0.1:{self.http_port}"
        values: dict[str, Any] = {
            "data_dir": data_dir,
            "dicom_port": self.dicom_port,
            "http_port": self.http_port,
            "ingest_http_port": ingest_http_port,
            "mllp_port": self.mllp_port,
            "mllp_tls_port": mllp_tls_port,
            "astm_port": self.astm_port,
            "astm_tls_port": astm_tls_port,
            "demo_password": PASSWORD,
            "quiet_period_s": 1,
            "unreleased_quiet_period_s": 3,
            "file_after_s": 1,
            **settings,
        }
        self.settings = Settings(**values)
        self._own = {key: value for key, value in os.environ.items() if not key.startswith("GATEWAY_")}
        self._values = {f"GATEWAY_{name.upper()}": str(value) for name, value in values.items()}
        self._trees: list[subprocess.Popen[bytes]] = []
        self._engine: Engine | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        return {**self._own, **self._values}

    def set(self, **settings: object) -> None:
        """Other settings from the next start on."""
        self._values |= {f"GATEWAY_{name.upper()}": str(value) for name, value in settings.items()}

    def start(self, commands: Iterable[str] | None = None) -> Self:
        """Start the trees and wait until they are ready."""
        for command in commands or self.commands:
            with self.log_path.open("ab") as log:
                self._trees.append(self._spawn(command.split(), log))
        wait_for(self._is_ready, READY_TIMEOUT_S, "the gateway is ready", self.log)
        return self

    def kill(self) -> None:
        """SIGKILL to every process at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def restart(self) -> Self:
        self.stop()
        return self.start()

    def pids(self) -> frozenset[int]:
        """Every process under the supervisors that lives now."""
        return frozenset(
            child.pid
            for tree in self._trees
            for child in psutil.Process(tree.pid).children(recursive=True)
            if child.status() != psutil.STATUS_ZOMBIE
        )

    def processes(self) -> list[psutil.Process]:
        """Every process that runs now, supervisors first of their trees."""
        return [process for tree in self._trees for process in processes_of(tree.pid)]

    def check(self) -> subprocess.CompletedProcess[str]:
        """What `gateway check` says."""
        return self.run("check")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROGRAM, *words], env=self.environment, cwd=self.data_dir, capture_output=True, text=True,
            timeout=PATIENCE * 120,
            check=False,
        )  # fmt: skip

    def sign_in(self, username: str) -> httpx.Client:
        """A client with this person's session, whose changes carry the CSRF proof; 4xx and 5xx are for the test to see."""
        client = httpx.Client(base_url=self.base_url, timeout=PATIENCE * 30)
        answer = client.post("/api/v1/session", json={"username": username, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.headers["X-CSRF-Token"] = answer.json()["user"]["csrf_token"]
        return client

    def session(self) -> Session:
        """The installation's database, beside its processes."""
        if self._engine is None:
            self._engine = open_engine(self.settings.database)
        bind = self._engine.execution_options(read_only=True)
        sessions: sessionmaker[Session] = open_sessions(self._engine)
        return sessions(bind=bind)

    def wait_until_drained(self, timeout_s: float = 60) -> None:
        """Until every record that was accepted has its rows."""
        wait_for(self.is_drained, timeout_s, "the drain has caught up", self.log)

    @property
    def log_path(self) -> Path:
        return self.data_dir / "log"

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def close(self) -> None:
        self.kill()
        if self._engine is not None:
            self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def _spawn(self, words: list[str], log: IO[bytes]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [PROGRAM, *words], env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, cwd=self.data_dir,
        )  # fmt: skip

    def _end(self, how: signal.Signals) -> None:
        for tree in self._trees:
            if how is signal.SIGKILL:
                with suppress(ProcessLookupError):
                    os.killpg(tree.pid, how)
            else:
                tree.send_signal(how)  # to the supervisor, which ends the others
        for tree in self._trees:
            tree.wait(PATIENCE * STOP_TIMEOUT_S)
            wait_for(lambda: not processes_of(tree.pid), STOP_TIMEOUT_S, "no process is left", self.log)  # noqa: B023
        self._trees.clear()
        # A process whose threads still wait for a disk counts as ended before it has let go of its sockets.
        wait_for(lambda: not listens(self.dicom_port), STOP_TIMEOUT_S, "nobody holds the port", self.log)

    def _is_ready(self) -> bool:
        ended = [tree.args for tree in self._trees if tree.poll() is not None]
        assert not ended, f"{ended} ended:\n{self.log()}"
        running = {str(list(tree.args)[1]) for tree in self._trees}  # type: ignore[arg-type]
        if running & {"serve", "demo", "ingest"} and not listens(self.dicom_port):
            return False
        return not running & {"serve", "demo", "web"} or self._answers_ready()

    def _answers_ready(self) -> bool:
        try:
            return httpx.get(f"{self.base_url}/readyz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def is_drained(self) -> bool:
        root = self.settings.journal_dir
        try:
            with self.session() as session:
                rows = session.scalars(select(SegmentCursor)).all()
        except (OperationalError, InterfaceError):
            return False
        cursors = {(row.journal, row.segment): row.offset for row in rows}
        return not any(
            journal.read_new(root, state, {n: o for (j, n), o in cursors.items() if j == state.id}).cursors
            for state in journal.journals(root)
        )


def dcmtk(name: str) -> str:
    """A program of dcmtk; a Python environment with pynetdicom has others of the same names."""
    own = str(Path(sys.executable).parent)
    path = os.pathsep.join(p for p in os.environ.get("PATH", "").split(os.pathsep) if p != own)
    found = shutil.which(name, path=path)
    if found is None:
        raise FileNotFoundError(name)
    return found


def run_dcmtk(
    name: str,
    port: int,
    *files: Path,
    options: Iterable[str] = (),
    calling: str = "DEMO_CT",
    called: str = "GATEWAY",
    timeout_s: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run a sender of dcmtk against a port of this machine; what it said is in `stdout`."""
    return subprocess.run(
        [dcmtk(name), "-aet", calling, "-aec", called, *options, "127.0.0.1", str(port), *map(str, files)],
        env={**os.environ, "TCP_NODELAY": "1"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", timeout=PATIENCE * timeout_s, check=False,
    )  # fmt: skip


def wait_for(found: Callable[[], T | None], timeout_s: float, what: str, log: Callable[[], str] = str) -> T:
    """The first answer that is true; the time is that of our machine."""
    deadline = time.monotonic() + PATIENCE * timeout_s
    while not (answer := found()):
        assert time.monotonic() < deadline, (
            f"waited {PATIENCE * timeout_s} s in vain until {what}\n{log()[-6000:]}"
        )
        time.sleep(0.05)
    return answer


def get_json(client: httpx.Client, path: str, **query: Any) -> Any:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
    return answer.json()


def listens(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    with Path("/proc/net/tcp").open() as table:  # asking by connecting would be heard by the listener
        return any(line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}") for line in table)


def processes_of(group: int) -> list[psutil.Process]:
    """Those that live in a process group, its leader first; what ended and was not fetched yet does not count."""
    found = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return sorted(found, key=lambda one: (one.pid != group, one.pid))
