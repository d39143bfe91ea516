"""Who may send results: analysers by the name they give themselves, by their address, by their certificate.

The name is MSH-3, or MSH-3^MSH-4, or the name in H-5. At an address with one analyser alone no name is needed: many
give none, or one that says nothing.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adapters.dicom.ports import AssociationRefused, Certificate, Tls
from adapters.lab.ports import Admitted, Door, NotAdmitted
from adapters.lab.said import Sender
from gateway.connecting import Policy, check_connection
from gateway.lab.analysers import is_analyser
from gateway.snapshot import DirectoryFile, Known, origin_of_unknown, plain_address

Device = Mapping[str, Any]

# As devices are set on the page (PS3.3 §C.12.1.1.2) → as both wires' readers know them. What is not here is known to
# both under its own name.
_CHARACTER_SETS = {"ISO_IR 192": "UTF-8", "ISO_IR 100": "iso8859-1", "ISO_IR 6": "ascii"}


class LabAdmission:
    """The laboratory listeners' door. Follows the directory; asked for each message."""

    def __init__(self, directory: DirectoryFile, *, policy: Policy, hears_strangers: bool = False) -> None:
        """With `hears_strangers` anybody may connect, to be told what is wrong with the first message."""
        self._directory, self._policy, self._hears_strangers = directory, policy, hears_strangers
        self._benches = _Benches.of(Known(devices={}, accepting=()))

    def admit(self, door: Door, sender: Sender | None) -> Admitted:
        """The device that speaks. Raises NotAdmitted."""
        known = self._directory.read()
        if known is None:
            raise NotAdmitted("directory_missing", "the list of analysers is not there yet, try again later")
        if known is not self._benches.known:
            self._benches = _Benches.of(known)
        try:
            device = self._benches.find(names_of(sender), door.peer_address)
            if device is None:
                return self._admit_unknown(known, door, sender)
        except NotAdmitted:
            if sender is None and self._hears_strangers:
                return Admitted(origin={})
            raise
        return self._admit_known(device, door)

    def _admit_known(self, device: Device, door: Door) -> Admitted:
        self._check_connection(device["ae_title"], device, door)
        if not device["enabled"]:
            raise NotAdmitted("device_disabled", "this analyser is not in use")
        if not device["institution_enabled"]:
            raise NotAdmitted("institution_disabled", "this analyser's institution is not in use")
        return Admitted(
            origin={"device_id": device["device_id"], "institution_id": device["institution_id"]},
            character_set=codec_of(device["character_set"]),
            dialect=device.get("dialect") or {},
        )

    def _admit_unknown(self, known: Known, door: Door, sender: Sender | None) -> Admitted:
        if sender is None and (self._hears_strangers or self._benches.is_anywhere):
            return Admitted(origin=origin_of_unknown(known))  # who it is will be said
        if not known.accepting:
            raise NotAdmitted("sender_unknown", "no analyser of this name or address is known")
        self._check_connection(sender.application if sender else "", {}, door)
        return Admitted(origin=origin_of_unknown(known))

    def _check_connection(self, name: str, device: Device, door: Door) -> None:
        try:
            check_connection(name, device, tls_of(door), self._policy, now=datetime.now(UTC))
        except AssociationRefused as refusal:
            raise NotAdmitted(refusal.cause, refusal.explanation) from refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class _Benches:
    """The analysers of one reading of the directory, by what they are found by."""

    known: Known
    by_name: Mapping[str, Sequence[Device]]
    by_address: Mapping[str, Sequence[Device]]
    is_anywhere: bool  # one of them may speak from any address

    @classmethod
    def of(cls, known: Known) -> "_Benches":
        by_name: dict[str, list[Device]] = defaultdict(list)
        by_address: dict[str, list[Device]] = defaultdict(list)
        is_anywhere = False
        for device in filter(is_analyser, known.devices.values()):
            if device.get("sender"):
                by_name[tidy(device["sender"])].append(device)
            if device["address"]:
                by_address[_address(device["address"])].append(device)
            else:
                is_anywhere = is_anywhere or bool(device.get("sender"))
        return cls(known=known, by_name=by_name, by_address=by_address, is_anywhere=is_anywhere)

    def find(self, names: Sequence[str], peer_address: str) -> Device | None:
        """By name and address; None when nobody is known there. Raises NotAdmitted for what is known and cannot be."""
        here = self.by_address.get(_address(peer_address), ())
        for name in names:
            called = self.by_name.get(name)
            if called:
                return _one_of(called, here)
        nameless = [device for device in here if not device.get("sender")]
        if len(nameless) == 1:
            return nameless[0]
        if not names and len(here) == 1:
            return here[0]
        if len(here) > 1 and (nameless or not names):
            raise NotAdmitted("sender_ambiguous", "several analysers speak from this address: which is it?")
        return None


def _one_of(called: Sequence[Device], here: Sequence[Device]) -> Device:
    """Of the analysers of one name the one at this address, else the only one without an address."""
    at = [device for device in called if device in here]
    found = at or [device for device in called if not device["address"]]
    if not found:
        raise NotAdmitted("address_wrong", "this analyser is not known at this address")
    if len(found) > 1:
        raise NotAdmitted(
            "sender_ambiguous", "several analysers of this name are known: addresses tell them apart"
        )
    return found[0]


def names_of(sender: Sender | None) -> list[str]:
    """What a sender may be listed as, the longest first."""
    if sender is None:
        return []
    application, facility = tidy(sender.application), tidy(sender.facility)
    both = [f"{application}^{facility}"] if facility else []
    return [*both, *([application] if application else [])]


def tidy(name: str) -> str:
    return "^".join(part.strip() for part in name.casefold().split("^")).strip("^")


def tls_of(door: Door) -> Tls | None:
    if not door.tls:
        return None
    return Tls(version="", certificate=Certificate(**door.certificate) if door.certificate else None)


def codec_of(character_set: str | None) -> str | None:
    """A device's setting in the words of the wires' readers; of several the last, which is the one beyond ASCII."""
    if not character_set:
        return None
    last = character_set.split("\\")[-1].replace("ISO 2022 IR", "ISO_IR")
    return "GB18030" if last in {"ISO_IR 58", "GBK"} else _CHARACTER_SETS.get(last, last)


def _address(text: str) -> str:
    try:
        return str(plain_address(text))
    except ValueError:
        return text
