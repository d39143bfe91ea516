"""Why a delivery did not arrive, in one word; the viewer has a sentence for each, beside what the peer said."""

from adapters.errors import Cause, PeerFailed

# Besides those of `adapters.errors.Cause`: what our own side of a wire cannot do.
NOT_WITHDRAWN, NOT_EXPRESSIBLE, SETTINGS = "not_withdrawn", "not_expressible", "settings"
CAUSES = frozenset({*Cause, NOT_WITHDRAWN, NOT_EXPRESSIBLE, SETTINGS})


def cause_of(error: Exception) -> str:
    """Empty where the peer's own words say why. Whatever else fails before a connection is a matter of settings."""
    if isinstance(error, PeerFailed):
        return error.cause or ""
    return SETTINGS
