"""One message by SMTP over TLS, to all of its recipients or to none (RFC 5321, RFC 3207, RFC 8314)."""

import smtplib
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP

from adapters.errors import Cause, PeerBusy, PeerRejected, PeerUnreachable
from adapters.outward import Peer, connection, shut_after

_CAUSES: Mapping[type[smtplib.SMTPException], Cause] = {
    smtplib.SMTPAuthenticationError: Cause.CREDENTIALS,
    smtplib.SMTPNotSupportedError: Cause.TLS,  # no STARTTLS there
    smtplib.SMTPServerDisconnected: Cause.CUT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Whom mail is handed to. `peer.tls` is always there: at once, or after STARTTLS."""

    peer: Peer
    starttls: bool
    username: str = ""
    password: str = ""


class _Client(smtplib.SMTP):
    """smtplib over a socket that is connected already."""

    def __init__(self, peer: Peer) -> None:
        super().__init__(timeout=peer.within_s)
        self._peer = peer
        self._line: socket.socket | None = None
        self._host = peer.host  # starttls() verifies this name

    def begin(self, line: socket.socket) -> None:
        self._line = line
        code, answer = self.connect(self._peer.host, self._peer.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, answer)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        assert self._line is not None
        return self._line


def hand_over(server: MailServer, message: EmailMessage, recipients: Sequence[str]) -> str:
    """Hand the message over; answers what the server said. Raises PeerRejected, PeerBusy, PeerUnreachable."""
    with _signed_in(server) as client:
        _say(client.mail(str(message["From"])))
        for recipient in recipients:
            _say(client.rcpt(recipient))
        return _say(client.data(message.as_bytes(policy=SMTP)))


def look(server: MailServer) -> str:
    """Connect, verify, sign in, and send nothing."""
    with _signed_in(server) as client:
        return _say(client.noop())


@contextmanager
def _signed_in(server: MailServer) -> Iterator[smtplib.SMTP]:
    """The greeting, TLS and the account; what is wrong with these is wrong with all that we send."""
    peer = server.peer
    assert peer.tls is not None, "mail is handed over by TLS alone"
    plain = Peer(host=peer.host, port=peer.port, within_s=peer.within_s) if server.starttls else peer
    with connection(plain) as line:
        client = _Client(peer)
        try:
            client.begin(line)
            if server.starttls:
                client.starttls(context=peer.tls)
            assert client.sock is not None
            with shut_after(client.sock, peer):
                if server.username:
                    client.login(server.username, server.password)
                else:
                    client.ehlo_or_helo_if_needed()
                yield client
                client.quit()
        except smtplib.SMTPException as error:  # an OSError itself: its words are better than that one's
            raise PeerUnreachable(f"{peer}: {_words(error)}", cause=_CAUSES.get(type(error))) from error
        finally:
            client.close()


def _say(answer: tuple[int, bytes]) -> str:
    code, text = answer
    said = f"{code} {text.decode('utf-8', 'replace')}"
    if 200 <= code < 300:
        return said
    raise PeerBusy(said) if 400 <= code < 500 else PeerRejected(said)


def _words(error: smtplib.SMTPException) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return f"{error.smtp_code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}"
    return f"{type(error).__name__}: {error}"
