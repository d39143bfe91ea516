"""One connection of a device: what it is answered, and when."""

import errno
import logging
import os
import select
import socket
import uuid
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from OpenSSL import SSL
from pyftpdlib.exceptions import FilesystemError
from pyftpdlib.handlers import DTPHandler, FTPHandler, TLS_DTPHandler, TLS_FTPHandler

from adapters.errors import Malformed, Unavailable
from gateway.carts import places
from gateway.carts.accounts import Account
from gateway.carts.apart import NotTaken
from gateway.carts.ftp.desk import Desk
from gateway.carts.ftp.files import INCOMING, Incoming
from gateway.carts.names import read_name
from gateway.carts.sets import is_header, is_signal
from gateway.carts.taking import CHEST_PAIN, File, take_entry
from gateway.journal.segment import sync_folder
from gateway.web.refusals import explain

log = structlog.get_logger()

CONTROL_GONE_S = 0.02  # a killed client closes both connections at once; one that lives waits for our answer
MOST_SIZES = 100
NO_ROOM = (
    "452 No room now; nothing was kept, send it again later."  # RFC 959 4.2: of this moment, not for ever
)


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
                if file.failure is not None:
                    channel._resp = (_failed(file.failure), logging.getLogger("pyftpdlib").debug)
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
        return read_name(octets)

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
            return NO_ROOM
        except OSError as error:
            log.error("ftp_failed", account=self.account.name, error=error.strerror)
            file.discard()
            return _failed(error)

    def ftp_STOR(self, file: str, mode: str = "w") -> Any:  # noqa: N802 (named as the command)
        session: Any = self
        try:
            return super().ftp_STOR(file, mode)  # type: ignore[misc]
        except Unavailable as error:
            log.warning("ftp_unavailable", account=self.account.name, error=str(error))
            return session.respond(NO_ROOM)

    def ftp_RNTO(self, path: str) -> Any:  # noqa: N802
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
            sync_folder(target.parent)
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


def _failed(error: OSError) -> str:
    """Whether sending it again may help."""
    if error.errno == errno.EFBIG:
        return "552 The file is larger than what is taken here."
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return NO_ROOM
    return "451 The file could not be kept; send it again later."


def _ascii(text: str) -> str:
    """One line that the oldest cart can show."""
    return " ".join(text.encode("ascii", errors="replace").decode().split())[:400]
