"""What arrives at the journal, without a wire: instances and associations as the listeners would note them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from sqlalchemy import delete
from sqlalchemy.orm import Session

from adapters.dicom.part10 import write_file_meta
from gateway import journal
from gateway.index import SegmentCursor
from gateway.intake import Drain
from gateway.runtime import Runtime
from tests.builders import County, build_county
from tests.synthetic import make_images
from worklists.directory import Device


@dataclass
class Wire:
    """A device of the eastern township that sends, and the drain that follows."""

    runtime: Runtime
    county: County
    drain: Drain

    def image(self, **fields: Any) -> Dataset:
        """One image; of a study of its own unless told otherwise."""
        [image] = make_images(1, size=8, **fields)
        return image

    def send(self, *images: Dataset, device: Device | None = None, **origin: Any) -> None:
        """Accept images over one association, which stays open."""
        device = device or self.county.device
        for image in images:
            data_set = encode(image)
            meta = write_file_meta(
                sop_class_uid=str(image.SOPClassUID), sop_instance_uid=str(image.SOPInstanceUID),
                transfer_syntax_uid="1.2.840.10008.1.2.1", source_ae_title=device.ae_title,
            )  # fmt: skip
            values = {
                "institution_id": str(device.institution_id),
                "device_id": str(device.id),
                "calling_ae_title": device.ae_title,
                "transfer_syntax_uid": "1.2.840.10008.1.2.1",
                "sop_class_uid": str(image.SOPClassUID),
                "sop_instance_uid": str(image.SOPInstanceUID),
                "data_set_offset": len(meta),
                "received_at": self.runtime.now().isoformat(),
                **origin,
            }
            self.runtime.journal.append("dicom.instance", values, [meta, data_set])

    def note(self, association_id: str, event: str, *, at: datetime | None = None, **facts: Any) -> None:
        """Note that an association opened or closed."""
        origin = {
            "association_id": association_id,
            "event": event,
            "device_id": str(self.county.device.id),
            "at": (at or self.runtime.now()).isoformat(),
            **facts,
        }
        self.runtime.journal.append("dicom.association", origin, [])

    def index(self) -> int:
        """Index until nothing is left."""
        total = 0
        while found := self.drain.index_new():
            total += found
        return total

    def session(self) -> Session:
        return self.runtime.sessions()

    def forget_cursors(self) -> None:
        """As if the process died after the rows of a batch were committed somewhere else: it is read again."""
        with self.runtime.sessions.begin() as session:
            session.execute(delete(SegmentCursor))

    def end_journal(self) -> None:
        """The writer ends, as with its process; a later send begins another journal."""
        self.runtime.journal.close()

    @property
    def unfiled_bytes(self) -> int:
        return journal.measure_usage(self.runtime.journal_dir).unfiled_bytes


def open_wire(runtime: Runtime) -> Wire:
    runtime.journal_dir.mkdir(parents=True, exist_ok=True)
    with runtime.sessions.begin() as session:
        county = build_county(session)
    return Wire(runtime=runtime, county=county, drain=Drain(runtime))


def encode(image: Dataset, *, implicit_vr: bool = False) -> bytes:
    """The data set in little endian, without file meta information."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, implicit_vr
    write_dataset(buffer, image)
    return buffer.getvalue()
