"""Result files that are documents: a PDF, whose name says the barcode. A Message with one Attachment.

A pattern is a file name with `{barcode}`, maybe `{test}`, and `*` for anything: `{barcode}_{test}_*.pdf`.
"""

import re

from adapters.errors import Malformed
from adapters.lab.said import Attachment, Coded, Message, MessageKind, Specimen, Wire
from adapters.lab.unfit import Unfit

PDF = "application/pdf"
_NAMES = ("barcode", "test")
_LONGEST_NAME = 255
_WILDCARDS = 3  # more make matching slow, and no name needs them


def check_pattern(pattern: str) -> None:
    """Raises Malformed for one that names no barcode, or anything we do not know."""
    _compile(pattern)


def read_document(raw: bytes, *, file_name: str, pattern: str) -> Message:
    """One file. Raises Malformed; a name that does not fit is one: nothing would say whose it is."""
    found = _compile(pattern).fullmatch(file_name[:_LONGEST_NAME])
    if found is None:
        raise Unfit("name", f"the file's name does not fit the pattern {pattern}", pattern=pattern)
    check_pdf(raw)
    said = found.groupdict()
    attachment = Attachment(
        position=0, test=Coded(code=said.get("test") or ""), media_type=PDF, size_bytes=len(raw)
    )
    return Message(
        wire=Wire.FILE,
        kind=MessageKind.RESULTS,
        type="pdf",
        specimens=(Specimen(barcode=said["barcode"].strip(), attachments=(attachment,)),),
    )


def _compile(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\{[a-z]*\}|\*)", pattern)
    names = [part[1:-1] for part in parts if part.startswith("{")]
    if len(pattern) > _LONGEST_NAME or len(names) + parts.count("*") > _WILDCARDS:
        raise Malformed("the pattern is too long")
    if "barcode" not in names or len(set(names)) < len(names) or not set(names) <= set(_NAMES):
        raise Malformed("a pattern names {barcode} once, maybe {test}, and nothing else")
    written = "".join(
        f"(?P<{part[1:-1]}>[^/]+?)" if part.startswith("{") else ".*?" if part == "*" else re.escape(part)
        for part in parts
    )
    return re.compile(written, re.IGNORECASE)


def check_pdf(raw: bytes) -> None:
    """That it is whole, as far as its ends tell. Raises Malformed."""
    if b"%PDF-" not in raw[:1024]:
        raise Unfit("no_pdf", "the file is no PDF")
    if b"%%EOF" not in raw[-2048:]:
        raise Unfit("pdf_cut", "the PDF ends before its end: it was cut on its way")
