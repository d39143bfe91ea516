"""How each wire is spoken: its settings as an administrator enters them, sending one report, and trying it.

Hosts are those that were entered, nothing that a peer answers leads elsewhere, and TLS is verified. A wire's `send`
answers what the peer said; raises PeerRejected (this one is refused), PeerBusy (this one later), PeerUnreachable
(nothing goes there now) or Inexpressible.
"""

import ipaddress
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from adapters.hl7.sending import send_one
from adapters.outward import Peer, client_tls, connection
from adapters.reports.hl7_mdm import write_mdm
from adapters.reports.hl7_parts import Addressed, CharacterSet
from adapters.reports.hl7_report import write_oru
from gateway.deliveries.contents import Outgoing
from gateway.deliveries.rows import EndpointWire

PROBE_S = 10.0
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_-]{1,63})*")


class NotAHost(ValueError):
    """No host, or an address at which no system of an institution can be."""


def check_host(host: str) -> str:
    """A name, or an address of a single machine: no multicast, no link-local one (clouds keep their keys there)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if not _HOST_NAME.fullmatch(host):
            raise NotAHost("host") from None
        return host
    if address.is_multicast or address.is_link_local or address.is_unspecified or address.is_reserved:
        raise NotAHost("host")
    return host


def _check_authorities(pem: str) -> str:
    if pem:
        try:
            ssl.create_default_context(cadata=pem)
        except ssl.SSLError as error:
            raise ValueError("pem") from error
    return pem


Host = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(check_host)]
Port = Annotated[int, Field(ge=1, le=65535)]
Authorities = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=100_000), AfterValidator(_check_authorities)
]
Seconds = Annotated[float, Field(ge=1, le=45)]  # two conversations end before a lease does
Named = Annotated[str, StringConstraints(strip_whitespace=True, max_length=180, pattern=r"^[^\x00-\x1f]*$")]


class WireSettings(BaseModel):
    """What an administrator enters besides the secret."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    within_s: Seconds = 30

    @property
    def where(self) -> str:
        """The address, for people."""
        raise NotImplementedError


class SocketSettings(WireSettings):
    host: Host
    port: Port
    tls: bool = False
    authorities_pem: Authorities = ""

    @property
    def where(self) -> str:
        return f"{self.host}:{self.port}"

    def peer(self, within_s: float | None = None) -> Peer:
        tls = client_tls(self.authorities_pem) if self.tls else None
        return Peer(host=self.host, port=self.port, tls=tls, within_s=within_s or self.within_s)


class Hl7Settings(SocketSettings):
    character_set: CharacterSet = "UTF-8"
    application: Named = ""  # MSH-5
    facility: Named = ""  # MSH-6; empty: the township's code
    document: bool = True  # the signed PDF goes along


class Secret(StrEnum):
    """Whether a wire has a secret besides its settings."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenWire:
    """One wire. `probe` sends no patient data; `withdraws`: what was sent can be taken back by it."""

    settings: type[WireSettings]
    send: Callable[[Outgoing, Any, str], str]
    probe: Callable[[Any, str], str]
    wants_secret: Secret = Secret.NONE
    withdraws: bool = True


def read_settings(wire: EndpointWire, stated: Mapping[str, Any]) -> WireSettings:
    """The settings of an endpoint. Raises pydantic's ValidationError."""
    return WIRES[wire].settings.model_validate(dict(stated))


def setting_errors(error: ValidationError) -> dict[str, str]:
    """Field → reason, as forms are answered."""
    reasons = {"missing": "required", "value_error": "unusable", "extra_forbidden": "unknown"}
    return {
        ".".join(["settings", *(str(part) for part in one["loc"])]): reasons.get(one["type"], "unusable")
        for one in error.errors()
    }


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


def _send_oru(what: Outgoing, to: Hl7Settings, _secret: str) -> str:
    # MSH-10 has 20 characters; the same for every attempt.
    number = f"{what.document.report_number}-{what.document.version}"
    control_id = f"V{number}" if what.is_void else number
    message = write_oru(what.document, what.bearer, _addressed(what, to, control_id))
    return send_one(message, control_id, to.peer())


def _send_mdm(what: Outgoing, to: Hl7Settings, _secret: str) -> str:
    number = f"{what.document.report_number}-{what.document.version}"
    control_id = f"W{number}" if what.is_void else f"M{number}"
    message = write_mdm(what.document, what.bearer, _addressed(what, to, control_id))
    return send_one(message, control_id, to.peer())


def _probe_socket(to: SocketSettings, _secret: str) -> str:
    """A connection, and TLS; no message: a hospital's system would file it."""
    with connection(to.peer(PROBE_S)) as line:
        return f"connected, {line.version()}" if isinstance(line, ssl.SSLSocket) else "connected"


WIRES: Mapping[EndpointWire, SpokenWire] = {
    EndpointWire.HL7_ORU: SpokenWire(settings=Hl7Settings, send=_send_oru, probe=_probe_socket),
    EndpointWire.HL7_MDM: SpokenWire(settings=Hl7Settings, send=_send_mdm, probe=_probe_socket),
}
