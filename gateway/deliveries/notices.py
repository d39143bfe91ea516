"""That there is a report: as JSON for a webhook, as a mail that names no patient."""

import base64
from collections.abc import Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from gateway.deliveries.contents import Outgoing

_EVENTS = {"report": "report.signed", "void": "report.voided"}
_KINDS = {"imaging": "影像", "ecg": "心电", "laboratory": "检验", "pathology": "病理"}


def webhook_content(what: Outgoing, *, whole: bool) -> dict[str, Any]:
    """What happened to which report; with `whole` the report itself, its patient and its document."""
    document = what.document
    content: dict[str, Any] = {
        "type": _EVENTS[what.event.value],
        "report_id": str(what.report_id),
        "examination_id": str(what.examination_id),
        "report_number": document.report_number,
        "first_report_number": what.first_number,
        "previous_report_number": what.previous[1] if what.previous else None,
        "version": document.version,
        "kind": document.kind,
        "critical": what.critical,
        "preliminary": document.preliminary,
        "examined_at_institution": document.examined_at_institution.code,
        "diagnosed_at_institution": document.diagnosed_at_institution.code,
        "signed_at": document.signed_at.isoformat(),
    }
    if not whole or what.is_void:
        return content
    bearer = what.bearer
    return content | {
        "accession_number": document.accession_number,
        "study_instance_uid": what.study_instance_uid,
        "patient": {
            "patient_id": bearer.patient_id,
            "name": document.patient.name,
            "sex": bearer.sex,
            "birth_date": bearer.birth_date.isoformat() if bearer.birth_date else None,
        },
        "findings": document.findings,
        "impression": document.impression,
        "marks": [{"item": mark.item, "text": mark.text} for mark in document.marks],
        "signers": list(document.signers),
        "document": {
            "content_type": "application/pdf",
            "base64": base64.b64encode(what.pdf).decode("ascii"),
        },
    }


def mail_notice(what: Outgoing, *, sender: str, recipients: Sequence[str]) -> EmailMessage:
    """Number, kind and urgency: mail is read by others on its way. The same Message-ID each time (RFC 5322 3.6.4)."""
    document = what.document
    kind = _KINDS[document.kind]
    done = "已作废" if what.is_void else "已修订" if document.version > 1 else "已签发"
    urgent = "【危急值】" if what.critical and not what.is_void else ""
    message = EmailMessage()
    message["Subject"] = f"{urgent}{kind}报告{done} {document.report_number}"
    message["From"] = sender
    message["To"] = [Address(addr_spec=one) for one in recipients]
    message["Date"] = format_datetime(document.signed_at)
    domain = sender.rpartition("@")[2]
    message["Message-ID"] = f"<{what.event.value}-{what.delivery_id}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence answers it
    message.set_content(
        f"{document.examined_at_institution.name}：\n\n"
        f"{urgent}有一份{kind}报告{done}，请登录系统查看。\n"
        f"报告编号：{document.report_number}，第 {document.version} 版\n"
        f"{document.centre}\n\n"
        "本邮件不含患者信息，请勿回复。\n"
    )
    return message
