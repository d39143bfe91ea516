"""A small laboratory to arrange tests with: a centre and its people, an analyser with its profile, a dictionary."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy.orm import Session

from tests.builders import County, add_agreement, add_person, identity
from worklists.base import new_id
from worklists.directory import Centre, Device, Kind, Person, Role
from worklists.laboratory.control import ControlMaterial
from worklists.laboratory.dictionary import LabItem, LabPanel, LabRange, Scale, Section
from worklists.laboratory.profiles import AnalyserProfile
from worklists.laboratory.rule_content import VERIFICATION
from worklists.laboratory.specimens import LabSpecimen, SpecimenSource, SpecimenState
from worklists.patients import get_or_create
from worklists.rule_books import COUNTY, RuleVersion, VersionState

NOW = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)
USUAL_RULES = ("range", "critical", "delta", "control", "instrument_flag", "status", "age_sex_unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Laboratory:
    """`bench` stands in the eastern township, `county_bench` at its lead hospital."""

    centre: Centre
    reader: Person
    reviewer: Person
    bench: Device
    county_bench: Device


def build_laboratory(session: Session, county: County, *, rules: Sequence[str] = USUAL_RULES) -> Laboratory:
    """WBC, HGB, PLT, K, GLU and HBsAg; a blood count of the first three."""
    centre = Centre(
        id=new_id(),
        institution_id=county.lead.id,
        kind=Kind.LABORATORY,
        name="县域检验中心",
        review_required=False,
    )
    session.add(centre)
    session.flush()
    session.add_all([*_items(), _panel(), _profile(), _rules(rules)])
    session.flush()
    bench, county_bench = _device(county.east.id, "EAST_LAB"), _device(county.lead.id, "LEAD_LAB")
    session.add_all([bench, county_bench])
    add_agreement(session, county.lead, county.east, kind=Kind.LABORATORY)
    return Laboratory(
        centre=centre,
        reader=add_person(session, "lab", "郑检验", county.lead, Role.READER, centre),
        reviewer=add_person(session, "lab_head", "何主任", county.lead, Role.REVIEWER, centre),
        bench=bench,
        county_bench=county_bench,
    )


def register(
    session: Session,
    county: County,
    barcode: str = "B001",
    *,
    items: Sequence[str] = ("WBC", "HGB", "PLT"),
    **who: Any,
) -> LabSpecimen:
    """A tube of 仇明, taken in the eastern township."""
    specimen = LabSpecimen(
        id=new_id(),
        institution_id=county.east.id,
        barcode=barcode,
        patient=get_or_create(session, county.east.id, identity(**who)),
        state=SpecimenState.REGISTERED,
        source=SpecimenSource.PAGE,
        panels=["CBC"] if set(items) == {"WBC", "HGB", "PLT"} else [],
        items=list(items),
        unknown_tests=[],
        registered_at=NOW,
        collected_at=NOW,
    )
    session.add(specimen)
    session.flush()
    return specimen


def control_material(
    session: Session, device: Device, item_code: str = "WBC", **fields: Any
) -> ControlMaterial:
    values: dict[str, Any] = {
        "level": "1", "lot": "L1", "mean": 6.0, "sd": 0.2, "valid_from": date(2026, 1, 1), **fields,
    }  # fmt: skip
    material = ControlMaterial(id=new_id(), device_id=device.id, item_code=item_code, **values)
    session.add(material)
    session.flush()
    return material


def _items() -> list[LabItem]:
    def item(
        code: str, name: str, unit: str, decimals: int | None, *ranges: LabRange, **fields: Any
    ) -> LabItem:
        return LabItem(code=code, name=name, unit=unit, decimals=decimals, ranges=list(ranges), **fields)

    blood, serum = Section.HAEMATOLOGY, Section.CHEMISTRY
    return [
        item("WBC", "白细胞计数", "10^9/L", 2, _range(3.5, 9.5, critical_low=1.5, critical_high=30), section=blood),
        item(
            "HGB", "血红蛋白", "g/L", 0,
            _range(130, 175, sex="M", critical_low=60), _range(115, 150, sex="F", critical_low=60),
            section=blood, units=[{"unit": "g/dL", "factor": 10}], delta_percent=20.0, delta_days=7,
        ),
        item("PLT", "血小板计数", "10^9/L", 0, _range(125, 350, critical_low=30), section=blood),
        item("K", "钾", "mmol/L", 2, _range(3.5, 5.3, critical_low=2.8, critical_high=6.2), section=serum),
        item("GLU", "葡萄糖", "mmol/L", 2, _range(3.9, 6.1), section=serum, units=[{"unit": "mg/dL", "factor": 0.0555}]),
        item(
            "HBSAG", "乙肝表面抗原", "", None, _range(None, None, text="阴性"),
            section=Section.IMMUNOLOGY, scale=Scale.ORDINAL, normal_values=["阴性"],
        ),
    ]  # fmt: skip


def _range(low: float | None, high: float | None, **fields: Any) -> LabRange:
    return LabRange(id=new_id(), low=low, high=high, critical_values=[], **fields)


def _panel() -> LabPanel:
    return LabPanel(
        code="CBC",
        name="血细胞分析",
        section=Section.HAEMATOLOGY,
        items=["WBC", "HGB", "PLT"],
        loinc="58410-2",
    )


def _profile() -> AnalyserProfile:
    units = {one.code: one.unit for one in _items()}
    tests = {code: {"item": code, "unit": unit} for code, unit in units.items()}
    content = {
        "tests": {**tests, "Mode": {"ignored": True}, "Left Shift?": {"flag": True}},
        "values": {"NEG": "阴性", "POS": "阳性"},
        "controls": [{"pattern": "QC-([0-9])", "level": "1", "lot": "L1"}],
    }
    return AnalyserProfile(
        code="test", name="试验分析仪", wire="hl7", version=1, content=content, changed_at=NOW
    )


def _rules(codes: Sequence[str]) -> RuleVersion:
    content = {"rules": [{"code": code, "enabled": True} for code in codes]}
    return RuleVersion(
        id=new_id(), book=VERIFICATION, scope=COUNTY, version=1, state=VersionState.LIVE, content=content,
        note="", made_at=NOW, live_at=NOW,
    )  # fmt: skip


def _device(institution_id: uuid.UUID, title: str) -> Device:
    return Device(
        id=new_id(),
        institution_id=institution_id,
        ae_title=title,
        name="分析仪",
        modality="LAB",
        profile_code="test",
    )
