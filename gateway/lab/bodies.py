"""A journal record of a laboratory wire, read: the same reader for the drain, for filing again, and for a page."""

from collections.abc import Mapping
from typing import Any

from adapters.errors import Malformed
from adapters.hl7.reading import read_message as read_hl7
from adapters.lab.astm_reading import read_message as read_astm
from adapters.lab.dialect import read_dialect
from adapters.lab.said import Message
from gateway.lab.files import read_file

HL7, ASTM, ASTM_INCOMPLETE, FILE = "hl7.message", "astm.message", "astm.incomplete", "lab.file"
LAB_KINDS = (HL7, ASTM, ASTM_INCOMPLETE, FILE)
WIRES = {HL7: "hl7", ASTM: "astm", ASTM_INCOMPLETE: "astm", FILE: "file"}


def read_said(kind: str, origin: Mapping[str, Any], body: bytes) -> Message:
    """What a message says, read as its origin says that its device was set. Raises Malformed."""
    character_set = origin.get("character_set") or None
    if kind == HL7:
        return read_hl7(body, character_set=character_set)
    if kind in (ASTM, ASTM_INCOMPLETE):
        dialect = read_dialect(origin.get("dialect") or {})
        return read_astm(body, character_set=character_set, dialect=dialect)
    if kind == FILE:
        return read_file(body, str(origin.get("filename", "")), origin.get("lab_file") or {})
    raise Malformed(f"a record of kind {kind} is not read as a message")
