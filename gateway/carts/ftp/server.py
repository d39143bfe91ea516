"""The server itself: who may come in, over what, and its process."""

import logging
import signal
import socket
import threading
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from OpenSSL import SSL
from pyftpdlib.exceptions import AuthenticationFailed
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.servers import ThreadedFTPServer

from gateway.carts.accounts import Account, Accounts
from gateway.carts.ftp.desk import Desk, FtpTally
from gateway.carts.ftp.files import CartFolder, remove_incoming
from gateway.carts.ftp.session import PlainSession, TlsSession
from gateway.carts.process import open_taking, status_of
from gateway.carts.sign_in import Doorkeeper
from gateway.settings import Settings

log = structlog.get_logger()

MOST_SESSIONS, MOST_SESSIONS_OF_ADDRESS = 100, 10
IDLE_S = 120
PERMISSIONS = "elmwdf"  # enter, list, make folders, write, delete, rename; not read, not append


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
    status = status_of(settings, partial(describe, settings, port, desk))
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


def _commands(handler: type[Any]) -> Mapping[str, Any]:
    """Without those that make no sense here: unique names, resuming, changing of modes and times."""
    left_out = {"STOU", "APPE", "REST", "RETR", "SITE CHMOD", "MFMT"}
    return {name: about for name, about in handler.proto_cmds.items() if name not in left_out}


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
