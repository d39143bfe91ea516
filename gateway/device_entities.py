"""Devices as an administrator enters them."""

import ipaddress
import re
import uuid
from datetime import date
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.dicom.charset import REWRITTEN
from gateway.connecting import read_certificate_name
from gateway.entity import Fields, OptionalText, Reasons, Text, check_exists, is_taken
from gateway.lab.admission import tidy
from gateway.lab.analysers import MODALITY as LABORATORY
from worklists.directory import Device, Institution, TlsException
from worklists.laboratory.profiles import AnalyserProfile

# PS3.5 §6.2, AE: at most 16 characters of the default repertoire, no backslash, no control character;
# leading and trailing blanks mean nothing, so a title has none.
_AE_TITLE = re.compile(r"[\x21-\x5B\x5D-\x7E](?:[\x20-\x5B\x5D-\x7E]{0,14}[\x21-\x5B\x5D-\x7E])?")
_NO_TITLE = re.compile(r"[^\x21-\x5B\x5D-\x7E]")
_ACCOUNT = re.compile(r"[a-z0-9_-]{1,32}")  # a folder's and an FTP user's name, on every system
# PS3.3 §C.12.1.1.2, Tables C.12-2 to C.12-5; GBK is widely sent where GB18030 is meant.
_CHARACTER_SETS = frozenset(
    ["", "GB18030", "GBK", *REWRITTEN]
    + [f"ISO_IR {n}" for n in (6, 100, 101, 109, 110, 144, 127, 126, 138, 148, 203, 13, 166, 192)]
    + [
        f"ISO 2022 IR {n}"
        for n in (6, 100, 101, 109, 110, 144, 127, 126, 138, 148, 203, 13, 166, 87, 159, 149, 58)
    ]
)


def _tidy_certificate_name(value: object) -> object:
    try:
        return read_certificate_name(value) if isinstance(value, str) else value
    except ValueError:
        return value


# Whether it names a certificate is checked with the row, so that the answer is about the field.
CertificateName = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=1000), BeforeValidator(_tidy_certificate_name)
]


class DeviceFields(Fields):
    institution_id: uuid.UUID
    ae_title: Annotated[str, StringConstraints(strip_whitespace=True)] = ""
    name: Text = ""
    modality: Text = ""
    address: OptionalText = None
    character_set: OptionalText = None
    certificates: Annotated[list[CertificateName], Field(max_length=20)] = Field(default_factory=list)
    tls_exception: TlsException = TlsException.NONE
    tls_exception_reason: Text = ""
    tls_exception_until: date | None = None
    account: OptionalText = None
    sender: Text = ""
    profile_code: OptionalText = None
    without_order: bool = False
    enabled: bool = True

    @model_validator(mode="after")
    def _name_without_title(self) -> Self:
        """What speaks no DICOM is asked for no AE title: its account, or an analyser's name, is as good a one."""
        if not self.ae_title and (self.account or self.sender):
            self.ae_title = _NO_TITLE.sub("_", self.account or self.sender).upper()[:16]
        if not self.modality and (self.sender or self.profile_code):
            self.modality = LABORATORY
        return self


def check_device(session: Session, row: Device) -> Reasons:
    reasons = check_exists(session, Institution, row.institution_id, "institution_id")
    if not _AE_TITLE.fullmatch(row.ae_title):
        reasons["ae_title"] = "ae_title"
    elif is_taken(session, row, Device.ae_title == row.ae_title):
        reasons["ae_title"] = "taken"
    if row.account is not None:
        if not _ACCOUNT.fullmatch(row.account):
            reasons["account"] = "account"
        elif is_taken(session, row, Device.account == row.account):
            reasons["account"] = "taken"
    if row.address is not None and not _is_address(row.address):
        reasons["address"] = "address"
    if row.profile_code is not None:
        reasons |= check_exists(session, AnalyserProfile, row.profile_code, "profile_code")
    reasons |= _check_sender(session, row)
    if row.character_set is not None and not set(row.character_set.split("\\")) <= _CHARACTER_SETS:
        reasons["character_set"] = "character_set"
    if not all(map(_names_certificate, row.certificates)):
        reasons["certificates"] = "certificate"
    if row.tls_exception is not TlsException.NONE:
        missing = [name for name in ("tls_exception_reason", "tls_exception_until") if not getattr(row, name)]
        reasons |= dict.fromkeys(missing, "required")
        if missing:
            reasons["tls_exception"] = "exception_needs"
    return reasons


def _check_sender(session: Session, row: Device) -> Reasons:
    """Two analysers that give the same name, or none, at the same address could not be told apart."""
    if row.modality != LABORATORY and not (row.sender or row.profile_code):
        return {}
    if not row.sender and row.address is None:
        return {} if row.account else {"sender": "sender_or_address"}
    others = session.scalars(
        select(Device).where(
            Device.id != row.id,
            Device.address.is_(None) if row.address is None else Device.address == row.address,
            (Device.modality == LABORATORY) | (Device.sender != "") | Device.profile_code.is_not(None),
        )
    )
    alike = any(tidy(other.sender) == tidy(row.sender) for other in others)
    return {"sender": "sender_taken"} if alike else {}


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _names_certificate(text: str) -> bool:
    try:
        return bool(read_certificate_name(text))
    except ValueError:
        return False
