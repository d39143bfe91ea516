"""How an instance is built: its JSON and where its frames lie, kept so that scrolling a series parses nothing again.

An instance that cannot be parsed is shown with what the index knows of it; its problem is told to whoever asks
for its pixels.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from typing import Any, BinaryIO

import structlog

from adapters.dicom.data_set import Description, read_description
from adapters.dicom.json_model import write_json
from adapters.dicom.pixels import Frames, read_frames
from adapters.errors import Malformed
from gateway.dicomweb.files import seek_file
from gateway.dicomweb.served import Served
from gateway.runtime import Runtime

log = structlog.get_logger()

_BULK_MARK = (
    b'"BulkDataURI":"@/'  # inside a value the quotes would be escaped, so nothing else looks like this
)
_WEIGHT_BYTES = 1000  # what an instance takes beside its JSON, measured
_FRAGMENT_WEIGHT_BYTES = 150  # what a span in a tuple of tuples takes

ParsedKey = bytes
_KEY_BYTES = 16


def parsed_key(served: Served, patient: Mapping[str, Any] | None = None) -> ParsedKey:
    """What `parse` goes by: the record, the UIDs and character set it is served by, who its patient is said to be.

    As a digest: tens of thousands are remembered.
    """
    said = json.dumps(patient, sort_keys=True) if patient else ""
    uids = f"{served.study_instance_uid}\n{served.series_instance_uid}\n{served.character_set or ''}\n{said}"
    return blake2b(served.original.record_id.bytes + uids.encode(), digest_size=_KEY_BYTES).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What is kept of an instance. `inflated` is the data set of a deflated one: its offsets count there."""

    json: bytes
    frames: Frames | None
    problem: str
    own_study_uid: str
    own_series_uid: str
    own_sop_uid: str
    inflated: bytes | None

    @property
    def weight_bytes(self) -> int:
        fragments = self.frames.fragments if self.frames is not None else None
        spans = sum(map(len, fragments)) if fragments else 0
        return _WEIGHT_BYTES + len(self.json) + spans * _FRAGMENT_WEIGHT_BYTES + len(self.inflated or b"")

    def json_at(self, instance_url: str) -> bytes:
        """The JSON with its bulk data under the URL that the instance is served at."""
        return self.json.replace(_BULK_MARK, f'"BulkDataURI":"{instance_url}/bulkdata/'.encode())


def parse(runtime: Runtime, served: Served, patient: Mapping[str, Any] | None = None) -> Parsed:
    """Read the header of an instance; `patient` is who a person said it is. Unavailable when the original is away."""
    try:
        description = describe(runtime, served)
    except Malformed as error:
        log.warning("instance_not_parsed", record=str(served.original.record_id), reason=str(error))
        return Parsed(
            json=_dump(_known_of(served)),
            frames=None,
            problem=str(error),
            own_study_uid=served.study_instance_uid,
            own_series_uid=served.series_instance_uid,
            own_sop_uid=served.sop_instance_uid,
            inflated=None,
        )
    written = write_json(description, lambda path: f"@/{path}", character_set=served.character_set)
    frames, problem = _frames_of(description)
    return Parsed(
        own_study_uid=_first(written, "0020000D"),
        own_series_uid=_first(written, "0020000E"),
        own_sop_uid=_first(written, "00080018"),
        json=_dump({**written, **_known_of(served), **_patient(patient)}),
        frames=frames,
        problem=problem,
        inflated=description.stream.getvalue() if isinstance(description.stream, io.BytesIO) else None,
    )


def describe(runtime: Runtime, served: Served) -> Description:
    stream, offset = seek_file(runtime, served)
    return read_description(stream, served.transfer_syntax_uid, data_set_offset=offset)


def open_stream(runtime: Runtime, served: Served, parsed: Parsed) -> BinaryIO:
    """Where the offsets of its frames count."""
    if parsed.inflated is not None:
        return io.BytesIO(parsed.inflated)
    return seek_file(runtime, served)[0]


def _frames_of(description: Description) -> tuple[Frames | None, str]:
    try:
        return read_frames(description), ""
    except Malformed as error:
        return None, str(error)


def _known_of(served: Served) -> dict[str, Any]:
    """What an instance is served as stands above what its data set says."""
    return {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00080016": {"vr": "UI", "Value": [served.sop_class_uid]},
        "00080018": {"vr": "UI", "Value": [served.sop_instance_uid]},
        "00083002": {"vr": "UI", "Value": [served.transfer_syntax_uid]},
        "0020000D": {"vr": "UI", "Value": [served.study_instance_uid]},
        "0020000E": {"vr": "UI", "Value": [served.series_instance_uid]},
    }


def _patient(identity: Mapping[str, Any] | None) -> dict[str, Any]:
    if identity is None:
        return {}
    names = zip(("Alphabetic", "Ideographic", "Phonetic"), str(identity["name"]).split("="), strict=False)
    name = {group: text for group, text in names if text}
    birth_date = date.fromisoformat(identity["birth_date"]) if identity.get("birth_date") else None
    return {
        "00100010": {"vr": "PN", "Value": [name]} if name else {"vr": "PN"},
        "00100020": {"vr": "LO", "Value": [identity["patient_id"]]},
        "00100030": {"vr": "DA", **({"Value": [f"{birth_date:%Y%m%d}"]} if birth_date else {})},
        "00100040": {"vr": "CS", **({"Value": [identity["sex"]]} if identity.get("sex") else {})},
    }


def _first(written: Mapping[str, Any], tag: str) -> str:
    return str(next(iter(written.get(tag, {}).get("Value", [])), ""))


def _dump(written: Mapping[str, Any]) -> bytes:
    ordered = dict(sorted(written.items()))
    return json.dumps(ordered, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(
        "utf-8", "replace"
    )
