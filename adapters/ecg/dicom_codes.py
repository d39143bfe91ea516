"""The codes of an electrocardiogram in DICOM: leads, units, measurements, acquisition context.

Leads: CID 3001 (MDC, ISO/IEEE 11073-10102). Measurements: TID 3713 with CID 3227, 3228, 3229. Units: CID 82 (UCUM).
"""

from dataclasses import dataclass

from pydicom.dataset import Dataset


@dataclass(frozen=True, slots=True)
class Code:
    """One coded concept (PS3.3 8.8)."""

    value: str
    scheme: str
    meaning: str

    def item(self) -> Dataset:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = self.value, self.scheme, self.meaning
        return item


def _mdc(value: str, meaning: str) -> Code:
    return Code(value, "MDC", meaning)


UNSPECIFIED_LEAD = _mdc("2:0", "Unspecified lead")
LEADS = {
    "I": _mdc("2:1", "Lead I"),
    "II": _mdc("2:2", "Lead II"),
    "III": _mdc("2:61", "Lead III"),
    "aVR": _mdc("2:62", "aVR, augmented voltage, right"),
    "-aVR": _mdc("2:65", "-aVR"),
    "aVL": _mdc("2:63", "aVL, augmented voltage, left"),
    "aVF": _mdc("2:64", "aVF, augmented voltage, foot"),
    **{f"V{place}": _mdc(f"2:{place + 2}", f"Lead V{place}") for place in range(1, 8)},
    "V8": _mdc("2:66", "Lead V8"),
    "V9": _mdc("2:67", "Lead V9"),
    **{f"V{place}R": _mdc(f"2:{place + 8}", f"Lead V{place}R") for place in range(2, 8)},
    "V8R": _mdc("2:68", "Lead V8R"),
    "V9R": _mdc("2:69", "Lead V9R"),
    "X": _mdc("2:16", "Lead X"),
    "Y": _mdc("2:17", "Lead Y"),
    "Z": _mdc("2:18", "Lead Z"),
    "CC5": _mdc("2:19", "Chest lead per V5 and V5R placement"),
    "CM5": _mdc("2:20", "Chest-manubrium lead per V5 placement"),
    "CH5": _mdc("2:122", "Lead CH5"),
    "CR5": _mdc("2:125", "Lead CR5"),
    "D": _mdc("2:70", "Lead D (Nehb - Dorsal)"),
    "A": _mdc("2:71", "Lead A (Nehb - Anterior)"),
    "J": _mdc("2:72", "Lead J (Nehb - Inferior)"),
    "ML": _mdc("2:126", "Modified limb lead"),
    "MLII": _mdc("2:126", "Modified limb lead"),
    "MCL1": _mdc("2:92", "Modified chest lead per V1 placement"),
    "ES": _mdc("2:131", "EASI Lead ES"),
    "AS": _mdc("2:132", "EASI Lead AS"),
    "AI": _mdc("2:133", "EASI Lead AI"),
}

MICROVOLT = Code("uV", "UCUM", "microvolt")
MILLISECOND = Code("ms", "UCUM", "millisecond")
DEGREE = Code("deg", "UCUM", "degree")
BEATS_PER_MINUTE = Code("{H.B.}/min", "UCUM", "heart beats per minute")

# Field of EcgMeasurements → concept and unit.
MEASUREMENTS = {
    "heart_rate_bpm": (_mdc("2:16016", "Ventricular Heart Rate"), BEATS_PER_MINUTE),
    "rr_ms": (_mdc("2:16168", "RR interval global"), MILLISECOND),
    "p_ms": (_mdc("2:16184", "P duration global"), MILLISECOND),
    "pr_ms": (_mdc("2:15872", "PR interval global"), MILLISECOND),
    "qrs_ms": (_mdc("2:16156", "QRS duration global"), MILLISECOND),
    "qt_ms": (_mdc("2:16160", "QT interval global"), MILLISECOND),
    "qtc_ms": (_mdc("2:15876", "QTc interval global"), MILLISECOND),
    "p_axis_deg": (_mdc("2:16128", "P Axis"), DEGREE),
    "qrs_axis_deg": (_mdc("2:16132", "QRS axis"), DEGREE),
    "t_axis_deg": (_mdc("2:16136", "T axis"), DEGREE),
}
QTC_BY_FORMULA = {
    "bazett": _mdc("2:15880", "QTc global using Bazett formula"),
    "fridericia": _mdc("2:15892", "QTc global using Fredericia formula"),  # spelled so in CID 3227
}

# TID 3401 ECG Acquisition Context with CID 3263.
LEAD_SYSTEM = _mdc("10:11345", "Lead System")
TWELVE_LEADS_PLACED_ANYHOW = _mdc("10:11264", "Unspecified 12-lead system")
TWELVE_LEADS_FROM_EIGHT = _mdc("10:11285", "12-lead from Limb Leads (I, II) and one or more V leads")
