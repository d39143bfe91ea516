"""Records of LIS2-A2: fields, repeats and components by the delimiters of the H record, escapes undone.

Works on text: the second byte of a GBK character may be a backslash or a caret. A line that begins no record is the
rest of the one before, whose text had a CR in it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from adapters.errors import Malformed

LETTERS = "HPORCQLMS"  # LIS2-A2 §5
_LINE = re.compile(r"[^\r\n]+")
_SHOWN = 12  # no more: it may be a person's


@dataclass(frozen=True, slots=True, kw_only=True)
class Delimiters:
    """LIS2-A2 §5.4; these are what nearly everybody uses."""

    field: str = "|"
    repeat: str = "\\"
    component: str = "^"
    escape: str = "&"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record; fields are counted as the standard does, from 1, the letter being the first."""

    letter: str
    fields: tuple[str, ...]
    delimiters: Delimiters
    codec: str = "utf_8"  # of characters in hexadecimal escapes

    def raw(self, number: int) -> str:
        """A field as it stands; "" where there is none."""
        return self.fields[number - 1] if number <= len(self.fields) else ""

    def repeats(self, number: int) -> tuple[tuple[str, ...], ...]:
        """A field in its repeats, each in its components; empty for an empty field."""
        raw = self.raw(number)
        if not raw.strip():
            return ()
        marks = self.delimiters
        return tuple(
            tuple(self._plain(part) for part in one.split(marks.component)) for one in raw.split(marks.repeat)
        )

    def components(self, number: int) -> tuple[str, ...]:
        """The components of the first repeat."""
        return next(iter(self.repeats(number)), ())

    def component(self, number: int, place: int) -> str:
        """One component of the first repeat, from 1."""
        found = self.components(number)
        return found[place - 1] if place <= len(found) else ""

    def text(self, number: int) -> str:
        """A field as a person reads it: components joined with a caret, repeats with "~" (as HL7 writes them)."""
        return "~".join("^".join(one).rstrip("^") for one in self.repeats(number))

    def _plain(self, part: str) -> str:
        return unescape(part, self.delimiters, self.codec).strip()


def read_delimiters(header: str) -> Delimiters:
    """Of an H record. Raises Malformed."""
    if len(header) < 5 or header[0] != "H" or header[1].isalnum() or header[1].isspace():
        raise Malformed(f"no H record: {header[:_SHOWN]!r}")
    mark = header[1]
    said = header[2:].split(mark, 1)[0]
    if len(said) == 4 and said[0] == said[1]:  # a backslash that a program doubled for its own language
        said = said[1:]
    if not 2 <= len(said) <= 3 or len({mark, *said}) != len(said) + 1 or any(map(str.isalnum, said)):
        raise Malformed(f"the H record defines no delimiters: {header[:_SHOWN]!r}")
    return Delimiters(field=mark, repeat=said[0], component=said[1], escape=said[2:])


def read_records(text: str, codec: str = "utf_8") -> Iterator[Record]:
    """The records of a message, or of several. Raises Malformed when it does not begin with H."""
    delimiters: Delimiters | None = None
    waiting = ""
    for line in _LINE.findall(text):
        if line[0] == "H" and (delimiters is None or line[1:2] == delimiters.field):
            if delimiters is not None and waiting:
                yield _record(waiting, delimiters, codec)
            delimiters, waiting = read_delimiters(line), line
        elif delimiters is None:
            raise Malformed(f"a message begins with an H record, this one with {line[:_SHOWN]!r}")
        elif line[0] in LETTERS and line[1:2] in (delimiters.field, ""):
            yield _record(waiting, delimiters, codec)
            waiting = line
        else:
            waiting += "\n" + line
    if delimiters is None:
        raise Malformed("the message is empty")
    yield _record(waiting, delimiters, codec)


def _record(line: str, delimiters: Delimiters, codec: str) -> Record:
    fields = line.split(delimiters.field)
    if line[0] == "H":
        fields[1] = ""  # the delimiters are no components
    return Record(letter=line[0], fields=tuple(fields), delimiters=delimiters, codec=codec)


def unescape(text: str, delimiters: Delimiters, codec: str = "utf_8") -> str:
    """LIS2-A2 §5.4: &F& &S& &R& &E& &Xhh…&; what is none of them stays, as in "Na & K"."""
    mark = delimiters.escape
    if not mark or mark not in text:
        return text
    plain = {"F": delimiters.field, "S": delimiters.component, "R": delimiters.repeat, "E": mark}
    plain |= {"H": "", "N": ""}  # emphasis begins and ends

    def meant(found: re.Match[str]) -> str:
        code = found[1]
        if code in plain:
            return plain[code]
        return bytes.fromhex(code[1:]).decode(codec, "replace").replace("\0", "\ufffd")

    inside = r"([FSREHN]|X(?:[0-9A-Fa-f]{2})+)"
    return re.sub(f"{re.escape(mark)}{inside}{re.escape(mark)}", meant, text)


def escape(text: str, delimiters: Delimiters) -> str:
    """The way back, for what we send; control characters become spaces (LIS1-A §8.6 forbids them)."""
    marks = {delimiters.field: "F", delimiters.component: "S", delimiters.repeat: "R", delimiters.escape: "E"}
    mark = delimiters.escape
    if not mark:
        return "".join(" " if one in marks or one < " " else one for one in text)
    return "".join(f"{mark}{marks[one]}{mark}" if one in marks else " " if one < " " else one for one in text)
