"""Why an instance is not kept, and what C-STORE (PS3.4 Table B.2-1, PS3.7 Annex C) and STOW-RS (PS3.18 I.2.2) answer then.

A901 and C122 of STOW-RS are of the ranges A9xx and Cxxx; A901 (another study than the request's) is our own choice.
"""

from adapters.dicom.dimse import Status
from adapters.errors import Malformed, Refused, Unavailable


class UnsupportedClass(Refused):
    """The SOP class is not one that this presentation context carries."""

    offending = 0x00000002


class NotAuthorised(Refused):
    """This device may not store."""


class InvalidInstanceUid(Malformed):
    """The Affected SOP Instance UID is not a UID."""

    offending = 0x00001000


class Contradiction(Malformed):
    """The data set is not the instance that the request names."""

    def __init__(self, message: str, offending: int) -> None:
        super().__init__(message)
        self.offending = offending


class StudyMismatch(Contradiction):
    """The instance is of another study than the one that the request stores into."""


class UnsupportedSyntax(Malformed):
    """The data set is in a transfer syntax that we do not know."""


class CannotUnderstand(Malformed):
    """The data set does not parse; `offending` is the element where it stops."""

    def __init__(self, message: str, offending: int | None = None) -> None:
        super().__init__(message)
        self.offending = offending


OUT_OF_RESOURCES = 0xA700
_PROCESSING_FAILURE = 0x0110
# The first class that fits; whatever else happens is ours, and the sender may try again.
_STATUS_OF: tuple[tuple[type[Exception], int], ...] = (
    (UnsupportedClass, 0x0122),
    (InvalidInstanceUid, 0x0117),
    (NotAuthorised, 0x0124),
    (Refused, 0x0124),
    (StudyMismatch, 0xA901),
    (Contradiction, 0xA900),
    (UnsupportedSyntax, 0xC122),
    (Malformed, 0xC000),
    (Unavailable, OUT_OF_RESOURCES),
)


def status_of(error: Exception) -> Status:
    """The status that tells the sender about an error."""
    for kind, code in _STATUS_OF:
        if isinstance(error, kind):
            return Status(code=code, comment=_comment(error), offending=getattr(error, "offending", None))
    return Status(code=OUT_OF_RESOURCES, comment="cannot store now, try again later")


def reason_of(error: Exception) -> Status:
    """The failure reason of STOW-RS: as for C-STORE, but what nobody foresaw is a processing failure."""
    if isinstance(error, Malformed | Refused | Unavailable):
        return status_of(error)
    return Status(code=_PROCESSING_FAILURE, comment="cannot store now, try again later")


def _comment(error: Exception) -> str:
    # The default repertoire is all that a command set can carry; the comment is an LO.
    return str(error).encode("ascii", "replace").decode()[:64].replace("\\", "/")
