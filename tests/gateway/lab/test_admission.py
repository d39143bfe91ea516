"""Which analyser speaks: by its name, its address, its certificate; and who is nobody's."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.lab.ports import Door, NotAdmitted
from adapters.lab.said import Sender
from gateway.connecting import Policy
from gateway.lab.admission import LabAdmission, codec_of
from gateway.snapshot import DirectoryFile

HERE = "10.0.0.7"


def analyser(title: str, **fields: Any) -> dict[str, Any]:
    return {
        "ae_title": title, "device_id": title, "institution_id": "east", "address": None, "character_set": None,
        "certificates": [], "tls_exception": "none", "tls_exception_until": "", "modality": "LAB", "sender": "",
        "profile": None, "enabled": True, "institution_enabled": True, **fields,
    }  # fmt: skip


@pytest.fixture
def listed(tmp_path: Path) -> Any:
    def write(
        *devices: dict[str, Any], accepting: tuple[str, ...] = (), policy: Policy | None = None, **more: Any
    ) -> LabAdmission:
        path = tmp_path / "directory.json"
        content = {"format": 2, "version": 1, "accept_unknown_devices": accepting, "devices": list(devices)}
        path.write_text(json.dumps(content))
        return LabAdmission(DirectoryFile(path), policy=policy or Policy(), **more)

    return write


def who(admission: LabAdmission, sender: Sender | None, address: str = HERE, **door: Any) -> Any:
    return admission.admit(Door(peer_address=address, peer_port=1, **door), sender).origin["device_id"]


def cause(admission: LabAdmission, sender: Sender | None, address: str = HERE, **door: Any) -> str:
    with pytest.raises(NotAdmitted) as refusal:
        who(admission, sender, address, **door)
    return refusal.value.cause


BC = Sender(application=" bc-5300 ", facility="Mindray")


@pytest.mark.parametrize("name", ["BC-5300", "BC-5300^Mindray", " bc-5300 ^ mindray "])
def test_an_analyser_is_known_by_how_it_calls_itself(listed: Any, name: str) -> None:
    assert who(listed(analyser("A", sender=name), analyser("B", sender="XN-1000")), BC) == "A"


def test_the_longer_name_counts_first(listed: Any) -> None:
    both = (analyser("A", sender="BC-5300"), analyser("B", sender="BC-5300^Mindray"))
    assert who(listed(*both), BC) == "B"


def test_alike_names_are_told_apart_by_address(listed: Any) -> None:
    two = (analyser("A", sender="BC-5300", address="10.0.0.8"), analyser("B", sender="BC-5300", address=HERE))
    assert who(listed(*two), BC) == "B"
    assert cause(listed(*two), BC, "10.0.0.9") == "address_wrong"
    assert (
        cause(listed(analyser("A", sender="BC-5300"), analyser("B", sender="BC-5300")), BC)
        == "sender_ambiguous"
    )


def test_where_one_analyser_speaks_no_name_is_needed(listed: Any) -> None:
    admission = listed(analyser("A", address=HERE), analyser("B", sender="XN-1000", address=HERE))
    assert who(admission, BC) == "A"
    assert who(admission, Sender(application="XN-1000")) == "B"
    assert who(listed(analyser("B", sender="XN-1000", address=HERE)), Sender()) == "B"
    assert who(listed(analyser("A", address="::ffff:10.0.0.7")), Sender()) == "A"
    assert cause(listed(analyser("B", sender="XN-1000", address=HERE)), BC) == "sender_unknown"
    assert cause(listed(analyser("A", address=HERE), analyser("C", address=HERE)), BC) == "sender_ambiguous"


def test_other_devices_at_the_address_are_no_analysers(listed: Any) -> None:
    ct = analyser("CT", modality="CT", address=HERE)
    assert cause(listed(ct), BC) == "sender_unknown"
    assert who(listed(ct, analyser("A", address=HERE)), BC) == "A"


def test_what_is_not_in_use_is_refused(listed: Any) -> None:
    assert cause(listed(analyser("A", address=HERE, enabled=False)), BC) == "device_disabled"
    away = analyser("A", address=HERE, institution_enabled=False)
    assert cause(listed(away), BC) == "institution_disabled"


def test_an_unknown_one_is_kept_for_a_person_only_where_the_county_says_so(listed: Any) -> None:
    assert cause(listed(), BC) == "sender_unknown"
    origin = listed(accepting=("east",)).admit(Door(peer_address=HERE, peer_port=1), BC).origin
    assert (origin["device_id"], origin["unknown_device"], origin["accepting_institution_id"]) == (
        None,
        True,
        "east",
    )


def test_who_may_connect_before_anything_was_said(listed: Any) -> None:
    assert cause(listed(analyser("A", address="10.0.0.8")), None) == "sender_unknown"
    listed(analyser("A", sender="BC-5300")).admit(Door(peer_address=HERE, peer_port=1), None)
    listed(hears_strangers=True).admit(Door(peer_address=HERE, peer_port=1), None)
    with pytest.raises(NotAdmitted):
        listed(hears_strangers=True).admit(Door(peer_address=HERE, peer_port=1), BC)


def test_tls_and_certificates_are_asked_for_as_of_modalities(listed: Any) -> None:
    own = {"fingerprint": "ab" * 32, "subject": "CN=A", "common_name": "A"}
    policy = Policy(require_tls=True, asks_for_certificates=True)
    admission = listed(analyser("A", sender="BC-5300"), policy=policy)
    assert cause(admission, BC) == "tls_required"
    assert cause(admission, BC, tls=True) == "certificate_missing"
    assert cause(admission, BC, tls=True, certificate={**own, "common_name": "B"}) == "certificate_wrong"
    assert who(admission, BC, tls=True, certificate=own) == "A"
    excepted = analyser("A", sender="BC-5300", tls_exception="plain", tls_exception_until="2999-01-01")
    assert who(listed(excepted, policy=policy), BC) == "A"


def test_without_a_directory_everybody_is_told_to_come_later(tmp_path: Path) -> None:
    admission = LabAdmission(DirectoryFile(tmp_path / "none.json"), policy=Policy())
    assert cause(admission, BC) == "directory_missing"


def test_character_sets_of_devices_are_those_of_the_wires() -> None:
    said = {
        name: codec_of(name) for name in ("ISO_IR 192", "GB18030", "GBK", "\\ISO 2022 IR 58", "ISO_IR 100")
    }
    assert list(said.values()) == ["UTF-8", "GB18030", "GB18030", "GB18030", "iso8859-1"]
    assert codec_of(None) is None
