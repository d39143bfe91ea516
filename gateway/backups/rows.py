"""What is known of the backups that were made: one row each, so that their age can be told."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from worklists.base import Base, new_id


class BackupRun(Base):
    """One backup that was written; `verified` when it was read back and found whole."""

    __tablename__ = "backup_run"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    stamp: Mapped[str]
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime] = mapped_column(index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    packs: Mapped[int]
    originals: Mapped[bool] = mapped_column(default=False)
    verified: Mapped[bool] = mapped_column(default=False)
    problems: Mapped[list[Any]] = mapped_column(default=list)
