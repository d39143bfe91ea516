"""Result files of analysers: a table or a document, read as the device's profile says.

`content["file"]` of a profile is `{"table": a mapping of columns (adapters.lab.csv_mapping), "document": a pattern of
names (adapters.lab.document_files)}`, each of them optional. What was in force when a file came stays with it, until
it is filed again (`gateway.lab.rereading`).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from adapters.errors import Malformed
from adapters.lab.csv_mapping import read_mapping
from adapters.lab.csv_reading import read_csv
from adapters.lab.document_files import read_document
from adapters.lab.said import Message

LIMIT_BYTES = 32 << 20
_PDF = b"%PDF-"


def read_file(body: bytes, name: str, content: Mapping[str, Any]) -> Message:
    """What a file says. Raises Malformed, also where the profile knows no such files."""
    way = "document" if body[:1024].lstrip().startswith(_PDF) else "table"
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
