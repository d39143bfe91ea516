"""The watched folder: what carts write to over SMB, NFS or FTP is taken when it has stopped growing.

Looked at every second: file systems of other machines tell nobody of a change. What was journalled moves to `done/`
afterwards; a crash between the two takes it again, and the drain knows the same bytes of the same institution.
"""

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from io import RawIOBase
from pathlib import Path
from typing import Any, cast

import structlog

from adapters.errors import Malformed, Unavailable
from gateway.carts import places
from gateway.carts.accounts import Account, Accounts
from gateway.carts.apart import NotTaken
from gateway.carts.places import Seen
from gateway.carts.sets import HEADER_BYTES, Group, group, is_header, is_signal
from gateway.carts.taking import CHEST_PAIN, File, Taking, take_entry
from gateway.settings import Settings
from worklists.base import local_date

log = structlog.get_logger()

BATCH = 50  # taken before the folders are looked at again: chest pain may have come meanwhile
FULL_AGAIN_S = 5.0  # before a journal without room is asked again
IN_HAND_AGAIN_S = 5.0  # before what cannot be read and is still written to is read again
STUCK_AGAIN_S = 30.0  # before a file that cannot be opened or moved is tried again
REMOVE_EVERY_S = 3600.0
NAMED = 5  # folders of nobody


class StillWritten(Exception):
    """It changed while it was read: whoever writes it is not done."""


@dataclass(slots=True)
class Tally:
    """What the folder did since it started, and what is wrong with it now."""

    taken: int = 0
    bytes: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    troubles: dict[str, str] = field(default_factory=dict)  # code of a fault: where


@dataclass(frozen=True, slots=True)
class Ready:
    """An entry that can be taken: whose it is, and what it consists of."""

    account: Account
    folder: Path
    entry: Group[Seen]

    @property
    def chest_pain(self) -> bool:
        return any(seen.chest_pain for seen in self.entry.files)

    @property
    def size_bytes(self) -> int:
        return sum(seen.stamp[1] for seen in self.entry.files)


class Watch:
    """One process's look at the drop folder. Remembers only what it may forget."""

    def __init__(
        self,
        settings: Settings,
        taking: Taking,
        accounts: Accounts,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = settings.drop_folder
        self._settings, self._taking, self._accounts, self._clock = settings, taking, accounts, clock
        self._since: dict[Path, tuple[places.Stamp, float]] = {}  # since when a file lies there unchanged
        self._kept: dict[Path, places.Stamp] = {}  # journalled, and could not be moved
        self._unknown: dict[Path, places.Stamp] = {}  # signals that are nothing without their header
        self._again_at: dict[Path, float] = {}
        self._full_until = 0.0
        self._remove_at = 0.0
        self._stuck: dict[Path, str] = {}  # files: what the system says
        self._blocked: dict[Path, str] = {}  # folders, in this round
        self.tally = Tally()

    def look(self) -> int:
        """One round; answers how many entries were taken or refused."""
        accounts = self._accounts.read()
        if accounts is None:
            return 0
        self._blocked.clear()
        folders = self._make_folders(accounts)
        ready, met = [], set[Path]()
        for name, folder in folders.items():
            found, seen = self._find_ready(accounts[name], folder)
            ready += found
            met |= seen
        self._forget(met)
        ready.sort(key=lambda one: not one.chest_pain)
        done = self._take_all(ready[:BATCH])
        self._remove_old(folders.values())
        self._note_troubles(accounts)
        return done

    def _make_folders(self, accounts: Mapping[str, Account]) -> dict[str, Path]:
        """A folder for each device; one that cannot be made or is a link is none."""
        folders = {}
        for name in accounts:
            folder = self._root / name
            try:
                self._root.mkdir(mode=0o770, parents=True, exist_ok=True)
                folder.mkdir(mode=0o770, exist_ok=True)
                if folder.is_symlink():
                    raise PermissionError("a link")
            except OSError as error:
                self._block(folder, error)
            else:
                folders[name] = folder
        return folders

    def _block(self, folder: Path, error: OSError) -> None:
        self._blocked[folder] = _word_for(error)

    def _find_ready(self, account: Account, folder: Path) -> tuple[list[Ready], set[Path]]:
        """What lies still and is whole, and everything that was met."""
        by_folder: dict[Path, dict[str, Seen]] = {}
        now, ready, met = self._clock(), [], set[Path]()
        for seen in places.walk(folder, self._block):
            by_folder.setdefault(seen.path.parent, {})[seen.path.name] = seen
        for files in by_folder.values():
            for one in files.values():
                met.add(one.path)
                if self._since.get(one.path, (None, 0.0))[0] != one.stamp:
                    self._since[one.path] = one.stamp, now
                    self._taking.readers.warm()  # while it must lie still
            ready += [
                Ready(account, folder, entry)
                for entry in group(files, self._read_head)
                if self._is_due(entry, now)
            ]
        return ready, met

    def _is_due(self, entry: Group[Seen], now: float) -> bool:
        """Whether it lies still, and is whole or has waited long enough for the rest."""
        lies_s = min(now - self._since[seen.path][1] for seen in entry.files)
        first = entry.files[0]
        waits = bool(entry.missing) or first.stamp[1] == 0 or self._unknown.get(first.path) == first.stamp
        if lies_s < (self._settings.drop_incomplete_s if waits else self._settings.drop_quiet_s):
            return False
        return now >= max(self._again_at.get(first.path, 0.0), self._full_until)

    def _take_all(self, ready: Sequence[Ready]) -> int:
        """Where there is no room for one, there may be for a smaller one: a Holter keeps no chest pain waiting."""
        done, waiting, largest = 0, 0, math.inf
        for one in ready:
            if one.size_bytes >= largest:
                waiting += 1
                continue
            try:
                done += self._take(one)
            except Unavailable as error:
                largest, waiting = one.size_bytes, waiting + 1
                log.warning("drop_waits", error=str(error))
            except OSError as error:
                self._put_off(one.entry.files[0].path, error)
        if waiting:
            self._full_until = self._clock() + FULL_AGAIN_S
        _set(self.tally.troubles, "drop_waits", str(waiting or ""))
        return done

    def _take(self, one: Ready) -> int:
        """Journal an entry and move it away, or say why not. Raises Unavailable, OSError."""
        if self._is_kept(one.entry):
            self._put_away(one)
            return 0
        try:
            self._keep(one)
        except (StillWritten, FileNotFoundError):
            return 0  # another round
        except NotTaken as error:
            return self._refuse(one, error.reason, error.about)
        except Malformed as error:
            return self._refuse(one, "malformed", str(error))
        self._kept.update({seen.path: seen.stamp for seen in one.entry.files})
        self.tally.taken += 1
        self.tally.bytes += one.size_bytes
        self._put_away(one)
        return 1

    def _keep(self, one: Ready) -> None:
        if one.size_bytes > self._settings.upload_limit_bytes:
            raise NotTaken("too_large", f"{one.size_bytes >> 20} MB")
        if one.entry.missing:
            raise NotTaken("waits_for", ", ".join(one.entry.missing[:3]))
        origin = {
            **one.account.as_origin(wire="folder"),
            "priority": CHEST_PAIN if one.chest_pain else "",
        }
        streams: list[_Steady] = []
        try:
            for seen in one.entry.files:
                streams.append(_Steady(seen))
            files = [
                File(name=seen.path.name, stream=cast(Any, stream))
                for seen, stream in zip(one.entry.files, streams, strict=True)
            ]
            take_entry(self._taking, files, origin)
        finally:
            for stream in streams:
                stream.close()

    def _is_kept(self, entry: Group[Seen]) -> bool:
        return all(self._kept.get(seen.path) == seen.stamp for seen in entry.files)

    def _put_away(self, one: Ready) -> None:
        """To `done/`, unless somebody has written it anew meanwhile, or still may: that is another one then."""
        if self._is_in_hand(one):
            return
        paths = [seen.path for seen in one.entry.files if _stamp(seen.path) == seen.stamp]
        places.put_away(paths, one.folder, self._taking.now())
        log.info("drop_taken", account=one.account.name, files=len(paths))

    def _is_in_hand(self, one: Ready) -> bool:
        """Whether a cart paused longer than a file must lie still. One that never lets go is not waited for."""
        files = one.entry.files
        lies_s = self._clock() - max(self._since[seen.path][1] for seen in files)
        return lies_s < self._settings.drop_incomplete_s and any(
            places.is_being_written(seen.path) for seen in files
        )

    def _refuse(self, one: Ready, reason: str, about: str) -> int:
        seen = one.entry.files[0]
        if (
            len(one.entry.files) == 1
            and is_signal(seen.path.name)
            and self._unknown.get(seen.path) != seen.stamp
        ):
            self._unknown[seen.path] = seen.stamp  # its header may be on its way
            return 0
        if any(_stamp(seen.path) != seen.stamp for seen in one.entry.files):
            return 0  # written anew while it was looked at
        if self._is_in_hand(one):
            self._again_at[seen.path] = self._clock() + IN_HAND_AGAIN_S
            return 0
        reason = "signal_alone" if reason == "unknown_format" and is_signal(seen.path.name) else reason
        paths = [seen.path for seen in one.entry.files]
        places.put_aside(paths, one.folder, reason=reason, about=about, now=self._taking.now())
        self.tally.refused[reason] += 1
        log.info("drop_refused", account=one.account.name, reason=reason)
        self._tell(one, reason, about)
        return 1

    def _tell(self, one: Ready, reason: str, about: str) -> None:
        """The township's page of refusals hears of it. Raises Unavailable."""
        name = one.entry.files[0].path.name
        self._taking.note_refusal(one.account.as_origin(wire="folder"), name, reason, about)

    def _put_off(self, path: Path, error: OSError) -> None:
        self._again_at[path] = self._clock() + STUCK_AGAIN_S
        self._stuck[path] = _word_for(error)
        log.warning("drop_stuck", error=_word_for(error))

    def _forget(self, met: set[Path]) -> None:
        """Of files that lie there no more."""
        for known in (self._since, self._kept, self._unknown, self._again_at, self._stuck):
            for path in known.keys() - met:
                del known[path]

    def _remove_old(self, folders: Iterable[Path]) -> None:
        if self._clock() < self._remove_at:
            return
        self._remove_at = self._clock() + REMOVE_EVERY_S
        before = local_date(self._taking.now()) - timedelta(days=self._settings.drop_done_days)
        for folder in folders:
            try:
                places.remove_old(folder, before=before)
            except OSError as error:
                log.warning("drop_not_pruned", error=_word_for(error))

    def _note_troubles(self, accounts: Mapping[str, Account]) -> None:
        troubles = self.tally.troubles
        _set(troubles, "drop_stuck", ", ".join(sorted({*self._stuck.values(), *self._blocked.values()})))
        _set(troubles, "drop_of_nobody", self._of_nobody(accounts))

    def _of_nobody(self, accounts: Mapping[str, Account]) -> str:
        """Folders of no device, by name, and files beside the folders, counted: a file's name may be a patient's."""
        try:
            entries = [entry for entry in os.scandir(self._root) if not places.is_unfinished(entry.name)]
        except OSError:
            return ""
        folders = sorted(
            e.name for e in entries if e.is_dir(follow_symlinks=False) and e.name not in accounts
        )
        files = sum(not entry.is_dir(follow_symlinks=False) for entry in entries)
        named = [
            *folders[:NAMED],
            *(["…"] if len(folders) > NAMED else []),
            *([f"{files}×"] if files else []),
        ]
        return "、".join(named)

    @staticmethod
    def _read_head(seen: Seen) -> bytes:
        if not is_header(seen.path.name):
            return b""
        try:
            with _Steady(seen) as stream:
                return stream.read(HEADER_BYTES) or b""
        except (OSError, StillWritten):
            return b""


class _Steady(RawIOBase):
    """A file as it was seen, read to its end; never through a link. Raises StillWritten when it is another by then."""

    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self._seen = seen
        self._handle = os.open(seen.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        self._check()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return os.lseek(self._handle, offset, whence)

    def read(self, size: int = -1) -> bytes:
        data = os.read(self._handle, size)
        if not data:
            self._check()
        return data

    def close(self) -> None:
        if not self.closed:
            os.close(self._handle)
        super().close()

    def _check(self) -> None:
        if places.stamp_of(os.fstat(self._handle)) != self._seen.stamp:
            raise StillWritten


def _stamp(path: Path) -> places.Stamp | None:
    try:
        return places.stamp_of(path.lstat())
    except OSError:
        return None


def _set(troubles: dict[str, str], code: str, where: str) -> None:
    if where:
        troubles[code] = where
    else:
        troubles.pop(code, None)


def _word_for(error: OSError) -> str:
    return error.strerror or str(error)
