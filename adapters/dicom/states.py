"""The association state machine of PS3.8 9.2, as far as an acceptor can get in it.

The table is PS3.8 Table 9-10 without the columns that only a requestor enters (Sta4, Sta5, Sta9, Sta11).
What is not in the table cannot happen: a local event is a bug, a peer's event always has an entry.
"""

from enum import Enum


class State(Enum):
    """PS3.8 Tables 9-1 to 9-5."""

    IDLE = "Sta1"
    AWAITING_REQUEST = "Sta2"
    AWAITING_DECISION = "Sta3"
    ESTABLISHED = "Sta6"
    AWAITING_RELEASE_REPLY = "Sta7"
    PEER_ASKED_RELEASE = "Sta8"
    COLLISION_AWAITING_REPLY = "Sta10"
    COLLISION_REPLY_HEARD = "Sta12"
    AWAITING_CLOSE = "Sta13"


class Event(Enum):
    """PS3.8 Table 9-10, left column."""

    ASSOCIATE_AC = "Evt3"
    ASSOCIATE_RJ = "Evt4"
    TRANSPORT_OPENED = "Evt5"
    ASSOCIATE_RQ = "Evt6"
    ACCEPT = "Evt7"
    REJECT = "Evt8"
    P_DATA = "Evt10"
    RELEASE = "Evt11"
    RELEASE_RQ = "Evt12"
    RELEASE_RP = "Evt13"
    RELEASE_RESPONSE = "Evt14"
    ABORT = "Evt15"
    ABORT_RECEIVED = "Evt16"
    TRANSPORT_CLOSED = "Evt17"
    ARTIM_EXPIRED = "Evt18"
    INVALID_PDU = "Evt19"


class Action(Enum):
    """PS3.8 Tables 9-6 to 9-9; what each does is in `Association`."""

    START_ARTIM = "AE-5"
    CONSIDER_REQUEST = "AE-6"
    SEND_ACCEPT = "AE-7"
    SEND_REJECT = "AE-8"
    TAKE_DATA = "DT-2"
    SEND_RELEASE_RQ = "AR-1"
    NOTE_RELEASE_RQ = "AR-2"
    RELEASE_CONFIRMED = "AR-3"
    SEND_RELEASE_RP = "AR-4"
    STOP_ARTIM = "AR-5"
    TAKE_LATE_DATA = "AR-6"
    NOTE_COLLISION = "AR-8"
    NOTE_COLLISION_REPLY = "AR-10"
    ABORT_AS_USER = "AA-1"
    CLOSE = "AA-2"
    PEER_ABORTED = "AA-3"
    CONNECTION_LOST = "AA-4"
    FORGET = "AA-5"
    IGNORE = "AA-6"
    ABORT_AGAIN = "AA-7"
    ABORT_AS_PROVIDER = "AA-8"


S, E, A = State, Event, Action
_OPEN = (S.ESTABLISHED, S.AWAITING_RELEASE_REPLY, S.PEER_ASKED_RELEASE, S.COLLISION_AWAITING_REPLY,
         S.COLLISION_REPLY_HEARD)  # fmt: skip
_PEER_PDUS = (E.ASSOCIATE_AC, E.ASSOCIATE_RJ, E.ASSOCIATE_RQ, E.P_DATA, E.RELEASE_RQ, E.RELEASE_RP,
              E.INVALID_PDU)  # fmt: skip

# What every state has in common comes first; the cells that differ override it below.
TABLE: dict[tuple[State, Event], tuple[Action, State]] = {
    **{(state, event): (A.ABORT_AS_PROVIDER, S.AWAITING_CLOSE)
       for state in (S.AWAITING_DECISION, *_OPEN) for event in _PEER_PDUS},
    **{(S.AWAITING_REQUEST, event): (A.ABORT_AS_USER, S.AWAITING_CLOSE) for event in _PEER_PDUS},
    **{(S.AWAITING_CLOSE, event): (A.IGNORE, S.AWAITING_CLOSE) for event in _PEER_PDUS},
    **{(state, E.ABORT): (A.ABORT_AS_USER, S.AWAITING_CLOSE) for state in (S.AWAITING_DECISION, *_OPEN)},
    **{(state, E.ABORT_RECEIVED): (A.PEER_ABORTED, S.IDLE) for state in (S.AWAITING_DECISION, *_OPEN)},
    **{(state, E.TRANSPORT_CLOSED): (A.CONNECTION_LOST, S.IDLE) for state in (S.AWAITING_DECISION, *_OPEN)},
    # establishment
    (S.IDLE, E.TRANSPORT_OPENED): (A.START_ARTIM, S.AWAITING_REQUEST),
    (S.AWAITING_REQUEST, E.ASSOCIATE_RQ): (A.CONSIDER_REQUEST, S.AWAITING_DECISION),
    (S.AWAITING_REQUEST, E.ABORT): (A.CLOSE, S.IDLE),  # our own shutdown: there is no association to abort
    (S.AWAITING_REQUEST, E.ABORT_RECEIVED): (A.CLOSE, S.IDLE),
    (S.AWAITING_REQUEST, E.TRANSPORT_CLOSED): (A.FORGET, S.IDLE),
    (S.AWAITING_REQUEST, E.ARTIM_EXPIRED): (A.CLOSE, S.IDLE),
    (S.AWAITING_DECISION, E.ACCEPT): (A.SEND_ACCEPT, S.ESTABLISHED),
    (S.AWAITING_DECISION, E.REJECT): (A.SEND_REJECT, S.AWAITING_CLOSE),
    # data
    (S.ESTABLISHED, E.P_DATA): (A.TAKE_DATA, S.ESTABLISHED),
    (S.AWAITING_RELEASE_REPLY, E.P_DATA): (A.TAKE_LATE_DATA, S.AWAITING_RELEASE_REPLY),
    # release, by the peer, by us, by both at once (we are the acceptor: Sta10, not Sta9)
    (S.ESTABLISHED, E.RELEASE_RQ): (A.NOTE_RELEASE_RQ, S.PEER_ASKED_RELEASE),
    (S.PEER_ASKED_RELEASE, E.RELEASE_RESPONSE): (A.SEND_RELEASE_RP, S.AWAITING_CLOSE),
    (S.ESTABLISHED, E.RELEASE): (A.SEND_RELEASE_RQ, S.AWAITING_RELEASE_REPLY),
    (S.AWAITING_RELEASE_REPLY, E.RELEASE_RP): (A.RELEASE_CONFIRMED, S.IDLE),
    (S.AWAITING_RELEASE_REPLY, E.RELEASE_RQ): (A.NOTE_COLLISION, S.COLLISION_AWAITING_REPLY),
    (S.COLLISION_AWAITING_REPLY, E.RELEASE_RP): (A.NOTE_COLLISION_REPLY, S.COLLISION_REPLY_HEARD),
    (S.COLLISION_REPLY_HEARD, E.RELEASE_RESPONSE): (A.SEND_RELEASE_RP, S.AWAITING_CLOSE),
    # the end
    (S.AWAITING_CLOSE, E.ASSOCIATE_RQ): (A.ABORT_AGAIN, S.AWAITING_CLOSE),
    (S.AWAITING_CLOSE, E.INVALID_PDU): (A.ABORT_AGAIN, S.AWAITING_CLOSE),
    (S.AWAITING_CLOSE, E.ABORT_RECEIVED): (A.CLOSE, S.IDLE),
    (S.AWAITING_CLOSE, E.TRANSPORT_CLOSED): (A.STOP_ARTIM, S.IDLE),
    (S.AWAITING_CLOSE, E.ARTIM_EXPIRED): (A.CLOSE, S.IDLE),
    (S.AWAITING_CLOSE, E.ABORT): (A.CLOSE, S.IDLE),  # our own shutdown does not wait for the peer
}  # fmt: skip
