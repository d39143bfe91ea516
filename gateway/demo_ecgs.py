"""ECGs of the demonstration county, as a township's cart would write them into its folder.

The heart is the one that pydicom ships (twelve leads, recorded by a real cart, anonymous); the infarction is computed
onto it, and the day's recording is made of its median beat. Patients are invented. Files are made once in the data
dir; what was dropped at an earlier start is left out.
"""

import binascii
import shutil
import struct
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.data import get_testdata_file

from adapters.ecg.recording import STANDARD_LEADS
from worklists.base import COUNTY_TIME

RATE_HZ = 500
HOLTER_H, HOLTER_RATE_HZ, HOLTER_LEADS = 6, 200, ("II", "V1", "V5")

Samples = NDArray[np.float64]  # microvolts, shape (leads, samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoEcg:
    """One file of the cart. `age`: how long ago it was recorded. `measured`: as the cart prints it."""

    key: str
    patient_name: str
    patient_id: str
    sex: str
    birth_date: str
    age: timedelta
    make: Callable[["DemoEcg", Path, datetime], None]
    infarction: bool = False
    statements: tuple[str, ...] = ()

    @property
    def suffix(self) -> str:
        return ".ecg" if self.make is _write_holter else ".xml"


def drop_ecgs(folder: Path, drop: Path, now: datetime) -> Iterator[str]:
    """Write each file and put it into the cart's folder, as a cart does: under another name until it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    drop.mkdir(parents=True, exist_ok=True)
    for ecg in ECGS:
        dropped = folder / f"{ecg.key}.dropped"
        if not dropped.exists():
            local = (now - ecg.age).astimezone(COUNTY_TIME)
            name = f"{local:%Y%m%d%H%M%S}_{ecg.patient_id}{ecg.suffix}"
            ecg.make(ecg, folder / name, local)
            shutil.copyfile(folder / name, drop / f"{name}.tmp")
            (drop / f"{name}.tmp").rename(drop / name)
            (folder / name).unlink()
            dropped.touch()
        yield ecg.key


def _shipped() -> tuple[Samples, Samples]:
    """Ten seconds and the median beat of twelve leads, at 1000 Hz."""
    path = get_testdata_file("waveform_ecg.dcm", download=False)
    if not isinstance(path, str):
        raise FileNotFoundError("pydicom does not ship its ECG")
    data_set = dcmread(path)
    rhythm, median = (data_set.waveform_array(group).T for group in (0, 1))
    return rhythm, median


def _infarcted(rhythm: Samples) -> Samples:
    """The same heart with an acute inferior infarction: ST raised in II, III, aVF, lowered in I, aVL, V2."""
    ill = rhythm.copy()
    # A dome from the J point to the end of T, in multiples of 100 microvolts.
    rise, fall = np.sin(np.linspace(0, np.pi / 2, 40)), np.cos(np.linspace(0, np.pi / 2, 210))
    dome = np.concatenate([0.8 * rise, np.linspace(0.8, 1, 60), fall])
    heights = {"II": 2.6, "III": 3.4, "aVF": 3.0, "I": -1.1, "aVL": -2.0, "V2": -1.4, "V3": -0.6}
    for peak in _peaks(rhythm[STANDARD_LEADS.index("II")]):
        at = peak + 42
        for name, height in heights.items():
            part = ill[STANDARD_LEADS.index(name), at : at + dome.size]
            part += dome[: part.size] * height * 100
    return ill


def _peaks(lead: NDArray[np.float64]) -> list[int]:
    """R peaks of a clean lead at 1000 Hz."""
    high = np.flatnonzero(lead > 0.6 * lead.max())
    groups = np.split(high, np.flatnonzero(np.diff(high) > 300) + 1)
    return [int(group[lead[group].argmax()]) for group in groups]


def _write_rest(ecg: DemoEcg, path: Path, started_at: datetime) -> None:
    rhythm, _ = _shipped()
    samples = (_infarcted(rhythm) if ecg.infarction else rhythm)[:, :: 1000 // RATE_HZ]
    path.write_text(_annotated_ecg(ecg, samples, started_at), encoding="utf-8")


_CODES = 'codeSystem="2.16.840.1.113883.6.24" codeSystemName="MDC"'
_MEASURED = {"PR": ("161", "ms"), "QRS": ("75", "ms"), "QT": ("368", "ms")}


def _annotated_ecg(ecg: DemoEcg, samples: Samples, started_at: datetime) -> str:
    """HL7 annotated ECG (ANSI/HL7 V3 ECG R1-2004), as carts of several makers write it."""
    stop = started_at + timedelta(seconds=samples.shape[1] / RATE_HZ)
    leads = "".join(
        f'<component><sequence><code code="MDC_ECG_LEAD_{name.upper()}" {_CODES}/>'
        '<value xsi:type="SLIST_PQ"><origin value="0" unit="uV"/><scale value="2.5" unit="uV"/>'
        f"<digits>{' '.join(map(str, np.rint(row / 2.5).astype(int).tolist()))}</digits></value></sequence></component>"
        for name, row in zip(STANDARD_LEADS, samples, strict=True)
    )
    numbers = "".join(
        f'<component><annotation><code code="MDC_ECG_TIME_PD_{name}" {_CODES}/>'
        f'<value xsi:type="PQ" value="{value}" unit="{unit}"/></annotation></component>'
        for name, (value, unit) in _MEASURED.items()
    )
    said = "".join(
        f'<component><annotation><code code="MDC_ECG_INTERPRETATION_STATEMENT" {_CODES}/>'
        f'<value xsi:type="ST">{escape(text)}</value></annotation></component>'
        for text in ecg.statements
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" type="Observation">
<id root="{uuid.uuid5(uuid.NAMESPACE_URL, f"demo/{ecg.key}")}"/>
<code code="93000" codeSystem="2.16.840.1.113883.6.12" codeSystemName="CPT-4"/>
<effectiveTime><low value="{started_at:%Y%m%d%H%M%S}"/><high value="{stop:%Y%m%d%H%M%S}"/></effectiveTime>
<componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject>
<id root="2.16.156.10011.1.2" extension="{ecg.patient_id}"/>
<subjectDemographicPerson><name>{ecg.patient_name}</name>
<administrativeGenderCode code="{ecg.sex}" codeSystem="2.16.840.1.113883.5.1"/>
<birthTime value="{ecg.birth_date}"/></subjectDemographicPerson>
</trialSubject></subject></subjectAssignment></componentOf></timepointEvent></componentOf>
<component><series><code code="RHYTHM" codeSystem="2.16.840.1.113883.5.4"/>
<effectiveTime><low value="{started_at:%Y%m%d%H%M%S}"/><high value="{stop:%Y%m%d%H%M%S}"/></effectiveTime>
<author><seriesAuthor><manufacturedSeriesDevice><id root="1.3.6.1.4.1.9999" extension="DEMO-0001"/>
<manufacturerModelName>演示心电图机</manufacturerModelName></manufacturedSeriesDevice>
<manufacturerOrganization><name>DEMO</name></manufacturerOrganization></seriesAuthor></author>
<component><sequenceSet><component><sequence><code code="TIME_ABSOLUTE" codeSystem="2.16.840.1.113883.5.4"/>
<value xsi:type="GLIST_TS"><head value="{started_at:%Y%m%d%H%M%S}"/><increment value="{1 / RATE_HZ}" unit="s"/></value>
</sequence></component>{leads}</sequenceSet></component>
<subjectOf><annotationSet>{numbers}<component><annotation>
<code code="MDC_ECG_INTERPRETATION" {_CODES}/>{said}</annotation></component></annotationSet></subjectOf>
</series></component></AnnotatedECG>
"""


def _write_holter(ecg: DemoEcg, path: Path, started_at: datetime) -> None:
    """Hours of three leads in the ISHNE format (Badilini, 1998): one block of ten minutes at a time."""
    chance = np.random.default_rng(11)
    beats = _beats(chance)
    minutes = HOLTER_H * 60
    size = minutes * 60 * HOLTER_RATE_HZ
    with path.open("wb") as file:
        file.write(_ishne_head(ecg, started_at, size))
        for block in range(0, minutes, 10):
            samples = _ten_minutes(beats, chance, phase=block / minutes)
            file.write(np.rint(samples).astype("<i2").T.tobytes())


def _beats(chance: np.random.Generator) -> tuple[Samples, Samples]:
    """The median beat of the leads, and a ventricular one: wide, high, against its T."""
    _, median = _shipped()
    rows = [STANDARD_LEADS.index(name) for name in HOLTER_LEADS]
    normal = median[rows, :: 1000 // HOLTER_RATE_HZ]
    normal = normal - normal[:, :1]
    at = np.arange(normal.shape[1]) / HOLTER_RATE_HZ
    wide = 1500 * np.exp(-(((at - 0.42) / 0.05) ** 2)) - 600 * np.exp(-(((at - 0.68) / 0.09) ** 2))
    return normal, np.stack([wide, -0.6 * wide, 0.9 * wide])


def _ten_minutes(beats: tuple[Samples, Samples], chance: np.random.Generator, *, phase: float) -> Samples:
    normal, wide = beats
    count = 600 * HOLTER_RATE_HZ
    drawn = np.zeros((len(HOLTER_LEADS), count + normal.shape[1]))
    at = 0.0
    while at < count:
        ventricular = chance.random() < 0.01
        beat = wide if ventricular else normal
        drawn[:, int(at) : int(at) + beat.shape[1]] += beat[:, : drawn.shape[1] - int(at)]
        rate = 72 + 14 * np.sin(2 * np.pi * phase) + 3 * np.sin(2 * np.pi * at / HOLTER_RATE_HZ / 12)
        at += HOLTER_RATE_HZ * 60 / rate * (1.35 if ventricular else chance.normal(1, 0.012))
    moving = 60 * np.sin(np.arange(count) * 2 * np.pi * 0.25 / HOLTER_RATE_HZ)
    noise = chance.normal(0, 8, (len(HOLTER_LEADS), count))
    samples: Samples = np.clip(drawn[:, :count] + moving + noise, -9000, 9000)
    return samples


_ISHNE_BLOCK = "<4ih40s40s20s2h3h3h3h3hh12h12h12hh40sh80s80s88s"
_ISHNE_CODES = {"II": 6, "V1": 11, "V5": 15}


def _ishne_head(ecg: DemoEcg, started_at: datetime, samples: int) -> bytes:
    """The fixed block of 512 bytes behind magic and CRC."""
    born = datetime.strptime(ecg.birth_date, "%Y%m%d")  # noqa: DTZ007 (a day has no zone)
    leads = len(HOLTER_LEADS)
    fixed = struct.pack(
        _ISHNE_BLOCK,
        0, samples, 522, 522, 1, ecg.patient_name.encode("gb18030"), b"", ecg.patient_id.encode(),
        1 if ecg.sex == "M" else 2, 0, born.day, born.month, born.year,
        started_at.day, started_at.month, started_at.year, started_at.day, started_at.month, started_at.year,
        started_at.hour, started_at.minute, started_at.second, leads,
        *(_ISHNE_CODES[name] for name in HOLTER_LEADS), *[-9] * (12 - leads),
        *[1] * leads, *[-9] * (12 - leads), *[1000] * leads, *[-9] * (12 - leads),
        0, b"DEMO", HOLTER_RATE_HZ, b"", b"", b"",
    )  # fmt: skip
    return b"ISHNE1.0" + struct.pack("<H", binascii.crc_hqx(fixed, 0xFFFF)) + fixed


ECGS = (
    DemoEcg(
        key="normal", patient_name="王秀英", patient_id="LX20260301", sex="F", birth_date="19660412",
        age=timedelta(minutes=25), make=_write_rest, statements=("窦性心律", "正常心电图"),
    ),
    DemoEcg(
        key="before", patient_name="李国强", patient_id="LX20260302", sex="M", birth_date="19580903",
        age=timedelta(days=243), make=_write_rest, statements=("窦性心律", "正常心电图"),
    ),
    DemoEcg(
        key="chest-pain", patient_name="李国强", patient_id="LX20260302", sex="M", birth_date="19580903",
        age=timedelta(minutes=2), make=_write_rest, infarction=True,
        statements=("窦性心律", "急性下壁心肌梗死", "*** 请立即通知医师 ***"),
    ),
    DemoEcg(
        key="holter", patient_name="赵德明", patient_id="LX20260303", sex="M", birth_date="19711118",
        age=timedelta(hours=20), make=_write_holter,
    ),
)  # fmt: skip
