"""The pure part of answering A-ASSOCIATE-RQ: who asks, in what terms a refusal is put (PS3.8 9.3.4)."""

from adapters.dicom import pdu
from adapters.dicom.pdu import AssociateRequest
from adapters.dicom.ports import AssociationRefused

PERMANENT, TRANSIENT = 1, 2  # result
USER, ACSE, PRESENTATION = 1, 2, 3  # source
# reasons, each with its source (PS3.8 Table 9-21)
NO_REASON = 1
APPLICATION_CONTEXT_UNKNOWN, CALLING_UNKNOWN, CALLED_UNKNOWN = 2, 3, 7  # user
PROTOCOL_VERSION_UNKNOWN = 2  # ACSE
LOCAL_LIMIT_EXCEEDED = 2  # presentation

# A PDU limit must leave room for the PDV header and two bytes of a command.
SMALLEST_MAXIMUM_LENGTH = pdu.PDV_HEADER.size + 2


def check_request(request: AssociateRequest) -> tuple[str, str]:
    """The calling and the called AE title; raises AssociationRefused for what no configuration could allow."""
    if not request.protocol_version & 1:
        raise AssociationRefused(PERMANENT, ACSE, PROTOCOL_VERSION_UNKNOWN, "protocol version is not 1")
    if request.application_context != pdu.APPLICATION_CONTEXT:
        raise AssociationRefused(PERMANENT, USER, APPLICATION_CONTEXT_UNKNOWN, "unknown application context")
    called = read_ae_title(request.called_ae_title)
    if called is None:
        raise AssociationRefused(PERMANENT, USER, CALLED_UNKNOWN, "called AE title is not an AE title")
    calling = read_ae_title(request.calling_ae_title)
    if calling is None:
        raise AssociationRefused(PERMANENT, USER, CALLING_UNKNOWN, "calling AE title is not an AE title")
    if 0 < request.maximum_length < SMALLEST_MAXIMUM_LENGTH:
        raise AssociationRefused(PERMANENT, ACSE, NO_REASON, "the peer's maximum PDU length is too small")
    return calling, called


def read_ae_title(field: bytes) -> str | None:
    """An AE title without its padding; None when it is empty or has characters that no AE title has (PS3.5 6.2)."""
    title = field.strip(b"\0 ")
    if not title or any(byte < 0x20 or byte > 0x7E or byte == 0x5C for byte in title):
        return None
    return title.decode("ascii")
