"""A message as segments and fields: split on its own delimiters, no deeper than somebody asks.

Segments end with CR; LF and CRLF are read too. A line that does not begin as a segment does is the rest of the line
before it, with its line end: senders put line ends into text. So no character can be lost: what is not understood
stays in the field in which it came.

Escape sequences: HL7 v2.5.1 §2.7. Highlighting (H, N) is left out; formatting commands become line ends and blanks;
local (Z) and unknown sequences stay as they are written. Character set switches (C, M) are those of ISO 2022.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from adapters.hl7.errors import Condition, NotAccepted
from adapters.hl7.header import Delimiters, Header

MOST_SEGMENTS = 100_000  # a microbiology report has some thousands
_SMALL = 1 << 20  # characters of a message that is split at once
_BLANKS = " \t"
# As far as anybody looks; what is behind stays together. Senders of nothing but delimiters shall cost no memory.
_MOST_FIELDS, _MOST_COMPONENTS, _MOST_REPETITIONS = 63, 63, 999
_JOINED = re.compile(r" (?:PID|PV1|ORC|OBR|OBX|NTE|SPM)\|[^ ]*\|")


class Segment:
    """One segment: its name, its text, and its fields by their numbers."""

    __slots__ = ("_codec", "_delimiters", "_fields", "_marked", "line", "name")

    def __init__(self, line: str, delimiters: Delimiters, codec: str) -> None:
        self.line, self._delimiters, self._codec = line, delimiters, codec
        self.name = line[:3]
        self._fields = line.split(delimiters.field, _MOST_FIELDS)
        if self.name == "MSH":
            self._fields.insert(1, delimiters.field)
        self._marked = _marks_within(delimiters).search

    def field(self, number: int) -> str:
        """A field as it is written; "" when it is not there."""
        return self._fields[number] if number < len(self._fields) else ""

    def repetitions(self, number: int) -> list[str]:
        """The repetitions of a field as they are written; none of an empty field."""
        raw = self.field(number)
        if not raw:
            return []
        repetition = self._delimiters.repetition
        return raw.split(repetition, _MOST_REPETITIONS) if repetition else [raw]

    def text(self, number: int, component: int = 1, subcomponent: int = 1) -> str:
        """One value: of the first repetition, its escapes resolved, without blanks about it."""
        raw = self._fields[number] if number < len(self._fields) else ""
        if not raw:
            return ""
        if not self._marked(raw):  # nearly always
            return raw.strip(_BLANKS) if component == 1 and subcomponent <= 1 else ""
        repetition = self._delimiters.repetition
        if repetition and repetition in raw:
            raw = raw.split(repetition, 1)[0]
        return self.part(raw, component, subcomponent)

    def texts(self, number: int) -> tuple[str, ...]:
        """One value of each repetition, of those that have one."""
        raw = self.field(number)
        return tuple(filter(None, map(self.part, self.repetitions(number)))) if raw else ()

    def whole(self, number: int) -> str:
        """A field that is text as a whole, whatever delimiters it has inside."""
        raw = self.field(number)
        return self.plain(raw) if raw else ""

    def part(self, raw: str, component: int = 1, subcomponent: int = 1) -> str:
        """One value of a repetition."""
        mark, inner_mark = self._delimiters.component, self._delimiters.subcomponent
        if mark and mark in raw:
            components = raw.split(mark, _MOST_COMPONENTS)
            raw = components[component - 1] if component <= len(components) else ""
        elif component > 1:
            return ""
        if subcomponent and inner_mark and inner_mark in raw:
            parts = raw.split(inner_mark, _MOST_COMPONENTS)
            raw = parts[subcomponent - 1] if subcomponent <= len(parts) else ""
        elif subcomponent > 1:
            return ""
        return self.plain(raw) if raw else ""

    def components(self, raw: str) -> list[str]:
        """The components of a repetition, as they are written."""
        component = self._delimiters.component
        return raw.split(component, _MOST_COMPONENTS) if component else [raw]

    def plain(self, raw: str) -> str:
        """Text with its escapes resolved; a value of two quotation marks is an empty one (§2.5.3)."""
        raw = raw.strip(_BLANKS)
        if raw == '""':
            return ""
        return unescape(raw, self._delimiters, self._codec) if self._delimiters.escape in raw else raw


def split_segments(text: str, header: Header, codec: str = "utf-8") -> tuple[list[Segment], list[str]]:
    """The segments of a message, and what was odd about them; `codec` is how its hexadecimal escapes are read."""
    delimiters = header.delimiters
    lines: list[list[str]] = []
    warnings: list[str] = []
    continued = joined = 0
    for line, is_rest in _lines(text, delimiters.field):
        if is_rest and lines:
            lines[-1].append(line)
            continued += 1
        else:
            lines.append([line])
        if len(lines) > MOST_SEGMENTS:
            raise NotAccepted(Condition.INTERNAL, f"the message has more than {MOST_SEGMENTS} segments")
    segments = [Segment("".join(line), delimiters, codec) for line in lines]
    if delimiters.field == "|" and _JOINED.search(text):
        joined = sum(len(one.line) < 1 << 16 and bool(_JOINED.search(one.line)) for one in segments)
    if continued:
        warnings.append(f"{continued} line ends inside of segments")
    if joined:
        warnings.append(f"{joined} segments have what looks like further segments, joined by blanks")
    return segments, warnings


def _lines(text: str, separator: str) -> Iterator[tuple[str, bool]]:
    """Lines without their ends, or the rest of the line before with the end before it; empty lines in between are kept."""
    pending = ""
    begins = _segment_start(separator)
    for line, line_end in _cut(text):
        stripped = line.lstrip(_BLANKS)
        if not stripped:
            pending += line + line_end  # nothing, unless text follows that belongs to the line before
            continue
        if begins.match(stripped):
            yield stripped, False
            pending = line_end
        else:
            yield pending + line, True
            pending = line_end


def _cut(text: str) -> Iterator[tuple[str, str]]:
    """Lines and their ends. A search for one character at a time is many times as fast as a pattern."""
    if len(text) < _SMALL and "\n" not in text:  # nearly always
        *lines, rest = text.split("\r")
        yield from ((line, "\r") for line in lines)
        if rest:
            yield rest, ""
        return
    position, size = 0, len(text)
    cr, lf = text.find("\r"), text.find("\n")
    while position < size:
        if cr >= 0 and cr < position:
            cr = text.find("\r", position)
        if lf >= 0 and lf < position:
            lf = text.find("\n", position)
        at = min(cr if cr >= 0 else size, lf if lf >= 0 else size)
        end = text[at : at + 2] if text.startswith("\r\n", at) else text[at : at + 1]
        yield text[position:at], end
        position = at + len(end) if end else size


@lru_cache(maxsize=64)
def _marks_within(delimiters: Delimiters) -> re.Pattern[str]:
    """What makes a field more than its own text: an inner delimiter, an escape, the quotation marks of nothing."""
    marks = delimiters.component + delimiters.repetition + delimiters.escape + delimiters.subcomponent
    return re.compile(f'[{re.escape(marks)}"]')


@lru_cache(maxsize=64)
def _segment_start(separator: str) -> re.Pattern[str]:
    return re.compile(rf"[A-Z][A-Z0-9]{{2}}(?:{re.escape(separator)}|[ \t]*\Z)")


# Escapes.

_FORMATTING = re.compile(r"\.(br|sp|fi|nf|in|ti|sk|ce)\s*([+-]?\d*)")
_LINES_OF = {"br": 1, "sp": 1, "ce": 1}
_MOST_BLANKS = 200
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")


def unescape(raw: str, delimiters: Delimiters, codec: str = "utf-8") -> str:
    """Resolve escape sequences; what is none, or one that nobody knows, stays as it is."""
    mark = delimiters.escape
    if not mark or mark not in raw:
        return raw
    if _switches(mark).search(raw):
        raw = _resolve_switches(raw, mark)
    pieces = _adjoining(mark).sub(r"\1", raw).split(mark)
    found, index = [pieces[0]], 1
    while index < len(pieces):
        # Between two marks stands a sequence, if there is a second mark and it is one.
        meant = _meaning(pieces[index], delimiters, codec) if index + 1 < len(pieces) else None
        if meant is None:
            found.append(mark + pieces[index])
            index += 1
        else:
            found.append(meant + pieces[index + 1])
            index += 2
    return "".join(found)


@lru_cache(maxsize=16)
def _singles(delimiters: Delimiters) -> dict[str, str]:
    return {
        "F": delimiters.field,
        "S": delimiters.component,
        "T": delimiters.subcomponent,
        "R": delimiters.repetition,
        "E": delimiters.escape,
        "P": delimiters.truncation or "#",
        "H": "",
        "N": "",
        ".br": "\n",
    }


def _meaning(sequence: str, delimiters: Delimiters, codec: str) -> str | None:
    single = _singles(delimiters).get(sequence)
    if single is not None:
        return single
    if sequence.startswith("X") and _HEX.fullmatch(sequence, 1):
        return _from_hex(sequence[1:], codec)
    command = _FORMATTING.fullmatch(sequence)
    if command is None:
        return None
    number = min(abs(int(command[2])) if command[2].lstrip("+-") else 1, _MOST_BLANKS)
    if command[1] in _LINES_OF:
        return "\n" * (number if command[1] == "sp" else 1)
    return " " * number if command[1] == "sk" else ""


def _from_hex(digits: str, codec: str) -> str | None:
    raw = bytes.fromhex(digits)
    if 0 in raw:
        return None  # no character, in any set that is written here
    for one in dict.fromkeys((codec, "utf-8", "gb18030", "latin-1")):
        try:
            return raw.decode(one)
        except UnicodeDecodeError:
            continue
    return None


@lru_cache(maxsize=16)
def _adjoining(mark: str) -> re.Pattern[str]:
    """Between two hexadecimal sequences: a character of several bytes may be written as several of them."""
    one = re.escape(mark)
    return re.compile(rf"(?<={one}X)((?:[0-9A-Fa-f]{{2}})+){one}{one}X(?=[0-9A-Fa-f]{{2}})")


@lru_cache(maxsize=16)
def _switches(mark: str) -> re.Pattern[str]:
    one = re.escape(mark)
    return re.compile(rf"{one}([CM])([0-9A-Fa-f]{{4,6}}){one}")


def _resolve_switches(raw: str, mark: str) -> str:
    """\\Cxxyy\\ and \\Mxxyyzz\\ begin another set of ISO 2022, which the text behind them is in until the next."""
    pattern = _switches(mark)
    found, position = [], 0
    starts = list(pattern.finditer(raw))
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        found.append(raw[position : start.start()])
        end = following.start() if following else len(raw)
        escape = bytes.fromhex(start[2])
        try:
            read = (b"\x1b" + escape + raw[start.end() : end].encode("ascii")).decode("iso2022_jp_2")
            if "\x1b" in read:
                read = raw[start.start() : end]
        except UnicodeError:  # a set that nobody knows here, or no text in it: it stays as it is
            read = raw[start.start() : end]
        found.append(read)
        position = end
    return "".join(found)


def named(segments: Sequence[Segment], name: str) -> Segment | None:
    """The first segment of a name."""
    return next((segment for segment in segments if segment.name == name), None)
