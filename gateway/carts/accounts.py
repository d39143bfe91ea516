"""The devices that hand over files, by their accounts: from the listeners' snapshot, so that no database is needed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from gateway.lab.analysers import is_analyser

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A device that may hand over files. `password_hash` None: only by its folder."""

    name: str
    device_id: str
    institution_id: str
    ae_title: str
    character_set: str | None
    password_hash: str | None
    address: str | None
    lab_file: Mapping[str, Any] | None = None  # of a device of the laboratory: how its files are read

    def as_origin(self, *, wire: str, peer_address: str = "") -> dict[str, Any]:
        return {
            "institution_id": self.institution_id,
            "device_id": self.device_id,
            "calling_ae_title": self.ae_title,
            "character_set": self.character_set,
            "wire": wire,
            "peer_address": peer_address,
            "uploaded_by": self.name,
            **({} if self.lab_file is None else {"lab_file": self.lab_file}),
        }


class Accounts:
    """Follows the file; one that cannot be read changes nothing. For one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, ...] | None = None
        self._known: Mapping[str, Account] | None = None

    def read(self) -> Mapping[str, Account] | None:
        """Of devices and institutions that are enabled; None while nothing was ever known."""
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
            if stamp != self._stamp:
                self._known = _understand(json.loads(self._path.read_text(encoding="utf-8")))
                self._stamp = stamp
        except FileNotFoundError:
            return self._known  # the drain writes the file once the database was there
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("accounts_unreadable", error=type(error).__name__)
        return self._known


def _understand(content: Mapping[str, Any]) -> dict[str, Account]:
    accounts = (
        Account(
            name=device["account"],
            device_id=device["device_id"],
            institution_id=device["institution_id"],
            ae_title=device["ae_title"],
            character_set=device["character_set"],
            password_hash=device["account_password_hash"],
            address=device["address"],
            lab_file=(device.get("file") or {}) if is_analyser(device) else None,
        )
        for device in content["devices"]
        if device.get("account") and device["enabled"] and device["institution_enabled"]
    )
    return {account.name: account for account in accounts}
