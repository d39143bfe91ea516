"""Profiles that ship: usable against the dictionary that ships, and nothing of a sample gets lost under them."""

import re
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from adapters.errors import Malformed
from adapters.lab.said import MessageKind
from gateway.lab.bodies import ASTM, HL7, read_said
from gateway.lab.identity import identity_of
from gateway.lab.mapping import Remark, understand
from gateway.lab.profile_content import check_profile
from gateway.lab.rows import LabHeld, LabMessage
from gateway.runtime import Runtime
from tests.builders import build_county, identity
from tests.gateway.lab.saying import file, file_again, result, specimen
from tests.laboratory import NOW
from tests.samples import samples_dir
from worklists.base import new_id
from worklists.directory import Device
from worklists.laboratory.defaults import (
    is_behind_shipped,
    read_default_profiles,
    seed_dictionary,
    seed_profiles,
)
from worklists.laboratory.dictionary import LabItem
from worklists.laboratory.profiles import AnalyserProfile, ProfileVersion
from worklists.laboratory.results import LabResult
from worklists.laboratory.specimens import make_from_analyser
from worklists.patients import get_or_create

PROFILES = {
    "abbott_afinion2.txt": "abbott-afinion2",
    "cobas_c111.txt": "roche-cobas-c111",
    "mini_vidas_mock.txt": "biomerieux-minividas",
    "spotchem_el_mock.txt": "arkray-spotchem-el",
    "sysmex_xp100.txt": "sysmex-xp",
}
# sample → results that are filed when its specimen is made from what it says
FILED = {
    "abbott_afinion2.txt": 1,
    "cobas_c111.txt": 1,
    "mini_vidas_mock.txt": 0,  # its status field holds a word: for a person
    "spotchem_el_mock.txt": 3,
    "sysmex_xp100.txt": 20,
}


def body_of(path: Path) -> tuple[str, bytes]:
    raw = path.read_bytes()
    if path.parent.name == "hl7":
        return HL7, raw.replace(b"\n", b"\r")
    if b"\x02" not in raw:
        return ASTM, raw.replace(b"\n", b"\r")
    frames = re.findall(rb"\x02\d?(.*?)[\x03\x17][0-9A-Fa-f]{2}", raw, re.DOTALL)
    return ASTM, b"".join(frames)


def items_of(session: Session) -> dict[str, LabItem]:
    return {one.code: one for one in session.scalars(select(LabItem))}


@pytest.fixture
def shipped(runtime: Runtime) -> Device:
    """A bench under the shipped dictionary; its profile is chosen by the test."""
    with runtime.sessions.begin() as session:
        county = build_county(session)
        seed_dictionary(session)
        seed_profiles(session, NOW)
        device = Device(
            id=new_id(), institution_id=county.east.id, ae_title="BENCH", name="台", modality="LAB",
            profile_code="generic-loinc",
        )  # fmt: skip
        session.add(device)
    return device


@pytest.fixture
def session(runtime: Runtime) -> Iterator[Session]:
    with runtime.sessions.begin() as one:
        seed_dictionary(one)
        yield one


def test_every_profile_that_ships_can_be_used(session: Session) -> None:
    wrong = {one["code"]: check_profile(one["content"], items_of(session)) for one in read_default_profiles()}
    assert {code: found for code, found in wrong.items() if found} == {}
    assert all(one["source"] and one["unconfirmed"] for one in read_default_profiles())


def test_profiles_are_laid_down_once_and_not_over_an_edit(session: Session) -> None:
    assert seed_profiles(session, NOW) == len(read_default_profiles())
    assert seed_profiles(session, NOW + timedelta(days=1)) == 0
    assert session.scalar(select(func.count()).select_from(ProfileVersion)) == len(read_default_profiles())


def test_what_ships_anew_comes_over_what_nobody_touched(session: Session) -> None:
    seed_profiles(session, NOW)
    untouched, named, edited = (
        session.get_one(AnalyserProfile, code) for code in ("sysmex-xn", "sysmex-xp", "mindray-bc-hl7")
    )
    for row in (untouched, named, edited):  # as an older release shipped them
        [version] = versions_of(session, row)
        row.content = version.content = {"tests": {"WBC": {"item": "WBC"}}}
    older, later = untouched.content, NOW + timedelta(days=1)
    named.name, named.changed_at = "门诊血球仪", later
    edited.content, edited.changed_at, edited.version = {"tests": {"WBC": {"ignored": True}}}, later, 2
    session.flush()

    assert seed_profiles(session, NOW + timedelta(days=2)) == 1
    [shipped] = (one for one in read_default_profiles() if one["code"] == "sysmex-xn")
    assert (untouched.version, untouched.content) == (2, shipped["content"])
    assert [one.content for one in versions_of(session, untouched)] == [older, shipped["content"]]
    assert (named.name, named.content) == ("门诊血球仪", older)
    assert edited.content == {"tests": {"WBC": {"ignored": True}}}
    assert [is_behind_shipped(row, versions_of(session, row)) for row in (untouched, named, edited)] == [
        False, True, True,
    ]  # fmt: skip
    assert seed_profiles(session, NOW + timedelta(days=3)) == 0


def versions_of(session: Session, row: AnalyserProfile) -> list[ProfileVersion]:
    own = select(ProfileVersion).where(ProfileVersion.profile_code == row.code)
    return list(session.scalars(own.order_by(ProfileVersion.version)))


@pytest.mark.parametrize(
    ("content", "where", "why"),
    [
        ({"tests": {"WBC": {"item": "NOT_THERE"}}}, "tests.WBC", "unknown"),
        ({"tests": {"WBC": {"item": "WBC", "ignored": True}}}, "tests.WBC", "one_meaning"),
        ({"tests": {"WBC": {}}}, "tests.WBC", "one_meaning"),
        ({"tests": {"WBC": {"item": "WBC", "unit": "mmol/L"}}}, "tests.WBC", "unit"),
        ({"tests": {"": {"item": "WBC"}}}, "tests.", "unusable"),
        ({"tests": {"Blasts?": {"flag": ["WBC", "NOT_THERE"]}}}, "tests.Blasts?", "unknown"),
        ({"tests": {"Blasts?": {"flag": "WBC"}}}, "tests.Blasts?", "unusable"),
        ({"tests": {"Blasts?": {"flag": []}}}, "tests.Blasts?", "one_meaning"),
        ({"tests": []}, "tests", "unusable"),
        ({"units": {"furlong": "furlong"}}, "units.furlong", "unit"),
        ({"flags": {"!": "strange"}}, "flags.!", "unknown"),
        ({"values": {"NEG": 1}}, "values.NEG", "unusable"),
        ({"barcode": "name"}, "barcode", "unknown"),
        ({"controls": [{"pattern": "(a+)+b", "level": "1"}]}, "controls.0", "pattern"),
        ({"controls": [{"pattern": "(" * 10, "level": "1"}]}, "controls.0", "pattern"),
        ({"controls": [{"pattern": "a" * 200, "level": "1"}]}, "controls.0", "pattern"),
        ({"controls": [{"pattern": ".*", "level": "1"}]}, "controls.0", "pattern"),
        ({"controls": [{"pattern": "QC1"}]}, "controls.0", "required"),
        ({"surprise": 1}, "content", "unknown"),
    ],
)  # fmt: skip
def test_what_a_profile_may_not_say_is_named(
    session: Session, content: dict[str, Any], where: str, why: str
) -> None:
    assert check_profile(content, items_of(session)) == {where: why}


def test_a_unit_means_what_it_means_at_its_test() -> None:
    profile = understand(
        1,
        {
            "tests": {
                "BUN": {"item": "UREA", "unit_means": {"mg/dL": "mg/dL (BUN)"}},
                "NEU%": {"item": "N", "unit": "ratio"},
            }
        },
    )
    assert profile.unit(result("BUN", "14", "mg/dL")) == "mg/dL (BUN)"
    assert profile.unit(result("NEU%", "0.61")) == "ratio"
    assert profile.unit(result("NEU%", "61", "%")) == "%"


def test_what_was_not_measured_is_no_result() -> None:
    profile = understand(1, {"tests": {"PLT": {"item": "PLT"}}, "empty": ["*****"]})
    assert profile.is_ignored(result("PLT", "*****"))
    assert not profile.is_ignored(result("PLT", "5"))


def test_a_flag_beside_an_empty_value_is_of_the_specimen() -> None:
    profile = understand(1, {"tests": {"Lymphopenia": {"flag": True}, "Blasts?": {"flag": True}}})
    said = specimen("B1", result("Lymphopenia", "", flags=("A",)), result("Blasts?", "0"))
    assert profile.specimen_flags(said) == (Remark(text="Lymphopenia"),)


@pytest.mark.parametrize("wire", ["astm", "hl7"])
def test_nothing_of_a_sample_gets_lost(runtime: Runtime, shipped: Device, wire: str) -> None:
    """Each sample's results are filed, or held, as many as there are; under the profile of its analyser."""
    read = 0
    for path in sorted((samples_dir() / "lab" / wire).iterdir()):
        kind, body = body_of(path)
        try:
            said = read_said(kind, {}, body)
        except Malformed:
            assert path.name in {"mini_vidas.txt", "spotchem_el.txt"}
            continue
        if said.kind is not MessageKind.RESULTS:
            continue
        read += 1
        held, filed = file_under(runtime, shipped, PROFILES.get(path.name, "generic-loinc"), said)
        assert filed + held == said.results, path.name
        if path.name in FILED:
            assert filed == FILED[path.name], path.name
    assert read >= 7


def file_under(runtime: Runtime, device: Device, code: str, said: Any) -> tuple[int, int]:
    """How many results were held and how many filed, when every specimen that it names is known."""
    with runtime.sessions.begin() as session:
        session.get_one(Device, device.id).profile_code = code
    message_id = file(runtime, device, said)
    attach_all(runtime, device, message_id, said)
    with runtime.reading() as session:
        row = session.get_one(LabMessage, message_id)
        open_now = session.scalars(
            select(LabHeld).where(LabHeld.message_id == message_id, LabHeld.resolved_at.is_(None))
        ).all()
        held = sum(one.detail.get("results", 1) for one in open_now)
        recorded = session.scalar(
            select(func.count()).select_from(LabResult).where(LabResult.message_id == message_id)
        )
        assert recorded is not None
        assert recorded <= row.filed
        return held, row.filed


def attach_all(runtime: Runtime, device: Device, message_id: uuid.UUID, said: Any) -> None:
    """A person says whose each specimen is, and it is filed again."""
    with runtime.sessions.begin() as session:
        row = session.get_one(LabMessage, message_id)
        chosen = {}
        for number, one in enumerate(said.specimens):
            stated = identity_of(one.patient) if one.patient is not None else identity()
            who = replace(stated, patient_id=stated.patient_id or message_id.hex, name=stated.name or "某^人")
            barcode = f"{message_id.hex}-{number}"
            patient = get_or_create(session, device.institution_id, who)
            made = make_from_analyser(session, barcode, patient, now=NOW)
            chosen[str(number)] = str(made.id)
        row.attached = chosen
    file_again(runtime, message_id, said)
