"""How each wire is spoken: sending one report, and trying an endpoint without any patient's data.

A `send` answers what the peer said; it raises PeerRejected (this one is refused), PeerBusy (this one later) or
PeerUnreachable (nothing goes there now). What it sends has the same identifiers each time.
"""

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from adapters import fhir_client, mail, webhook
from adapters.hl7.sending import send_one
from adapters.outward import connection
from adapters.reports.dicom_parts import Filed
from adapters.reports.dicom_pdf import write_encapsulated_pdf
from adapters.reports.dicom_sr import write_basic_text_sr
from adapters.reports.fhir.bundle import write_transaction
from adapters.reports.hl7_mdm import write_mdm
from adapters.reports.hl7_parts import Addressed
from adapters.reports.hl7_report import write_oru
from gateway.deliveries.contents import Outgoing
from gateway.deliveries.notices import mail_notice, webhook_content
from gateway.deliveries.rows import EndpointWire
from gateway.deliveries.wire_settings import (
    CertifiedSettings,
    DicomSettings,
    FhirSettings,
    Hl7Settings,
    MailSettings,
    SocketSettings,
    WebhookSettings,
    WireSettings,
)

PROBE_S = 10.0
REFUSED_WITHIN_S = 2.0


class Secret(StrEnum):
    """Whether a wire has a secret besides its settings."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenWire:
    """One wire. `withdraws`: what was sent can be taken back by it, or its reader be told."""

    settings: type[WireSettings]
    send: Callable[[Outgoing, Any, str], str]
    probe: Callable[[Any, str], str]
    wants_secret: Secret = Secret.NONE
    withdraws: bool = True


def read_settings(wire: EndpointWire, stated: Mapping[str, Any], key_pem: str = "") -> WireSettings:
    """The settings of an endpoint, with the key of its certificate. Raises pydantic's ValidationError, Malformed."""
    read = WIRES[wire].settings.model_validate(dict(stated))
    return read.with_key(key_pem) if key_pem and isinstance(read, CertifiedSettings) else read


def setting_errors(error: ValidationError) -> dict[str, str]:
    """Field → reason, as forms are answered."""
    reasons = {"missing": "required", "extra_forbidden": "unknown"}
    found = {}
    for one in error.errors():
        # What no field alone is to blame for names it in its words.
        path = [str(part) for part in one["loc"]] or [str(one.get("ctx", {}).get("error", ""))]
        found[".".join(["settings", *path])] = reasons.get(one["type"], "unusable")
    return found


def _send_oru(what: Outgoing, to: Hl7Settings, _secret: str) -> str:
    # MSH-10 has 20 characters.
    control_id = f"V{_number(what)}" if what.is_void else _number(what)
    message = write_oru(what.document, what.bearer, _addressed(what, to, control_id))
    return send_one(message, control_id, to.peer())


def _send_mdm(what: Outgoing, to: Hl7Settings, _secret: str) -> str:
    control_id = f"{'W' if what.is_void else 'M'}{_number(what)}"
    message = write_mdm(what.document, what.bearer, _addressed(what, to, control_id))
    return send_one(message, control_id, to.peer())


def _send_pdf(what: Outgoing, to: DicomSettings, _secret: str) -> str:
    return _store(write_encapsulated_pdf(what.document, what.bearer, _filed(what, to), what.pdf), to)


def _send_sr(what: Outgoing, to: DicomSettings, _secret: str) -> str:
    return _store(write_basic_text_sr(what.document, what.bearer, _filed(what, to), void=what.is_void), to)


def _send_fhir(what: Outgoing, to: FhirSettings, token: str) -> str:
    assert what.fhir is not None  # read for this wire
    report = replace(what.fhir, pdf=what.pdf, document_as=to.document, patient_system=to.patient_system)
    return fhir_client.post_transaction(_fhir_server(to, token), write_transaction(report, update=to.update))


def _send_webhook(what: Outgoing, to: WebhookSettings, secret: str) -> str:
    content = webhook_content(what, whole=to.content == "report")
    return _post(to, secret, content, message_id=f"{what.event.value}-{what.delivery_id}")


def _send_mail(what: Outgoing, to: MailSettings, secret: str) -> str:
    message = mail_notice(what, sender=to.sender, recipients=to.recipients)
    return mail.hand_over(to.server(secret), message, to.recipients)


def _probe_socket(to: SocketSettings, _secret: str) -> str:
    """A connection, and TLS; no message: a hospital's system would file it."""
    with connection(to.peer(PROBE_S)) as line:
        if not isinstance(line, ssl.SSLSocket):
            return "connected"
        _hear_refusal(line)
        return f"connected, {line.version()}"


def _hear_refusal(line: ssl.SSLSocket) -> None:
    """TLS 1.3 ends for us before the peer has looked at our certificate (RFC 8446 2): what it says of it comes then."""
    line.settimeout(REFUSED_WITHIN_S)
    try:
        if line.recv(1) == b"":
            raise ConnectionError(
                "the peer closed the connection after TLS: it may want another certificate of us"
            )
    except TimeoutError:
        return  # it waits for us


def _probe_dicom(to: DicomSettings, _secret: str) -> str:
    from adapters.dicom import scu  # noqa: PLC0415 (pynetdicom, for who sends by DICOM)

    peer = to.peer(PROBE_S)
    scu.echo(
        peer.host,
        peer.port,
        calling_ae_title=to.calling_ae_title,
        called_ae_title=to.called_ae_title,
        timeout_s=PROBE_S,
        tls=peer.tls,
    )
    return "C-ECHO 0000"


def _probe_fhir(to: FhirSettings, token: str) -> str:
    return fhir_client.look(_fhir_server(to, token, PROBE_S))


def _probe_webhook(to: WebhookSettings, secret: str) -> str:
    return _post(to, secret, {"type": "ping"}, message_id=f"ping-{time.time_ns()}")


def _probe_mail(to: MailSettings, secret: str) -> str:
    return mail.look(to.server(secret, PROBE_S))


def _number(what: Outgoing) -> str:
    return f"{what.document.report_number}-{what.document.version}"


def _addressed(what: Outgoing, to: Hl7Settings, control_id: str) -> Addressed:
    return Addressed(
        control_id=control_id,
        application=to.application,
        facility=to.facility,
        character_set=to.character_set,
        first_number=what.first_number,
        previous_number=what.previous[1] if what.previous else "",
        study_instance_uid=what.study_instance_uid or "",
        pdf=what.pdf if to.document and not what.is_void else None,
        void=what.is_void,
    )


def _filed(what: Outgoing, to: DicomSettings) -> Filed:
    return Filed(
        report_id=what.report_id,
        examination_id=what.examination_id,
        study_instance_uid=what.study_instance_uid,
        character_set=to.character_set,
        previous_id=what.previous[0] if what.previous else None,
        evidence=what.evidence,
        key_images=what.key_images,
    )


def _store(made: Any, to: DicomSettings) -> str:
    from adapters.dicom import scu  # noqa: PLC0415 (see above)

    peer = to.peer()
    return scu.store_object(
        made,
        peer.host,
        peer.port,
        calling_ae_title=to.calling_ae_title,
        called_ae_title=to.called_ae_title,
        timeout_s=to.within_s,
        tls=peer.tls,
    )


def _post(to: WebhookSettings, secret: str, content: Mapping[str, Any], *, message_id: str) -> str:
    hook = webhook.Hook(peer=to.peer(), url=to.url, secret=secret)
    return webhook.post(hook, content, message_id=message_id, timestamp=int(time.time()))


def _fhir_server(to: FhirSettings, token: str, within_s: float | None = None) -> fhir_client.FhirServer:
    return fhir_client.FhirServer(peer=to.peer(within_s), url=to.url, token=token)


WIRES: Mapping[EndpointWire, SpokenWire] = {
    EndpointWire.HL7_ORU: SpokenWire(settings=Hl7Settings, send=_send_oru, probe=_probe_socket),
    EndpointWire.HL7_MDM: SpokenWire(settings=Hl7Settings, send=_send_mdm, probe=_probe_socket),
    EndpointWire.DICOM_PDF: SpokenWire(
        settings=DicomSettings, send=_send_pdf, probe=_probe_dicom, withdraws=False
    ),
    EndpointWire.DICOM_SR: SpokenWire(settings=DicomSettings, send=_send_sr, probe=_probe_dicom),
    EndpointWire.FHIR: SpokenWire(
        settings=FhirSettings, send=_send_fhir, probe=_probe_fhir, wants_secret=Secret.OPTIONAL
    ),
    EndpointWire.WEBHOOK: SpokenWire(
        settings=WebhookSettings, send=_send_webhook, probe=_probe_webhook, wants_secret=Secret.REQUIRED
    ),
    EndpointWire.MAIL: SpokenWire(
        settings=MailSettings, send=_send_mail, probe=_probe_mail, wants_secret=Secret.OPTIONAL
    ),
}
