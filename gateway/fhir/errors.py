"""What is wrong with a FHIR request, in FHIR's terms."""


class BadSearch(Exception):
    """A parameter that is not known here, or a value that it cannot have."""

    def __init__(self, parameter: str, why: str):
        super().__init__(parameter, why)
        self.parameter, self.why = parameter, why
