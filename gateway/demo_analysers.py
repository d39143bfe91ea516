"""Two analysers of the demonstration county: what they measured this morning, in their own words.

The blood counter speaks HL7 v2.3.1 with LOINC codes, the chemistry analyser ASTM; patients and values are invented.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from worklists.base import COUNTY_TIME

BLOOD_COUNTER, CHEMISTRY = "BC-5390", "BS-240"  # as they name themselves
CONTROL_DAYS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPatient:
    patient_id: str
    name: str
    sex: str
    birth_date: str
    barcode: str  # of the blood count; that of the serum ends with "S"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blood:
    """What the blood counter measures; the rest follows from it."""

    wbc: float
    hgb: int
    rbc: float
    mcv: float
    plt: int
    neutrophils: float = 58.0  # per cent
    lymphocytes: float = 32.0
    flags: tuple[str, ...] = ()


# Order of the morning. The last one's barcode was never registered: what it says waits for a person.
PATIENTS: Sequence[tuple[DemoPatient, Blood, Mapping[str, str]]] = (
    (
        DemoPatient(
            patient_id="LX20001", name="赵建华", sex="男", birth_date="19680512", barcode="260000000015"
        ),
        Blood(wbc=6.12, hgb=148, rbc=4.85, mcv=91.2, plt=212),
        {
            "ALT": "23",
            "AST": "21",
            "CREA": "78",
            "UREA": "5.1",
            "GLU": "5.32",
            "K": "4.21",
            "NA": "140.2",
            "TCHOL": "4.61",
        },
    ),
    (
        DemoPatient(
            patient_id="LX20002", name="孙桂英", sex="女", birth_date="19551103", barcode="260000000022"
        ),
        Blood(wbc=5.48, hgb=92, rbc=3.96, mcv=74.1, plt=305),
        {
            "ALT": "18",
            "AST": "24",
            "CREA": "66",
            "UREA": "6.0",
            "GLU": "9.87",
            "K": "4.05",
            "NA": "138.9",
            "TCHOL": "6.82",
        },
    ),
    (
        DemoPatient(
            patient_id="LX20003", name="马志强", sex="男", birth_date="19800227", barcode="260000000039"
        ),
        Blood(
            wbc=18.73,
            hgb=139,
            rbc=4.60,
            mcv=90.4,
            plt=188,
            neutrophils=88.4,
            lymphocytes=6.1,
            flags=("Left Shift?",),
        ),
        {
            "ALT": "156",
            "AST": "98",
            "CREA": "102",
            "UREA": "8.9",
            "GLU": "6.02",
            "K": "3.61",
            "NA": "136.0",
            "TCHOL": "4.02",
        },
    ),
    (
        DemoPatient(
            patient_id="LX20004", name="钱秀芳", sex="女", birth_date="19470819", barcode="260000000046"
        ),
        Blood(wbc=4.02, hgb=118, rbc=3.90, mcv=92.8, plt=18),
        {
            "ALT": "31",
            "AST": "29",
            "CREA": "412",
            "UREA": "28.6",
            "GLU": "5.55",
            "K": "6.94",
            "NA": "133.1",
            "TCHOL": "5.20",
        },
    ),
    (
        DemoPatient(
            patient_id="LX20005", name="周浩然", sex="男", birth_date="20190706", barcode="260000000053"
        ),
        Blood(wbc=8.90, hgb=126, rbc=4.58, mcv=82.3, plt=298, neutrophils=45.0, lymphocytes=46.0),
        {
            "ALT": "15",
            "AST": "33",
            "CREA": "35",
            "UREA": "4.4",
            "GLU": "4.98",
            "K": "4.40",
            "NA": "139.0",
            "TCHOL": "3.90",
        },
    ),
    (
        DemoPatient(
            patient_id="LX20006", name="吴丽娟", sex="女", birth_date="19920115", barcode="260000000060"
        ),
        Blood(wbc=6.75, hgb=131, rbc=4.32, mcv=90.6, plt=241),
        {
            "ALT": "12",
            "AST": "17",
            "CREA": "58",
            "UREA": "4.0",
            "GLU": "4.88",
            "K": "4.12",
            "NA": "141.0",
            "TCHOL": "4.33",
        },
    ),
    (
        DemoPatient(
            patient_id="LX20007", name="郑国庆", sex="男", birth_date="19611001", barcode="260000000077"
        ),
        Blood(wbc=7.21, hgb=155, rbc=5.02, mcv=93.0, plt=176),
        {
            "ALT": "44",
            "AST": "38",
            "CREA": "91",
            "UREA": "6.6",
            "GLU": "5.90",
            "K": "4.66",
            "NA": "142.3",
            "TCHOL": "5.51",
        },
    ),
    (
        DemoPatient(patient_id="", name="", sex="", birth_date="", barcode="260000009998"),
        Blood(wbc=6.00, hgb=140, rbc=4.70, mcv=90.0, plt=200),
        {"ALT": "20", "GLU": "5.10", "HCY2": "11.2"},
    ),
)
_CODES = {
    "WBC": "6690-2", "NEU%": "770-8", "LYM%": "736-9", "MON%": "5905-5", "EOS%": "713-8", "BAS%": "706-2",
    "NEU#": "751-8", "LYM#": "731-0", "MON#": "742-7", "EOS#": "711-2", "BAS#": "704-7", "RBC": "789-8",
    "HGB": "718-7", "HCT": "4544-3", "MCV": "787-2", "MCH": "785-6", "MCHC": "786-4", "RDW-CV": "788-0",
    "RDW-SD": "21000-5", "PLT": "777-3", "MPV": "32623-1", "PDW": "32207-3", "PCT": "10002", "P-LCR": "10014",
}  # fmt: skip
_UNITS = {"ALT": "U/L", "AST": "U/L", "CREA": "umol/L", "HCY2": "umol/L"}

# Control material: item, level, lot, mean, standard deviation; and how far off each day was, in these. The last
# morning glucose is out of control, so that nobody's glucose goes out by itself.
CONTROLS = {
    BLOOD_COUNTER: [
        ("WBC", "2", "BC2511", 7.20, 0.18),
        ("HGB", "2", "BC2511", 134.0, 1.6),
        ("PLT", "2", "BC2511", 228.0, 8.0),
    ],
    CHEMISTRY: [
        ("GLU", "1", "CH2509", 5.60, 0.12),
        ("K", "1", "CH2509", 4.10, 0.06),
        ("ALT", "1", "CH2509", 42.0, 1.9),
    ],
}
_OFF = (0.3, -0.6, 1.1, -0.2, 0.8, -1.2, 0.1, 0.5, -0.9, 1.4, -0.4, 0.2, -0.1, 0.7, 0.4)
_OUT_OF_CONTROL = {"GLU": 3.6}


def blood_counts(morning: datetime) -> Iterator[bytes]:
    """Fifteen days of control material, then the patients, as ORU^R01."""
    for number, (at, values) in enumerate(_control_days(BLOOD_COUNTER, morning)):
        lines = [_obx(name, f"{value:.2f}", _unit_of_count(name)) for name, value in values.items()]
        yield _oru(f"Q{number}", at, None, "BC-CTRL-2", lines, control=True)
    for number, (patient, blood, _) in enumerate(PATIENTS):
        yield blood_count(
            f"P{number}", morning + timedelta(minutes=3 * number), patient, patient.barcode, blood
        )


def chemistries(morning: datetime) -> Iterator[bytes]:
    """The same for the chemistry analyser, as ASTM records ended by CR."""
    for at, measured in _control_days(CHEMISTRY, morning):
        shown = {name: f"{value:.2f}" for name, value in measured.items()}
        yield _records(at, None, "CH-CTRL-1", shown, control=True)
    for number, (patient, _, values) in enumerate(PATIENTS):
        yield chemistry(morning + timedelta(minutes=4 * number), patient, f"{patient.barcode}S", values)


def blood_count(control_id: str, at: datetime, patient: DemoPatient, barcode: str, blood: Blood) -> bytes:
    lines = [_obx(name, value, _unit_of_count(name)) for name, value in _count(blood).items()]
    lines += [f"||IS|{flag}^{flag}^99MRC||T||||||F" for flag in blood.flags]
    return _oru(control_id, at, patient, barcode, lines)


def chemistry(at: datetime, patient: DemoPatient, barcode: str, values: Mapping[str, str]) -> bytes:
    return _records(at, patient if patient.name else None, barcode, values)


def _control_days(analyser: str, morning: datetime) -> Iterator[tuple[datetime, dict[str, float]]]:
    for day, off in enumerate(_OFF[:CONTROL_DAYS]):
        last = day == CONTROL_DAYS - 1
        values = {
            item: mean
            + sd * (_OUT_OF_CONTROL.get(item, off) if last else off) * (1 if place % 2 == 0 else -1)
            for place, (item, _, _, mean, sd) in enumerate(CONTROLS[analyser])
        }
        yield morning - timedelta(days=CONTROL_DAYS - 1 - day, minutes=20), values


def _count(blood: Blood) -> dict[str, str]:
    monocytes, eosinophils, basophils = 6.0, 2.5, 0.5
    lymphocytes = round(100 - blood.neutrophils - monocytes - eosinophils - basophils, 1)
    shares = {
        "NEU": blood.neutrophils,
        "LYM": lymphocytes,
        "MON": monocytes,
        "EOS": eosinophils,
        "BAS": basophils,
    }
    hct = blood.rbc * blood.mcv / 10
    return {
        "WBC": f"{blood.wbc:.2f}",
        **{f"{name}%": f"{share:.1f}" for name, share in shares.items()},
        **{f"{name}#": f"{blood.wbc * share / 100:.2f}" for name, share in shares.items()},
        "RBC": f"{blood.rbc:.2f}",
        "HGB": str(blood.hgb),
        "HCT": f"{hct:.1f}",
        "MCV": f"{blood.mcv:.1f}",
        "MCH": f"{blood.hgb / blood.rbc:.1f}",
        "MCHC": f"{blood.hgb / hct * 100:.0f}",
        "RDW-CV": "13.2",
        "PLT": str(blood.plt),
        "RDW-SD": "42.6",
        "MPV": "9.8",
        "PDW": "16.1",
        "PCT": f"{blood.plt * 9.8 / 10_000:.3f}",
        "P-LCR": "24.5",
    }


def _unit_of_count(name: str) -> str:
    units = {
        "RBC": "10*12/L",
        "HGB": "g/L",
        "MCHC": "g/L",
        "MCV": "fL",
        "MPV": "fL",
        "RDW-SD": "fL",
        "PDW": "fL",
        "MCH": "pg",
        "HCT": "%",
        "PCT": "%",
        "P-LCR": "%",
    }
    if name.endswith("%") or name == "RDW-CV":
        return "%"
    return units.get(name, "10*9/L")


def _obx(name: str, value: str, unit: str) -> str:
    """LOINC where there is one, the maker's own table where not."""
    table = "LN" if "-" in _CODES[name] else "99MRC"
    return f"||NM|{_CODES[name]}^{name}^{table}||{value}|{unit}||N|||F"


def _oru(
    control_id: str,
    at: datetime,
    patient: DemoPatient | None,
    barcode: str,
    lines: Sequence[str],
    *,
    control: bool = False,
) -> bytes:
    """As Mindray's counters write it: MSH-16 says whether it is a patient's (0) or control material's (2)."""
    moment = f"{at.astimezone(COUNTY_TIME):%Y%m%d%H%M%S}"
    what = "2" if control else "0"
    head = f"MSH|^~\\&|{BLOOD_COUNTER}|Mindray|||{moment}||ORU^R01|{moment}{control_id}|P|2.3.1||||{what}||UNICODE"
    who = patient if patient is not None and patient.name else None
    segments = [
        head,
        *([f"PID|1||{who.patient_id}^^^^MR||^{who.name}||{who.birth_date}|{who.sex}"] if who else []),
        f"OBR|1||{barcode}|00001^Automated Count^99MRC|||{moment}|||||||{moment}",
        *(f"OBX|{number}{line[1:]}" for number, line in enumerate(lines, 1)),
    ]
    return "".join(f"{one}\r" for one in segments).encode()


def _records(
    at: datetime,
    patient: DemoPatient | None,
    barcode: str,
    values: Mapping[str, str],
    *,
    control: bool = False,
) -> bytes:
    moment = f"{at.astimezone(COUNTY_TIME):%Y%m%d%H%M%S}"
    who = (
        f"|{patient.patient_id}|||{patient.name}||{patient.birth_date}|{_ASTM_SEX[patient.sex]}"
        if patient
        else ""
    )
    records = [
        f"H|\\^&|||{CHEMISTRY}^Mindray|||||||P|LIS2-A2|{moment}",
        f"P|1{who}",
        f"O|1|{barcode}||{chr(92).join(f'^^^{name}' for name in values)}|R||||||{'Q' if control else ''}||||||||||||||F",
        *(
            f"R|{number}|^^^{name}|{value}|{_UNITS.get(name, 'mmol/L')}||N||F||||{moment}"
            for number, (name, value) in enumerate(values.items(), 1)
        ),
        "L|1|N",
    ]
    return "".join(f"{one}\r" for one in records).encode()


_ASTM_SEX = {"男": "M", "女": "F"}
