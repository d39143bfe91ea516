"""The ports where devices knock: bound before processes are forked, so that an occupied one is heard of at once."""

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from adapters.dicom.tls import TlsFiles, TlsServer, Unusable
from gateway.settings import Settings

log = structlog.get_logger()

BACKLOG = 512  # connections that wait while every worker is busy for a moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A port where devices knock, and the TLS that is spoken there."""

    name: str
    listener: socket.socket
    tls: TlsServer | None = None

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Those of an ingest node, by the processes that accept there."""

    dicom: tuple[Door, ...]
    lab: tuple[Door, ...]


def open_doors(settings: Settings) -> Doors:
    """Ends the command with a sentence when a port cannot be had, or the TLS files cannot serve."""
    tls = _open_tls(settings)
    return Doors(dicom=_dicom_doors(settings, tls), lab=_lab_doors(settings, tls))


def _dicom_doors(settings: Settings, tls: TlsServer | None) -> tuple[Door, ...]:
    plain = Door(name="dicom", listener=listen(settings.bind, settings.dicom_port))
    if not settings.dicom_require_tls and not is_loopback(settings.bind):
        log.warning("plain_dicom_on_network", address=settings.bind, port=plain.port)
    if tls is None:
        return (plain,)
    secured = Door(name="dicom-tls", listener=listen(settings.bind, settings.dicom_tls_port), tls=tls)
    return plain, secured


def _lab_doors(settings: Settings, tls: TlsServer | None) -> tuple[Door, ...]:
    """Port 0 is no port: that wire is switched off."""
    wanted: list[tuple[str, int, TlsServer | None]] = [
        ("hl7", settings.mllp_port, None),
        ("hl7-tls", settings.mllp_tls_port if tls else 0, tls),
        ("astm", settings.astm_port, None),
        ("astm-tls", settings.astm_tls_port if tls else 0, tls),
    ]
    return tuple(
        Door(name=name, listener=listen(settings.bind, port), tls=secured)
        for name, port, secured in wanted
        if port
    )


def _open_tls(settings: Settings) -> TlsServer | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    try:
        return TlsServer(
            TlsFiles(
                certificate=settings.tls_certificate,
                key=settings.tls_key,
                client_authorities=settings.tls_client_ca,
                revocation_list=settings.tls_revocation_list,
            )
        )
    except Unusable as error:
        raise SystemExit(f"TLS cannot be offered: {error}") from error


def is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def listen(address: str, port: int) -> socket.socket:
    """A listening socket. Ends the command with a sentence when the port cannot be had."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError as error:
        raise SystemExit(f"port {port} on {address} cannot be used: {error.strerror}") from error
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def leave(doors: Iterable[Door]) -> None:
    """Of a process that does not accept there: one that hangs must not keep a port from those who start anew."""
    for door in doors:
        door.listener.close()


def describe_tls(tls: TlsServer) -> dict[str, object]:
    """For the status file: whose certificate, what is wrong with the files, until when revocation lists are good."""
    tls.refresh()
    lists = tls.material.lists.values()
    return {
        "subject": tls.material.certificate.subject,
        "error": tls.error,
        "lists": {one.issuer: one.next_update.isoformat() for one in lists if one.next_update},
    }
