"""What an ECG file is over DICOMweb: the DICOM object that says the same, made once and kept beside the cache's files.

A waveform object for a recording, an Encapsulated PDF for a PDF, a Secondary Capture image for a scanned page.
"""

from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

from adapters.ecg.dicom_writing import DicomIdentity, dicom_pieces
from adapters.ecg.document_writing import write_document
from adapters.errors import Inexpressible, Malformed, Unavailable
from gateway.ecg.recordings import Found, Recordings
from gateway.file_cache import FileCache
from gateway.originals import read_original
from gateway.runtime import Runtime

LARGEST_DOCUMENT_BYTES = 64 << 20


def derived_dicom(runtime: Runtime, found: Found) -> Path:
    """The file, made unless it is there. Raises Malformed when there is none to be made, Unavailable."""
    settings = runtime.settings
    files = FileCache(settings.cache_dir / "derived", limit_bytes=settings.read_cache_bytes // 8)
    name = f"{_key(found)}.dcm"
    path = files.path(name)
    if not path.exists():
        try:
            pieces = _pieces(runtime, found)
            with files.growing(name, expected_bytes=found.original.size_bytes) as file:
                for piece in pieces:
                    file.write(piece)
        except Inexpressible as error:
            raise Malformed(f"no DICOM object has room for it: {error}") from error
    if not path.exists():
        raise Unavailable("the disk has no room to write the recording as DICOM")
    files.note_use(path)
    return path


def identity_of(found: Found) -> DicomIdentity:
    """Under which UIDs it is served; whose it is stays what the cart said, as in an original."""
    return DicomIdentity(
        study_instance_uid=found.study_instance_uid,
        series_instance_uid=found.series_instance_uid,
        sop_instance_uid=found.sop_instance_uid,
        started_at=found.received_at,
        accession_number=str(found.origin.get("accession_number") or ""),
    )


def _pieces(runtime: Runtime, found: Found) -> Iterable[bytes]:
    recording = Recordings(runtime).open(found)
    if recording.document is None:
        return dicom_pieces(recording, identity=identity_of(found))
    if found.original.size_bytes > LARGEST_DOCUMENT_BYTES:
        raise Malformed("the document is larger than a DICOM viewer would take")
    page = read_original(runtime, found.original)
    return [write_document(page, recording, identity=identity_of(found))]


def _key(found: Found) -> str:
    uids = f"{found.study_instance_uid}\n{found.series_instance_uid}\n{found.sop_instance_uid}"
    return blake2b(found.record_id.bytes + uids.encode(), digest_size=16).hexdigest()
