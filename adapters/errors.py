"""What can go wrong on a wire, named for who must act.

An error carries facts, never a status code; each edge has one table that turns it into its protocol's terms.
"""

from enum import StrEnum


class Cause(StrEnum):
    """Why nothing came of a connection that we began: what a person must look at, before the words of the wire."""

    NAME = "name"  # its name has no address
    NO_ROUTE = "no_route"  # no way leads there
    REFUSED = "refused"  # nothing listens there
    TIMED_OUT = "timed_out"
    CUT = "cut"  # it closed the line
    CERTIFICATE = "certificate"  # not believed
    TLS = "tls"  # none could be agreed on
    OTHER_PROTOCOL = "other_protocol"  # it answers, in other terms
    MOVED = "moved"  # it names another address, which is not followed
    NOT_ADMITTED = "not_admitted"  # it does not know us
    CREDENTIALS = "credentials"


class Malformed(Exception):
    """The bytes are not what the standard says; the sender must change what it sends."""


class Refused(Exception):
    """The bytes are fine, but we will not take them from this sender; the sender must ask for leave."""


class Unavailable(Exception):
    """We cannot do it now (disk full, database or store away); trying again later is right."""


class PeerFailed(Exception):
    """A peer did not do what it was asked for. `cause`: None where its own words say why."""

    def __init__(self, *said: str, cause: Cause | None = None):
        super().__init__(*said)
        self.cause = cause


class PeerRejected(PeerFailed):
    """The peer said no; a person must look."""


class PeerLater(PeerFailed):
    """Not now. `retry_after_s`: when the peer wants to be asked again, where it says so."""

    def __init__(self, *said: str, retry_after_s: float | None = None, cause: Cause | None = None):
        super().__init__(*said, cause=cause)
        self.retry_after_s = retry_after_s


class PeerUnreachable(PeerLater):
    """The peer could not be reached, did not answer, or takes nothing from us; try again."""


class PeerBusy(PeerLater):
    """The peer is there, and will not take this one now; try this one again."""


class Inexpressible(Exception):
    """The value is fine, but the format asked for has no room for it; the caller must ask for another."""
