"""The patient index: every patient is a person alone until the index has looked; it looks at all of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def _word(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, length=40)


def upgrade() -> None:
    with op.batch_alter_table("patient", schema=None) as batch_op:
        batch_op.add_column(sa.Column("issuer", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("phone", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("proposed_name", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("master_id", sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column("matched_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE patient SET master_id = id")
    with op.batch_alter_table("patient", schema=None) as batch_op:
        for name in ("issuer", "phone", "proposed_name"):
            batch_op.alter_column(
                name, existing_type=sa.String(), existing_nullable=False, server_default=None
            )
        batch_op.alter_column("master_id", existing_type=sa.Uuid(), nullable=False)
        batch_op.create_index("ix_patient_birth", ["birth_date", "sex"], unique=False)
        for name in ("national_id", "phone", "master_id", "matched_at"):
            batch_op.create_index(batch_op.f(f"ix_patient_{name}"), [name], unique=False)
    _create_proposals()
    _create_events()


def _create_proposals() -> None:
    op.create_table(
        "patient_proposal",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("first_id", sa.Uuid(), nullable=False),
        sa.Column("second_id", sa.Uuid(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("conflict", sa.Boolean(), nullable=False),
        sa.Column("evidence", _JSON, nullable=False),
        sa.Column(
            "state",
            _word("proposalstate", "open", "confirmed", "refused", "linked", "withdrawn"),
            nullable=False,
        ),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["first_id"], ["patient.id"], name=op.f("fk_patient_proposal_first_id")),
        sa.ForeignKeyConstraint(["second_id"], ["patient.id"], name=op.f("fk_patient_proposal_second_id")),
        sa.ForeignKeyConstraint(
            ["decided_by_id"], ["person.id"], name=op.f("fk_patient_proposal_decided_by_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patient_proposal")),
        sa.UniqueConstraint("first_id", "second_id", name=op.f("uq_patient_proposal_first_id_second_id")),
    )
    with op.batch_alter_table("patient_proposal", schema=None) as batch_op:
        batch_op.create_index("ix_patient_proposal_state", ["state", "found_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_patient_proposal_second_id"), ["second_id"], unique=False)


def _create_events() -> None:
    op.create_table(
        "patient_link_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", _word("linkaction", "linked", "merged", "separated", "refused"), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("from_master_id", sa.Uuid(), nullable=False),
        sa.Column("to_master_id", sa.Uuid(), nullable=False),
        sa.Column("evidence", _JSON, nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_patient_link_event_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patient_link_event")),
    )
    op.create_table(
        "patient_link_member",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("moved", sa.Boolean(), nullable=False),
        sa.Column("said", _JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["patient_link_event.id"], name=op.f("fk_patient_link_member_event_id")
        ),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patient.id"], name=op.f("fk_patient_link_member_patient_id")
        ),
        sa.PrimaryKeyConstraint("event_id", "patient_id", name=op.f("pk_patient_link_member")),
    )
    with op.batch_alter_table("patient_link_member", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_patient_link_member_patient_id"), ["patient_id"], unique=False)


def downgrade() -> None:
    op.drop_table("patient_link_member")
    op.drop_table("patient_link_event")
    op.drop_table("patient_proposal")
    with op.batch_alter_table("patient", schema=None) as batch_op:
        for name in ("matched_at", "master_id", "phone", "national_id"):
            batch_op.drop_index(batch_op.f(f"ix_patient_{name}"))
        batch_op.drop_index("ix_patient_birth")
        for name in ("matched_at", "master_id", "proposed_name", "phone", "issuer"):
            batch_op.drop_column(name)
