"""HL7 messages out: built with the delimiters, the version and the character set of whom they are for."""

import re
from collections.abc import Sequence
from datetime import datetime, tzinfo
from functools import lru_cache
from itertools import count
from zoneinfo import ZoneInfo

from adapters.hl7.character_sets import ASCII, GB18030, UTF_8
from adapters.hl7.header import Delimiters, Header

COUNTY_TIME = ZoneInfo("Asia/Shanghai")
_numbers = count(1)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_NUMBER = 1_000_000


def escape(text: str, delimiters: Delimiters) -> str:
    """Text as it stands in a field: delimiters escaped, line ends as formatting commands (HL7 v2.5.1 §2.7)."""
    mark = delimiters.escape
    if not mark:  # a sender without an escape character cannot be told a delimiter
        return "".join(" " if one in _all(delimiters) or one < " " else one for one in text)
    names = {
        mark: "E",
        delimiters.field: "F",
        delimiters.component: "S",
        delimiters.subcomponent: "T",
        delimiters.repetition: "R",
        delimiters.truncation: "P",
        "\n": ".br",
        "\r": ".br",
    }
    names.pop("", None)
    text = text.replace("\r\n", "\n")
    return "".join(
        f"{mark}{names[one]}{mark}" if one in names else one if one >= " " else f"{mark}X{ord(one):02X}{mark}"
        for one in text
    )


@lru_cache(maxsize=64)
def _version_of(written: str) -> tuple[int, int]:
    """2.5.1 as (2, 5); (2, 3) where the sender does not say."""
    digits = [part for part in written.split(".") if part.isdecimal()]
    return (int(digits[0]), int(digits[1])) if len(digits) > 1 else (2, 3)


def _all(delimiters: Delimiters) -> str:
    return delimiters.field + delimiters.encoding_characters


class Writer:
    """Writes one answer to the sender of a message, or a message to the same peer."""

    def __init__(self, to: Header, *, character_set: str | None = None, zone: tzinfo = COUNTY_TIME) -> None:
        """`character_set` is the one that the device is known to use, in any spelling."""
        self._to, self.delimiters, self._zone = to, to.delimiters, zone
        self.version = _version_of(to.version)
        # Analysers of the older versions that declare nothing show GBK.
        undeclared = GB18030 if self.version < (2, 5) else UTF_8
        self._codec = to.codec(character_set) or to.read_as or undeclared
        self._segments: list[str] = []

    def header(
        self,
        message_type: str,
        now: datetime,
        *,
        acknowledged_by: tuple[str, str] = ("", ""),
        echo: bool = False,
        profile: str = "",
    ) -> str:
        """Begin with MSH, sender and receiver changed about. Returns the control ID.

        `echo` gives an answer the number of its question up to v2.3.1: analysers of that age look for it in MSH-10.
        """
        to, control_id = self._to, f"G{now:%y%m%d%H%M%S}{next(_numbers) % _LONGEST_NUMBER:06d}"
        if echo and self.version < (2, 4) and to.field(10):
            control_id = to.field(10)
        types = (
            self.delimiters.component.join(message_type.split("^"))
            if self.delimiters.component
            else message_type
        )
        accept, application = acknowledged_by
        # Mindray's kind of result (0, 1, 2) stands where the standard has an acknowledgement type, and is expected back.
        own_kind = to.field(16) if to.field(16).isdigit() else ""
        fields = [
            to.field(5), to.field(6), to.field(3), to.field(4), self.time(now), "", types, control_id,
            to.field(11) or "P", to.field(12) or "2.3.1", "", "", accept, application or own_kind, to.field(17), to.field(18),
            "", "", profile,
        ]  # fmt: skip
        start = "MSH" + self.delimiters.field + self.delimiters.encoding_characters
        self._segments.append(self.delimiters.field.join([start, *fields]).rstrip(self.delimiters.field))
        return control_id

    def segment(self, name: str, *fields: str) -> None:
        """Add a segment of fields that are written already (`text`, `join`)."""
        self._segments.append(self.delimiters.field.join([name, *fields]).rstrip(self.delimiters.field))

    def padded(self, name: str, *fields: str) -> None:
        """Add a segment with its empty fields at the end: some analysers count them."""
        self._segments.append(self.delimiters.field.join([name, *fields]))

    def raw(self, line: str) -> None:
        """Add a segment as the peer wrote it."""
        self._segments.append(line)

    def text(self, text: str) -> str:
        """One value, escaped."""
        return escape(text, self.delimiters)

    def join(self, *components: str) -> str:
        """Components of one field, escaped, without empty ones at the end."""
        parts = [self.text(component) for component in components]
        while parts and not parts[-1]:
            parts.pop()
        return self.delimiters.component.join(parts) if self.delimiters.component else " ".join(parts)

    def repeat(self, repetitions: Sequence[str]) -> str:
        """Repetitions of one field, written already."""
        return (self.delimiters.repetition or " ").join(repetitions)

    def time(self, at: datetime) -> str:
        """To the second, in local time; with its zone from v2.5 on: older analysers stumble over it."""
        local = at.astimezone(self._zone)
        return f"{local:%Y%m%d%H%M%S%z}" if self.version >= (2, 5) else f"{local:%Y%m%d%H%M%S}"

    def bytes(self) -> bytes:
        """The whole message. What the peer's set cannot say is written in GB18030, which has every character."""
        # What is said again of the peer's own words may hold framing bytes, which would end the answer here.
        text = "\r".join(_CONTROL.sub(" ", segment) for segment in self._segments) + "\r"
        try:
            return text.encode(self._codec)
        except UnicodeEncodeError:
            # ASCII is declared by habit by analysers that show Chinese names, and mean GBK.
            return text.encode(GB18030 if self._codec == ASCII else self._codec, "replace")
