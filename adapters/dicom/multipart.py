"""A multipart/related body, split into its parts as it arrives (RFC 2387, RFC 2046 5.1; PS3.18 8.6.1.2).

python-multipart finds the boundaries; here is what it leaves to its caller: what may stand before the first
boundary, and that the last one must come. Lines end in CRLF: a bare LF makes no boundary (RFC 2046 4.1.1).
Bytes that only begin like a boundary line belong to their part.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from adapters.errors import Malformed

BOUNDARY_LIMIT = 256  # characters; RFC 2046 5.1.1 allows 70, Orthanc sends 73
PREAMBLE_LIMIT_BYTES = 1 << 16
HEADERS_LIMIT = 32  # header lines of one part

_MEDIA_TYPE = re.compile(r"\s*([!#$%&'*+.^_`|~\w-]+/[!#$%&'*+.^_`|~\w-]+)\s*", re.ASCII)
_PARAMETER = re.compile(r';\s*(?:([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;"]*))?\s*')
_QUOTED_PAIR = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaType:
    """A Content-Type: the type in lower case, parameters by their names in lower case."""

    name: str
    parameters: Mapping[str, str]


def read_media_type(text: str) -> MediaType:
    """Read a Content-Type (RFC 9110 8.3.1)."""
    main = _MEDIA_TYPE.match(text)
    if main is None:
        raise Malformed("no media type")
    parameters: dict[str, str] = {}
    position = main.end()
    while position < len(text):
        found = _PARAMETER.match(text, position)
        if found is None:
            raise Malformed("the parameters of the media type cannot be read")
        if found[1]:
            parameters.setdefault(found[1].lower(), _unquote(found[2]))
        position = found.end()
    return MediaType(name=main[1].lower(), parameters=parameters)


class MultipartReader:
    """Feed it the body; it says when a part begins (with its headers), what is in it, and when it ends."""

    def __init__(
        self,
        boundary: str,
        *,
        begin: Callable[[Mapping[str, str]], None],
        data: Callable[[memoryview], None],
        end: Callable[[], None],
    ) -> None:
        if not 0 < len(boundary) <= BOUNDARY_LIMIT or not boundary.isascii():
            raise Malformed("multipart: no boundary that can be used")
        self._delimiter = b"--" + boundary.encode()
        self._first = re.compile(rb"(?:\A|\r\n)" + re.escape(self._delimiter) + rb"(--|[ \t]*\r\n)")
        self._begin, self._data, self._end = begin, data, end
        self._before: bytearray | None = bytearray()  # what came before the first boundary
        self._name, self._value = bytearray(), bytearray()
        self._headers: dict[str, str] = {}
        self._ended = False
        self._parser = MultipartParser(
            boundary.encode(),
            {
                "on_part_begin": self._headers.clear,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._end,
                "on_end": self._on_end,
            },
            max_header_count=HEADERS_LIMIT,
        )

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body; what follows the last boundary says nothing."""
        if self._ended:
            return
        if self._before is not None:
            self._before += chunk
            chunk = self._skip_preamble(self._before)
        if chunk:
            self._parse(chunk)

    def finish(self) -> None:
        """Say that the body ends here."""
        if not self._ended:
            raise Malformed("multipart: cut short, the closing boundary is missing")

    def _skip_preamble(self, before: bytearray) -> bytes:
        """From the first boundary on; nothing while it has not come."""
        found = self._first.search(before)
        if found is None:
            if len(before) > PREAMBLE_LIMIT_BYTES:
                raise Malformed("multipart: the boundary is not found")
            return b""
        self._before = None
        if found[1] == b"--":  # closed before it began
            self._ended = True
            return b""
        return self._delimiter + b"\r\n" + before[found.end() :]

    def _parse(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise Malformed(f"multipart: {error}") from error

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode("latin-1").strip()
        self._name.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        self._begin(dict(self._headers))

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._data(memoryview(data)[start:end])

    def _on_end(self) -> None:
        self._ended = True


def _unquote(value: str) -> str:
    return _QUOTED_PAIR.sub(r"\1", value[1:-1]) if value.startswith('"') else value
