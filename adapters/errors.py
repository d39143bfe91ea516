"""What can go wrong on a wire, named for who must act.

An error carries facts, never a status code; each edge has one table that turns it into its protocol's terms.
"""


class Malformed(Exception):
    """The bytes are not what the standard says; the sender must change what it sends."""


class Refused(Exception):
    """The bytes are fine, but we will not take them from this sender; the sender must ask for leave."""


class Unavailable(Exception):
    """We cannot do it now (disk full, database or store away); trying again later is right."""


class PeerRejected(Exception):
    """The peer said no; a person must look."""


class PeerLater(Exception):
    """Not now. `retry_after_s`: when the peer wants to be asked again, where it says so."""

    def __init__(self, *said: str, retry_after_s: float | None = None):
        super().__init__(*said)
        self.retry_after_s = retry_after_s


class PeerUnreachable(PeerLater):
    """The peer could not be reached, did not answer, or takes nothing from us; try again."""


class PeerBusy(PeerLater):
    """The peer is there, and will not take this one now; try this one again."""


class Inexpressible(Exception):
    """The value is fine, but the format asked for has no room for it; the caller must ask for another."""
