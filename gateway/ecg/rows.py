"""What is known of each recording that arrived, so that a page need not open its original to say it."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from worklists.base import Base

DESCRIBE = "describe_ecg"  # the task; its subject is a record


class EcgDescription(Base):
    """One ECG: what its original says (`adapters.ecg.description`), what was computed from it, or why neither is there.

    May be made again from the original at any time.
    """

    __tablename__ = "ecg_description"

    record_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("record.id"), primary_key=True)
    description: Mapped[dict[str, Any] | None]
    proposal: Mapped[dict[str, Any] | None]
    problem: Mapped[str] = mapped_column(default="")
    described_at: Mapped[datetime]
