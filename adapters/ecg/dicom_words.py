"""What a DICOM data set says beside the samples: whose it is, when, by which cart, and what the cart found.

Text is read as declared, or as a set that makes sense of it (`adapters.dicom.doubt`). Annotations: PS3.3 C.10.10,
PS3.16 CID 3227, 3228, 3229.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from pydicom.dataset import Dataset

from adapters.dicom.charset import read_as
from adapters.dicom.doubt import propose_character_set
from adapters.ecg.recording import EcgDevice, EcgMeasurements, EcgPatient
from adapters.ecg.units import read_date, read_sex

_MOST_ANNOTATIONS = 20_000
# MDC and SCPECG codes of PS3.16 CID 3227, 3228, 3229 and of what writers took from EN 1064 instead.
_MEASURED = {
    "2:16770": "heart_rate_bpm", "2:16016": "heart_rate_bpm", "5.10.2.5-1": "heart_rate_bpm", "2:16168": "rr_ms",
    "5.10.2.1-3": "rr_ms", "2:15864": "p_ms", "2:16184": "p_ms", "5.13.5-5": "p_ms", "2:15872": "pr_ms", "5.13.5-7": "pr_ms",
    "2:16156": "qrs_ms", "5.13.5-9": "qrs_ms", "2:16160": "qt_ms", "5.13.5-11": "qt_ms", "5.10.2.5-5": "qtc_ms",
    "2:15876": "qtc_ms", "2:15880": "qtc_ms", "2:15884": "qtc_ms", "2:15888": "qtc_ms", "2:15892": "qtc_ms",
    "2:16128": "p_axis_deg", "5.10.3-11": "p_axis_deg", "2:16132": "qrs_axis_deg", "5.10.3-13": "qrs_axis_deg",
    "2:16136": "t_axis_deg", "5.10.3-15": "t_axis_deg",
}  # fmt: skip
_MEASURED_BY_NAME = {
    "heart rate": "heart_rate_bpm", "ventricular heart rate": "heart_rate_bpm", "ventricular rate": "heart_rate_bpm",
    "rr interval": "rr_ms", "p duration": "p_ms", "pr interval": "pr_ms", "pq interval": "pr_ms",
    "qrs duration": "qrs_ms", "qt interval": "qt_ms", "qtc interval": "qtc_ms", "p axis": "p_axis_deg",
    "qrs axis": "qrs_axis_deg", "t axis": "t_axis_deg",
}  # fmt: skip
# `dicom_writing` says these as statements, for other readers.
_FORMULA_REMARK = "QTc: "
_OUR_REMARKS = (_FORMULA_REMARK, "Caution: ", "The device does not say when this was recorded")
_FORMULAS = {"2:15880": "bazett", "2:15884": "fridericia", "2:15892": "fridericia", "2:15888": "framingham"}
_TIMES = {"ms": 1.0, "s": 1000.0, "us": 1e-3}


class Words:
    """Text of a data set: as declared, or as a set that makes sense of it."""

    def __init__(self, data_set: Dataset) -> None:
        element = data_set.get_item(0x00080005)
        raw = element.value if element is not None else b""
        self._declared = (
            raw.decode("ascii", "replace").strip("\0 ") if isinstance(raw, bytes) else str(raw or "")
        )
        if isinstance(raw, list | tuple):
            self._declared = "\\".join(map(str, raw))
        values = [_raw(data_set, tag) for tag in (0x00100010, 0x00100020, 0x00080080, 0x00080070, 0x00081090)]
        self._proposed = propose_character_set([value for value in values if value], self._declared)

    def of(self, data_set: Dataset, tag: int) -> str:
        raw = _raw(data_set, tag).rstrip(b"\0 ")
        text = read_as(raw, self._proposed) if self._proposed else None
        if text is None:
            text = read_as(raw, self._declared)
        found = text.text if text is not None else raw.decode("latin-1")
        return found.replace("\0", "").strip()


def _raw(data_set: Dataset, tag: int) -> bytes:
    element = data_set.get_item(tag)
    if element is None or element.value is None:
        return b""
    return (
        element.value if isinstance(element.value, bytes) else str(element.value).encode("utf-8", "replace")
    )


def read_facts(data_set: Dataset, text: Words) -> dict[str, Any]:
    return {
        "patient": EcgPatient(
            patient_id=text.of(data_set, 0x00100020),
            name=text.of(data_set, 0x00100010).rstrip("^="),
            sex=read_sex(text.of(data_set, 0x00100040)),
            birth_date=read_date(text.of(data_set, 0x00100030)),
            age_years=_age(text.of(data_set, 0x00101010)),
        ),
        "device": EcgDevice(
            manufacturer=text.of(data_set, 0x00080070),
            model=text.of(data_set, 0x00081090),
            serial_number=text.of(data_set, 0x00181000),
            software=text.of(data_set, 0x00181020),
            institution=text.of(data_set, 0x00080080),
        ),
        "accession_number": text.of(data_set, 0x00080050),
    }


def _age(text: str) -> int | None:
    return int(text[:3]) if len(text) == 4 and text[:3].isdigit() and text[3] == "Y" else None


def read_started_at(data_set: Dataset) -> datetime | None:
    """PS3.3 C.10.8: Acquisition DateTime, else the content's or the study's date and time."""
    texts = [
        _plain(data_set, "AcquisitionDateTime"),
        *(
            _plain(data_set, f"{of}Date") + _plain(data_set, f"{of}Time")
            for of in ("Acquisition", "Content", "Study")
        ),
    ]
    for text in texts:
        moment = _moment(text)
        if moment is not None:
            zone = _zone(_plain(data_set, "TimezoneOffsetFromUTC"))
            return moment if moment.tzinfo or zone is None else moment.replace(tzinfo=zone)
    return None


def _plain(data_set: Dataset, keyword: str) -> str:
    element = data_set.get(keyword)
    return str(element or "").strip()


def _moment(text: str) -> datetime | None:
    digits, zone = text, None
    for sign in "+-":
        if sign in text[8:]:
            digits, _, offset = text.partition(sign)
            zone = _zone(sign + offset)
    digits, _, fraction = digits.replace(":", "").partition(".")
    if len(digits) < 12 or not digits.isdigit():
        return None
    try:
        moment = datetime.strptime(digits[:14].ljust(14, "0"), "%Y%m%d%H%M%S")  # noqa: DTZ007
    except ValueError:
        return None
    moment = moment.replace(microsecond=int(fraction[:6].ljust(6, "0")) if fraction.isdigit() else 0)
    return moment if zone is None else moment.replace(tzinfo=zone)


def _zone(text: str) -> timezone | None:
    if len(text) != 5 or text[0] not in "+-" or not text[1:].isdigit():
        return None
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[3:5]))
    if offset >= timedelta(hours=24):
        return None
    return (timezone(offset if text[0] == "+" else -offset)) if offset else UTC


def _annotations(data_set: Dataset) -> list[Dataset]:
    return list(data_set.get("WaveformAnnotationSequence") or [])[:_MOST_ANNOTATIONS]


def read_lines(data_set: Dataset, text: Words) -> list[str]:
    lines = []
    for item in _annotations(data_set):
        found = text.of(item, 0x00700006)
        if not found and "ConceptCodeSequence" in item and item.ConceptCodeSequence:
            found = text.of(item.ConceptCodeSequence[0], 0x00080104)
        lines += found.splitlines()
    return lines


def read_statements(data_set: Dataset, text: Words) -> list[str]:
    """Without what our own writer says beside the cart's statements."""
    return [line for line in read_lines(data_set, text) if not line.startswith(_OUR_REMARKS)]


def read_measurements(data_set: Dataset, lines: Sequence[str]) -> EcgMeasurements:
    """The first value of each; times in whatever unit is said, axes in degrees."""
    found: dict[str, Any] = {}
    for item in _annotations(data_set):
        names, value = item.get("ConceptNameCodeSequence"), _first_number(item)
        if not names or value is None:
            continue
        code = str(names[0].get("CodeValue", ""))
        field = _MEASURED.get(code) or _MEASURED_BY_NAME.get(
            str(names[0].get("CodeMeaning", "")).strip().lower()
        )
        if field is None or field in found:
            continue
        if not field.endswith("_deg"):
            value = value * _TIMES.get(_unit(item), 1.0) if field.endswith("_ms") else value
            if not 0 < value < 1e5:
                continue
        elif not -360 <= value <= 360:
            continue
        found[field] = value
        if field == "qtc_ms":
            found["qtc_formula"] = _FORMULAS.get(code, "")
    if "qtc_ms" in found and not found["qtc_formula"]:
        remarks = (line.removeprefix(_FORMULA_REMARK) for line in lines if line.startswith(_FORMULA_REMARK))
        found["qtc_formula"] = next(remarks, "")
    return EcgMeasurements(**found)


def _first_number(item: Dataset) -> float | None:
    value = item.get("NumericValue")
    if isinstance(value, str | bytes) or value is None:
        return None
    try:
        return float(value[0] if hasattr(value, "__getitem__") else value)
    except (TypeError, ValueError, IndexError):
        return None


def _unit(item: Dataset) -> str:
    units = item.get("MeasurementUnitsCodeSequence")
    return str(units[0].get("CodeValue", "ms")) if units else "ms"
