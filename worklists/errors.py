"""What the caller of a use case must be told. Errors carry facts; each edge has its own table of answers."""

from collections.abc import Mapping


class NotFound(Exception):
    """There is no such thing, or the caller may not know that there is."""


class NotAllowed(Exception):
    """The caller is known, and may not do this."""


class Conflict(Exception):
    """Somebody or something else was first, or the thing's state forbids it."""


class Invalid(Exception):
    """What the caller gave cannot be used; says which field and why."""


class FieldsRefused(Invalid):
    """Several fields that cannot be used: name → why; `facts` are what the reasons speak of."""

    def __init__(self, reasons: Mapping[str, str], **facts: object):
        super().__init__(*reasons)
        self.reasons, self.facts = dict(reasons), facts
