"""Connections to others that we begin: whose certificate is believed, and how long the whole may take.

A certificate is always verified, with its name: by the authorities of this system, or by the one that is named.
"""

import errno
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from adapters.client_certificate import ClientCertificate
from adapters.errors import Cause, Malformed, PeerUnreachable

CONNECT_S = 10.0

# The first that fits: a class of Python's OSError, some of which are others' children.
_CAUSES: Mapping[type[OSError], Cause] = {
    ssl.SSLCertVerificationError: Cause.CERTIFICATE,
    ssl.SSLError: Cause.TLS,
    socket.gaierror: Cause.NAME,
    TimeoutError: Cause.TIMED_OUT,
    ConnectionRefusedError: Cause.REFUSED,
    ConnectionError: Cause.CUT,
}
_NO_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EADDRNOTAVAIL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Where to connect, and how. `tls` None: in plain. `within_s` bounds the whole conversation."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    within_s: float = 30.0

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def client_tls(authorities_pem: str = "", *, ours: ClientCertificate | None = None) -> ssl.SSLContext:
    """TLS 1.2 or 1.3 that verifies certificate and name, and shows `ours` to who asks for one. Raises Malformed."""
    try:
        context = ssl.create_default_context(cadata=authorities_pem or None)
    except (ssl.SSLError, ValueError) as error:
        raise Malformed(f"the certificates of the authorities cannot be read: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ours is not None:
        ours.use(context)
    return context


@contextmanager
def connection(peer: Peer) -> Iterator[socket.socket]:
    """A socket to the peer, shut when its time is over, however slowly it speaks. Raises PeerUnreachable."""
    try:
        line = socket.create_connection((peer.host, peer.port), timeout=min(CONNECT_S, peer.within_s))
        line.settimeout(peer.within_s * 2)  # `shut_after` is sooner, also for one who speaks a byte at a time
        if peer.tls:
            line = peer.tls.wrap_socket(line, server_hostname=peer.host, do_handshake_on_connect=False)
        with line, shut_after(line, peer):
            if isinstance(line, ssl.SSLSocket):
                line.do_handshake()
            yield line
    except OSError as error:
        raise PeerUnreachable(f"{peer}: {say(error)}", cause=cause_of(error)) from error


@contextmanager
def shut_after(line: socket.socket, peer: Peer) -> Iterator[None]:
    """Within this, the socket is shut once the time of the conversation is over."""
    over = threading.Event()

    def shut() -> None:
        over.set()
        try:
            line.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it is closed already

    timer = threading.Timer(peer.within_s, shut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except OSError as error:
        if over.is_set():
            raise TimeoutError(f"no answer within {peer.within_s:g} s") from error
        raise
    finally:
        timer.cancel()


def cause_of(error: OSError) -> Cause | None:
    """What a person must look at; None: the system's words are all that is known."""
    if error.errno in _NO_ROUTE:
        return Cause.NO_ROUTE
    return next((cause for kind, cause in _CAUSES.items() if isinstance(error, kind)), None)


def say(error: OSError) -> str:
    """What went wrong, in a line; of a certificate what is wrong with it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not believed: {error.verify_message}"
    return " ".join(str(error).split()) or type(error).__name__
