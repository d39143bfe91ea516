"""WADO-RS (PS3.18 10.4): instances, frames and bulk data as parts of an answer, read while they are sent."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from adapters.dicom.data_set import EXPLICIT_VR_LITTLE_ENDIAN
from adapters.dicom.json_model import find_span, find_value
from adapters.dicom.pixels import Frames, decode_frame, native_span, read_frame, read_stream, write_native
from adapters.dicom.rewriting import rewrite_instance
from adapters.errors import Malformed
from gateway.dicomweb.errors import BadQuery, BadRange, NotAcceptable
from gateway.dicomweb.files import file_chunks, is_derived, read_span
from gateway.dicomweb.media import (
    ANY_SYNTAX,
    DICOM,
    Form,
    Wanted,
    is_explicit_little,
    stream_type,
)
from gateway.dicomweb.parsed import Parsed, describe, open_stream
from gateway.dicomweb.parts import Part
from gateway.dicomweb.served import Served
from gateway.runtime import Runtime
from worklists.errors import NotFound

_PDF_TAG = "00420011"


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Bytes of a value, both ends inclusive, and how many there are in all."""

    first: int
    last: int
    size: int

    @property
    def header(self) -> str:
        return f"bytes {self.first}-{self.last}/{self.size}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """A bulk value to be sent: its size is known before its bytes are read."""

    media_type: str
    size: int
    chunks: Iterator[bytes]
    range: Range | None = None


def instance_part(runtime: Runtime, served: Served, parsed: Parsed, wanted: Wanted, base: str) -> Part:
    """A whole instance: as received, unless its UIDs are others now or another transfer syntax is asked for."""
    syntax = served.transfer_syntax_uid
    explicit = _must_transcode(wanted, syntax)
    own = (parsed.own_study_uid, parsed.own_series_uid, parsed.own_sop_uid)
    moved = own != (served.study_instance_uid, served.series_instance_uid, served.sop_instance_uid)
    if explicit or moved:
        uids = {
            "StudyInstanceUID": served.study_instance_uid,
            "SeriesInstanceUID": served.series_instance_uid,
            "SOPInstanceUID": served.sop_instance_uid,
        }
        file = b"".join(file_chunks(runtime, served))
        try:
            rewritten = rewrite_instance(file, syntax, uids=uids if moved else {}, explicit=explicit)
        except Malformed as error:
            if explicit:  # it may be asked for as it is stored
                raise NotAcceptable(f"{DICOM}; transfer-syntax={syntax}") from error
            raise
        chunks: Iterator[bytes] = iter((rewritten,))
    else:
        chunks = file_chunks(runtime, served)
    sent = EXPLICIT_VR_LITTLE_ENDIAN if explicit else syntax
    return Part(
        content_type=f"{DICOM}; transfer-syntax={sent}", chunks=chunks, location=f"{base}/{served.path}"
    )


def frame_parts(
    runtime: Runtime, served: Served, parsed: Parsed, numbers: Sequence[int], form: Form, url: str
) -> Iterator[Part]:
    """Frames by their numbers, which begin at 1. NotFound, before anything is sent, for one that is not there."""
    frames = need_frames(parsed)
    missing = [number for number in numbers if not 0 < number <= frames.count]
    if missing:
        raise NotFound("frame")
    stream = open_stream(runtime, served, parsed)
    for number in numbers:
        span = native_span(frames, number - 1) if parsed.inflated is None else None
        if span is not None:
            data = b"".join(read_span(runtime, served, *span))
            if len(data) < span[1]:
                raise Malformed(f"the pixel data ends before frame {number} does")
        elif form.decode:
            data = write_native(decode_frame(stream, frames, number - 1))
        else:
            data = read_frame(stream, frames, number - 1)
        yield Part(content_type=form.content_type, chunks=(data,), location=f"{url}/frames/{number}")


def need_frames(parsed: Parsed) -> Frames:
    """The frames of an instance. NotFound when it has none, Malformed when they cannot be found."""
    if parsed.frames is not None:
        return parsed.frames
    if parsed.problem:
        raise Malformed(parsed.problem)
    raise NotFound("pixel data")


def open_bulk(runtime: Runtime, served: Served, parsed: Parsed, path: str, range_header: str | None) -> Bulk:
    """A value by the path of its BulkDataURI, or a range of it. Video is one stream, whatever its frames."""
    steps = _read_path(path)
    if steps[-1] in {"7FE00010", "7FE00008", "7FE00009"} and len(steps) == 1:
        return _pixel_bulk(runtime, served, parsed, range_header)
    description = describe(runtime, served)
    media_type = "application/octet-stream"
    size = None
    if steps == [_PDF_TAG]:
        data_set = description.data_set
        media_type = str(data_set.get("MIMETypeOfEncapsulatedDocument") or media_type)
        size = int(data_set.get("EncapsulatedDocumentLength") or 0) or None  # without the padding byte
    span = find_span(description, steps)
    if span is not None and parsed.inflated is None:
        whole = min(size or span[1], span[1])
        part = read_range(range_header, whole)
        first, length = (part.first, part.last - part.first + 1) if part else (0, whole)
        chunks = read_span(runtime, served, span[0] + first, length)
        return Bulk(media_type=media_type, size=length, chunks=chunks, range=part)
    value = find_value(description, steps)
    if value is None:
        raise NotFound("bulk data")
    return _bulk_of(value[:size], media_type, range_header)


def read_range(header: str | None, size: int) -> Range | None:
    """One range of bytes (RFC 9110 14.1.2). Several, or other units, are ignored as the RFC allows."""
    if not header or not header.startswith("bytes=") or "," in header:
        return None
    first_text, _, last_text = header.removeprefix("bytes=").strip().partition("-")
    if not (first_text or last_text) or not (first_text + last_text).isdecimal():
        return None
    if first_text:
        first, last = int(first_text), min(int(last_text or size - 1), size - 1)
    else:
        first, last = max(0, size - int(last_text)), size - 1
    if first >= size or first > last:
        raise BadRange(size)
    return Range(first=first, last=last, size=size)


def _pixel_bulk(runtime: Runtime, served: Served, parsed: Parsed, range_header: str | None) -> Bulk:
    frames = need_frames(parsed)
    video = stream_type(served.transfer_syntax_uid)
    media_type = video or "application/octet-stream"
    if frames.fragments is not None:
        size = sum(length for spans in frames.fragments for _, length in spans)
    elif frames.big_endian or parsed.inflated is not None:
        return _bulk_of(
            b"".join(read_stream(open_stream(runtime, served, parsed), frames)), media_type, range_header
        )
    else:
        size = frames.element.length or 0
        if not is_derived(served):
            size = min(size, served.original.size_bytes - frames.element.offset)
    part = read_range(range_header, size)
    first, length = (part.first, part.last - part.first + 1) if part else (0, size)
    if frames.fragments is None:
        chunks = read_span(runtime, served, frames.element.offset + first, length)
    else:
        chunks = _fragment_bytes(runtime, served, chain.from_iterable(frames.fragments), first, length)
    return Bulk(media_type=media_type, size=length, chunks=chunks, range=part)


def _fragment_bytes(
    runtime: Runtime, served: Served, spans: Iterator[tuple[int, int]], skip: int, wanted: int
) -> Iterator[bytes]:
    for offset, length in spans:
        if skip >= length:
            skip -= length
            continue
        taken = min(length - skip, wanted)
        yield from read_span(runtime, served, offset + skip, taken)
        skip, wanted = 0, wanted - taken
        if not wanted:
            return


def _bulk_of(value: bytes, media_type: str, range_header: str | None) -> Bulk:
    part = read_range(range_header, len(value))
    data = value[part.first : part.last + 1] if part else value
    return Bulk(media_type=media_type, size=len(data), chunks=iter((data,)), range=part)


def _read_path(path: str) -> list[str]:
    """Tags and item numbers in turn: a tag, or tag/item/tag…"""
    steps = path.upper().split("/")
    tags = steps[::2]
    if len(steps) % 2 == 0 or any(len(tag) != 8 or not _is_hex(tag) for tag in tags):
        raise BadQuery("bulkdata", "a path of tags and item numbers is expected")
    return steps


def _is_hex(text: str) -> bool:
    return all(character in "0123456789ABCDEF" for character in text)


def _must_transcode(wanted: Wanted, stored: str) -> bool:
    asked = wanted.transfer_syntax
    if asked in {None, ANY_SYNTAX, stored}:
        return False
    if asked != EXPLICIT_VR_LITTLE_ENDIAN:
        raise NotAcceptable(f"{DICOM}; transfer-syntax={stored}")
    return not is_explicit_little(stored) or stored != EXPLICIT_VR_LITTLE_ENDIAN
