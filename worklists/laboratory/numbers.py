"""Numbers that the county gives out once: barcodes of specimens, numbers of transports.

A barcode has 12 digits: the day (yymmdd), a running number of the day, and a check digit by ISO/IEC 7812-1 (Luhn).
"""

import re
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from worklists.base import Base, local_date
from worklists.laboratory.specimens import LabSpecimen

_OURS = re.compile(r"2[0-9](?:0[1-9]|1[0-2])[0-3][0-9]{7}")
_PRINTED = re.compile(
    r"[0-9A-Za-z./+-]{4,32}"
)  # what rolls of labels carry; blanks and quotes are scanning errors


class LabNumber(Base):
    """How far a series of numbers has come."""

    __tablename__ = "lab_number"

    series: Mapped[str] = mapped_column(primary_key=True)
    last: Mapped[int]


def issue_barcode(session: Session, now: datetime) -> str:
    """The next barcode that no specimen of the county bears, whoever printed that."""
    while True:
        digits = f"{local_date(now):%y%m%d}{_next(session, f'specimen {local_date(now)}'):05d}"
        barcode = digits + check_digit(digits)
        if not session.scalars(select(LabSpecimen.id).where(LabSpecimen.barcode == barcode).limit(1)).first():
            return barcode


def issue_transport_number(session: Session, now: datetime) -> str:
    return f"T{local_date(now):%y%m%d}{_next(session, f'transport {local_date(now)}'):04d}"


def check_digit(digits: str) -> str:
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits), start=1))
    return str(-sum(value // 10 + value % 10 for value in doubled) % 10)


def is_mistyped(barcode: str) -> bool:
    """It looks like one of ours and its check digit is wrong."""
    return _OURS.fullmatch(barcode) is not None and check_digit(barcode[:-1]) != barcode[-1]


def is_barcode(text: str) -> bool:
    """Whether a label that was printed elsewhere can say that."""
    return _PRINTED.fullmatch(text) is not None


def _next(session: Session, series: str) -> int:
    """Whoever asks next waits until this transaction is over: no number is given out twice."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(LabNumber).values(series=series, last=1)
    taken: int | None = session.scalar(
        statement.on_conflict_do_update(
            index_elements=[LabNumber.series], set_={"last": LabNumber.last + 1}
        ).returning(LabNumber.last)
    )
    if taken is None:
        raise RuntimeError("a number was asked for and none came")
    return taken
