"""An instance as the file that it would be: what came as a bare data set gets the beginning it lacks (PS3.10 7.1)."""

import io
from collections.abc import Iterator
from itertools import chain

from adapters.dicom.data_set import find_data_set
from adapters.dicom.part10 import write_file_meta
from gateway.originals import Original, open_original
from gateway.runtime import Runtime

_PREFIX_AT, _PREFIX_END = 128, 132
_HEAD_BYTES = 4096  # any file meta information


def open_part10(
    runtime: Runtime,
    original: Original,
    *,
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
    source_ae_title: str,
) -> Iterator[bytes]:
    """The original in chunks, as a file that begins as it should. Raises Unavailable before the first."""
    chunks = open_original(runtime, original)
    head = next(chunks, b"")
    if head[_PREFIX_AT:_PREFIX_END] != b"DICM":
        start = find_data_set(io.BytesIO(head[:_HEAD_BYTES]))
        meta = write_file_meta(
            sop_class_uid=sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            transfer_syntax_uid=transfer_syntax_uid,
            source_ae_title=source_ae_title,
        )
        head = meta + head[start:]
    return chain((head,), chunks)
