"""C-ECHO (PS3.7 9.1.5, PS3.4 Annex A), and the answer to whatever is not served."""

from collections.abc import Sequence

from adapters.dicom.dimse import C_ECHO_RQ, SUCCESS, UNRECOGNIZED_OPERATION, Request, Status
from adapters.dicom.negotiation import VERIFICATION


def answer_echo(request: Request) -> Status:
    """Success, for the Verification class on whatever presentation context it came."""
    if request.sop_class_uid != VERIFICATION:
        return Status(code=0x0122, comment="C-ECHO is of the Verification SOP class", offending=0x00000002)
    return SUCCESS


class Immediate:
    """An operation whose answer does not depend on its data set, which is read past."""

    def __init__(self, request: Request) -> None:
        self.request = request

    def write(self, runs: Sequence[memoryview | bytes], *, lasting: bool) -> None:
        """Read past."""

    def abort(self) -> None:
        """Nothing was kept."""

    async def answer(self) -> Status:
        """The status for the request's command field."""
        if self.request.field == C_ECHO_RQ:
            return answer_echo(self.request)
        return Status(
            code=UNRECOGNIZED_OPERATION, comment=f"operation {self.request.field:04X}H is not served"
        )
