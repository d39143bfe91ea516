"""The DiagnosticReport, its document, and the Provenance that says who wrote and who signed which version from what."""

import base64
import hashlib
import re

from adapters.reports.document import RecognitionMark
from adapters.reports.fhir.around import order_number, signer_of
from adapters.reports.fhir.parts import (
    AGENT,
    LOINC,
    OPERATION,
    REPORTS,
    V2_0074,
    Resource,
    clean,
    coding,
    concept,
    extension,
    moment,
    own_identifier,
    typed_identifier,
)
from adapters.reports.fhir.source import FhirReport, Links, report_status
from adapters.reports.hl7_parts import document_code
from adapters.reports.hl7_report import SECTIONS

VOID = "此报告已作废，请勿使用。"
_SIGNATURE = ("urn:iso-astm:E1762-95:2013", "1.2.840.10065.1.12.1.1", "Author's Signature")
_VERIFICATION = ("urn:iso-astm:E1762-95:2013", "1.2.840.10065.1.12.1.5", "Verification Signature")
_BYTE_RANGE = re.compile(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]")


def diagnostic_report(report: FhirReport, links: Links, results: list[Resource]) -> Resource:
    """`results` are the observations that it still says."""
    document, ids = report.document, report.ids
    id_ = str(ids.examination)
    people = dict.fromkeys((ids.signer, ids.writer))
    return clean(
        {
            "resourceType": "DiagnosticReport",
            "id": id_,
            "language": "zh-CN",
            "extension": _extensions(report),
            "identifier": [
                own_identifier("DiagnosticReport", id_),
                typed_identifier("FILL", REPORTS[document.kind], report.first_number),
                _number_of_version(report),
            ],
            "basedOn": [links.to("ServiceRequest", report.part_id("request"))]
            if order_number(report)
            else [],
            "status": report_status(report),
            "category": [concept("", coding(V2_0074, SECTIONS[document.kind]))],
            "code": concept(
                document.examination or document.title, coding(LOINC, *document_code(document.kind))
            ),
            "subject": links.to("Patient", ids.patient),
            "effectiveDateTime": moment(document.examined_at or document.received_at),
            "issued": moment(report.withdrawn.at if report.withdrawn else document.signed_at),
            "performer": [links.to("Organization", ids.diagnosed_at, document.centre)],
            "resultsInterpreter": [links.to("Practitioner", one) for one in people],
            "specimen": [links.to("Specimen", report.part_id("specimen"))] if document.laboratory else [],
            "result": [links.to("Observation", one["id"]) for one in results],
            "imagingStudy": [links.to("ImagingStudy", ids.examination)] if report.has_study else [],
            "conclusion": VOID if report.withdrawn else document.impression.strip(),
            "presentedForm": [] if report.withdrawn else _document(report),
        }
    )


def binary(report: FhirReport) -> list[Resource]:
    """The signed PDF by itself."""
    if report.document_as != "binary" or report.pdf is None or report.withdrawn:
        return []
    return [
        {
            "resourceType": "Binary",
            "id": str(report.ids.report),
            "contentType": "application/pdf",
            "data": base64.b64encode(report.pdf).decode("ascii"),
        }
    ]


def provenance(report: FhirReport, links: Links) -> Resource:
    """Of one version; of its withdrawal another."""
    target = [links.to("DiagnosticReport", report.ids.examination)]
    if report.withdrawn is not None:
        return _of_withdrawal(report, links, target)
    document, ids = report.document, report.ids
    operation = "CREATE" if document.version == 1 else "UPDATE"
    return clean(
        {
            "resourceType": "Provenance",
            "id": str(ids.report),
            "target": target,
            "recorded": moment(document.signed_at),
            "reason": [concept(document.amendment_note)] if document.amendment_note else [],
            "activity": concept("", coding(OPERATION, operation)),
            "agent": [
                _agent(report, links, "author", ids.writer),
                _agent(report, links, "verifier", ids.signer),
            ],
            "entity": _entities(report, links),
            "signature": [_signature(report, links)],
        }
    )


def _of_withdrawal(report: FhirReport, links: Links, target: list[Resource]) -> Resource:
    void = report.withdrawn
    assert void is not None
    return clean(
        {
            "resourceType": "Provenance",
            "id": f"{report.ids.report}.void",
            "target": target,
            "recorded": moment(void.at),
            "reason": [concept(void.reason)],
            "activity": concept("", coding(OPERATION, "NULLIFY")),
            "agent": [_agent(report, links, "verifier", void.by_id)],
        }
    )


def _agent(report: FhirReport, links: Links, role: str, who: object) -> Resource:
    return {
        "type": concept("", coding(AGENT, role)),
        "who": links.to("Practitioner", who),
        "onBehalfOf": links.to("Organization", report.ids.diagnosed_at),
    }


def _entities(report: FhirReport, links: Links) -> list[Resource]:
    """The manifest of originals that the reader had before them, by its digest; of images their study besides."""
    digest = {"system": f"{report.fhir_url}/NamingSystem/manifest-sha256", "value": report.manifest_sha256}
    study = {"role": "source", "what": links.to("ImagingStudy", report.ids.examination)}
    manifest = {"role": "source", "what": {"identifier": digest, "display": "originals.json"}}
    return [manifest, study] if report.has_study else [manifest]


def _signature(report: FhirReport, links: Links) -> Resource:
    """PAdES stands in the PDF; its CMS is given besides, over the byte range that it names there."""
    found = cms_of(report.pdf) if report.pdf else b""
    kinds = (_SIGNATURE,) if report.ids.signer == report.ids.writer else (_VERIFICATION,)
    content = {"targetFormat": "application/pdf", "sigFormat": "application/pkcs7-signature",
               "data": base64.b64encode(found).decode("ascii")} if found else {}  # fmt: skip
    return {
        "type": [coding(*kind) for kind in kinds],
        "when": moment(report.document.signed_at),
        "who": links.to("Practitioner", report.ids.signer, signer_of(report)),
        "onBehalfOf": links.to("Organization", report.ids.diagnosed_at),
        **content,
    }


def cms_of(pdf: bytes) -> bytes:
    """The last signature of a PDF (ISO 32000-2 12.8.1): what its byte range leaves out. Empty where there is none."""
    ranges = _BYTE_RANGE.findall(pdf)
    if not ranges:
        return b""
    start, length, behind, _ = (int(one) for one in ranges[-1])
    written = pdf[start + length : behind].strip(b"<>\x00 \r\n")
    try:
        return _without_padding(bytes.fromhex(written.decode("ascii")))
    except ValueError:
        return b""


def _without_padding(der: bytes) -> bytes:
    """A DER value to its end: room is left behind it (X.690 8.1.3)."""
    if len(der) < 2:
        return b""
    if der[1] < 0x80:
        return der[: 2 + der[1]]
    places = der[1] & 0x7F
    return der[: 2 + places + int.from_bytes(der[2 : 2 + places], "big")]


def _extensions(report: FhirReport) -> list[Resource]:
    base, document = report.base_url, report.document
    version = extension(base, "report-version", valuePositiveInt=document.version)
    if report.withdrawn:
        return [version]
    critical = [extension(base, "critical", valueBoolean=True)] if document.critical else []
    return [version, *critical, *(_mark(base, one) for one in document.marks if one.text or one.remark)]


def _mark(base_url: str, mark: RecognitionMark) -> Resource:
    parts = {"item": mark.item, "text": mark.text, "scope": mark.scope, "remark": mark.remark}
    return extension(
        base_url,
        "recognition-mark",
        extension=[{"url": name, "valueString": value} for name, value in parts.items() if value],
    )


def _number_of_version(report: FhirReport) -> Resource:
    number = report.document.report_number
    return {} if number == report.first_number else {"system": REPORTS[report.document.kind], "value": number}


def _document(report: FhirReport) -> list[Resource]:
    """`presentedForm`: the signed PDF, or where it is. The hash is SHA-1, as R4 wants it (2.24.0.9)."""
    document = report.document
    if report.document_as == "linked":
        title = f"{document.report_number}-{document.version}.pdf"
        return [{"contentType": "application/pdf", "language": "zh-CN", "title": title,
                 "url": f"{report.fhir_url}/Binary/{report.ids.report}", "creation": moment(document.signed_at)}]  # fmt: skip
    if report.document_as == "none" or report.pdf is None:
        return []
    data = {"data": base64.b64encode(report.pdf).decode("ascii")}
    return [
        {
            "contentType": "application/pdf",
            "language": "zh-CN",
            **(data if report.document_as == "attached" else {"url": f"Binary/{report.ids.report}"}),
            "size": len(report.pdf),
            "hash": base64.b64encode(hashlib.sha1(report.pdf, usedforsecurity=False).digest()).decode(
                "ascii"
            ),
            "title": f"{document.report_number}-{document.version}.pdf",
            "creation": moment(document.signed_at),
        }
    ]
