"""What an administrator enters for an endpoint, checked for each wire.

Hosts are those that are entered, each a single machine; of whom TLS is asked, certificate and name are verified.
"""

import ipaddress
import re
import ssl
from abc import ABC, abstractmethod
from email.utils import parseaddr
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    model_validator,
)

from adapters.client_certificate import ClientCertificate, read_chain, read_client_certificate
from adapters.errors import Malformed
from adapters.http_exchange import target_of
from adapters.mail import MailServer
from adapters.outward import Peer, client_tls
from adapters.reports import dicom_parts, hl7_parts

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


def _check_chain(pem: str) -> str:
    try:
        _ = pem and read_chain(pem)
    except Malformed as error:
        raise ValueError("pem") from error
    return pem


Host = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(check_host)]
Port = Annotated[int, Field(ge=1, le=65535)]
Authorities = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=100_000), AfterValidator(_check_authorities)
]
Chain = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=100_000), AfterValidator(_check_chain)
]
Seconds = Annotated[float, Field(ge=1, le=45)]  # two conversations end before a lease does
Named = Annotated[str, StringConstraints(strip_whitespace=True, max_length=180, pattern=r"^[^\x00-\x1f]*$")]


class WireSettings(BaseModel, ABC):
    """What an administrator enters besides the secret."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    within_s: Seconds = 30

    @property
    @abstractmethod
    def where(self) -> str:
        """The address, for people."""


class CertifiedSettings(WireSettings):
    """Of a peer that may ask for our certificate. Its key is a secret and comes by `with_key`, never among these."""

    authorities_pem: Authorities = ""
    certificate_pem: Chain = ""

    _ours: ClientCertificate | None = PrivateAttr(None)

    @property
    @abstractmethod
    def by_tls(self) -> bool: ...

    @model_validator(mode="after")
    def _check_certificate(self) -> Self:
        if self.certificate_pem and not self.by_tls:
            raise ValueError("certificate_pem")
        return self

    def with_key(self, key_pem: str) -> Self:
        """The same, showing its certificate. Raises Malformed."""
        made = self.model_copy()
        made._ours = read_client_certificate(self.certificate_pem, key_pem)
        return made

    def _peer(self, host: str, port: int, within_s: float | None) -> Peer:
        tls = client_tls(self.authorities_pem, ours=self._ours) if self.by_tls else None
        return Peer(host=host, port=port, tls=tls, within_s=within_s or self.within_s)


class SocketSettings(CertifiedSettings):
    host: Host
    port: Port
    tls: bool = False

    @property
    def where(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def by_tls(self) -> bool:
        return self.tls

    def peer(self, within_s: float | None = None) -> Peer:
        return self._peer(self.host, self.port, within_s)


class Hl7Settings(SocketSettings):
    character_set: hl7_parts.CharacterSet = "UTF-8"
    application: Named = ""  # MSH-5
    facility: Named = ""  # MSH-6; empty: the township's code
    document: bool = True  # the signed PDF goes along


AeTitle = Annotated[
    str, StringConstraints(strip_whitespace=True, pattern=r"^[\x21-\x5B\x5D-\x7E][\x20-\x5B\x5D-\x7E]{0,15}$")
]


class DicomSettings(SocketSettings):
    called_ae_title: AeTitle
    calling_ae_title: AeTitle = "GATEWAY"
    character_set: dicom_parts.CharacterSet = "ISO_IR 192"


def _check_url(url: str) -> str:
    check_host(target_of(url).hostname or "")
    return url


def _check_address(address: str) -> str:
    name, found = parseaddr(address)
    if name or found != address or "@" not in found.strip("@") or any(one.isspace() for one in address):
        raise ValueError("address")
    return address


Url = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=1000, pattern=r"^[\x21-\x7E]+$"),
    AfterValidator(_check_url),
]
Address = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^[\x21-\x7E]+$"),
    AfterValidator(_check_address),
]


class HttpSettings(CertifiedSettings):
    url: Url

    @property
    def where(self) -> str:
        parts = target_of(self.url)
        return f"{parts.scheme}://{parts.netloc}{parts.path}"

    @property
    def is_plain(self) -> bool:
        return target_of(self.url).scheme == "http"

    @property
    def by_tls(self) -> bool:
        return not self.is_plain

    @property
    def is_elsewhere(self) -> bool:
        """On another machine than this very one."""
        return not is_loopback(target_of(self.url).hostname or "")

    def peer(self, within_s: float | None = None) -> Peer:
        parts = target_of(self.url)
        return self._peer(parts.hostname or "", parts.port or (443 if self.by_tls else 80), within_s)


class WebhookSettings(HttpSettings):
    content: Literal["notice", "report"] = "notice"  # a notice names no patient
    allow_plain: bool = False

    @model_validator(mode="after")
    def _check_plain(self) -> Self:
        """In plain only where somebody says so, and never with a patient's data but to this very machine."""
        if self.is_plain and not self.allow_plain:
            raise ValueError("allow_plain")
        if self.is_plain and self.content == "report" and self.is_elsewhere:
            raise ValueError("content")
        return self


System = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=300, pattern=r"^([a-z][a-z0-9+.-]*:[\x21-\x7E]+)?$"),
]


class FhirSettings(HttpSettings):
    """`update`: under ids of ours, or found by identifier. `patient_system`: as the peer knows the patients' numbers."""

    update: Literal["id", "identifier"] = "id"
    document: Literal["attached", "binary", "none"] = "attached"
    patient_system: System = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        """It always names a patient; a document by itself is found by its id alone."""
        if self.is_plain and self.is_elsewhere:
            raise ValueError("url")
        if target_of(self.url).query:
            raise ValueError("url")
        if self.update == "identifier" and self.document == "binary":
            raise ValueError("document")
        return self


class MailSettings(WireSettings):
    host: Host
    port: Port = 587
    security: Literal["starttls", "tls"] = "starttls"
    authorities_pem: Authorities = ""
    username: Named = ""
    sender: Address
    recipients: Annotated[list[Address], Field(min_length=1, max_length=20)]

    @property
    def where(self) -> str:
        return f"{self.host}:{self.port} → {', '.join(self.recipients)}"

    def server(self, password: str, within_s: float | None = None) -> MailServer:
        tls = client_tls(self.authorities_pem)
        peer = Peer(host=self.host, port=self.port, tls=tls, within_s=within_s or self.within_s)
        starttls = self.security == "starttls"
        return MailServer(peer=peer, starttls=starttls, username=self.username, password=password)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
