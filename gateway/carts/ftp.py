"""The FTP server for carts that can do nothing else: FTP over TLS (RFC 4217), each device with its own account.

226 is answered after the journal's sync, never before. What is uploaded lies apart until it is whole, so that a
dropped connection leaves nothing and two uploads of one name do not meet. A file that is refused is answered 550 and
lies in `refused/` with its explanation. Names of what is not whole yet (`.tmp`, …) are taken when they are renamed; a
WFDB header and its signals are kept in the folder, synced, and taken from there together. No download, no append, no
resuming. Data are always taken as binary: carts forget to say so, and changed line ends would spoil a recording.
"""

import errno
import logging
import os
import select
import shutil
import signal
import socket
import threading
import time
import uuid
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from OpenSSL import SSL
from pyftpdlib.exceptions import AuthenticationFailed, FilesystemError
from pyftpdlib.filesystems import AbstractedFS
from pyftpdlib.handlers import DTPHandler, FTPHandler, TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.servers import ThreadedFTPServer

from adapters.errors import Malformed, Unavailable
from gateway.carts import places
from gateway.carts.accounts import Account, Accounts
from gateway.carts.apart import NotTaken
from gateway.carts.process import StatusFile, open_taking
from gateway.carts.sets import is_header, is_signal
from gateway.carts.sign_in import Doorkeeper
from gateway.carts.taking import CHEST_PAIN, File, Taking, take_entry
from gateway.settings import Settings
from gateway.web.refusals import explain

log = structlog.get_logger()

INCOMING = ".incoming"  # under a device's folder: uploads that are under way
MOST_SESSIONS, MOST_SESSIONS_OF_ADDRESS = 100, 10
IDLE_S = 120
PERMISSIONS = "elmwdf"  # enter, list, make folders, write, delete, rename; not read, not append
OURS = frozenset({places.DONE, places.REFUSED, INCOMING})
CONTROL_GONE_S = 0.02  # a killed client closes both connections at once; one that lives waits for our answer
MOST_SIZES = 100

Answer = tuple[str, Any]


@dataclass(slots=True)
class FtpTally:
    """What the server did since it started."""

    sessions: int = 0
    logins: int = 0
    taken: int = 0
    bytes: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, name: str, by: int = 1) -> None:
        with self.lock:
            setattr(self, name, getattr(self, name) + by)

    def count_refused(self, reason: str) -> None:
        with self.lock:
            self.refused[reason] += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What every session works with."""

    settings: Settings
    taking: Taking
    doorkeeper: Doorkeeper
    tally: FtpTally

    def folder_of(self, account: Account) -> Path:
        return self.settings.drop_folder / account.name


class Incoming:
    """A file that is being uploaded, apart from all others; gone unless it is finished."""

    def __init__(self, folder: Path, target: Path, limit_bytes: int) -> None:
        place = folder / INCOMING
        place.mkdir(mode=0o770, exist_ok=True)
        if place.is_symlink():
            raise FilesystemError("the folder cannot be used")
        self.path, self.target = place / uuid.uuid4().hex, target
        self.name = str(target)
        self._left = limit_bytes
        self._file = self.path.open("xb")

    @property
    def closed(self) -> bool:
        return self._file.closed

    def write(self, chunk: bytes) -> None:
        self._left -= len(chunk)
        if self._left < 0:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        self._file.write(chunk)

    def finish(self) -> None:
        """Durable on return, under its name of the moment."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def close(self) -> None:
        self._file.close()

    def discard(self) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)


class CartFolder(AbstractedFS):  # type: ignore[misc]
    """A device's own folder as it sees it. What is ours in it can be listed and not touched."""

    cmd_channel: "CartSession"

    def open(self, filename: str, mode: str) -> Incoming:
        if mode != "wb":
            raise FilesystemError("resuming is not supported, send the whole file")
        self._require_own(filename)
        target = Path(filename)
        if not target.parent.is_dir() or target.is_dir():
            raise FilesystemError("there is no such folder")
        session = self.cmd_channel
        return Incoming(Path(self.root), target, session.desk.settings.upload_limit_bytes)

    def chdir(self, path: str) -> None:
        """Without the process's own working folder, which all sessions share."""
        if not Path(path).is_dir():
            raise FilesystemError("there is no such folder")
        self.cwd = self.fs2ftp(path)

    def listdir(self, path: str) -> list[str]:
        return [name for name in super().listdir(path) if name != INCOMING]

    def mkdir(self, path: str) -> None:
        self._require_own(path)
        super().mkdir(path)

    def rmdir(self, path: str) -> None:
        self._require_own(path)
        super().rmdir(path)

    def remove(self, path: str) -> None:
        self._require_own(path)
        super().remove(path)

    def rename(self, src: str, dst: str) -> None:
        self._require_own(src)
        self._require_own(dst)
        super().rename(src, dst)

    def parts_of(self, path: str | Path) -> tuple[str, ...]:
        return Path(path).relative_to(self.root).parts

    def _require_own(self, path: str) -> None:
        parts = self.parts_of(path)
        if not parts or parts[0] in OURS or "\0" in path:
            raise FilesystemError("this folder is the gateway's")


class _Receiving:
    """The data connection: the answer to an upload is given when it is kept."""

    def enable_receiving(self, _type: str, cmd: str) -> None:
        super().enable_receiving("i", cmd)  # type: ignore[misc]

    def close(self) -> None:
        channel: Any = self
        file = channel.file_obj
        if not channel._closed and isinstance(file, Incoming):
            if channel.transfer_finished:
                channel._resp = (
                    channel.cmd_channel.finish_upload(file),
                    logging.getLogger("pyftpdlib").debug,
                )
            else:
                file.discard()
        super().close()  # type: ignore[misc]


class PlainData(_Receiving, DTPHandler):  # type: ignore[misc]
    pass


class TlsData(_Receiving, TLS_DTPHandler):  # type: ignore[misc]
    pass


class _Session:
    """One control connection of a device."""

    desk: Desk  # set on the class that a server is made with

    def on_connect(self) -> None:
        self.desk.tally.count("sessions")
        self._sizes: OrderedDict[str, int] = OrderedDict()

    def on_disconnect(self) -> None:
        self.desk.tally.count("sessions", -1)

    def on_login(self, _username: str) -> None:
        self.desk.tally.count("logins")
        self.desk.taking.readers.warm()

    def decode(self, octets: bytes) -> str:
        """Names as UTF-8, or as GB18030 from a cart that knows no other."""
        try:
            return octets.decode("utf-8")
        except UnicodeDecodeError:
            return octets.decode("gb18030", errors="replace")

    @property
    def account(self) -> Account:
        found: Account = self.authorizer.account_of(self.username)  # type: ignore[attr-defined]
        return found

    def finish_upload(self, file: Incoming) -> str:
        """What is answered to a STOR whose data came to their end."""
        try:
            if self._is_gone():
                file.discard()
                return "426 Connection closed; transfer aborted."
            file.finish()
            return self._accept(file.path, file.target, code=226)
        except Unavailable as error:
            log.warning("ftp_unavailable", account=self.account.name, error=str(error))
            file.discard()
            return "452 No room now; nothing was kept, send it again later."
        except OSError as error:
            log.error("ftp_failed", account=self.account.name, error=error.strerror)
            file.discard()
            return "451 The file could not be kept; send it again later."

    def ftp_RNTO(self, path: str) -> Any:  # noqa: N802 (named as the command)
        session: Any = self
        source, session._rnfr = session._rnfr, None
        if source is None:
            return session.respond("503 Bad sequence of commands: use RNFR first.")
        if Path(source).is_dir() or places.is_unfinished(Path(path).name):
            session._rnfr = source
            return super().ftp_RNTO(path)  # type: ignore[misc]
        return session.respond(self._rename_and_take(Path(source), Path(path)))

    def ftp_SIZE(self, path: str) -> Any:  # noqa: N802
        """Carts ask how much arrived: also of what was taken away since."""
        session: Any = self
        known = self._sizes.get(path)
        if known is not None and not Path(path).exists():
            return session.respond(f"213 {known}")
        session._current_type = "i"
        return super().ftp_SIZE(path)  # type: ignore[misc]

    def _rename_and_take(self, source: Path, target: Path) -> str:
        """Out of the folder first, so that whoever watches it does not take it too."""
        session: Any = self
        folder = Path(session.fs.root)
        try:
            session.fs._require_own(str(source))
            session.fs._require_own(str(target))
            (folder / INCOMING).mkdir(mode=0o770, exist_ok=True)
            apart = folder / INCOMING / uuid.uuid4().hex
            source.rename(apart)
        except FilesystemError as error:
            return f"550 {error}."
        except OSError as error:
            return f"550 {error.strerror}."
        try:
            return self._accept(apart, target, code=250)
        except Unavailable:
            apart.rename(source)
            return "450 No room now; rename it again later."
        except OSError as error:
            apart.rename(source)
            return f"450 {error.strerror}."

    def _accept(self, path: Path, target: Path, *, code: int) -> str:
        """Take a whole file, or keep it where it waits for the rest. Raises Unavailable, OSError."""
        name, size = target.name, path.stat().st_size
        if places.is_unfinished(name) or is_header(name) or is_signal(name):
            path.replace(target)
            _sync_folder(target.parent)
            waits = "when it is renamed" if places.is_unfinished(name) else "with the files that belong to it"
            return f"{code} Kept; it is taken {waits}."
        answer = self._take(path, target, code)
        self._sizes[str(target)] = size
        while len(self._sizes) > MOST_SIZES:
            self._sizes.popitem(last=False)
        return answer

    def _take(self, path: Path, target: Path, code: int) -> str:
        account, tally, taking = self.account, self.desk.tally, self.desk.taking
        folder, name = self.desk.folder_of(account), target.name
        session: Any = self
        marked = any(map(places.means_chest_pain, session.fs.parts_of(target)[:-1]))
        origin = {
            **account.as_origin(wire="ftp", peer_address=session.remote_ip),
            "priority": CHEST_PAIN if marked else "",
        }
        size = path.stat().st_size
        try:
            with path.open("rb") as stream:
                take_entry(taking, [File(name=name, stream=stream)], origin)
        except Malformed as error:
            reason, about = (
                (error.reason, error.about) if isinstance(error, NotTaken) else ("malformed", str(error))
            )
            taking.note_refusal(origin, name, reason, about)
            tally.count_refused(reason)
            log.info("ftp_refused", account=account.name, reason=reason)
            places.put_aside([path], folder, reason=reason, about=about, now=taking.now(), name=name)
            return f"550 {_ascii(explain('file', reason, about, 'en')[0])}"
        tally.count("taken")
        tally.count("bytes", size)
        log.info("ftp_taken", account=account.name, size_bytes=size)
        try:
            places.put_away([path], folder, taking.now(), name=name)
        except OSError as error:  # it is journalled: whoever sent it need not send it again
            log.warning("ftp_not_put_away", account=account.name, error=error.strerror)
            path.unlink(missing_ok=True)
        return f"{code} Taken."

    def _is_gone(self) -> bool:
        """Whether who sent the data is there no more: then nobody says that these were all."""
        handle = self.socket.fileno()  # type: ignore[attr-defined]
        if handle < 0:
            return True
        if not select.select([handle], [], [], CONTROL_GONE_S)[0]:
            return False
        with socket.socket(fileno=os.dup(handle)) as control:
            try:
                return not control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            except BlockingIOError:
                return False
            except OSError:
                return True


class PlainSession(_Session, FTPHandler):  # type: ignore[misc]
    dtp_handler = PlainData


class TlsSession(_Session, TLS_FTPHandler):  # type: ignore[misc]
    dtp_handler = TlsData
    context: Callable[[], SSL.Context]

    @classmethod
    def get_ssl_context(cls) -> SSL.Context:
        return cls.context()


class CartAuthorizer:
    """Asks the doorkeeper; what pyftpdlib wants of an authorizer."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._signed_in: dict[str, Account] = {}

    def validate_authentication(self, username: str, password: str, handler: Any) -> None:
        account = self._desk.doorkeeper.admit(username, password, handler.remote_ip)
        if account is None:
            raise AuthenticationFailed("Not signed in.")
        folder = self._desk.folder_of(account)
        folder.mkdir(mode=0o770, parents=True, exist_ok=True)
        self._signed_in[username] = account

    def account_of(self, username: str) -> Account:
        return self._signed_in[username]

    def get_home_dir(self, username: str) -> str:
        return str(self._desk.folder_of(self._signed_in[username]))

    def has_perm(self, _username: str, perm: str, _path: str | None = None) -> bool:
        return perm in PERMISSIONS

    def get_perms(self, _username: str) -> str:
        return PERMISSIONS

    def get_msg_login(self, _username: str) -> str:
        return "Signed in."

    def get_msg_quit(self, _username: str) -> str:
        return "Goodbye."

    def impersonate_user(self, _username: str, _password: str) -> None:
        """Everybody's files are the gateway's."""

    def terminate_impersonation(self, _username: str) -> None:
        """As above."""


class TlsContext:
    """The gateway's certificate as it is now: renewed files are used from the next connection on."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._stamps: tuple[int, ...] = ()
        self._context: SSL.Context | None = None
        self._lock = threading.Lock()

    def __call__(self) -> SSL.Context:
        with self._lock:
            stamps = tuple(path.stat().st_mtime_ns for path in self._files)
            if self._context is None or stamps != self._stamps:
                try:
                    self._context, self._stamps = self._read(), stamps
                except SSL.Error:
                    if self._context is None:
                        raise
                    log.warning("ftp_tls_files_unusable")
            return self._context

    def _read(self) -> SSL.Context:
        certificate, key = self._files
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
        context.use_certificate_chain_file(str(certificate))
        context.use_privatekey_file(str(key))
        context.check_privatekey()
        return context


def make_server(desk: Desk, listener: socket.socket) -> ThreadedFTPServer:
    """A server on a bound socket; a thread for each session."""
    settings = desk.settings
    shared: dict[str, Any] = {
        "desk": desk,
        "authorizer": CartAuthorizer(desk),
        "abstracted_fs": CartFolder,
        "banner": "Shared-Centre Gateway",
        "timeout": IDLE_S,
        "passive_ports": settings.ftp_passive_range,
        "masquerade_address": settings.ftp_address,
        "proto_cmds": _commands(FTPHandler),
        "use_sendfile": False,
    }
    if settings.tls_certificate is None or settings.tls_key is None:
        handler = type("Session", (PlainSession,), shared)
    else:
        required = not settings.ftp_plain_allowed
        shared |= {
            "proto_cmds": _commands(TLS_FTPHandler),
            "context": staticmethod(TlsContext(settings.tls_certificate, settings.tls_key)),
            "tls_control_required": required,
            "tls_data_required": required,
        }
        handler = type("Session", (TlsSession,), shared)
    server = ThreadedFTPServer(listener, handler)
    server.max_cons, server.max_cons_per_ip = MOST_SESSIONS, MOST_SESSIONS_OF_ADDRESS
    return server


def run_ftp(settings: Settings, listener: socket.socket) -> None:
    """Serve until told to stop."""
    logging.getLogger("pyftpdlib").setLevel(logging.ERROR)  # it names files
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    taking = open_taking(settings)
    accounts = Accounts(settings.directory_snapshot)
    desk = Desk(settings=settings, taking=taking, doorkeeper=Doorkeeper(accounts), tally=FtpTally())
    remove_incoming(settings.drop_folder)
    server = make_server(desk, listener)
    port = int(listener.getsockname()[1])
    status = StatusFile(settings.data_dir / "run", settings.node, partial(describe, settings, port, desk))
    status.start()
    log.info("listener_started", wire="ftp", address=settings.bind, port=port)
    try:
        while not stop.is_set():
            server.serve_forever(timeout=0.5, blocking=False, handle_exit=False)
    finally:
        status.stop()
        server.close_all()
        taking.readers.close()
        taking.journal.close()


def describe(settings: Settings, port: int, desk: Desk) -> dict[str, Any]:
    """What the server is among the listeners."""
    tally, failing = desk.tally, desk.doorkeeper.failing(time.monotonic())
    return {
        "name": "ftp",
        "address": settings.bind,
        "port": port,
        "associations": tally.sessions,
        "accepted": tally.logins,
        "refused": sum(tally.refused.values()),
        "instances": tally.taken,
        "bytes": tally.bytes,
        "refused_by_reason": dict(tally.refused),
        "troubles": {"ftp_logins_fail": "、".join(failing)} if failing else {},
    }


def remove_incoming(root: Path) -> None:
    """Uploads that a killed server left half: nobody was told that they are kept."""
    for place in root.glob(f"*/{INCOMING}"):
        if not place.is_symlink():
            shutil.rmtree(place, ignore_errors=True)


def _commands(handler: type[Any]) -> Mapping[str, Any]:
    """Without those that make no sense here: unique names, resuming, changing of modes and times."""
    left_out = {"STOU", "APPE", "REST", "RETR", "SITE CHMOD", "MFMT"}
    return {name: about for name, about in handler.proto_cmds.items() if name not in left_out}


def _ascii(text: str) -> str:
    """One line that the oldest cart can show."""
    return " ".join(text.encode("ascii", errors="replace").decode().split())[:400]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# For CartFolder's annotation; which of the two it is, is the server's matter.
CartSession = PlainSession | TlsSession
