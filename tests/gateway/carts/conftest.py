"""A drop folder that is looked at when the test says so, on a clock that the test moves."""

import contextlib
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway import journal
from gateway.carts.accounts import Accounts
from gateway.carts.apart import Readers
from gateway.carts.folder import Watch
from gateway.carts.process import open_taking
from gateway.carts.taking import Taking
from gateway.journal import JournalRecord
from gateway.settings import Settings
from gateway.snapshot import FORMAT

NOW = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)


def write_directory(path: Path, *accounts: str, **fields: Any) -> dict[str, str]:
    """The listeners' snapshot with a device for each account; answers their ids."""
    ids = {account: str(uuid.uuid4()) for account in accounts}
    devices = [
        {
            "ae_title": account.upper()[:16], "device_id": ids[account], "institution_id": str(uuid.UUID(int=1)),
            "address": None, "character_set": None, "certificates": [], "tls_exception": "none",
            "tls_exception_until": "", "account": account, "account_password_hash": None, "enabled": True,
            "institution_enabled": True, **fields,
        }
        for account in accounts
    ]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps({"format": FORMAT, "version": 1, "accept_unknown_devices": [], "devices": devices})
    )
    return ids


@dataclass
class Drop:
    """One drop folder and what watches it."""

    settings: Settings
    taking: Taking
    watch: Watch
    time: float = 0.0
    read_to: dict[str, dict[int, int]] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.settings.drop_folder

    def look(self, *, after_s: float = 0.0) -> int:
        self.time += after_s
        return self.watch.look()

    def settle(self) -> int:
        """As long as a file must lie still."""
        self.look()
        return self.look(after_s=self.settings.drop_quiet_s)

    def restart(self) -> None:
        """As after a kill: nothing is remembered."""
        self.watch = Watch(
            self.settings, self.taking, Accounts(self.settings.directory_snapshot), clock=lambda: self.time
        )

    def records(self, kind: str = "") -> list[JournalRecord]:
        found = []
        for state in journal.journals(self.settings.journal_dir):
            found += journal.read_new(self.settings.journal_dir, state, {}).records
        return [record for record in found if not kind or record.kind == kind]

    def wait_for_records(self, kind: str) -> list[JournalRecord]:
        """Of notes, for which nobody waits until they are durable."""
        until = time.monotonic() + 10
        while not (found := self.records(kind)):
            assert time.monotonic() < until
            time.sleep(0.02)
        return found

    def body(self, record: JournalRecord) -> bytes:
        return journal.read_body(self.settings.journal_dir, record.location)

    def files(self, folder: str) -> set[str]:
        """What lies under the device's folder, by relative path."""
        root = self.root / folder
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def readers() -> Iterator[Readers]:
    """Shared: starting one takes as long as reading a hundred files."""
    made = Readers()
    yield made
    made.close()


@contextlib.contextmanager
def open_drop(data_dir: Path, readers: Readers, **settings: Any) -> Iterator[Drop]:
    """A drop folder of two carts, with these settings."""
    made = Settings(data_dir=data_dir, **settings)
    write_directory(made.directory_snapshot, "cart-1", "cart-2")
    opened = open_taking(made)
    taking = Taking(journal=opened.journal, readers=readers, work_dir=opened.work_dir, now=lambda: NOW)
    drop = Drop(made, taking, None)  # type: ignore[arg-type]
    drop.restart()
    drop.look()
    yield drop
    taking.journal.close()


@pytest.fixture
def drop(tmp_path: Path, readers: Readers) -> Iterator[Drop]:
    with open_drop(tmp_path / "data", readers) as made:
        yield made
