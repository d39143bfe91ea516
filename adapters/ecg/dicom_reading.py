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

import io
import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from adapters.dicom.charset import read_as
from adapters.dicom.data_set import encoding_of, find_data_set
from adapters.dicom.doubt import propose_character_set
from adapters.dicom.part10 import read_file_meta
from adapters.dicom.transfer_syntaxes import Encoding
from adapters.ecg.assembling import assemble, check_rate
from adapters.ecg.content import Companions, Content, content_of
from adapters.ecg.documents import inspect_document, inspect_pdf
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.lead_names import name_of_code
from adapters.ecg.recording import (
    MOST_LEADS,
    Caution,
    Document,
    EcgDevice,
    EcgFilters,
    EcgMeasurements,
    EcgPatient,
    EcgRecording,
    Lead,
)
from adapters.ecg.units import microvolts_of, read_date, read_sex
from adapters.errors import Malformed

_WAVEFORMS = "1.2.840.10008.5.1.4.1.1.9."
_ECG_WAVEFORMS = ("1.", "2.1", "3.1")  # ECG, Hemodynamic, Cardiac EP
_ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
_WAVEFORM_SEQUENCE, _WAVEFORM_DATA = 0x54000100, 0x54001010
_ITEM, _ITEM_END, _SEQUENCE_END, _UNDEFINED = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD, 0xFFFFFFFF
_DEFER_BYTES = 1 << 20
_INFLATED_BYTES = 256 << 20
_MOST_GROUPS, _MOST_ANNOTATIONS = 64, 20_000
_AVERAGED = ("MEDIAN", "AVERAGE", "REPRESENTATIVE", "TEMPLATE", "BEAT")
# PS3.3 C.10.9.1.5; by bits allocated.
_KINDS = {(8, "SB"): "i1", (8, "UB"): "u1", (16, "SS"): "i2", (16, "US"): "u2", (32, "SL"): "i4", (32, "UL"): "u4",
          (64, "SV"): "i8", (64, "UV"): "u8"}  # fmt: skip
_PADDING_UV = 5000.0  # below that a padding value could be a sample
_JOINED_SAMPLES = 1 << 22  # of groups laid on one axis

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """One multiplex group: what it says, and where its samples lie."""

    data_set: Dataset
    offset: int
    length: int


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
    data_set, _, _, _ = _open(content)
    element = data_set.get_item(0x00420011, keep_deferred=True)
    if not isinstance(element, RawDataElement):
        return None
    length = element.length
    value = element.value if element.value is not None else content.take(element.value_tell, length)
    return value.rstrip(b"\0") if value else None


def _read(content: Content) -> EcgRecording:
    data_set, stream, encoding, content = _open(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of values that break a rule and are read all the same
        uid = str(data_set.get("SOPClassUID", ""))
        if uid == _ENCAPSULATED_PDF:
            return _document(content, data_set, pdf=True)
        if uid.startswith(_WAVEFORMS):
            if not uid.removeprefix(_WAVEFORMS).startswith(_ECG_WAVEFORMS):
                raise NotAnEcg("not_an_ecg", uid)
            return _recording(content, data_set, _read_groups(content, stream, encoding), encoding)
        if str(data_set.get("Modality", "")) == "ECG" and "Rows" in data_set:
            return _document(content, data_set, pdf=False)
        raise NotAnEcg("not_an_ecg", uid)


def _open(content: Content) -> tuple[Dataset, BinaryIO, Encoding, Content]:
    """Everything before the waveforms; the stream stands where they begin, and in which file."""
    stream, syntax, start = _stream_of(content)
    encoding = encoding_of(syntax)
    if encoding.deflated:
        content = content_of(_inflated(content, start), content.name)
        stream, start = _stream(content), 0
    stream.seek(start)
    data_set = read_dataset(
        stream,
        encoding.implicit_vr,
        not encoding.big_endian,
        stop_when=lambda tag, _vr, _length: tag >= _WAVEFORM_SEQUENCE,
        defer_size=_DEFER_BYTES,
    )
    return data_set, stream, encoding, content


def _stream_of(content: Content) -> tuple[BinaryIO, str, int]:
    stream = _stream(content)
    if content.head[128:132] == b"DICM":
        meta = read_file_meta(stream)
        return stream, meta.transfer_syntax_uid, meta.data_set_offset
    start = find_data_set(stream)
    explicit = content.take(start + 4, 2).isalpha() and content.take(start + 4, 2).isupper()
    return stream, "1.2.840.10008.1.2.1" if explicit else "1.2.840.10008.1.2", start


class _Stream(io.RawIOBase):
    """A file as a stream for pydicom: nothing is read but what is asked for."""

    def __init__(self, content: Content) -> None:
        super().__init__()
        self._content, self._at = content, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = (0, self._at, self._content.size)[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        data = self._content.up_to(self._at, self._content.size if size is None or size < 0 else size)
        self._at += len(data)
        return data


def _stream(content: Content) -> BinaryIO:
    return cast("BinaryIO", _Stream(content))


def _inflated(content: Content, start: int) -> bytes:
    """PS3.5 A.5, up to a limit."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflater.decompress(content.whole()[start:], _INFLATED_BYTES)
    except zlib.error as error:
        raise NotAnEcg("damaged", "deflate") from error
    if inflater.unconsumed_tail:
        raise NotAnEcg("too_large")
    if not inflater.eof:
        raise NotAnEcg("truncated")
    return data


def _read_groups(content: Content, stream: BinaryIO, encoding: Encoding) -> list[_Group]:
    """The items of the Waveform Sequence; their samples are found and not read."""
    order = ">" if encoding.big_endian else "<"
    tag, length = _element_head(stream, encoding, order)
    if tag != _WAVEFORM_SEQUENCE:
        raise NotAnEcg("no_leads")
    end = content.size if length == _UNDEFINED else stream.tell() + length
    if end > content.size:
        raise NotAnEcg("truncated")
    groups: list[_Group] = []
    while stream.tell() + 8 <= end:
        tag, length = _plain_head(stream, order)
        if tag == _SEQUENCE_END:
            break
        if tag != _ITEM or len(groups) >= _MOST_GROUPS:
            raise NotAnEcg("damaged", f"({tag >> 16:04X},{tag & 0xFFFF:04X})")
        groups.append(_read_group(content, stream, encoding, length))
    if not groups:
        raise NotAnEcg("no_leads")
    return groups


def _read_group(content: Content, stream: BinaryIO, encoding: Encoding, length: int) -> _Group:
    order, start = ">" if encoding.big_endian else "<", stream.tell()
    if length != _UNDEFINED and start + length > content.size:
        raise NotAnEcg("truncated")
    data_set = read_dataset(
        stream,
        encoding.implicit_vr,
        not encoding.big_endian,
        stop_when=lambda tag, _vr, _length: tag >= _WAVEFORM_DATA,
        bytelength=None if length == _UNDEFINED else length,
    )
    tag, size = _element_head(stream, encoding, order)
    if tag != _WAVEFORM_DATA:
        raise NotAnEcg("no_leads")
    offset = stream.tell()
    if size == _UNDEFINED or offset + size > content.size:
        raise NotAnEcg("truncated")
    stream.seek(offset + size)
    if length != _UNDEFINED:
        stream.seek(start + length)
    else:
        _leave_item(stream, encoding, order)
    return _Group(data_set=data_set, offset=offset, length=size)


def _leave_item(stream: BinaryIO, encoding: Encoding, order: str) -> None:
    """Over what may follow the samples, to behind the item's delimiter, which pydicom reads itself."""
    read_dataset(stream, encoding.implicit_vr, order == "<")
    stream.seek(stream.tell() - 8)
    tag, _ = _plain_head(stream, order)
    if tag != _ITEM_END:
        raise NotAnEcg("truncated")


def _plain_head(stream: BinaryIO, order: str) -> tuple[int, int]:
    head = stream.read(8)
    if len(head) < 8:
        raise NotAnEcg("truncated")
    group, element, length = struct.unpack(order + "HHI", head)
    return group << 16 | element, length


def _element_head(stream: BinaryIO, encoding: Encoding, order: str) -> tuple[int, int]:
    """Tag and length of an element whose VR has a long length (SQ, OB, OW, UN …)."""
    tag, length = _plain_head(stream, order)
    if encoding.implicit_vr or tag in (_ITEM_END, _SEQUENCE_END):
        return tag, length
    rest = stream.read(4)
    if len(rest) < 4:
        raise NotAnEcg("truncated")
    return tag, struct.unpack(order + "I", rest)[0]


def _recording(content: Content, data_set: Dataset, groups: list[_Group], encoding: Encoding) -> EcgRecording:
    rhythm, cautions = _rhythm(groups)
    rate = _rate(rhythm[0])
    placed: dict[str, tuple[int, Lead]] = {}
    for group in rhythm:
        start = _offset_samples(group, rhythm[0], rate)
        leads, left_out = _leads(content, group, encoding)
        cautions += left_out
        for lead in leads:  # a rhythm strip repeats a lead of the others: the longer one is kept
            key = lead.name if len(rhythm) > 1 else f"{len(placed)}"
            if key not in placed or placed[key][1].samples < lead.samples:
                placed[key] = (start, lead)
    text = _Text(data_set)
    return assemble(
        format="dicom",
        leads=_on_one_axis(list(placed.values())),
        sampling_rate_hz=rate,
        started_at=_started_at(data_set),
        cautions=cautions,
        statements=_statements(data_set, text),
        filters=_filters(rhythm[0]),
        measurements=_measurements(data_set, _lines(data_set, text)),
        **_facts(data_set, text),
    )


def _rhythm(groups: list[_Group]) -> tuple[list[_Group], list[Caution]]:
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


def _is_averaged(group: _Group) -> bool:
    label = str(group.data_set.get("MultiplexGroupLabel", "")).upper()
    return any(word in label for word in _AVERAGED)


def _rate(group: _Group) -> float:
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


def _offset_samples(group: _Group, first: _Group, rate: float) -> int:
    offset = _number(group.data_set, "MultiplexGroupTimeOffset") or 0.0
    base = _number(first.data_set, "MultiplexGroupTimeOffset") or 0.0
    return max(0, round((offset - base) / 1000 * rate))


def _on_one_axis(placed: Sequence[tuple[int, Lead]]) -> list[Lead]:
    if not any(start for start, _ in placed):
        return [lead for _, lead in placed]
    longest = max(start + lead.samples for start, lead in placed)
    if longest * len(placed) > _JOINED_SAMPLES:
        raise NotAnEcg("too_large")
    joined = []
    for start, lead in placed:
        values = np.full(longest, np.nan, dtype=np.float32)
        values[start : start + lead.samples] = lead.window_uv()
        joined.append(Lead(name=lead.name, digital=values))
    return joined


def _leads(content: Content, group: _Group, encoding: Encoding) -> tuple[list[Lead], list[Caution]]:
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


class _Text:
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


def _facts(data_set: Dataset, text: _Text) -> dict[str, Any]:
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


def _started_at(data_set: Dataset) -> datetime | None:
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


def _filters(group: _Group) -> EcgFilters:
    definition = (group.data_set.get("ChannelDefinitionSequence") or [Dataset()])[0]
    values = (
        _number(definition, f"{name}Frequency") or None for name in ("FilterLow", "FilterHigh", "NotchFilter")
    )
    high_pass, low_pass, notch = values
    return EcgFilters(high_pass_hz=high_pass, low_pass_hz=low_pass, notch_hz=notch)


def _annotations(data_set: Dataset) -> list[Dataset]:
    return list(data_set.get("WaveformAnnotationSequence") or [])[:_MOST_ANNOTATIONS]


def _lines(data_set: Dataset, text: _Text) -> list[str]:
    lines = []
    for item in _annotations(data_set):
        found = text.of(item, 0x00700006)
        if not found and "ConceptCodeSequence" in item and item.ConceptCodeSequence:
            found = text.of(item.ConceptCodeSequence[0], 0x00080104)
        lines += found.splitlines()
    return lines


def _statements(data_set: Dataset, text: _Text) -> list[str]:
    """Without what our own writer says beside the cart's statements."""
    return [line for line in _lines(data_set, text) if not line.startswith(_OUR_REMARKS)]


def _measurements(data_set: Dataset, lines: Sequence[str]) -> EcgMeasurements:
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


def _document(content: Content, data_set: Dataset, *, pdf: bool) -> EcgRecording:
    if pdf:
        inside = read_encapsulated(content)
        if not inside:
            raise NotAnEcg("truncated")
        found = inspect_pdf(inside)
    else:
        frames = _integer(data_set, "NumberOfFrames") or 1
        found = Document(media_type="application/dicom", pages=frames)
    recording = inspect_document("dicom", found, started_at=_started_at(data_set))
    return replace(recording, **_facts(data_set, _Text(data_set)))
