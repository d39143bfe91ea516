"""What is wrong with a DICOMweb request; the routes answer these in HTTP's terms."""


class BadQuery(Exception):
    """A parameter cannot be used; says which and why."""

    def __init__(self, parameter: str, why: str):
        super().__init__(parameter, why)
        self.parameter, self.why = parameter, why


class NotAcceptable(Exception):
    """What is asked for cannot be given in any of the forms that are asked for; says which there would be."""

    def __init__(self, available: str):
        super().__init__(available)
        self.available = available


class BadRange(Exception):
    """The byte range lies outside; carries the size."""

    def __init__(self, size: int):
        super().__init__(size)
        self.size = size


class UnsupportedMediaType(Exception):
    """What is stored comes in a form that is not taken; says which."""


class NothingSent(Exception):
    """A store request without an instance."""
