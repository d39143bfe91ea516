"""The MSH segment: all that accepting a message needs of it, read from its first bytes alone.

Delimiters are those of MSH-1 and MSH-2 (HL7 v2.5.1 §2.5.4); v2.7 has a fifth one, for truncated values, and older
senders write fewer. Versions 2.1 to 2.8 are read alike.
"""

import codecs
import re
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from adapters.hl7.character_sets import (
    declared_codec,
    decode,
    refuse_declared_wide,
    refuse_wide,
    without_mark,
)
from adapters.hl7.errors import Condition, NotAccepted
from adapters.lab.said import Sender

_LONGEST_HEADER = 65_536
HEAD_READ = 4096
_WIDE = {codecs.BOM_UTF32_LE: "utf-32-le", codecs.BOM_UTF32_BE: "utf-32-be", codecs.BOM_UTF16_LE: "utf-16-le",
         codecs.BOM_UTF16_BE: "utf-16-be"}  # fmt: skip
_SEGMENT_END = re.compile(rb"[\r\n]")
_ENHANCED = ("AL", "NE", "ER", "SU")  # HL7 table 0155


@dataclass(frozen=True, slots=True, kw_only=True)
class Delimiters:
    """As MSH-1 and MSH-2 have them; "" for one that the sender does not use."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""

    @property
    def encoding_characters(self) -> str:
        """MSH-2."""
        return self.component + self.repetition + self.escape + self.subcomponent + self.truncation


STANDARD = Delimiters()


@dataclass(frozen=True, kw_only=True)  # without slots: what is asked for again and again is remembered
class Header:
    """MSH as the sender wrote it; `fields[n]` is MSH-n, `fields[0]` the segment's name."""

    delimiters: Delimiters
    fields: tuple[str, ...]
    read_as: str | None = None  # the set that its characters beyond ASCII were found to be in

    def field(self, number: int) -> str:
        """MSH-n, "" when it is not there."""
        return self.fields[number] if number < len(self.fields) else ""

    def component(self, number: int, place: int = 1) -> str:
        """A component of MSH-n, of its first repetition."""
        raw = self.field(number)
        if not raw:
            return ""
        if self.delimiters.repetition:
            raw = raw.split(self.delimiters.repetition, 1)[0]
        parts = raw.split(self.delimiters.component) if self.delimiters.component else [raw]
        return parts[place - 1].strip() if place <= len(parts) else ""

    @cached_property
    def sender(self) -> Sender:
        """MSH-3 and MSH-4: who sends."""
        return Sender(application=self.component(3), facility=self.component(4))

    @cached_property
    def message_type(self) -> str:
        """ORU of ORU^R01."""
        return self.component(9).upper()

    @cached_property
    def event(self) -> str:
        """R01 of ORU^R01, also where only the structure says it (ORU_R01)."""
        return (self.component(9, 2) or self.component(9, 3).partition("_")[2]).upper()

    @cached_property
    def type(self) -> str:
        """ORU^R01, however the sender delimits its components."""
        return f"{self.message_type}^{self.event}" if self.event else self.message_type

    @cached_property
    def control_id(self) -> str:
        """MSH-10."""
        return self.field(10).strip()

    @cached_property
    def processing_id(self) -> str:
        """MSH-11: P, T, D; Q for control runs of Mindray's haematology analysers."""
        return self.component(11).upper()

    @cached_property
    def version(self) -> str:
        """MSH-12."""
        return self.component(12)

    @cached_property
    def accept_acknowledgement(self) -> str:
        """MSH-15, where it is one of table 0155."""
        return self._when(15)

    @cached_property
    def application_acknowledgement(self) -> str:
        """MSH-16, where it is one of table 0155: Mindray's chemistry analysers put the kind of result there."""
        return self._when(16)

    @cached_property
    def is_enhanced(self) -> bool:
        """Whether the sender asks for enhanced acknowledgement (HL7 v2.5.1 §2.9.3)."""
        return bool(self.accept_acknowledgement or self.application_acknowledgement)

    @cached_property
    def declared(self) -> str:
        """MSH-18 whole."""
        return self.field(18).strip()

    def codec(self, device: str | None = None) -> str | None:
        """What the message says it is written in, or its device is known to write; None when neither says."""
        return declared_codec(device or "") or declared_codec(
            self.declared, self.delimiters.repetition or "~"
        )

    def _when(self, number: int) -> str:
        said = self.component(number).upper()
        return said if said in _ENHANCED else ""


def read_header(body: bytes, *, character_set: str | None = None) -> Header:
    """Read MSH. Raises NotAccepted when there is none, or it cannot be split."""
    refuse_wide(body)
    line = first_segment(without_mark(body[: _LONGEST_HEADER + 16]))
    if not line.startswith(b"MSH"):
        raise NotAccepted(
            Condition.SEGMENT_SEQUENCE, "the message does not begin with an MSH segment", "MSH^1"
        )
    if line.isascii() and b"\x1b" not in line:
        header = split_header(line.decode("ascii"))
    else:
        # MSH-18 says how MSH is written: it is ASCII itself, and found by its place when read as anything that fits.
        text = decode(line, device=character_set)
        header = split_header(text.text)
        if header.declared and not character_set:
            text = decode(line, declared=header.declared)
            header = split_header(text.text)
        header = replace(header, read_as=text.codec)
    refuse_declared_wide(header.declared)
    return header


def salvage_header(body: bytes) -> Header | None:
    """What can be made out of an MSH that is refused: enough to answer its control ID, if there is one."""
    head = body[:HEAD_READ]
    wide = next((codec for mark, codec in _WIDE.items() if head.startswith(mark)), None)
    if wide is None and b"\0" in head[:8]:
        wide = "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
    text = (
        head[: len(head) // 4 * 4].decode(wide, "replace").lstrip("\ufeff")
        if wide
        else head.decode("ascii", "replace")
    )
    line = re.split(r"[\r\n]", text.lstrip(), maxsplit=1)[0]
    if not line.startswith("MSH") or len(line) < 5 or not _is_delimiter(line[3]):
        return None
    parts = line.split(line[3])
    return Header(delimiters=Delimiters(field=line[3]), fields=("MSH", line[3], *parts[1:]))


def first_segment(body: bytes) -> bytes:
    """The bytes up to the first segment end. Raises NotAccepted when it is longer than any MSH."""
    end = _SEGMENT_END.search(body)
    if end is None and len(body) > _LONGEST_HEADER:
        raise NotAccepted(Condition.SEGMENT_SEQUENCE, f"MSH is longer than {_LONGEST_HEADER} bytes", "MSH^1")
    return body[: end.start()] if end else body


def split_header(line: str) -> Header:
    """Split an MSH segment by its own delimiters. Raises NotAccepted."""
    if len(line) < 5:
        raise NotAccepted(Condition.REQUIRED_FIELD, "MSH-1 and MSH-2 are missing", "MSH^1^1")
    separator = line[3]
    if not _is_delimiter(separator):
        raise NotAccepted(Condition.DATA_TYPE, "MSH-1 is no delimiter", "MSH^1^1")
    parts = line.split(separator)
    encoding = parts[1].strip()
    delimiters = _read_delimiters(separator, encoding)
    return Header(delimiters=delimiters, fields=("MSH", separator, *parts[1:]))


def _is_delimiter(one: str) -> bool:
    return "!" <= one <= "~" and not one.isalnum()


@lru_cache(maxsize=64)
def _read_delimiters(separator: str, encoding: str) -> Delimiters:
    if not encoding:
        raise NotAccepted(Condition.REQUIRED_FIELD, "MSH-2 is empty", "MSH^1^2")
    used = separator + encoding
    if len(set(used)) < len(used) or not all(map(_is_delimiter, encoding)) or len(encoding) > 5:
        raise NotAccepted(
            Condition.DATA_TYPE,
            "MSH-2 must be up to five different characters, no letters, digits or blanks",
            "MSH^1^2",
        )
    padded = [*encoding, "", "", "", "", ""]
    return Delimiters(
        field=separator,
        component=padded[0],
        repetition=padded[1],
        escape=padded[2],
        subcomponent=padded[3],
        truncation=padded[4],
    )
