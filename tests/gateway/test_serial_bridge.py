"""The serial bridge between a pseudo terminal, on which an analyser speaks, and a real ASTM listener."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.dicom.tls import TlsServer
from gateway.cli import app
from gateway.serial_bridge import Gate
from tests.adapters.dicom.tls_files import Pki
from tests.adapters.lab.astm_server import Memory, Served, until
from tests.instruments import ACK, ENQ, EOT, NAK, RESULTS, frames
from tests.servers import free_ports

BODY = "".join(f"{record}\r" for record in RESULTS).encode()


class Serial:
    """The analyser's end of a serial line."""

    def __init__(self) -> None:
        self.end, far = os.openpty()
        tty.setraw(far)
        self.device = os.ttyname(far)
        self._far = far  # held open, so that the line does not hang up between two bridges

    def close(self) -> None:
        os.close(self.end)
        os.close(self._far)

    def ask(self, data: bytes, *, within_s: float = 10.0) -> bytes:
        os.write(self.end, data)
        return self.hear(within_s=within_s)

    def hear(self, *, within_s: float = 10.0) -> bytes:
        ready, _, _ = select.select([self.end], [], [], within_s)
        return os.read(self.end, 1) if ready else b""

    def send(self) -> bytes:
        answers = b""
        for one in (ENQ, *frames(RESULTS)):
            answers += self.ask(one)
            if not answers.endswith(ACK):
                return answers
        os.write(self.end, EOT)
        return answers


def connected(log: Path, times: int = 1) -> bool:
    return log.read_text().count("county_connected") >= times


@pytest.fixture
def line() -> Iterator[Serial]:
    serial = Serial()
    yield serial
    serial.close()


@contextlib.contextmanager
def bridge(line: Serial, port: int, log: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "gateway", "serial-bridge", "--device", line.device]
    with log.open("wb") as out:
        process = subprocess.Popen([*command, "--to", f"localhost:{port}", *options], stderr=out)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=10) == 0


def test_a_message_of_a_serial_analyser_reaches_the_county(line: Serial, tmp_path: Path) -> None:
    memory, log = Memory(), tmp_path / "log"
    with Served(memory) as served, bridge(line, served.port, log):
        until(lambda: connected(log), within_s=20)
        assert line.send() == ACK * 8
        until(lambda: len(memory.kept) == 1)

        assert line.ask(ENQ) == ACK
        for one in frames(["H|\\^&|||BS-480", "Q|1|^K1", "L|1|N"]):
            assert line.ask(one) == ACK
        os.write(line.end, EOT)
        assert line.hear() == ENQ  # the county answers over the same line

    assert memory.kept[0].body == BODY
    written = log.read_text()
    assert "county_connected" in written
    assert not any(secret in written for secret in ("张", "K26112200017", "7001", "WBC"))


def test_while_the_county_is_away_the_analyser_is_told_to_wait_and_then_heard(
    line: Serial, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    memory, log = Memory(), tmp_path / "log"
    with bridge(line, port, log):
        until(lambda: "county_not_reached" in log.read_text(), within_s=20)
        assert line.ask(ENQ) == NAK
        assert line.ask(frames(RESULTS)[0], within_s=0.2) == b""

        with Served(memory, port=port):
            until(lambda: connected(log), within_s=20)
            assert (
                line.ask(frames(RESULTS)[1], within_s=0.2) == b""
            )  # of a transfer that the county never heard
            assert line.send() == ACK * 8

    assert [one.body for one in memory.kept] == [BODY]
    assert memory.notices == []


def test_a_connection_that_breaks_in_the_middle_costs_no_result(line: Serial, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    memory, log = Memory(), tmp_path / "log"
    with bridge(line, port, log):
        with Served(memory, port=port):
            until(lambda: connected(log), within_s=20)
            assert line.ask(ENQ) == ACK
            assert line.ask(frames(RESULTS)[0]) == ACK
        time.sleep(0.2)
        assert line.ask(ENQ) == NAK
        with Served(memory, port=port):
            until(lambda: connected(log, times=2), within_s=20)
            assert line.send() == ACK * 8

    assert [one.body for one in memory.kept if one.kind == "astm.message"] == [BODY]


def test_over_tls_with_a_certificate(line: Serial, tmp_path: Path) -> None:
    pki, memory, log = Pki(tmp_path / "pki"), Memory(), tmp_path / "log"
    certificate, key = pki.device("BRIDGE")
    options = ["--tls", "--ca", str(pki.authority), "--certificate", str(certificate), "--key", str(key)]
    with (
        Served(memory, tls=TlsServer(pki.files)) as served,
        bridge(line, served.port, log, *options),
    ):
        until(lambda: connected(log), within_s=20)
        assert line.send() == ACK * 8

    assert memory.doors[0].certificate["common_name"] == "BRIDGE"


def test_a_county_that_nobody_certifies_is_not_spoken_to(line: Serial, tmp_path: Path) -> None:
    pki, memory, log = Pki(tmp_path / "pki"), Memory(), tmp_path / "log"
    with Served(memory, tls=TlsServer(pki.files)) as served, bridge(line, served.port, log, "--tls"):
        until(lambda: "county_not_reached" in log.read_text(), within_s=20)
        assert line.ask(ENQ) == NAK
    assert memory.doors == []


def test_a_port_that_is_not_there_is_looked_for_again(line: Serial, tmp_path: Path) -> None:
    later, memory, log = tmp_path / "ttyUSB0", Memory(), tmp_path / "log"
    missing = Serial()
    device, missing.device = missing.device, str(later)
    try:
        with Served(memory) as served, bridge(missing, served.port, log):
            until(lambda: "serial_port_unusable" in log.read_text(), within_s=20)
            later.symlink_to(device)
            until(lambda: connected(log), within_s=20)
            assert missing.send() == ACK * 8
    finally:
        missing.close()


def test_other_protocols_pass_as_they_are() -> None:
    gate = Gate(astm=False)
    assert gate.pass_on(b"\x05") == (b"", b"")
    gate.connect()
    assert gate.pass_on(b"anything") == (b"anything", b"")


def test_a_host_that_speaks_first_is_answered() -> None:
    gate = Gate()
    gate.connect()
    assert gate.pass_on(ACK) == (b"", b"")
    gate.hear_county()
    assert gate.pass_on(ACK) == (ACK, b"")


@pytest.mark.parametrize(
    "wrong",
    [["--to", "county"], ["--to", "county:x"], ["--parity", "some"], ["--flow", "xon"], ["--bits", "9"]],
)
def test_wrong_options_are_said(wrong: list[str]) -> None:
    said = CliRunner().invoke(app, ["serial-bridge", "--device", "/dev/null", "--to", "county:1", *wrong])
    assert said.exit_code == 2
    assert "Invalid value" in said.output
