"""An electrocardiogram as a cart recorded it, whatever format it came in.

Samples stay as the file has them (integers, perhaps a view of a mapped file of a day's length) beside the gain that
makes microvolts of them; a window is scaled when somebody looks at it. What is not there is NaN, never zero.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Order of the standard 12-lead ECG (PS3.3 A.34.3; IEC 60601-2-25).
STANDARD_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
HIGHEST_SAMPLING_RATE_HZ = 32_000  # of pacemaker detection; what claims more is no electrocardiogram
LOWEST_SAMPLING_RATE_HZ = 10
MOST_LEADS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """One channel. `name` is the standard's (I, aVR, V3R, X, MLII …) where it is one of them, else the cart's own.

    `digital` has the shape (samples,) and is never changed; one of its values may say "no sample" (`missing`).
    """

    name: str
    digital: NDArray[Any]
    gain_uv: float = 1.0  # microvolts of one count
    offset_uv: float = 0.0
    missing: int | None = None
    derived: bool = False  # calculated from the others, not recorded

    @property
    def samples(self) -> int:
        return int(self.digital.shape[0])

    def window_uv(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Microvolts from sample to sample; NaN where nothing was recorded."""
        digital = np.asarray(self.digital[start:stop])
        scaled = digital.astype(np.float32) * np.float32(self.gain_uv) + np.float32(self.offset_uv)
        if self.missing is not None:
            scaled[digital == self.missing] = np.nan
        return scaled


@dataclass(frozen=True, slots=True, kw_only=True)
class EcgPatient:
    """Whose the cart says it is. Text is "" and the rest None where it says nothing; the name as DICOM writes it."""

    patient_id: str = ""
    name: str = ""
    sex: str = ""  # M, F or O
    birth_date: date | None = None
    age_years: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EcgDevice:
    """The cart."""

    manufacturer: str = ""
    model: str = ""
    serial_number: str = ""
    software: str = ""
    institution: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EcgFilters:
    """What the cart had applied before it wrote the samples, in Hz; None where it does not say."""

    high_pass_hz: float | None = None  # of the baseline
    low_pass_hz: float | None = None
    notch_hz: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EcgMeasurements:
    """Of the whole recording; times in milliseconds, axes in degrees of the frontal plane."""

    heart_rate_bpm: float | None = None
    rr_ms: float | None = None
    p_ms: float | None = None
    pr_ms: float | None = None
    qrs_ms: float | None = None
    qt_ms: float | None = None
    qtc_ms: float | None = None
    qtc_formula: str = ""  # bazett, fridericia, framingham, hodges, or as the cart calls its own
    p_axis_deg: float | None = None
    qrs_axis_deg: float | None = None
    t_axis_deg: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caution:
    """Something a reader must know about the tracing: `code` is a key of the pages' words, `about` what it concerns."""

    code: str
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A page instead of samples: an ECG that came as a PDF or an image."""

    media_type: str  # application/pdf, image/jpeg, image/png; application/dicom for an image object
    pages: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EcgRecording:
    """One recording, from ten seconds at rest to a day. Leads are of one length and one rate; none for a document."""

    format: str  # key of formats.FORMATS
    leads: tuple[Lead, ...]
    sampling_rate_hz: float
    started_at: datetime | None = None  # aware; a cart's local time is the county's
    patient: EcgPatient = EcgPatient()
    device: EcgDevice = EcgDevice()
    filters: EcgFilters = EcgFilters()
    measurements: EcgMeasurements = EcgMeasurements()  # the cart's
    statements: tuple[str, ...] = ()  # the cart's interpretation, a line each
    acute: bool = False  # the cart itself says acute myocardial infarction
    accession_number: str = ""
    cautions: tuple[Caution, ...] = ()
    document: Document | None = None

    @property
    def samples(self) -> int:
        return self.leads[0].samples if self.leads else 0

    @property
    def duration_s(self) -> float:
        return self.samples / self.sampling_rate_hz if self.leads else 0.0

    def lead(self, name: str) -> Lead | None:
        return next((lead for lead in self.leads if lead.name == name), None)

    def window_uv(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Shape (leads, samples of the window), microvolts."""
        if not self.leads:
            return np.empty((0, 0), dtype=np.float32)
        return np.stack([lead.window_uv(start, stop) for lead in self.leads])

    def windows_uv(self, size: int) -> Iterator[NDArray[np.float32]]:
        """The whole recording in windows of so many samples; memory stays bounded however long it is."""
        for start in range(0, self.samples, size):
            yield self.window_uv(start, start + size)
