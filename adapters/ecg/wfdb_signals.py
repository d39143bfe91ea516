"""The signal files of a WFDB record: every format unpacked where somebody looks.

Formats 8 (differences), 508, 516 and 524 (FLAC) can only be decoded from their beginning: whole, up to
DECODED_SAMPLES. WFDB Applications Guide, signal(5).
"""

import io
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from adapters.ecg.content import Companions, Content, Decoded
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.recording import Lead
from adapters.ecg.units import microvolts_of
from adapters.ecg.wfdb_header import Header, Signal

DECODED_SAMPLES = 1 << 24  # of all signals of a file
_ALIGNED = {"16": "<i2", "61": ">i2", "32": "<i4"}
# Bits of a sample, and the lowest value, which says "no sample".
_FLAC_BITS = {"508": 8, "516": 16, "524": 24}
_DIFFERENCES = "8"
_PACKED_BITS = {
    "80": 8,
    "160": 16,
    "212": 12,
    "310": 10,
    "311": 10,
    "24": 24,
    "16": 16,
    "61": 16,
    "32": 32,
    "8": 8,
}


class Files:
    """The signal files of one record; what cannot be looked up by its place is decoded once."""

    def __init__(self, companions: Companions) -> None:
        self._companions = companions
        self._decoded: dict[str, NDArray[np.int32]] = {}

    def open(self, signal: Signal) -> Content:
        found = self._companions(signal.file)
        if found is None:
            raise NotAnEcg("waits_for", signal.file)
        if signal.format not in _PACKED_BITS and signal.format not in _FLAC_BITS:
            raise NotAnEcg("unsupported", f"WFDB format {signal.format}")
        return found

    def decoded(self, signal: Signal) -> NDArray[np.int32]:
        """FLAC: the shape is (samples, signals)."""
        if signal.file not in self._decoded:
            self._decoded[signal.file] = _of_flac(self.open(signal), signal)
        return self._decoded[signal.file]

    def samples(self, signal: Signal) -> int:
        """How many there are, of all signals of the file together."""
        if signal.format in _FLAC_BITS:
            return int(self.decoded(signal).size)
        return _samples_in(self.open(signal).size - signal.offset, signal.format)


def _of_flac(content: Content, signal: Signal) -> NDArray[np.int32]:
    import soundfile  # noqa: PLC0415 - wfdb's way to FLAC; a library that few processes ever need

    try:
        with soundfile.SoundFile(io.BytesIO(content.whole())) as stream:
            if stream.frames * stream.channels > DECODED_SAMPLES or stream.frames < signal.offset:
                raise NotAnEcg("too_large", content.name)
            if stream.format != "FLAC":
                raise NotAnEcg("damaged", content.name)
            stream.seek(signal.offset)
            values = stream.read(dtype="int32", always_2d=True)
            bits = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24}.get(stream.subtype, 32)
            if bits > _FLAC_BITS[signal.format] or values.shape[0] != stream.frames - signal.offset:
                raise NotAnEcg("truncated", content.name)
    except (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError) as error:
        raise NotAnEcg("damaged", content.name) from error
    found: NDArray[np.int32] = values >> (32 - bits)
    return found


def _layout(header: Header, number: int) -> tuple[int, int]:
    """Where in a frame of its file a signal begins, and how many samples the frame has."""
    file = header.signals[number].file
    at = sum(signal.per_frame for signal in header.signals[:number] if signal.file == file)
    return at, sum(signal.per_frame for signal in header.signals if signal.file == file)


def frames_of(header: Header, files: Files) -> int:
    """How many frames there are; held against the size of every signal file."""
    most = None
    for number, signal in enumerate(header.signals):
        _, in_frame = _layout(header, number)
        if not 1 <= signal.per_frame <= 1000:
            raise NotAnEcg("damaged", signal.description)
        present = files.samples(signal) // in_frame
        most = present if most is None else min(most, present)
    most = most or 0
    if header.samples is not None and header.samples > most:
        raise NotAnEcg("truncated", f"{most} / {header.samples}")
    return header.samples or most


def _samples_in(octets: int, form: str) -> int:
    if octets <= 0:
        return 0
    if form in ("310", "311"):
        return octets // 4 * 3 + {2: 1, 3: 2}.get(octets % 4, 0)
    return octets * 8 // _PACKED_BITS[form]


def lead_of(header: Header, number: int, files: Files, frames: int) -> Lead:
    signal = header.signals[number]
    microvolts = microvolts_of(signal.unit) or 0.0
    gain = microvolts / signal.gain
    at, in_frame = _layout(header, number)
    return Lead(
        name=signal.description or f"Ch{number + 1}",
        digital=_digital(files, signal, at, in_frame, frames),
        gain_uv=gain,
        offset_uv=-signal.baseline * gain,
        missing=_missing(signal.format),
    )


def _missing(form: str) -> int | None:
    """The lowest value of a format says "no sample"; differences cannot say it."""
    bits = {**_PACKED_BITS, **_FLAC_BITS}[form]
    return None if form == _DIFFERENCES else -(1 << (bits - 1))


def _digital(files: Files, signal: Signal, at: int, in_frame: int, frames: int) -> NDArray[Any]:
    frames = max(0, min(frames, files.samples(signal) // in_frame - signal.skew))
    per_frame, content = signal.per_frame, files.open(signal)
    if signal.format in _FLAC_BITS:
        if in_frame != per_frame * files.decoded(signal).shape[1]:  # of all signals alike
            raise NotAnEcg("damaged", signal.file)
        first = signal.skew * per_frame
        return files.decoded(signal)[first : first + frames * per_frame, at // per_frame]
    if signal.format == _DIFFERENCES:
        return _summed(content, signal, at, in_frame)[signal.skew * per_frame :][: frames * per_frame]
    if signal.format in _ALIGNED and signal.per_frame == 1:
        kind = np.dtype(_ALIGNED[signal.format])
        start = signal.offset + (at + signal.skew * in_frame) * kind.itemsize
        return content.view(kind, start, frames, in_frame * kind.itemsize)

    def decode(start: int, stop: int) -> NDArray[Any]:
        first, last = start // signal.per_frame, -(-stop // signal.per_frame)
        flat = _flat(content, signal, (first + signal.skew) * in_frame, (last + signal.skew) * in_frame)
        own = flat.reshape(-1, in_frame)[:, at : at + signal.per_frame].reshape(-1)
        return own[start - first * signal.per_frame : stop - first * signal.per_frame]

    return cast("NDArray[Any]", Decoded(frames * signal.per_frame, np.int32, decode))


def _summed(content: Content, signal: Signal, at: int, in_frame: int) -> NDArray[np.int32]:
    """Format 8: each byte is the difference to the sample before, the first one to the header's initial value."""
    if content.size - signal.offset > DECODED_SAMPLES:
        raise NotAnEcg("too_large", content.name)
    octets = np.frombuffer(content.take(signal.offset, content.size - signal.offset), dtype=np.uint8)
    frames = octets[: octets.size // in_frame * in_frame].view(np.int8).reshape(-1, in_frame)
    steps = frames[:, at : at + signal.per_frame].reshape(-1).astype(np.int32)
    found: NDArray[np.int32] = np.cumsum(steps, dtype=np.int32) + np.int32(signal.initial)
    return found


def _flat(content: Content, signal: Signal, start: int, stop: int) -> NDArray[np.int32]:
    """Samples of all signals of a file, one after the other as they lie there."""
    unpack, samples, octets = _UNPACK[signal.format]
    first = start // samples * samples
    begin = signal.offset + first // samples * octets
    end = min(signal.offset + -(-stop // samples) * octets, content.size)
    raw = np.frombuffer(content.take(begin, end - begin), dtype=np.uint8)
    whole = -(-raw.size // octets) * octets
    if raw.size < whole:
        raw = np.concatenate([raw, np.zeros(whole - raw.size, dtype=np.uint8)])
    return unpack(raw)[start - first : stop - first]


def _two_complement(values: NDArray[Any], bits: int) -> NDArray[np.int32]:
    shift = 32 - bits
    return ((values.astype(np.int64) << shift).astype(np.int32) >> shift).astype(np.int32)


def _of_212(raw: NDArray[np.uint8]) -> NDArray[np.int32]:
    parts = raw.reshape(-1, 3).astype(np.int32)
    pairs = np.stack(
        [parts[:, 0] | (parts[:, 1] & 0x0F) << 8, parts[:, 2] | (parts[:, 1] & 0xF0) << 4], axis=1
    )
    return _two_complement(pairs.reshape(-1), 12)


def _of_310(raw: NDArray[np.uint8]) -> NDArray[np.int32]:
    words = raw.view("<u2").reshape(-1, 2).astype(np.int32)
    third = (words[:, 0] >> 11 & 0x1F) | (words[:, 1] >> 11 & 0x1F) << 5
    return _two_complement(
        np.stack([words[:, 0] >> 1, words[:, 1] >> 1, third], axis=1).reshape(-1) & 0x3FF, 10
    )


def _of_311(raw: NDArray[np.uint8]) -> NDArray[np.int32]:
    words = raw.view("<u4").astype(np.int64)
    return _two_complement(
        np.stack([words >> shift & 0x3FF for shift in (0, 10, 20)], axis=1).reshape(-1), 10
    )


def _of_24(raw: NDArray[np.uint8]) -> NDArray[np.int32]:
    parts = raw.reshape(-1, 3).astype(np.int32)
    return _two_complement(parts[:, 0] | parts[:, 1] << 8 | parts[:, 2] << 16, 24)


# Format: how to unpack it, and how many samples lie in how many bytes. 80 and 160 are offset binary.
_UNPACK: dict[str, tuple[Callable[[NDArray[np.uint8]], NDArray[np.int32]], int, int]] = {
    "16": (lambda raw: raw.view("<i2").astype(np.int32), 1, 2),
    "61": (lambda raw: raw.view(">i2").astype(np.int32), 1, 2),
    "32": (lambda raw: raw.view("<i4").astype(np.int32), 1, 4),
    "24": (_of_24, 1, 3),
    "80": (lambda raw: raw.astype(np.int32) - 128, 1, 1),
    "160": (lambda raw: raw.view("<u2").astype(np.int32) - 32768, 1, 2),
    "212": (_of_212, 2, 3),
    "310": (_of_310, 3, 4),
    "311": (_of_311, 3, 4),
}
