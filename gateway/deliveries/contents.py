"""What of a report goes out: as it was signed, whichever way it goes and however often."""

import json
import uuid
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.errors import Unavailable
from adapters.reports.dicom_parts import Evidence, KeyReference
from adapters.reports.document import ReportDocument
from adapters.reports.fhir.source import FhirReport
from adapters.reports.hl7_parts import Bearer
from gateway.deliveries.rows import Delivery, DeliveryEvent, EndpointWire
from gateway.fhir_reports import fhir_report
from gateway.index import Instance, Series, Study
from gateway.originals import original_of, read_original
from gateway.report_documents import bearer_of, report_document
from gateway.runtime import Runtime
from gateway.township import find_document
from worklists.reports import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One report on its way to one endpoint. Numbers: of this version, of the first, of the one before."""

    delivery_id: uuid.UUID
    report_id: uuid.UUID
    examination_id: uuid.UUID
    event: DeliveryEvent
    document: ReportDocument
    bearer: Bearer
    pdf: bytes
    first_number: str
    previous: tuple[uuid.UUID, str] | None
    study_instance_uid: str | None
    critical: bool
    evidence: tuple[Evidence, ...]
    key_images: tuple[KeyReference, ...]
    fhir: FhirReport | None = None  # for who is sent that

    @property
    def is_void(self) -> bool:
        return self.event is DeliveryEvent.VOID

    def private_words(self) -> list[str]:
        """What of a peer's answer must not be shown: IT sees deliveries without patients."""
        bearer = self.bearer
        names = [bearer.name, *bearer.name.replace("=", "^").split("^"), self.document.patient.name]
        born = bearer.birth_date
        dates = [born.isoformat(), f"{born:%Y%m%d}"] if born else []
        return sorted(
            {word for word in (*names, bearer.patient_id, *dates) if len(word) > 1}, key=len, reverse=True
        )


def first_number_of(session: Session, report: Report) -> str:
    """The number of the first version: the same for all of them."""
    return session.scalars(
        select(Report.number)
        .where(Report.examination_id == report.examination_id)
        .order_by(Report.version)
        .limit(1)
    ).one()


def read_outgoing(runtime: Runtime, delivery_id: uuid.UUID) -> Outgoing:
    """The report of a delivery with its signed document. Raises Unavailable while that cannot be read."""
    with runtime.reading() as session:
        delivery = session.get_one(Delivery, delivery_id)
        report = delivery.report
        record = find_document(session, report)
        if record is None:
            raise Unavailable("the signed document of a report is not kept")
        original = original_of(record)
        previous = session.scalars(
            select(Report)
            .where(Report.examination_id == report.examination_id, Report.version < report.version)
            .order_by(Report.version.desc())
        ).first()
        outgoing = Outgoing(
            delivery_id=delivery.id,
            report_id=report.id,
            examination_id=report.examination_id,
            event=delivery.event,
            document=report_document(session, report, base_url=runtime.settings.base_url),
            bearer=bearer_of(report),
            pdf=b"",
            first_number=first_number_of(session, report),
            previous=(previous.id, previous.number) if previous else None,
            study_instance_uid=report.examination.study_instance_uid,
            critical=report.critical,
            evidence=_evidence_of(session, report),
            fhir=_fhir_of(session, delivery, runtime.settings.base_url),
            key_images=key_images_of(session, report),
        )
    return replace(outgoing, pdf=read_original(runtime, original))


def _fhir_of(session: Session, delivery: Delivery, base_url: str) -> FhirReport | None:
    if delivery.endpoint.wire is not EndpointWire.FHIR:
        return None
    void = delivery.event is DeliveryEvent.VOID
    return fhir_report(session, delivery.report, base_url=base_url, withdrawn=void)


def _evidence_of(session: Session, report: Report) -> tuple[Evidence, ...]:
    """The originals of the manifest that are DICOM objects."""
    read = {one["sop_instance_uid"] for one in json.loads(report.manifest)["originals"]}
    rows = session.execute(
        select(Series.series_instance_uid, Instance.sop_class_uid, Instance.sop_instance_uid)
        .join(Instance, Instance.series_id == Series.id)
        .join(Study, Study.id == Series.study_id)
        .where(Study.examination_id == report.examination_id, Instance.current)
        .order_by(Series.series_instance_uid, Instance.sop_instance_uid)
    )
    return tuple(
        Evidence(
            series_instance_uid=row.series_instance_uid,
            sop_class_uid=row.sop_class_uid,
            sop_instance_uid=row.sop_instance_uid,
        )
        for row in rows
        if row.sop_instance_uid in read
    )


def key_images_of(session: Session, report: Report) -> tuple[KeyReference, ...]:
    """What the report shows, in its order; each image frame once, however many pictures there are of it."""
    frames = {(one["sop_instance_uid"], one["frame"]): None for one in report.key_images}
    if not frames:
        return ()
    query = select(Instance.sop_instance_uid, Instance.sop_class_uid, Instance.number_of_frames)
    rows = session.execute(
        query.where(Instance.sop_instance_uid.in_([uid for uid, _ in frames]), Instance.current)
    )
    known = {row.sop_instance_uid: row for row in rows}
    return tuple(
        KeyReference(
            sop_class_uid=known[uid].sop_class_uid, sop_instance_uid=uid,
            frame=frame if (known[uid].number_of_frames or 1) > 1 else None,
        )
        for uid, frame in frames
        if uid in known
    )  # fmt: skip
