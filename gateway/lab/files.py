"""Result files of analysers: a table or a document, read as the device's profile says.

`content["file"]` of a profile is `{"table": a mapping of columns (adapters.lab.csv_mapping), "document": a pattern of
names (adapters.lab.document_files)}`, each of them optional. What was in force when a file came stays with it, until
it is filed again (`gateway.lab.rereading`). A file that no mapping fits yet is taken all the same, and waits for one; what
is neither a table nor a document is refused where it was put down.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from adapters.errors import Malformed
from adapters.lab.csv_mapping import read_mapping
from adapters.lab.csv_reading import read_csv, read_table
from adapters.lab.document_files import check_pdf, read_document
from adapters.lab.said import Message

LIMIT_BYTES = 32 << 20
_PDF = b"%PDF-"


def is_document(body: bytes) -> bool:
    return body[:1024].lstrip().startswith(_PDF)


def check_file(body: bytes) -> None:
    """That it is whole, and a document or a table, whatever its columns mean. Raises Malformed."""
    if is_document(body):
        check_pdf(body)
    elif not any(len(cells) > 1 for _, cells in read_table(body).rows):
        raise Malformed("the file is neither a table of columns nor a PDF")


def read_file(body: bytes, name: str, content: Mapping[str, Any]) -> Message:
    """What a file says. Raises Malformed, also where the profile knows no such files."""
    way = "document" if is_document(body) else "table"
    stated = content.get(way)
    if not stated:
        raise Malformed(f"the analyser's profile does not say how a {way} is read")
    if way == "document":
        said = read_document(body, file_name=name, pattern=str(stated))
    else:
        said = read_csv(body, read_mapping(stated))
    return replace(
        said, control_id=hashlib.sha256(body).hexdigest()[:32]
    )  # the same file again is a repetition
