"""DICOM as a client: is a peer there, and does it take these files. Over pynetdicom, with TCP_NODELAY.

A peer that says no raises PeerRejected; one that does not answer raises PeerUnreachable. Files go as they are:
each in a presentation context of its own transfer syntax, never converted.
"""

import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from adapters.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from adapters.dicom.negotiation import VERIFICATION
from adapters.errors import Cause, Malformed, PeerBusy, PeerRejected, PeerUnreachable
from adapters.outward import Peer, connection

_DUPLICATE = 0x0111  # Duplicate SOP Instance (PS3.7 C.5.6)
_WHY_S = 5.0  # to ask why there was no connection: the answer that was there a moment ago comes at once
_CONTEXTS_PER_ASSOCIATION = 128  # PS3.8 9.3.2.2: odd ids of one byte


class _AssociationRejected(PeerRejected):
    """The peer says no before anything is sent."""


class Gate(threading.Event):
    """Keeps pynetdicom's reactor thread where it waits, for as long as we are the ones who send.

    pynetdicom pauses that thread before each request, but may look at its flag while it is just leaving the pause;
    the thread then takes the answer off the queue and drops it, and the sender waits for its time-out
    (pydicom/pynetdicom#875). The gate replaces the flag; it opens once, at the end.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.reached.set()
        return super().wait(timeout)

    def set(self) -> None:
        """Stay closed; pynetdicom would open it after each request."""

    def open(self) -> None:
        super().set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What the peer said about one file."""

    path: Path
    status: int
    comment: str

    @property
    def accepted(self) -> bool:
        """Success, or kept with a warning (PS3.7 Annex C.4)."""
        return self.status == 0 or self.status >> 12 == 0xB


def echo(
    host: str,
    port: int,
    *,
    calling_ae_title: str = "GATEWAY",
    called_ae_title: str = "ANY-SCP",
    timeout_s: float = 10,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Send one C-ECHO; returns when the peer says success."""
    proposed: list[tuple[str, tuple[str, ...]]] = [(VERIFICATION, ())]
    with _associate((host, port), calling_ae_title, called_ae_title, proposed, timeout_s, tls) as association:
        status = association.send_c_echo().get("Status")
    if status is None:
        raise PeerUnreachable(f"{host}:{port} did not answer C-ECHO", cause=Cause.TIMED_OUT)
    if status != 0:
        raise PeerRejected(f"{host}:{port} answered C-ECHO with {status:04X}")


def store(
    files: Iterable[Path],
    host: str,
    port: int,
    *,
    calling_ae_title: str,
    called_ae_title: str,
    timeout_s: float = 60,
) -> list[Stored]:
    """Send files over as few associations as their presentation contexts allow; one result for each, in order."""
    paths = [(path, *_kind_of(path)) for path in files]
    kinds = list(dict.fromkeys((sop_class, syntax) for _, sop_class, syntax in paths))
    results: dict[Path, Stored] = {}
    for start in range(0, len(kinds), _CONTEXTS_PER_ASSOCIATION):
        batch = kinds[start : start + _CONTEXTS_PER_ASSOCIATION]
        proposed = [(sop_class, (syntax,)) for sop_class, syntax in batch]
        with _associate((host, port), calling_ae_title, called_ae_title, proposed, timeout_s) as association:
            for path, sop_class, syntax in paths:
                if (sop_class, syntax) in batch:
                    results[path] = _store_one(association, path, f"{host}:{port}")
    return [results[path] for path, *_ in paths]


def store_object(
    made: Dataset,
    host: str,
    port: int,
    *,
    calling_ae_title: str,
    called_ae_title: str,
    timeout_s: float = 30,
    tls: ssl.SSLContext | None = None,
) -> str:
    """Send one object that was made here; answers what the peer said of it.

    Success is 0000, a warning (B000), and 0111: it has this SOP Instance UID, which is nobody else's. Raises
    PeerBusy for a peer without room (A7xx), PeerRejected for one that will not have it (PS3.4 Table B.2-1),
    PeerUnreachable when there is no association or no answer.
    """
    meta = made.file_meta
    proposed = [(str(meta.MediaStorageSOPClassUID), (str(meta.TransferSyntaxUID),))]
    try:
        with _associate(
            (host, port), calling_ae_title, called_ae_title, proposed, timeout_s, tls
        ) as association:
            if not association.accepted_contexts:
                raise PeerRejected(f"{host}:{port} does not take {meta.MediaStorageSOPClassUID.name}")
            answer = association.send_c_store(made)
    except _AssociationRejected as error:  # of whatever we send: somebody must register us there
        raise PeerUnreachable(str(error), cause=error.cause) from error
    if "Status" not in answer:
        raise PeerUnreachable(f"{host}:{port} did not answer C-STORE", cause=Cause.TIMED_OUT)
    status = int(answer.Status)
    said = f"{status:04X} {answer.get('ErrorComment', '')}".strip()
    if status in (0, _DUPLICATE) or status >> 12 == 0xB:
        return said
    raise PeerBusy(said) if status >> 8 == 0xA7 else PeerRejected(said)


def _store_one(association: Association, path: Path, peer: str) -> Stored:
    try:
        answer = association.send_c_store(path)
    except ValueError as error:  # no accepted presentation context for it
        return Stored(path=path, status=0x0122, comment=str(error).splitlines()[0][:64])
    if "Status" not in answer:
        raise PeerUnreachable(f"{peer} did not answer C-STORE")
    return Stored(path=path, status=int(answer.Status), comment=str(answer.get("ErrorComment", "")))


def _kind_of(path: Path) -> tuple[str, str]:
    try:
        meta = dcmread(path, specific_tags=[], stop_before_pixels=True).file_meta
        return str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)
    except (InvalidDicomError, AttributeError) as error:
        raise Malformed(f"{path.name} has no usable file meta information") from error


@contextmanager
def _associate(
    peer: tuple[str, int],
    calling: str,
    called: str,
    proposed: Iterable[tuple[str, tuple[str, ...]]],
    timeout_s: float,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Association]:
    host, port = peer
    entity = AE(ae_title=calling)
    entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = (
        timeout_s
    )
    contexts = [build_context(sop_class, list(syntaxes) or None) for sop_class, syntaxes in proposed]
    association = entity.associate(
        host,
        port,
        contexts=contexts,
        ae_title=called,
        evt_handlers=[(evt.EVT_CONN_OPEN, _set_no_delay)],
        max_pdu=0,
        tls_args=(tls, host) if tls else None,
    )
    if association.is_rejected:
        raise _AssociationRejected(
            f"{host}:{port} rejected the association of {calling} to {called}", cause=Cause.NOT_ADMITTED
        )
    if not association.is_established:
        raise _why_none(Peer(host=host, port=port, tls=tls, within_s=min(timeout_s, _WHY_S)))
    gate = association._reactor_checkpoint = Gate()
    gate.reached.wait(timeout_s)
    try:
        yield association
    finally:
        association.release()
        gate.open()


def _set_no_delay(event: Any) -> None:
    connection = event.assoc.dul.socket.socket
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _why_none(peer: Peer) -> PeerUnreachable:
    """pynetdicom keeps to itself why it could not connect: asked once more, without an association."""
    try:
        with connection(peer):
            return PeerUnreachable(f"no association with {peer}", cause=Cause.OTHER_PROTOCOL)
    except PeerUnreachable as error:
        return error
