"""Signing keys at rest: per person a certificate with its encrypted key or its place on a token, and the authority's own."""

import uuid
from datetime import datetime

from cryptography import x509
from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from worklists.base import Base, new_id


class SigningKey(Base):
    """A certificate and its encrypted private key: a person's, or (without one) the authority's own.

    With a `token_label` the private key lies on the token, beside the certificate of that label.
    """

    __tablename__ = "signing_key"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    person_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"), index=True)
    certificate_pem: Mapped[bytes] = mapped_column(LargeBinary)
    key_pem: Mapped[bytes | None] = mapped_column(LargeBinary)
    token_label: Mapped[str | None]
    token_key_id: Mapped[bytes | None] = mapped_column(LargeBinary)
    made_at: Mapped[datetime]

    @property
    def starts_at(self) -> datetime:
        """From when the certificate is valid."""
        return x509.load_pem_x509_certificate(self.certificate_pem).not_valid_before_utc

    @property
    def ends_at(self) -> datetime:
        return x509.load_pem_x509_certificate(self.certificate_pem).not_valid_after_utc
