"""ECG in DICOM: a file in, an EcgRecording out.

Reads 12-Lead, General, Ambulatory and General 32-bit ECG Waveform, and the voltage channels of Hemodynamic and
Cardiac EP Waveform. The rhythm's multiplex groups are read; median beats are left out. Groups that follow one
another (three leads at a time) are laid on one time axis. Samples stay views of the file. An Encapsulated PDF and an
image of modality ECG are documents.

Microvolts = sample x sensitivity x correction factor + baseline, in the sensitivity's UCUM unit (C.10.9.1.4).
WaveformPaddingValue means "no sample" only where it cannot be one: files with padding value 0 are full of valid
zeros. A channel that is no voltage is left out; one whose sensitivity is missing has no scale and is refused.

IODs: PS3.3 A.34.  Waveform module: PS3.3 C.10.9.  Annotations: PS3.3 C.10.10, PS3.16 CID 3227 and 3228.
"""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from adapters.dicom.transfer_syntaxes import Encoding
from adapters.ecg.assembling import assemble, check_rate
from adapters.ecg.content import Companions, Content
from adapters.ecg.dicom_groups import Group, open_data_set, read_groups
from adapters.ecg.dicom_words import (
    Words,
    read_facts,
    read_lines,
    read_measurements,
    read_started_at,
    read_statements,
)
from adapters.ecg.documents import inspect_document, inspect_pdf
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.lead_names import name_of_code
from adapters.ecg.recording import (
    MOST_LEADS,
    Caution,
    Document,
    EcgFilters,
    EcgRecording,
    Lead,
)
from adapters.ecg.units import microvolts_of
from adapters.errors import Malformed

_WAVEFORMS = "1.2.840.10008.5.1.4.1.1.9."
_ECG_WAVEFORMS = ("1.", "2.1", "3.1")  # ECG, Hemodynamic, Cardiac EP
_ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
_AVERAGED = ("MEDIAN", "AVERAGE", "REPRESENTATIVE", "TEMPLATE", "BEAT")
# PS3.3 C.10.9.1.5; by bits allocated.
_KINDS = {(8, "SB"): "i1", (8, "UB"): "u1", (16, "SS"): "i2", (16, "US"): "u2", (32, "SL"): "i4", (32, "UL"): "u4",
          (64, "SV"): "i8", (64, "UV"): "u8"}  # fmt: skip
_PADDING_UV = 5000.0  # below that a padding value could be a sample
_JOINED_SAMPLES = 1 << 22  # of groups laid on one axis


def is_dicom(content: Content) -> bool:
    head = content.head
    return head[128:132] == b"DICM" or (
        head[:2] in (b"\x02\0", b"\x08\0") and head[3:4] == b"\0" and _looks_bare(head)
    )


def _looks_bare(head: bytes) -> bool:
    """A data set without its file header: small elements of group 2 or 8 first, in explicit or implicit VR."""
    return len(head) > 16 and (
        (head[4:6].isalpha() and head[4:6].isupper()) or 0 < int.from_bytes(head[4:8], "little") < 256
    )


def read_dicom(content: Content, companions: Companions) -> EcgRecording:
    """Read a file whose rhythm, or page, is an ECG."""
    try:
        return _read(content)
    except NotAnEcg:
        raise
    except Malformed as error:
        raise NotAnEcg("damaged", str(error)) from error
    except (EOFError, OSError) as error:  # of pydicom, which reads from memory: the data set ends early
        raise NotAnEcg("truncated", "DICOM") from error
    except Exception as error:  # pydicom meets broken data with many kinds of errors
        raise NotAnEcg("damaged", f"DICOM: {type(error).__name__}") from error


def read_encapsulated(content: Content) -> bytes | None:
    """The PDF inside of a DICOM object; None when it holds none."""
    data_set, _, _, _ = open_data_set(content)
    element = data_set.get_item(0x00420011, keep_deferred=True)
    if not isinstance(element, RawDataElement):
        return None
    length = element.length
    value = element.value if element.value is not None else content.take(element.value_tell, length)
    return value.rstrip(b"\0") if value else None


def _read(content: Content) -> EcgRecording:
    data_set, stream, encoding, content = open_data_set(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of values that break a rule and are read all the same
        uid = str(data_set.get("SOPClassUID", ""))
        if uid == _ENCAPSULATED_PDF:
            return _document(content, data_set, pdf=True)
        if uid.startswith(_WAVEFORMS):
            if not uid.removeprefix(_WAVEFORMS).startswith(_ECG_WAVEFORMS):
                raise NotAnEcg("not_an_ecg", uid)
            return _recording(content, data_set, read_groups(content, stream, encoding), encoding)
        if str(data_set.get("Modality", "")) == "ECG" and "Rows" in data_set:
            return _document(content, data_set, pdf=False)
        raise NotAnEcg("not_an_ecg", uid)


def _recording(content: Content, data_set: Dataset, groups: list[Group], encoding: Encoding) -> EcgRecording:
    rhythm, cautions = _rhythm(groups)
    rate = _rate(rhythm[0])
    placed: dict[str, list[tuple[int, Lead]]] = {}
    for group in rhythm:
        start = _offset_samples(group, rhythm[0], rate)
        leads, left_out = _leads(content, group, encoding)
        cautions += left_out
        for lead in leads:
            key = lead.name if len(rhythm) > 1 else f"{len(placed)}"
            placed[key] = _with_piece(placed.get(key, []), start, lead)
    text = Words(data_set)
    return assemble(
        format="dicom",
        leads=_on_one_axis(list(placed.values())),
        sampling_rate_hz=rate,
        started_at=read_started_at(data_set),
        cautions=cautions,
        statements=read_statements(data_set, text),
        filters=_filters(rhythm[0]),
        measurements=read_measurements(data_set, read_lines(data_set, text)),
        **read_facts(data_set, text),
    )


def _rhythm(groups: list[Group]) -> tuple[list[Group], list[Caution]]:
    """The groups that are no average beats and have the rate of the longest of them."""
    rhythm = [group for group in groups if not _is_averaged(group)]
    cautions = [] if rhythm else [Caution(code="median_only")]
    candidates = rhythm or groups[:1]
    longest = max(
        candidates, key=lambda group: _integer(group.data_set, "NumberOfWaveformSamples") / _rate(group)
    )
    same = [group for group in candidates if _rate(group) == _rate(longest)]
    left = [group for group in candidates if _rate(group) != _rate(longest)]
    cautions += [
        Caution(code="lead_left_out", about=str(group.data_set.get("MultiplexGroupLabel", "")))
        for group in left
    ]
    return same, cautions


def _is_averaged(group: Group) -> bool:
    label = str(group.data_set.get("MultiplexGroupLabel", "")).upper()
    return any(word in label for word in _AVERAGED)


def _rate(group: Group) -> float:
    try:
        rate = float(group.data_set.get("SamplingFrequency") or 0)
    except (TypeError, ValueError) as error:
        raise NotAnEcg("absurd_rate") from error
    check_rate(rate)
    return rate


def _integer(data_set: Dataset, keyword: str) -> int:
    try:
        return int(data_set.get(keyword) or 0)
    except (TypeError, ValueError) as error:
        raise NotAnEcg("damaged", keyword) from error


def _number(data_set: Dataset, keyword: str) -> float | None:
    try:
        value = data_set.get(keyword)
        return None if value in (None, "") else float(value)
    except (TypeError, ValueError):
        return None


def _offset_samples(group: Group, first: Group, rate: float) -> int:
    offset = _number(group.data_set, "MultiplexGroupTimeOffset") or 0.0
    base = _number(first.data_set, "MultiplexGroupTimeOffset") or 0.0
    return max(0, round((offset - base) / 1000 * rate))


def _with_piece(pieces: list[tuple[int, Lead]], start: int, lead: Lead) -> list[tuple[int, Lead]]:
    """A lead goes on in a later group; of two at one time (a rhythm strip repeats one) the longer is kept."""
    apart: list[tuple[int, Lead]] = []
    at_once: list[tuple[int, Lead]] = []
    for at, other in pieces:
        overlaps = at < start + lead.samples and start < at + other.samples
        (at_once if overlaps else apart).append((at, other))
    if any(other.samples >= lead.samples for _, other in at_once):
        return pieces
    return [*apart, (start, lead)]


def _on_one_axis(placed: Sequence[list[tuple[int, Lead]]]) -> list[Lead]:
    if all(len(pieces) == 1 and not pieces[0][0] for pieces in placed):
        return [pieces[0][1] for pieces in placed]
    longest = max(start + lead.samples for pieces in placed for start, lead in pieces)
    if longest * len(placed) > _JOINED_SAMPLES:
        raise NotAnEcg("too_large")
    joined = []
    for pieces in placed:
        values = np.full(longest, np.nan, dtype=np.float32)
        for start, lead in pieces:
            values[start : start + lead.samples] = lead.window_uv()
        joined.append(Lead(name=pieces[0][1].name, digital=values, derived=pieces[0][1].derived))
    return joined


def _leads(content: Content, group: Group, encoding: Encoding) -> tuple[list[Lead], list[Caution]]:
    data_set = group.data_set
    channels, samples = (
        _integer(data_set, "NumberOfWaveformChannels"),
        _integer(data_set, "NumberOfWaveformSamples"),
    )
    definitions = data_set.get("ChannelDefinitionSequence") or []
    if channels < 1 or samples < 1 or len(definitions) < channels:
        raise NotAnEcg("no_leads")
    if channels > MOST_LEADS:
        raise NotAnEcg("too_many_leads", str(channels))
    form = (
        _integer(data_set, "WaveformBitsAllocated"),
        str(data_set.get("WaveformSampleInterpretation", "")),
    )
    if form not in _KINDS:
        raise NotAnEcg("unsupported", f"{form[0]} bit {form[1]}")
    kind = np.dtype(_KINDS[form]).newbyteorder(">" if encoding.big_endian else "<")
    if samples * channels * kind.itemsize > group.length:
        raise NotAnEcg("truncated", f"{samples} x {channels}")
    leads, cautions = [], []
    for number in range(channels):
        view = content.view(kind, group.offset + number * kind.itemsize, samples, channels * kind.itemsize)
        lead = _lead(definitions[number], view, _padding(data_set, kind))
        if lead is None:
            cautions.append(Caution(code="lead_left_out", about=_channel_name(definitions[number])))
        else:
            leads.append(lead)
    return leads, cautions


def _padding(data_set: Dataset, kind: np.dtype[Any]) -> int | None:
    element = data_set.get("WaveformPaddingValue")
    if isinstance(element, bytes) and len(element) >= kind.itemsize:
        return int(np.frombuffer(element[: kind.itemsize], dtype=kind)[0])
    return int(element) if isinstance(element, int) else None


def _lead(definition: Dataset, view: NDArray[Any], padding: int | None) -> Lead | None:
    """None when the channel is no voltage."""
    name = _channel_name(definition)
    units = definition.get("ChannelSensitivityUnitsSequence")
    sensitivity = _number(definition, "ChannelSensitivity")
    if not units or sensitivity is None:
        raise NotAnEcg("scale_unknown", name)
    microvolts = microvolts_of(str(units[0].get("CodeValue", "")))
    if microvolts is None:
        return None
    correction = _number(definition, "ChannelSensitivityCorrectionFactor")
    gain = sensitivity * (1.0 if correction is None else correction) * microvolts
    offset = (_number(definition, "ChannelBaseline") or 0.0) * microvolts
    digital = _sign_extended(view, _integer(definition, "WaveformBitsStored"))
    missing = padding if padding is not None and _cannot_be_sample(padding, gain, view.dtype) else None
    derived = bool(str(definition.get("ChannelDerivationDescription", "") or ""))
    return Lead(name=name, digital=digital, gain_uv=gain, offset_uv=offset, missing=missing, derived=derived)


def _cannot_be_sample(padding: int, gain: float, kind: np.dtype[Any]) -> bool:
    limits = np.iinfo(kind)
    return abs(padding * gain) >= _PADDING_UV or (kind.kind == "i" and padding in (limits.min, limits.max))


def _sign_extended(view: NDArray[Any], stored: int) -> NDArray[Any]:
    """Some writers leave the bits above those stored zero in negative numbers; others count bits wrongly."""
    spare = view.dtype.itemsize * 8 - stored
    if view.dtype.kind != "i" or not 0 < spare < view.dtype.itemsize * 8:
        return view
    half = 1 << (stored - 1)
    if view.size > _JOINED_SAMPLES or view.min() < 0 or not half <= view.max() < 2 * half:
        return view
    native = view.astype(view.dtype.newbyteorder("="))
    extended: NDArray[Any] = (native << spare) >> spare
    return extended


def _channel_name(definition: Dataset) -> str:
    label = str(definition.get("ChannelLabel", "") or "")
    source = definition.get("ChannelSourceSequence")
    if source:
        code, meaning = str(source[0].get("CodeValue", "")), str(source[0].get("CodeMeaning", ""))
        return name_of_code(code, label or meaning)
    return label or f"Ch{_integer(definition, 'WaveformChannelNumber')}"


def _filters(group: Group) -> EcgFilters:
    definition = (group.data_set.get("ChannelDefinitionSequence") or [Dataset()])[0]
    values = (
        _number(definition, f"{name}Frequency") or None for name in ("FilterLow", "FilterHigh", "NotchFilter")
    )
    high_pass, low_pass, notch = values
    return EcgFilters(high_pass_hz=high_pass, low_pass_hz=low_pass, notch_hz=notch)


def _document(content: Content, data_set: Dataset, *, pdf: bool) -> EcgRecording:
    if pdf:
        inside = read_encapsulated(content)
        if not inside:
            raise NotAnEcg("truncated")
        found = inspect_pdf(inside)
    else:
        frames = _integer(data_set, "NumberOfFrames") or 1
        found = Document(media_type="application/dicom", pages=frames)
    recording = inspect_document("dicom", found, started_at=read_started_at(data_set))
    return replace(recording, **read_facts(data_set, Words(data_set)))
