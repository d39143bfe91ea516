"""The demonstration county's bench: two analysers with their control material, this morning's specimens, its messages.

Everything is found again by its title or barcode, so making it twice changes nothing; what was sent at an earlier
start is left out.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.hl7.sending import send as send_hl7
from adapters.lab.sending import send as send_astm
from gateway.demo_analysers import (
    BLOOD_COUNTER,
    CHEMISTRY,
    CONTROLS,
    PATIENTS,
    DemoPatient,
    blood_counts,
    chemistries,
)
from gateway.settings import Settings
from worklists.base import new_id
from worklists.directory import Device, Institution
from worklists.examinations import Priority
from worklists.laboratory.control import ControlMaterial
from worklists.laboratory.dictionary import LabItem, LabPanel
from worklists.laboratory.specimens import LabSpecimen, SpecimenSource, SpecimenState
from worklists.patients import PatientIdentity, get_or_create

HERE = "127.0.0.1"
# AE title, name, what it calls itself, its profile
ANALYSERS = [
    ("DEMO_BC", "五分类血球仪", BLOOD_COUNTER, "mindray-bc-hl7"),
    ("DEMO_BS", "全自动生化仪", CHEMISTRY, "mindray-bs-astm"),
]
BLOOD = "CBC5"  # panel of the dictionary
COLLECTED_BEFORE = timedelta(hours=2)  # the county looks
SEXES = {"男": "M", "女": "F"}


def make_bench(session: Session, township: Institution, now: datetime) -> None:
    """The analysers, and what their control material should give."""
    for title, name, sender, profile in ANALYSERS:
        device = session.scalars(select(Device).where(Device.ae_title == title)).first()
        if device is None:
            device = Device(
                id=new_id(),
                institution_id=township.id,
                ae_title=title,
                name=name,
                modality="LAB",
                sender=sender,
                profile_code=profile,
                address=HERE,
            )
            session.add(device)
            session.flush()
            _targets(session, device, sender, now.date())


def order_specimens(session: Session, township_code: str, now: datetime) -> None:
    """This morning's tubes, a blood count and chemistry of each patient."""
    township = session.scalars(select(Institution).where(Institution.code == township_code)).one()
    for patient, _, serum in PATIENTS:
        if patient.name:
            order_specimen(session, township, patient, patient.barcode, (), now - COLLECTED_BEFORE)
            order_specimen(
                session, township, patient, f"{patient.barcode}S", tuple(serum), now - COLLECTED_BEFORE
            )


def run_analysers(settings: Settings, folder: Path, now: datetime) -> Iterator[str]:
    """Both analysers send their morning, each over its own wire."""
    folder.mkdir(parents=True, exist_ok=True)
    morning = (now - timedelta(hours=1)).replace(second=0, microsecond=0)
    for name, port, wire, messages in (
        (BLOOD_COUNTER, settings.mllp_port, send_hl7, blood_counts(morning)),
        (CHEMISTRY, settings.astm_port, send_astm, chemistries(morning)),
    ):
        sent = folder / f"{name}.sent"
        if port and not sent.exists():
            for _ in wire(messages, HERE, port):
                pass
            sent.touch()
        yield name


def _targets(session: Session, device: Device, sender: str, today: date) -> None:
    session.add_all(
        ControlMaterial(
            id=new_id(),
            device_id=device.id,
            item_code=item,
            level=level,
            lot=lot,
            name="演示质控品",
            mean=mean,
            sd=sd,
            valid_from=date(today.year - 1, 1, 1),
        )
        for item, level, lot, mean, sd in CONTROLS[sender]
    )


def order_specimen(
    session: Session,
    township: Institution,
    patient: DemoPatient,
    barcode: str,
    items: tuple[str, ...],
    collected_at: datetime,
) -> bool:
    """A tube for these items, or with none for a blood count. False where it is known already."""
    known = select(LabSpecimen.id).where(
        LabSpecimen.institution_id == township.id, LabSpecimen.barcode == barcode
    )
    if session.scalars(known).first() is not None:
        return False
    panel = None if items else session.get(LabPanel, BLOOD)
    wanted = list(panel.items) if panel else list(items)
    first = session.get(LabItem, wanted[0]) if wanted else None
    identity = PatientIdentity(
        patient_id=patient.patient_id,
        name=f"={patient.name[0]}^{patient.name[1:]}",
        sex=SEXES[patient.sex],
        birth_date=date.fromisoformat(patient.birth_date),
    )
    session.add(
        LabSpecimen(
            id=new_id(),
            institution_id=township.id,
            barcode=barcode,
            patient=get_or_create(session, township.id, identity),
            state=SpecimenState.REGISTERED,
            source=SpecimenSource.PAGE,
            kind=first.specimen if first else "",
            panels=[panel.code] if panel else [],
            items=wanted,
            unknown_tests=[],
            priority=Priority.ROUTINE,
            requester="刘全科",
            department="门诊",
            clinical_information="体检" if patient.birth_date < "1970" else "发热待查",
            collected_at=collected_at,
            registered_at=collected_at,
        )
    )
    session.flush()
    return True
