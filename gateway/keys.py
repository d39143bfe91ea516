"""Signing keys at rest: a certificate and an encrypted private key per person, and the authority's own."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from worklists.base import Base, new_id


class SigningKey(Base):
    """A certificate and its encrypted private key: a person's, or (without one) the authority's own."""

    __tablename__ = "signing_key"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    person_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"), index=True)
    certificate_pem: Mapped[bytes] = mapped_column(LargeBinary)
    key_pem: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[datetime]
