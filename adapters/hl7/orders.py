"""Orders out: what an analyser shall do with a specimen."""

from collections.abc import Callable
from datetime import datetime, tzinfo

from adapters.hl7.header import Header
from adapters.hl7.values_out import birth_date, name_components
from adapters.hl7.writing import COUNTY_TIME, Writer
from adapters.lab.said import Coded, Specimen

_WHOLE_COUNT = Coded(code="00001", text="Automated Count", system="99MRC")
_MODES = {"08001": "Take Mode", "08002": "Blood Mode", "08003": "Test Mode"}


def write_order(
    to: Header,
    specimen: Specimen,
    now: datetime,
    *,
    character_set: str | None = None,
    zone: tzinfo = COUNTY_TIME,
) -> bytes:
    """OML^O33 for one specimen, an ORC and OBR for each of its tests (IHE LAW, LAB-28), to the sender of `to`."""
    writer = Writer(to, character_set=character_set, zone=zone)
    enhanced = ("NE", "AL") if to.is_enhanced else ("", "")
    profile = writer.join("LAB-28", "IHE") if to.component(21).startswith("LAB-") else ""
    writer.header("OML^O33^OML_O33", now, acknowledged_by=enhanced, profile=profile)
    _write_patient(writer, specimen)
    order, kind = specimen.order, specimen.kind
    collected = writer.time(order.collected_at) if order and order.collected_at else ""
    writer.segment(
        "SPM", "1", writer.text(specimen.barcode), "", _coded(writer, kind) if kind else '""', *[""] * 6,
        "Q" if specimen.control else "P", *[""] * 5, collected,
    )  # fmt: skip
    writer.segment(
        "SAC",
        "",
        "",
        writer.text(specimen.barcode),
        *[""] * 6,
        writer.text(specimen.rack),
        writer.text(specimen.place),
    )
    control = (order.control if order else "") or "NW"
    number = (order.placer_number if order else "") or specimen.barcode
    tests = order.tests if order else ()
    for place, test in enumerate(tests, start=1):
        writer.segment(
            "ORC",
            control,
            *[""] * 7,
            writer.time(order.ordered_at) if order and order.ordered_at else writer.time(now),
        )
        writer.segment("TQ1", *[""] * 8, (order.priority if order else "") or "R")
        # One number for each test, so that its result says which was meant (LAW: AWOS ID).
        own = number if len(tests) == 1 else f"{number}-{place}"
        writer.segment("OBR", str(place), writer.text(own), "", _coded(writer, test))
    return writer.bytes()


def write_haematology_order(
    writer: Writer, specimen: Specimen, name_of: Callable[[str], tuple[str, ...]] = name_components
) -> None:
    """PID to OBX of ORR^O02 as Mindray's haematology analysers read it; tests coded 08001 to 08003 set its modes."""
    patient, order = specimen.patient, specimen.order
    if patient is not None:
        number = writer.delimiters.component.join((writer.text(patient.patient_id), "", "", "", "MR"))
        # The whole name as the given one: that is where these analysers show it.
        family, given, *_ = name_of(patient.name)
        name = family + given if not (family + given).isascii() else " ".join(filter(None, (given, family)))
        sex = {"M": "Male", "F": "Female"}.get(patient.sex, "")
        writer.segment(
            "PID", "1", "", number, "", writer.join("", name), "", birth_date(patient.birth_date), sex
        )
        writer.segment("PV1", "1", "", writer.join(patient.department, "", patient.bed))
    writer.segment("ORC", "AF", writer.text(specimen.barcode))
    collected = writer.time(order.collected_at) if order and order.collected_at else ""
    fields = [""] * 24
    fields[0], fields[1], fields[3], fields[5] = (
        "1",
        writer.text(specimen.barcode),
        _coded(writer, _WHOLE_COUNT),
        collected,
    )
    fields[12] = writer.text((order.diagnosis or order.clinical_information) if order else "")
    fields[23] = "HM"
    writer.segment("OBR", *fields)
    for place, test in enumerate(order.tests if order else (), start=1):
        mode = _MODES.get(test.code)
        if mode:
            writer.segment(
                "OBX",
                str(place),
                "IS",
                writer.join(test.code, mode, "99MRC"),
                "",
                writer.text(test.text),
                *[""] * 5,
                "F",
            )
        else:
            writer.segment("OBX", str(place), "NM", _coded(writer, test), *[""] * 7, "F")


def _write_patient(writer: Writer, specimen: Specimen) -> None:
    patient = specimen.patient
    if patient is None:
        return
    number = writer.join(patient.patient_id, "", "", patient.issuer, "MR") if patient.patient_id else '""'
    writer.segment(
        "PID", "", "", number, "", writer.join(*name_components(patient.name)), "", birth_date(patient.birth_date),
        patient.sex or "U",
    )  # fmt: skip
    place = writer.join(patient.department, "", patient.bed)
    if place or patient.visit_number:
        writer.segment("PV1", "", "U", place, *[""] * 15, writer.text(patient.visit_number))


def _coded(writer: Writer, code: Coded) -> str:
    return writer.join(code.code, code.text, code.system)
