"""What we answer to proposed presentation contexts and roles (PS3.8 9.3.3.2, PS3.7 D.3.3.4).

Of the transfer syntaxes offered, the first that we know is taken: the sender lists what it likes first,
and data sets are kept as received. We are never a client on an association that we accepted.
"""

from collections.abc import Iterable

from pydicom.uid import UID_dictionary  # type: ignore[attr-defined]  # public in its documentation
from pynetdicom import AllStoragePresentationContexts

from adapters.dicom.pdu import AssociateRequest, ContextResult, ProposedContext, Role
from adapters.dicom.transfer_syntaxes import ENCODINGS

ACCEPTED, USER_REJECTION, ABSTRACT_SYNTAX_UNKNOWN, TRANSFER_SYNTAX_UNKNOWN = 0, 1, 3, 4

VERIFICATION = "1.2.840.10008.1.1"
_DICOM_ROOT, _STORAGE_ROOT = "1.2.840.10008.", "1.2.840.10008.5.1.4.1.1."
# What pynetdicom lists, and the retired classes that old modalities still send.
STORAGE_CLASSES: frozenset[str] = frozenset(
    str(context.abstract_syntax) for context in AllStoragePresentationContexts
) | frozenset(
    uid
    for uid, (name, kind, *_) in UID_dictionary.items()
    if kind == "SOP Class" and uid.startswith(_STORAGE_ROOT) and "Storage" in name
)


def is_storage(sop_class_uid: str, *, accept_unknown: bool) -> bool:
    """Whether instances of this class are kept; unknown ones only in the standard's storage range or private."""
    if sop_class_uid in STORAGE_CLASSES:
        return True
    if not accept_unknown or not sop_class_uid:
        return False
    return sop_class_uid.startswith(_STORAGE_ROOT) or not sop_class_uid.startswith(_DICOM_ROOT)


def negotiate(
    request: AssociateRequest, *, accept_unknown_storage: bool
) -> tuple[list[ContextResult], list[Role]]:
    """A result for every proposed context, and a reply to every proposed role of a class that we serve."""
    asked = {role.sop_class_uid: role for role in request.roles}
    results = [_judge(context, asked, accept_unknown_storage) for context in request.contexts]
    served = {
        c.abstract_syntax for c, r in zip(request.contexts, results, strict=True) if r.result == ACCEPTED
    }
    roles = [Role(sop_class_uid=uid, scu=True, scp=False) for uid in _in_order(asked, served)]
    return results, roles


def _judge(context: ProposedContext, asked: dict[str, Role], accept_unknown: bool) -> ContextResult:
    uid = context.abstract_syntax
    known = next((name for name in context.transfer_syntaxes if name in ENCODINGS), None)
    if uid != VERIFICATION and not is_storage(uid, accept_unknown=accept_unknown):
        result = ABSTRACT_SYNTAX_UNKNOWN
    elif known is None:
        result = TRANSFER_SYNTAX_UNKNOWN
    elif uid in asked and not asked[uid].scu:
        result = USER_REJECTION  # the peer would only be served by us as a client
    else:
        result = ACCEPTED
    # In a rejected context the transfer syntax is there, but not significant (PS3.8 Table 9-18).
    syntax = known or "1.2.840.10008.1.2"
    return ContextResult(context_id=context.context_id, result=result, transfer_syntax=syntax)


def _in_order(asked: Iterable[str], served: set[str]) -> list[str]:
    return [uid for uid in asked if uid in served]
