"""Whom to call about a report: shown by every page that a patient, a family or a village doctor reads."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from worklists.reports import Report

_NOT_DIALLED = re.compile(r"[^+0-9*#,;]")
_EXTENSION = re.compile(r"转|ext\.?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    name: str
    phone: str

    @property
    def dialled(self) -> str:
        """RFC 3966 without its dots and blanks; a comma waits before an extension."""
        return _NOT_DIALLED.sub("", _EXTENSION.sub(",", self.phone))


def phones_of(report: Report) -> Iterable[Phone]:
    """The county first: it said what the report says. Each number once."""
    rows = (report.centre, report.centre.institution, report.examination.institution)
    found = {row.phone: Phone(name=row.name, phone=row.phone) for row in reversed(rows) if row.phone}
    return reversed(found.values())
