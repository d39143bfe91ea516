"""The DICOM file of what is served: the original, or what is derived from an original that is none."""

from collections.abc import Iterator
from typing import BinaryIO

from adapters.dicom.data_set import find_data_set
from gateway.dicomweb.served import Served
from gateway.ecg.derived import derived_dicom
from gateway.ecg.headers import FILE_KIND
from gateway.ecg.recordings import find_by_record
from gateway.originals import CHUNK_BYTES, open_original, seek_original
from gateway.part10 import open_part10
from gateway.runtime import Runtime
from worklists.errors import NotFound


def is_derived(served: Served) -> bool:
    return served.kind == FILE_KIND


def seek_file(runtime: Runtime, served: Served) -> tuple[BinaryIO, int]:
    """The bytes in which offsets count, and where the data set begins. Raises Malformed, Unavailable."""
    if not is_derived(served):
        return seek_original(runtime, served.original), served.data_set_offset
    stream = _open_derived(runtime, served)
    offset = find_data_set(stream)
    stream.seek(0)
    return stream, offset


def file_chunks(runtime: Runtime, served: Served) -> Iterator[bytes]:
    """The instance as a Part 10 file."""
    if is_derived(served):
        stream = _open_derived(runtime, served)
        return _chunks(stream, 0, None)
    return open_part10(
        runtime,
        served.original,
        sop_class_uid=served.sop_class_uid,
        sop_instance_uid=served.sop_instance_uid,
        transfer_syntax_uid=served.transfer_syntax_uid,
        source_ae_title=served.source_ae_title,
    )


def read_span(runtime: Runtime, served: Served, offset: int, length: int) -> Iterator[bytes]:
    """So many bytes of it from an offset on."""
    if is_derived(served):
        return _chunks(_open_derived(runtime, served), offset, length)
    return open_original(runtime, served.original, offset=offset, length=length)


def _open_derived(runtime: Runtime, served: Served) -> BinaryIO:
    with runtime.reading() as session:
        found = find_by_record(session, served.original.record_id)
    if found is None:
        raise NotFound("instances")
    return derived_dicom(runtime, found).open("rb")


def _chunks(stream: BinaryIO, offset: int, length: int | None) -> Iterator[bytes]:
    with stream:
        stream.seek(offset)
        left = length
        while chunk := stream.read(CHUNK_BYTES if left is None else min(CHUNK_BYTES, left)):
            left = left - len(chunk) if left is not None else None
            yield chunk
