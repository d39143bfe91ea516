"""PID and PV1: whose a specimen is said to be.

PID-3 with its types: a medical record number (MR, PI, PT…) before others; an identity card is kept apart (NI, NNCHN,
身份证). PID-19, once for social security, holds the identity card in China where it has its form. Older analysers
write the number into PID-2 or PID-4.
"""

from datetime import tzinfo

from adapters.hl7.message import Segment
from adapters.hl7.values import looks_like_national_id, read_date, read_name, read_sex
from adapters.lab.said import StatedPatient

_RECORD_NUMBERS = ("MR", "PI", "PT", "PN", "MRN", "VN", "AN")  # HL7 table 0203, best first
_NATIONAL = ("NI", "NNCHN", "NNCN", "身份证", "身份证号", "居民身份证", "IDCARD", "ID CARD", "CNID", "SFZ")


def read_patient(pid: Segment | None, pv1: Segment | None, zone: tzinfo) -> StatedPatient | None:
    """The patient; None when nothing is said of one."""
    if pid is None:
        return None
    number, issuer, national_id = _read_numbers(pid)
    patient = StatedPatient(
        patient_id=number,
        issuer=issuer,
        name=read_name(pid, 5),
        sex=read_sex(pid.text(8)),
        birth_date=read_date(pid.text(7)),
        national_id=national_id,
        phone=_read_phone(pid),
        visit_number=(pv1.text(19) if pv1 else "") or pid.text(18),
        bed=pv1.text(3, 3) if pv1 else "",
        department=(pv1.text(3) or pv1.text(10)) if pv1 else "",
    )
    return None if patient == StatedPatient() else patient


def _read_numbers(pid: Segment) -> tuple[str, str, str]:
    """Patient number, its issuer, identity card."""
    national_id = ""
    found: list[tuple[int, str, str]] = []
    for raw in pid.repetitions(3):
        number, kind = pid.part(raw), pid.part(raw, 5).upper()
        if not number:
            continue
        if kind in _NATIONAL:
            national_id = national_id or number.upper()
        else:
            rank = _RECORD_NUMBERS.index(kind) if kind in _RECORD_NUMBERS else len(_RECORD_NUMBERS)
            found.append((rank, number, pid.part(raw, 4)))
    if not national_id and looks_like_national_id(pid.text(19)):
        national_id = pid.text(19).upper()
    if found:
        _, number, issuer = min(found, key=lambda one: one[0])
        return number, issuer, national_id
    for field in (2, 4):
        if pid.text(field):
            return pid.text(field), pid.text(field, 4), national_id
    return "", "", national_id


def _read_phone(pid: Segment) -> str:
    """XTN: the number as written, else its parts."""
    for raw in [*pid.repetitions(13), *pid.repetitions(14)]:
        written = pid.part(raw, 1) or pid.part(raw, 12)
        number = written or "-".join(filter(None, (pid.part(raw, place) for place in (5, 6, 7))))
        if number:
            return number
    return ""
