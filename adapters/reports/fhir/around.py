"""Whom and what a report is about: patient, institutions, people, the order, the study, the specimen."""

from adapters.hl7.values_out import display_name, name_components
from adapters.reports.document import Institution
from adapters.reports.fhir.parts import (
    CONNECTION,
    DICOM_UIDS,
    ORDERS,
    ORGANIZATIONS,
    SPECIMENS,
    Resource,
    clean,
    codeable_modality,
    coding,
    concept,
    moment,
    own_identifier,
    typed_identifier,
)
from adapters.reports.fhir.source import FhirReport, Links, patient_system

_SEXES = {"M": "male", "F": "female", "O": "other"}


def patient(report: FhirReport) -> Resource:
    bearer, made_by = report.bearer, report.document.examined_at_institution
    system = report.patient_system or patient_system(made_by.code)
    number = typed_identifier("PI", system, bearer.patient_id)
    return clean(
        {
            "resourceType": "Patient",
            "id": str(report.ids.patient),
            "identifier": [
                number and {**number, "assigner": {"display": made_by.name}},
                own_identifier("Patient", report.ids.patient),
            ],
            "name": [_human_name(bearer.name)],
            "gender": _SEXES.get(bearer.sex or "", "unknown"),
            "birthDate": bearer.birth_date.isoformat() if bearer.birth_date else "",
        }
    )


def organizations(report: FhirReport) -> list[Resource]:
    """Who examined and who diagnosed: two, where they are two."""
    document, ids = report.document, report.ids
    both = {
        ids.examined_at: document.examined_at_institution,
        ids.diagnosed_at: document.diagnosed_at_institution,
    }
    return [_organization(id_, one) for id_, one in both.items()]


def practitioners(report: FhirReport) -> list[Resource]:
    """Who wrote and who signed."""
    document, ids = report.document, report.ids
    people = {ids.writer: document.writer, ids.signer: signer_of(report)}
    if report.withdrawn is not None:
        people[report.withdrawn.by_id] = report.withdrawn.by
    return [
        clean(
            {
                "resourceType": "Practitioner",
                "id": str(id_),
                "identifier": [own_identifier("Practitioner", id_)],
                "name": [{"text": name}],
            }
        )
        for id_, name in people.items()
    ]


def signer_of(report: FhirReport) -> str:
    document = report.document
    return document.signers[0] if document.signers else document.writer


def order_number(report: FhirReport) -> str:
    """What asked for it: a specimen's order, an image's accession number."""
    table = report.document.laboratory
    return table.order_number if table else report.document.accession_number


def service_request(report: FhirReport, links: Links) -> list[Resource]:
    """The order, where there is one; of it no more is known here than its number and what was asked."""
    number, document, table = order_number(report), report.document, report.document.laboratory
    if not number:
        return []
    id_ = report.part_id("request")
    made = {
        "resourceType": "ServiceRequest",
        "id": id_,
        "identifier": [
            own_identifier("ServiceRequest", id_),
            typed_identifier("ACSN" if table is None else "PLAC", ORDERS, number),
        ],
        "status": "completed",
        "intent": "order",
        "code": concept(document.examination or document.title),
        "subject": links.to("Patient", report.ids.patient),
        "requester": {"display": table.requester} if table and table.requester else {},
        "reasonCode": [concept(document.clinical_information.strip())],
    }
    return [clean(made)]


def specimen(report: FhirReport, links: Links) -> list[Resource]:
    table = report.document.laboratory
    if table is None:
        return []
    id_ = report.part_id("specimen")
    made = {
        "resourceType": "Specimen",
        "id": id_,
        "identifier": [own_identifier("Specimen", id_)],
        "accessionIdentifier": {"system": SPECIMENS, "value": report.document.accession_number},
        "type": concept(table.specimen_kind),
        "subject": links.to("Patient", report.ids.patient),
        "receivedTime": moment(table.received_at),
        "collection": {"collectedDateTime": moment(table.collected_at)},
    }
    return [clean(made)]


def imaging_study(report: FhirReport, links: Links) -> list[Resource]:
    """The study that was read, also a tracing's, with the DICOMweb endpoint at which it is."""
    document = report.document
    if not report.has_study:
        return []
    id_ = str(report.ids.examination)
    made = {
        "resourceType": "ImagingStudy",
        "id": id_,
        "identifier": [
            {"system": DICOM_UIDS, "value": f"urn:oid:{report.study_instance_uid}"},
            own_identifier("ImagingStudy", id_),
        ],
        "status": "available",
        "modality": [codeable_modality(one) for one in sorted({one.modality for one in report.series})],
        "subject": links.to("Patient", report.ids.patient),
        "started": moment(document.examined_at),
        "basedOn": [links.to("ServiceRequest", report.part_id("request"))] if order_number(report) else [],
        "endpoint": [links.to("Endpoint", report.endpoint_id)],
        "numberOfSeries": len(report.series),
        "numberOfInstances": sum(one.instances for one in report.series),
        "description": document.examination,
        "series": [
            {
                "uid": one.series_instance_uid,
                "modality": codeable_modality(one.modality),
                "description": one.description,
                "numberOfInstances": one.instances,
            }
            for one in report.series
        ],
    }
    return [clean(made)]


def endpoint(report: FhirReport) -> list[Resource]:
    """Where the images are: WADO-RS and QIDO-RS of this gateway, for whoever may see them there."""
    if not report.has_study:
        return []
    made = {
        "resourceType": "Endpoint",
        "id": report.endpoint_id,
        "identifier": [own_identifier("Endpoint", report.endpoint_id)],
        "status": "active",
        "connectionType": coding(CONNECTION, "dicom-wado-rs"),
        "payloadType": [concept("DICOM")],
        "address": f"{report.base_url}/dicomweb",
    }
    return [clean(made)]


def _organization(id_: object, institution: Institution) -> Resource:
    return clean(
        {
            "resourceType": "Organization",
            "id": str(id_),
            "identifier": [
                {"system": ORGANIZATIONS, "value": institution.code},
                own_identifier("Organization", id_),
            ],
            "name": institution.name,
        }
    )


def _human_name(name: str) -> Resource:
    family, given, *_ = name_components(name)
    return {"text": display_name(name), "family": family, "given": [given]}
