"""A LIS2-A2 message: its records in, a Message out."""

import re

from adapters.errors import Malformed
from adapters.lab.records import Record, read_records
from adapters.lab.said import Sender
from adapters.lab.text import read_text

_VERSION = re.compile(r"[vV]?\d{1,3}([.\-]\d+)+[a-z]?")
_SERIAL = re.compile(r"[A-Z]{0,4}[-]?\d{4,}[A-Z0-9-]*", re.IGNORECASE)


def read_sender(header: bytes) -> Sender:
    """Who sends, of an H record alone; empty where it says nothing or cannot be read."""
    try:
        text = read_text(header)
        return sender_of(next(read_records(text.text, text.codec)))
    except Malformed:
        return Sender()


def read_control_id(header: bytes) -> str:
    """H-3, as the origin says it."""
    fields = header.split(header[1:2]) if len(header) > 1 else []
    return fields[2][:64].decode("ascii", "replace") if len(fields) > 2 else ""


def sender_of(header: Record) -> Sender:
    """H-5. The standard leaves its components open: name^maker^model^software^…^serial number, with gaps, is usual."""
    name, *rest = header.components(5) or ("",)
    software = next((one for one in rest if _VERSION.fullmatch(one)), "")
    others = [one for one in rest if one and one != software]
    serial = next((one for one in others if _SERIAL.fullmatch(one)), "")
    words = [one for one in rest[:2] if one and one not in (software, serial) and not one.isdigit()]
    return Sender(
        application=name,
        facility=header.text(6),
        manufacturer=words[0] if words else "",
        model=words[1] if len(words) > 1 else "",
        serial_number=serial,
        software=software,
    )
