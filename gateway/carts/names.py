"""Names of files as people read them, whoever wrote them: in which characters, with which signs in between."""

import os
import re
import unicodedata

NAME_LIMIT_BYTES = 255  # what file systems take; a longer one is no name of a file
_NOT_SHOWN = frozenset(
    {"Cc", "Cf", "Zl", "Zp"}
)  # control, direction, line ends: they would forge what is shown


def shown_name(name: str) -> str:
    """The last part of a path as a person knows it, cut where no file could be called so."""
    base = read_name(os.fsencode(re.split(r"[\\/]", name)[-1]))
    shown = "".join(sign for sign in base if unicodedata.category(sign) not in _NOT_SHOWN)
    cut = shown.encode()[:NAME_LIMIT_BYTES].decode(errors="ignore")
    return shown if cut == shown else f"{cut[:60]}…"


def read_name(octets: bytes) -> str:
    """UTF-8, or GB18030 of a cart that knows no other."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("gb18030", errors="replace")


def fitted(stem: str, end: str) -> str:
    """A name with this end that a file system takes, its stem cut where it is too long."""
    raw, room = os.fsencode(stem), NAME_LIMIT_BYTES - len(os.fsencode(end))
    return (stem if len(raw) <= room else raw[:room].decode(errors="ignore")) + end
