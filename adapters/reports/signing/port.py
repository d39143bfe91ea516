"""What signs, whatever it is made of: a person's key for the PDF, and an institution's seal over the finished file."""

from datetime import datetime
from enum import StrEnum
from typing import Protocol

from adapters.errors import Unavailable


class Signer(Protocol):
    """Whoever can sign for one person: a key in memory, a token, or a signing service elsewhere."""

    @property
    def name(self) -> str:
        """The person's name, as certified."""

    @property
    def certificate_pem(self) -> bytes:
        """The person's certificate."""

    @property
    def expires_at(self) -> datetime:
        """When the certificate ends, and a new one is needed."""

    def sign_pdf(self, pdf: bytes, *, reason: str, location: str, signed_at: datetime) -> bytes:
        """The same PDF with a signature appended; the bytes before it are unchanged."""


class Seal(Protocol):
    """Signs whole files for an institution; the signature lies beside the file."""

    @property
    def algorithm(self) -> str:
        """What the signature is, for whoever must verify it."""

    @property
    def certificate_pem(self) -> bytes:
        """The institution's certificate, and those of its issuers behind it."""

    def sign(self, content: bytes, *, signed_at: datetime) -> bytes:
        """The detached signature of these bytes."""


class Cause(StrEnum):
    """Why nothing can be signed now, named for who must act."""

    TOKEN_NOT_SET = "token_not_set"  # noqa: S105 (the name of a cause)
    MODULE_UNUSABLE = "module_unusable"
    TOKEN_AWAY = "token_away"  # noqa: S105
    PIN_REFUSED = "pin_refused"
    PIN_LOCKED = "pin_locked"
    KEY_MISSING = "key_missing"
    KEY_UNFIT = "key_unfit"
    TOKEN_FAILED = "token_failed"  # noqa: S105
    CERTIFICATE_ENDED = "certificate_ended"
    STAMP_AWAY = "stamp_away"
    STAMP_REFUSED = "stamp_refused"
    STAMP_WRONG = "stamp_wrong"
    STAMP_UNTRUSTED = "stamp_untrusted"
    SIGNER_UNTRUSTED = "signer_untrusted"
    NOT_VALID = "not_valid"
    SEAL_UNUSABLE = "seal_unusable"
    FILE_UNREADABLE = "file_unreadable"


class CannotSign(Unavailable):
    """Nothing is signed now; carries the cause, and details for a technician without anything secret."""

    def __init__(self, cause: Cause, detail: str = "") -> None:
        super().__init__(f"{cause.value}: {detail}" if detail else cause.value)
        self.cause, self.detail = cause, detail
