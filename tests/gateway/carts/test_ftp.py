"""The FTP server as carts meet it: ftplib and curl on real sockets, with TLS and without."""

import contextlib
import ftplib
import io
import os
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway import accounts
from gateway.carts.accounts import Accounts
from gateway.carts.apart import Readers
from gateway.carts.ftp.desk import Desk, FtpTally
from gateway.carts.ftp.files import remove_incoming
from gateway.carts.ftp.server import describe, make_server
from gateway.carts.process import open_taking
from gateway.carts.sign_in import Doorkeeper
from gateway.carts.taking import Taking
from gateway.doors import listen
from gateway.settings import Settings
from tests.adapters.dicom.tls_files import Pki
from tests.gateway.carts.conftest import NOW, Drop, write_directory
from tests.gateway.carts.recordings import aecg, wfdb

PASSWORD = "cart-secret-1"
DAY = "done/2026-11-21"


@pytest.fixture(scope="session")
def password_hash() -> str:
    return accounts.hash_password(PASSWORD)


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@dataclass
class Server:
    """A server in this process, and the folders behind it."""

    drop: Drop
    desk: Desk
    port: int
    authority: Path | None = None

    def client(self, kind: type[ftplib.FTP] = ftplib.FTP, account: str = "cart-1") -> ftplib.FTP:
        client = kind(timeout=20)
        client.connect("127.0.0.1", self.port)
        if isinstance(client, ftplib.FTP_TLS):
            client.context = ssl.create_default_context(cafile=str(self.authority))
            client.auth()
        client.login(account, PASSWORD)
        if isinstance(client, ftplib.FTP_TLS):
            client.prot_p()
        return client

    @staticmethod
    def store_in(client: ftplib.FTP, name: str, content: bytes) -> str:
        return client.storbinary(f"STOR {name}", io.BytesIO(content))

    def store(self, name: str, content: bytes) -> str:
        with self.client() as session:
            return self.store_in(session, name, content)


def run_server(
    tmp_path: Path, readers: Readers, password_hash: str, pki: Pki | None = None, **settings: object
) -> Iterator[Server]:
    if pki is not None:
        settings |= {"tls_certificate": pki.certificate, "tls_key": pki.key}
    made = Settings(data_dir=tmp_path / "data", ftp_port=0, drop_quiet_s=0.2, **settings)
    write_directory(made.directory_snapshot, "cart-1", "cart-2", account_password_hash=password_hash)
    opened = open_taking(made)
    taking = Taking(journal=opened.journal, readers=readers, work_dir=opened.work_dir, now=lambda: NOW)
    desk = Desk(
        settings=made,
        taking=taking,
        doorkeeper=Doorkeeper(Accounts(made.directory_snapshot)),
        tally=FtpTally(),
    )
    listener = listen("127.0.0.1", 0)
    server, stop = make_server(desk, listener), threading.Event()

    def serve() -> None:
        while not stop.is_set():
            server.serve_forever(timeout=0.05, blocking=False, handle_exit=False)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    drop = Drop(made, taking, None)  # type: ignore[arg-type]
    drop.restart()
    yield Server(drop, desk, listener.getsockname()[1], pki.authority if pki else None)
    stop.set()
    thread.join()
    server.close_all()
    taking.journal.close()


@pytest.fixture
def server(tmp_path: Path, readers: Readers, password_hash: str) -> Iterator[Server]:
    yield from run_server(tmp_path, readers, password_hash)


@pytest.fixture
def tls_server(tmp_path: Path, readers: Readers, password_hash: str, pki: Pki) -> Iterator[Server]:
    yield from run_server(tmp_path, readers, password_hash, pki)


def refused(call: Callable[[], object]) -> str:
    with pytest.raises((ftplib.error_perm, ftplib.error_temp)) as caught:
        call()
    return str(caught.value)


def test_an_upload_is_answered_when_it_is_kept(server: Server) -> None:
    answer = server.store("a.xml", aecg())

    assert answer == "226 Taken."
    (record,) = server.drop.records("ecg.file")
    assert server.drop.body(record) == aecg()
    assert (record.origin["wire"], record.origin["peer_address"]) == ("ftp", "127.0.0.1")
    assert server.drop.files("cart-1") == {f"{DAY}/a.xml"}


def test_a_refused_file_is_answered_with_the_reason_and_lies_in_refused(server: Server) -> None:
    said = refused(lambda: server.store("a.txt", b"this is no ECG"))

    assert said.startswith("550 This is no ECG format that we know") and said.isascii()
    assert server.drop.files("cart-1") == {"refused/a.txt", "refused/a.txt.txt"}
    (note,) = server.drop.wait_for_records("file.refusal")
    assert (note.origin["status"], note.origin["wire"]) == ("unknown_format", "ftp")


def test_a_cart_that_uploads_under_another_name_and_renames_is_answered_at_the_renaming(
    server: Server,
) -> None:
    with server.client() as client:
        assert "when it is renamed" in server.store_in(client, "a.tmp", aecg())
        assert server.drop.records() == []
        assert client.rename("a.tmp", "a.xml") == "250 Taken."
        server.store_in(client, "b.part", b"nothing")
        assert refused(lambda: client.rename("b.part", "b.xml")).startswith("550 ")
    assert server.drop.files("cart-1") == {f"{DAY}/a.xml", "refused/b.xml", "refused/b.xml.txt"}
    assert [record.origin["filename"] for record in server.drop.records("ecg.file")] == ["a.xml"]


def test_a_record_of_several_files_is_kept_and_taken_when_it_is_whole(server: Server) -> None:
    for name, content in wfdb("rec").items():
        assert server.store(name, content).startswith("226 Kept; it is taken with the files")
    assert server.drop.files("cart-1") == {"rec.hea", "rec.dat"}
    server.drop.settle()

    assert [record.origin["filename"] for record in server.drop.records("ecg.file")] == ["rec.zip"]
    assert server.drop.files("cart-1") == {f"{DAY}/rec.hea", f"{DAY}/rec.dat"}


def test_a_dropped_connection_leaves_nothing(server: Server) -> None:
    client = server.client()
    data = client.transfercmd("STOR a.xml")
    data.sendall(aecg()[: len(aecg()) - 10])
    assert client.sock is not None
    client.sock.close()
    client.file.close()  # type: ignore[union-attr]
    data.close()
    wait_until(lambda: server.desk.tally.sessions == 0)

    assert server.drop.files("cart-1") == set()
    assert server.drop.records() == []


def test_an_aborted_upload_leaves_nothing(server: Server) -> None:
    with server.client() as client:
        data = client.transfercmd("STOR a.xml")
        data.sendall(aecg()[:100])
        client.abort()
        data.close()
        assert client.sendcmd("NOOP").startswith(("226", "200", "426"))
    wait_until(lambda: server.drop.files("cart-1") == set())
    assert server.drop.records() == []


def test_two_uploads_at_once_with_one_name_do_not_mix(server: Server) -> None:
    one, other = server.client(), server.client()
    sockets = [client.transfercmd("STOR ecg.xml") for client in (one, other)]
    bodies = [aecg("E1"), aecg("E2")]
    for start in range(0, max(map(len, bodies)), 500):
        for data, body in zip(sockets, bodies, strict=True):
            data.sendall(body[start : start + 500])
    for data, client in zip(sockets, (one, other), strict=True):
        data.close()
        assert client.voidresp() == "226 Taken."
        client.close()

    assert {server.drop.body(record) for record in server.drop.records("ecg.file")} == set(bodies)
    assert server.drop.files("cart-1") == {f"{DAY}/ecg.xml", f"{DAY}/ecg (2).xml"}


def test_a_folder_for_chest_pain_marks_what_is_uploaded_there(server: Server) -> None:
    with server.client() as client:
        client.mkd("chest-pain")
        client.cwd("chest-pain")
        server.store_in(client, "a.xml", aecg())
        client.encoding = "gb18030"
        client.mkd("/胸痛")
        client.cwd("/胸痛")
        server.store_in(client, "王五.xml", aecg("E2"))

    origins = [record.origin for record in server.drop.records("ecg.file")]
    assert [one["priority"] for one in origins] == ["chest_pain"] * 2
    assert [one["filename"] for one in origins] == ["a.xml", "王五.xml"]


def test_binary_data_stay_as_they_are_though_the_cart_says_that_they_are_text(server: Server) -> None:
    content = aecg() + b"\r\n\r\n \r"
    with server.client() as client:
        client.sendcmd("TYPE A")
        data = client.transfercmd("STOR a.xml")
        data.sendall(content)
        data.close()
        client.voidresp()
        assert client.size("a.xml") == len(content)  # though it was taken away since

    assert server.drop.body(server.drop.records("ecg.file")[0]) == content


def test_a_device_sees_its_own_folder_and_nothing_else(server: Server, tmp_path: Path) -> None:
    server.store("a.xml", aecg())
    (server.drop.root / "cart-1/link").symlink_to(tmp_path)
    (server.drop.root / "cart-2").mkdir(exist_ok=True)
    with server.client() as client:
        assert sorted(client.nlst()) == ["done", "link"]
        for path in ("../cart-2", "/../../tmp", "link", "link/data"):
            assert refused(lambda path=path: client.cwd(path)).startswith("550")  # type: ignore[misc]
        client.cwd("..")
        assert client.pwd() == "/"
        for path in ("../cart-2/a.xml", "link/a.xml", "done/a.xml", "refused/a.xml", "nowhere/a.xml"):
            assert refused(lambda path=path: server.store_in(client, path, aecg())).startswith("550")  # type: ignore[misc]
        for command in (f"RETR {DAY}/a.xml", "APPE a.xml", "REST 5", "STOU", f"DELE {DAY}/a.xml", "RMD done",
                        "RNFR a", "SITE CHMOD 777 done"):  # fmt: skip
            assert refused(lambda command=command: client.voidcmd(command))[0] == "5"  # type: ignore[misc]
        assert refused(lambda: client.rename("done", "other")).startswith("550")
        assert refused(lambda: client.rename(f"{DAY}/a.xml", "b.xml")).startswith("550")
    assert server.drop.files("cart-1") == {f"{DAY}/a.xml"}


def test_an_upload_that_is_too_large_is_broken_off(
    tmp_path: Path, readers: Readers, password_hash: str
) -> None:
    for server in run_server(tmp_path, readers, password_hash, upload_limit_bytes=100_000):
        with server.client() as client:
            data = client.transfercmd("STOR a.xml")
            with contextlib.suppress(ConnectionError):
                data.sendall(bytes(1_000_000))
            data.close()
            assert refused(client.voidresp).startswith("552")
        wait_until(lambda: server.drop.files("cart-1") == set())  # noqa: B023
        assert server.drop.records() == []


def test_without_room_in_the_journal_the_cart_is_told_to_come_again(server: Server) -> None:
    server.drop.settings.journal_dir.write_text("no folder can be made here")
    assert refused(lambda: server.store("a.xml", aecg())).startswith("452")
    assert server.drop.files("cart-1") == set()

    server.drop.settings.journal_dir.unlink()
    assert server.store("a.xml", aecg()) == "226 Taken."


def test_a_journal_at_its_limit_refuses_nothing_and_loses_nothing(
    tmp_path: Path, readers: Readers, password_hash: str
) -> None:
    large = aecg("LARGE") + b"<!--" + b" " * (3 << 20) + b"-->"
    for server in run_server(tmp_path, readers, password_hash, journal_bytes=2 << 20):
        assert refused(lambda: server.store("a.xml", large)).startswith("452")  # noqa: B023
        with server.client() as client:
            server.store_in(client, "a.tmp", large)
            assert refused(lambda: client.rename("a.tmp", "a.xml")).startswith("450")
        assert server.store("b.xml", aecg("SMALL")) == "226 Taken."

        assert server.drop.files("cart-1") == {"a.tmp", f"{DAY}/b.xml"}
        assert [record.origin["filename"] for record in server.drop.records()] == ["b.xml"]


def test_where_nothing_can_be_written_a_cart_is_told_to_come_again(server: Server) -> None:
    with server.client() as client:
        (server.drop.root / "cart-1/.incoming").write_text("no folder can be made here")
        assert refused(lambda: server.store_in(client, "a.xml", aecg())).startswith("452")
        (server.drop.root / "cart-1/.incoming").unlink()
        assert server.store_in(client, "a.xml", aecg()) == "226 Taken."


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("王五 心电.xml".encode("gb18030"), "王五 心电.xml"),
        (b"C:\\ECG\\a.xml", "a.xml"),
        (b"a\x07\x1b[31m.xml", "a[31m.xml"),
    ],
)
def test_names_are_read_whatever_the_cart_writes_them_in(server: Server, name: bytes, shown: str) -> None:
    with server.client() as client:
        client.encoding = "latin-1"  # every octet as it is
        assert server.store_in(client, name.decode("latin-1"), aecg()) == "226 Taken."
        assert refused(lambda: server.store_in(client, "bad" + name.decode("latin-1"), b"no ECG"))[0] == "5"

    assert [record.origin["filename"] for record in server.drop.records("ecg.file")] == [shown]
    assert server.drop.wait_for_records("file.refusal")[0].origin["comment"].isprintable()


def test_who_guesses_is_kept_waiting_and_it_hears_of_it(server: Server, password_hash: str) -> None:
    time_s = 0.0
    door = Doorkeeper(Accounts(server.drop.settings.directory_snapshot), clock=lambda: time_s)
    assert door.admit("cart-1", PASSWORD, "10.0.0.1") is not None
    for _ in range(5):
        assert door.admit("cart-1", "wrong", "10.0.0.1") is None
    assert door.admit("cart-1", PASSWORD, "10.0.0.1") is None
    assert door.failing(time_s) == ["cart-1"]
    time_s = 31.0
    assert door.admit("cart-1", PASSWORD, "10.0.0.1") is not None
    assert door.failing(time_s) == []
    assert door.admit("nobody", PASSWORD, "10.0.0.1") is None
    write_directory(server.drop.settings.directory_snapshot, "cart-1")  # without a password
    assert door.admit("cart-1", PASSWORD, "10.0.0.1") is None
    write_directory(
        server.drop.settings.directory_snapshot, "cart-1", account_password_hash=password_hash, address="10.0.0.9"
    )  # fmt: skip
    assert door.admit("cart-1", PASSWORD, "10.0.0.1") is None
    assert door.admit("cart-1", PASSWORD, "10.0.0.9") is not None


def test_a_wrong_password_is_refused_over_the_wire(server: Server) -> None:
    client = ftplib.FTP(timeout=20)
    client.connect("127.0.0.1", server.port)
    assert refused(lambda: client.login("cart-1", "wrong")).startswith("530")
    client.close()
    told = describe(server.drop.settings, server.port, server.desk)
    assert told["troubles"] == {"ftp_logins_fail": "cart-1"}


def test_with_a_certificate_everything_goes_over_tls(tls_server: Server) -> None:
    with tls_server.client(ftplib.FTP_TLS) as client:
        assert tls_server.store_in(client, "a.xml", aecg()) == "226 Taken."
        assert client.nlst() == ["done"]
    assert tls_server.drop.body(tls_server.drop.records("ecg.file")[0]) == aecg()


def test_off_this_machine_plain_ftp_is_refused_unless_it_is_allowed(
    tmp_path: Path, readers: Readers, password_hash: str, pki: Pki
) -> None:
    with pytest.raises(ValueError, match="GATEWAY_TLS_CERTIFICATE"):
        Settings(bind="0.0.0.0", ftp_port=2121)
    for server in run_server(tmp_path, readers, password_hash, pki, bind="0.0.0.0"):
        assert refused(server.client).startswith("550")  # SSL/TLS required on the control channel
        client = ftplib.FTP_TLS(context=ssl.create_default_context(cafile=str(pki.authority)), timeout=20)
        client.connect("127.0.0.1", server.port)
        client.login("cart-1", PASSWORD)
        assert refused(client.nlst).startswith("550")  # and on the data channel
        client.close()
        with server.client(ftplib.FTP_TLS) as secured:
            assert server.store_in(secured, "a.xml", aecg()) == "226 Taken."


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_uploads_with_tls(tls_server: Server, tmp_path: Path, pki: Pki) -> None:
    (tmp_path / "a.xml").write_bytes(aecg())
    done = subprocess.run(
        ["curl", "-sS", "--ssl-reqd", "--cacert", str(pki.authority), "-u", f"cart-1:{PASSWORD}",
         "-T", str(tmp_path / "a.xml"), f"ftp://127.0.0.1:{tls_server.port}/"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert len(tls_server.drop.records("ecg.file")) == 1


def test_what_a_killed_server_left_half_is_removed(server: Server) -> None:
    client = server.client()
    data = client.transfercmd("STOR a.xml")
    data.sendall(aecg()[:100])
    wait_until(lambda: len(list(server.drop.root.glob("cart-1/.incoming/*"))) == 1)
    remove_incoming(server.drop.root)
    data.close()
    client.close()

    assert server.drop.files("cart-1") == set()


def test_a_killed_client_is_told_from_one_that_is_done(server: Server, tmp_path: Path) -> None:
    script = (
        "import ftplib, sys, time; c = ftplib.FTP(); c.connect('127.0.0.1', int(sys.argv[1]));"
        f"c.login('cart-1', '{PASSWORD}'); d = c.transfercmd('STOR a.bin');"
        "d.sendall(open(sys.argv[2], 'rb').read()); print('sent', flush=True); time.sleep(60)"
    )
    half = tmp_path / "half"
    half.write_bytes(aecg())  # whole as it happens: nobody said so
    with subprocess.Popen(
        [sys.executable, "-c", script, str(server.port), str(half)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: server.desk.tally.sessions == 0)

    assert server.drop.records() == []
    assert server.drop.files("cart-1") == set()


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)
