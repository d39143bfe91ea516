"""What every session of the FTP server works with, and what it counts."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from gateway.carts.accounts import Account
from gateway.carts.sign_in import Doorkeeper
from gateway.carts.taking import Taking
from gateway.settings import Settings


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
