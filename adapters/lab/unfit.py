"""A result file that cannot be read as it was said to be: with a code and facts, so that a page can say it to people."""

from adapters.errors import Malformed


class Unfit(Malformed):
    """`code` names what is wrong; the text is for logs and for the note beside a refused file."""

    def __init__(self, code: str, text: str, **facts: str | int) -> None:
        super().__init__(text)
        self.code, self.facts = code, facts
