"""The folders of a device under the drop folder: what is in them is new, `done/` holds what was taken, `refused/` what not.

Names are never lost and never overwritten: a name that is there already is numbered.
"""

import fcntl
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path, PurePath

from gateway.carts.names import fitted, shown_name
from gateway.web.refusals import explain
from worklists.base import COUNTY_TIME, local_date

DONE, REFUSED = "done", "refused"
CHEST_PAIN_FOLDERS = frozenset({"胸痛", "chest-pain", "chest_pain"})
DEEPEST = 5  # folders of carts: per ward, per day, per patient
MOST_FILES = 5000  # looked at in one round; the rest is there in the next
# Names under which carts, file managers and FTP clients write what is not whole yet; and what Windows leaves behind.
_UNFINISHED = re.compile(
    r"^[.~]|(\.tmp|\.temp|\.part|\.partial|\.filepart|\.crdownload|\.lock|~)$", re.IGNORECASE
)
_OF_WINDOWS = frozenset({"thumbs.db", "desktop.ini"})
_DAY = re.compile(r"\d{4}-\d\d-\d\d")

Stamp = tuple[int, int, int]  # inode, size, time of change: whoever writes on changes it


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it lay there."""

    path: Path
    stamp: Stamp
    chest_pain: bool


def is_unfinished(name: str) -> bool:
    """Not to be taken under this name."""
    return bool(_UNFINISHED.search(name)) or name.lower() in _OF_WINDOWS


def stamp_of(found: os.stat_result) -> Stamp:
    return found.st_ino, found.st_size, found.st_mtime_ns


def is_being_written(path: Path) -> bool:
    """Whether somebody on this machine has it open to write, as Samba has for as long as the cart does.

    Asked by a read lease (fcntl(2)), which is not granted then. False where nobody can tell: file systems of other
    machines, files of other users.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    try:
        # Whoever opens it meanwhile waits until we close it, and we hear of that: by a signal that nobody minds.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    else:
        return False
    finally:
        os.close(handle)


def walk(folder: Path, blocked: Callable[[Path, OSError], None]) -> Iterator[Seen]:
    """The files that a device put there; links are never followed, `done` and `refused` are ours.

    A folder that cannot be looked into is told to `blocked`, and keeps nothing else from being seen.
    """
    count, ahead = 0, [(folder, 0, False)]
    while ahead:
        inside, depth, chest_pain = ahead.pop()
        try:
            entries = sorted(os.scandir(inside), key=lambda entry: entry.name)
        except FileNotFoundError:
            continue  # removed since
        except OSError as error:
            blocked(inside, error)
            continue
        for entry in entries:
            ours = depth == 0 and entry.name in {DONE, REFUSED}
            if ours or entry.is_symlink() or is_unfinished(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                if depth < DEEPEST:
                    ahead.append((Path(entry.path), depth + 1, chest_pain or means_chest_pain(entry.name)))
            elif entry.is_file(follow_symlinks=False):
                count += 1
                if count > MOST_FILES:
                    return
                try:
                    yield Seen(Path(entry.path), stamp_of(entry.stat(follow_symlinks=False)), chest_pain)
                except FileNotFoundError:
                    continue


def means_chest_pain(folder_name: str) -> bool:
    return folder_name.lower() in CHEST_PAIN_FOLDERS


def put_away(paths: Iterable[Path], folder: Path, now: datetime, *, name: str = "") -> None:
    """What was taken goes to `done/` of its device, under the day. `name`: of one that lies under another name."""
    day = folder / DONE / local_date(now).isoformat()
    _make(day, folder)
    for path in paths:
        _move(path, day, name or path.name)


def put_aside(
    paths: Iterable[Path], folder: Path, *, reason: str, about: str, now: datetime, name: str = ""
) -> None:
    """What was refused goes to `refused/`, each with a text beside it that says why and what to do."""
    place = folder / REFUSED
    _make(place, folder)
    for path in paths:
        target = _claim(place, name or path.name)
        try:
            _explain(target, write_explanation(name or path.name, reason=reason, about=about, now=now))
            path.replace(target)
        except OSError:
            target.unlink()
            raise


def _explain(target: Path, text: str) -> None:
    """Before the file is there: one without its text would be a riddle."""
    note = _claim(target.parent, f"{target.name}.txt")
    try:
        # Old editors of Windows know UTF-8 by its mark alone.
        note.write_text(text, encoding="utf-8-sig", errors="replace", newline="\r\n")
    except OSError:
        note.unlink()
        raise


def write_explanation(name: str, *, reason: str, about: str, now: datetime) -> str:
    """For whoever stands at the cart: Chinese first."""
    name = shown_name(name)
    said = {language: explain("file", reason, about, language) for language in ("zh-CN", "en")}
    (why, advice), (why_en, advice_en) = said["zh-CN"], said["en"]
    at = f"{now.astimezone(COUNTY_TIME):%Y-%m-%d %H:%M:%S}"
    return (
        f"文件未被接收：{name}\n原因：{why}\n怎么办：{advice}\n时间：{at}\n\n"
        f"Not taken: {name}\nWhy: {why_en}\nWhat to do: {advice_en}\nWhen: {at}\n"
    )


def remove_old(folder: Path, *, before: date) -> int:
    """Days of `done/` that have gone by long enough; answers how many. What is no day is not ours."""
    gone = 0
    place = folder / DONE
    if place.is_symlink() or not place.is_dir():
        return 0
    for entry in list(os.scandir(place)):
        if not entry.is_dir(follow_symlinks=False) or not _DAY.fullmatch(entry.name):
            continue
        if entry.name < before.isoformat():
            shutil.rmtree(entry.path)
            gone += 1
    return gone


def _make(place: Path, folder: Path) -> None:
    """Ours, under the device's folder: a link in their place leads nowhere."""
    for part in (folder, *(folder / one for one in _parents(place, folder))):
        part.mkdir(mode=0o770, exist_ok=True)
        if part.is_symlink():
            raise PermissionError(f"{part.name} is a link")


def _parents(place: Path, folder: Path) -> list[PurePath]:
    relative = place.relative_to(folder)
    return [PurePath(*relative.parts[: n + 1]) for n in range(len(relative.parts))]


def _move(path: Path, place: Path, name: str) -> Path:
    target = _claim(place, name)
    try:
        path.replace(target)
    except OSError:
        target.unlink()
        raise
    return target


def _claim(place: Path, name: str) -> Path:
    """A name that nobody has: an empty file takes it until the real one is moved there."""
    stem, suffix = PurePath(name).stem, PurePath(name).suffix
    number = 1
    while True:
        numbered = fitted(stem, suffix if number == 1 else f" ({number}){suffix}")
        try:
            os.close(os.open(place / numbered, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o660))
        except FileExistsError:
            number += 1
        else:
            return place / numbered
