"""Why an instance is not kept, and what C-STORE answers then (PS3.4 Table B.2-1, PS3.7 Annex C)."""

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


class CannotUnderstand(Malformed):
    """The data set does not parse; `offending` is the element where it stops."""

    def __init__(self, message: str, offending: int | None = None) -> None:
        super().__init__(message)
        self.offending = offending


_OUT_OF_RESOURCES = 0xA700
# The first class that fits; whatever else happens is ours, and the sender may try again.
_STATUS_OF: tuple[tuple[type[Exception], int], ...] = (
    (UnsupportedClass, 0x0122),
    (InvalidInstanceUid, 0x0117),
    (NotAuthorised, 0x0124),
    (Refused, 0x0124),
    (Contradiction, 0xA900),
    (Malformed, 0xC000),
    (Unavailable, _OUT_OF_RESOURCES),
)


def status_of(error: Exception) -> Status:
    """The status that tells the sender about an error."""
    for kind, code in _STATUS_OF:
        if isinstance(error, kind):
            return Status(code=code, comment=_comment(error), offending=getattr(error, "offending", None))
    return Status(code=_OUT_OF_RESOURCES, comment="cannot store now, try again later")


def _comment(error: Exception) -> str:
    # The default repertoire is all that a command set can carry; the comment is an LO.
    return str(error).encode("ascii", "replace").decode()[:64].replace("\\", "/")
