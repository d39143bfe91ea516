"""What the listeners know of devices: a file that follows the directory, and the door that reads it.

The database may be away for hours; who may send is still known, after a restart too.
"""

import fcntl
import ipaddress
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import event, inspect, select
from sqlalchemy.orm import Session, object_session

from adapters.dicom.admission import (
    CALLED_UNKNOWN,
    CALLING_UNKNOWN,
    NO_REASON,
    PERMANENT,
    TRANSIENT,
    USER,
)
from adapters.dicom.ports import AssociationRefused, Tls
from gateway import live
from gateway.connecting import Policy, check_connection, ends_at
from gateway.runtime import Runtime
from worklists.directory import Device, Institution, TlsException
from worklists.laboratory.profiles import AnalyserProfile

log = structlog.get_logger()

FORMAT = 3
_READABLE = (1, 2, 3)  # an older one is there for a moment after an update
LOOK_AGAIN_S = 1.0
WRITERS = 5  # more than ever write at once


def write_snapshot(session: Session, path: Path) -> None:
    """Write what the directory says now, whole or not at all."""
    content = _describe(session)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        temporary = path.with_suffix(".tmp")
        with temporary.open("w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)  # it holds the hashes of the carts' passwords
            json.dump(content, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)


def refresh_snapshot(runtime: Runtime) -> bool:
    """Write the snapshot if the directory has changed since, on this machine or another. Says whether it did."""
    path, written = runtime.settings.directory_snapshot, False
    for _ in range(WRITERS):  # whoever wrote an older one over a newer one sees it here
        with runtime.reading() as session:
            if _version(path) == live.read_numbers(session).get(live.DIRECTORY, 0):
                return written
            write_snapshot(session, path)
            written = True
    return written


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedException:
    """A device that is let off TLS or its certificate until then."""

    ae_title: str
    ends_at: datetime


def read_exceptions(path: Path) -> list[DatedException]:
    """Of the devices that may store, the first to end first. None when the file is not there or cannot be read."""
    try:
        known = _understand(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []  # whoever needs the file to let devices in says so
    found = [
        DatedException(ae_title=device["ae_title"], ends_at=ends_at(device["tls_exception_until"]))
        for device in known.devices.values()
        if device.get("tls_exception_until") and device["tls_exception"] != TlsException.NONE
        if device["enabled"] and device["institution_enabled"]
    ]
    return sorted(found, key=lambda one: (one.ends_at, one.ae_title))


@dataclass(frozen=True, slots=True)
class Known:
    """One reading of the file."""

    devices: Mapping[str, Mapping[str, Any]]
    accepting: tuple[str, ...]


class DirectoryFile:
    """Follows its file; a bad one changes nothing."""

    def __init__(self, path: Path, *, look_again_s: float = LOOK_AGAIN_S) -> None:
        self._path, self._look_again_s = path, look_again_s
        self._known: Known | None = None
        self._stamp: tuple[int, ...] | None = None
        self._look_again_at = 0.0

    def read(self) -> Known | None:
        """What it says, the same object as long as that is the same; None while there was none yet."""
        now = time.monotonic()
        if now < self._look_again_at:
            return self._known
        self._look_again_at = now + self._look_again_s
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            self._stamp = stamp
            self._read_again()
        return self._known

    def _read_again(self) -> None:
        try:
            self._known = _understand(json.loads(self._path.read_text(encoding="utf-8")))
        except OSError as error:
            self._stamp = None  # look at it again
            log.warning("directory_unreadable", error=type(error).__name__)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("directory_damaged", error=type(error).__name__)  # what was known stays
        else:
            log.info("directory_read", devices=len(self._known.devices))


class DeviceDirectory:
    """The listeners' door: who calls, by AE title, address and certificate."""

    def __init__(
        self,
        path: Path,
        *,
        called_ae_title: str | None = None,
        policy: Policy | None = None,
        look_again_s: float = LOOK_AGAIN_S,
    ):
        """With `called_ae_title`, who calls us by another name is refused."""
        self._file = DirectoryFile(path, look_again_s=look_again_s)
        self._called_ae_title = called_ae_title
        self._policy = policy or Policy()

    def admit(
        self, *, calling_ae_title: str, called_ae_title: str, peer_address: str, tls: Tls | None
    ) -> Mapping[str, Any]:
        """The origin fields of the device that calls. Raises AssociationRefused."""
        known = self._file.read()
        if self._called_ae_title is not None and called_ae_title != self._called_ae_title:
            raise AssociationRefused(PERMANENT, USER, CALLED_UNKNOWN, "called AE title is not ours")
        if known is None:
            raise AssociationRefused(TRANSIENT, USER, NO_REASON, "the list of devices is not there yet")
        device, now = known.devices.get(calling_ae_title), datetime.now(UTC)
        if device is None:
            if not known.accepting:
                raise AssociationRefused(
                    PERMANENT,
                    USER,
                    CALLING_UNKNOWN,
                    "calling AE title is not known",
                    cause="ae_title_unknown",
                )
            origin = origin_of_unknown(known)
            check_connection(calling_ae_title, {}, tls, self._policy, now=now)
            return origin
        if device["address"] and not same_address(device["address"], peer_address):
            words = "calling AE title is not known at this address"
            raise AssociationRefused(
                PERMANENT, USER, CALLING_UNKNOWN, words, cause="address_wrong", device=device
            )
        check_connection(calling_ae_title, device, tls, self._policy, now=now)
        allowed = device["enabled"] and device["institution_enabled"]
        return {
            "device_id": device["device_id"],
            "institution_id": device["institution_id"],
            "character_set": device["character_set"],
            **({} if allowed else {"storage_allowed": False}),
        }


def _describe(session: Session) -> dict[str, Any]:
    version = live.read_numbers(session).get(live.DIRECTORY, 0)  # first: what changes meanwhile is read again
    rows = session.execute(
        select(Device, Institution, AnalyserProfile)
        .join(Institution, Institution.id == Device.institution_id)
        .outerjoin(AnalyserProfile, AnalyserProfile.code == Device.profile_code)
        .order_by(Device.ae_title)
    ).all()
    accepting = session.scalars(
        select(Institution.id)
        .where(Institution.enabled, Institution.accept_unknown_devices)
        .order_by(Institution.id)
    )
    return {
        "format": FORMAT,
        "version": version,
        "accept_unknown_devices": [str(id) for id in accepting],
        "devices": [_describe_device(*row) for row in rows],
    }


def _describe_device(
    device: Device, institution: Institution, profile: AnalyserProfile | None
) -> dict[str, Any]:
    content = profile.content if profile is not None and profile.enabled else {}
    return {
        "ae_title": device.ae_title,
        "device_id": str(device.id),
        "institution_id": str(device.institution_id),
        "address": device.address,
        "character_set": device.character_set,
        "certificates": device.certificates,
        "tls_exception": device.tls_exception,
        "tls_exception_until": str(device.tls_exception_until or ""),
        "account": device.account,
        "account_password_hash": device.account_password_hash,
        "modality": device.modality,
        "sender": device.sender,
        "profile": device.profile_code,
        "file": content.get("file"),
        "dialect": content.get("dialect"),
        "enabled": device.enabled,
        "institution_enabled": institution.enabled,
    }


def _understand(content: Mapping[str, Any]) -> Known:
    if content["format"] not in _READABLE:
        raise ValueError("another format")
    devices = {device["ae_title"]: device for device in content["devices"]}
    needed = {"device_id", "institution_id", "address", "character_set", "enabled", "institution_enabled"}
    if any(not needed <= device.keys() for device in devices.values()):
        raise ValueError("a device without its fields")
    return Known(devices=devices, accepting=tuple(content["accept_unknown_devices"]))


def origin_of_unknown(known: Known) -> dict[str, Any]:
    """Where the county lets unknown devices in, what they send is held until a person says whose it is."""
    only = known.accepting[0] if len(known.accepting) == 1 else None
    return {
        "device_id": None,
        "institution_id": None,
        "character_set": None,
        "unknown_device": True,
        "accepting_institution_id": only,
    }


def same_address(listed: str, peer: str) -> bool:
    try:
        return plain_address(listed) == plain_address(peer)
    except ValueError:
        return listed == peer


def plain_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _version(path: Path) -> int:
    """Of the file there is; -1 when there is none that can be read, or one of another release."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return int(content["version"]) if content["format"] == FORMAT else -1
    except (OSError, ValueError, KeyError, TypeError):
        return -1


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# Whoever changes these rows, by the web, the command line or a demonstration: the listeners must hear of it.
_FOLLOWED = {
    Device: (
        "ae_title",
        "institution_id",
        "address",
        "character_set",
        "certificates",
        "tls_exception",
        "tls_exception_until",
        "account",
        "account_password_hash",
        "modality",
        "sender",
        "profile_code",
        "enabled",
    ),
    Institution: ("enabled", "accept_unknown_devices"),
    AnalyserProfile: ("content", "enabled"),
}


def _note_change(_mapper: object, _connection: object, row: Any) -> None:
    state, session = inspect(row), object_session(row)
    followed = _FOLLOWED[type(row)]
    if session is not None and (
        not state.persistent or any(state.attrs[name].history.has_changes() for name in followed)
    ):
        live.bump(session, live.DIRECTORY)


def _note_removal(_mapper: object, _connection: object, row: Device | Institution | AnalyserProfile) -> None:
    session = object_session(row)
    if session is not None:
        live.bump(session, live.DIRECTORY)


for _row in _FOLLOWED:
    event.listen(_row, "after_insert", _note_change)
    event.listen(_row, "after_update", _note_change)
    event.listen(_row, "after_delete", _note_removal)
