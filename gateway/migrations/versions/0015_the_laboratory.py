"""The laboratory: dictionary, profiles, specimens, results, control material, rules, and its messages."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "analyser_profile",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("manufacturer", sa.String(), nullable=False),
        sa.Column("models", sa.String(), nullable=False),
        sa.Column("wire", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("unconfirmed", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content", _JSON, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_analyser_profile")),
    )
    op.create_table(
        "lab_panel",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("initials", sa.String(), nullable=False),
        sa.Column(
            "section",
            sa.Enum(
                "haematology",
                "coagulation",
                "chemistry",
                "immunology",
                "urine",
                "stool",
                "blood_gas",
                "microbiology",
                "other",
                name="section",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("specimen", sa.String(), nullable=False),
        sa.Column("tube", sa.String(), nullable=False),
        sa.Column("items", _JSON, nullable=False),
        sa.Column("loinc", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_lab_panel")),
    )
    op.create_table(
        "lab_item",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("abbreviation", sa.String(), nullable=False),
        sa.Column("initials", sa.String(), nullable=False),
        sa.Column(
            "section",
            sa.Enum(
                "haematology",
                "coagulation",
                "chemistry",
                "immunology",
                "urine",
                "stool",
                "blood_gas",
                "microbiology",
                "other",
                name="section",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "scale",
            sa.Enum(
                "quantitative", "ordinal", "nominal", "narrative", name="scale", native_enum=False, length=40
            ),
            nullable=False,
        ),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("decimals", sa.Integer(), nullable=True),
        sa.Column("loinc", sa.String(), nullable=False),
        sa.Column("specimen", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("recognition_item_code", sa.String(), nullable=True),
        sa.Column("units", _JSON, nullable=False),
        sa.Column("normal_values", _JSON, nullable=False),
        sa.Column("delta_percent", sa.Double(), nullable=True),
        sa.Column("delta_absolute", sa.Double(), nullable=True),
        sa.Column("delta_days", sa.Integer(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recognition_item_code"],
            ["recognition_item.code"],
            name=op.f("fk_lab_item_recognition_item_code"),
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_lab_item")),
    )
    op.create_table(
        "analyser_profile_version",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("profile_code", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content", _JSON, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by_id", sa.Uuid(), nullable=True),
        sa.Column("note", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["changed_by_id"], ["person.id"], name=op.f("fk_analyser_profile_version_changed_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["profile_code"], ["analyser_profile.code"], name=op.f("fk_analyser_profile_version_profile_code")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_analyser_profile_version")),
        sa.UniqueConstraint(
            "profile_code", "version", name=op.f("uq_analyser_profile_version_profile_code_version")
        ),
    )
    op.create_table(
        "lab_control_material",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("item_code", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("lot", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("mean", sa.Double(), nullable=False),
        sa.Column("sd", sa.Double(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("every_hours", sa.Integer(), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_lab_control_material_device_id")),
        sa.ForeignKeyConstraint(
            ["item_code"], ["lab_item.code"], name=op.f("fk_lab_control_material_item_code")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lab_control_material")),
    )
    op.create_index("ix_lab_control_material_of", "lab_control_material", ["device_id", "item_code", "level"])

    op.create_table(
        "lab_range",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("item_code", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sex", sa.String(), nullable=False),
        sa.Column("from_days", sa.Integer(), nullable=False),
        sa.Column("to_days", sa.Integer(), nullable=True),
        sa.Column("low", sa.Double(), nullable=True),
        sa.Column("high", sa.Double(), nullable=True),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("critical_low", sa.Double(), nullable=True),
        sa.Column("critical_high", sa.Double(), nullable=True),
        sa.Column("critical_values", _JSON, nullable=False),
        sa.ForeignKeyConstraint(["item_code"], ["lab_item.code"], name=op.f("fk_lab_range_item_code")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lab_range")),
    )
    op.create_index("ix_lab_range_item", "lab_range", ["item_code", "position"])

    op.create_table(
        "lab_transport",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("institution_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("courier", sa.String(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_by_id", sa.Uuid(), nullable=False),
        sa.Column("expected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["institution_id"], ["institution.id"], name=op.f("fk_lab_transport_institution_id")
        ),
        sa.ForeignKeyConstraint(["sent_by_id"], ["person.id"], name=op.f("fk_lab_transport_sent_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lab_transport")),
        sa.UniqueConstraint("number", name=op.f("uq_lab_transport_number")),
    )
    op.create_index("ix_lab_transport_sent", "lab_transport", ["institution_id", "sent_at"])

    op.create_table(
        "lab_verification_rules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("draft", "live", "retired", name="rulesetstate", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("content", _JSON, nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by_id", sa.Uuid(), nullable=True),
        sa.Column("live_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("live_by_id", sa.Uuid(), nullable=True),
        sa.Column("dry_run", _JSON, nullable=True),
        sa.ForeignKeyConstraint(
            ["live_by_id"], ["person.id"], name=op.f("fk_lab_verification_rules_live_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["made_by_id"], ["person.id"], name=op.f("fk_lab_verification_rules_made_by_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lab_verification_rules")),
        sa.UniqueConstraint("version", name=op.f("uq_lab_verification_rules_version")),
    )
    op.create_index(
        "ix_lab_verification_rules_live",
        "lab_verification_rules",
        ["state"],
        unique=True,
        sqlite_where=sa.text("state = 'live'"),
        postgresql_where=sa.text("state = 'live'"),
    )

    op.create_table(
        "critical_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("examination_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("imaging", "ecg", "laboratory", "pathology", name="kind", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("source_id", sa.Uuid(), nullable=True),
        sa.Column("found", _JSON, nullable=False),
        sa.Column(
            "state",
            sa.Enum("found", "withdrawn", name="criticalstate", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["examination_id"], ["examination.id"], name=op.f("fk_critical_event_examination_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_critical_event")),
        sa.UniqueConstraint("source_id", name=op.f("uq_critical_event_source_id")),
    )
    op.create_index(op.f("ix_critical_event_examination_id"), "critical_event", ["examination_id"])
    op.create_index("ix_critical_event_open", "critical_event", ["state", "found_at"])

    op.create_table(
        "lab_attachment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("examination_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["examination_id"], ["examination.id"], name=op.f("fk_lab_attachment_examination_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lab_attachment")),
        sa.UniqueConstraint("message_id", "position", name=op.f("uq_lab_attachment_message_id_position")),
    )
    op.create_index(op.f("ix_lab_attachment_examination_id"), "lab_attachment", ["examination_id"])

    op.create_table(
        "lab_control_result",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("item_code", sa.String(), nullable=False),
        sa.Column("material_id", sa.Uuid(), nullable=True),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("lot", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("number", sa.Double(), nullable=True),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("z", sa.Double(), nullable=True),
        sa.Column("rules", _JSON, nullable=False),
        sa.Column(
            "verdict",
            sa.Enum(
                "in_control",
                "warning",
                "out_of_control",
                "unknown",
                name="verdict",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("excluded", sa.Boolean(), nullable=False),
        sa.Column("comment", sa.String(), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_by_id", sa.Uuid(), nullable=True),
        sa.Column("release_reason", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_lab_control_result_device_id")),
        sa.ForeignKeyConstraint(
            ["item_code"], ["lab_item.code"], name=op.f("fk_lab_control_result_item_code")
        ),
        sa.ForeignKeyConstraint(
            ["material_id"], ["lab_control_material.id"], name=op.f("fk_lab_control_result_material_id")
        ),
        sa.ForeignKeyConstraint(
            ["released_by_id"], ["person.id"], name=op.f("fk_lab_control_result_released_by_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lab_control_result")),
    )
    op.create_index(
        "ix_lab_control_result_message", "lab_control_result", ["message_id", "position"], unique=True
    )
    op.create_index(
        "ix_lab_control_result_of", "lab_control_result", ["device_id", "item_code", "level", "observed_at"]
    )

    op.create_table(
        "lab_message",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("institution_id", sa.Uuid(), nullable=True),
        sa.Column("device_id", sa.Uuid(), nullable=True),
        sa.Column("wire", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("control_id", sa.String(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "filed",
                "held",
                "duplicate",
                "other",
                "set_aside",
                name="messagestate",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("results", sa.Integer(), nullable=False),
        sa.Column("filed", sa.Integer(), nullable=False),
        sa.Column("controls", sa.Integer(), nullable=False),
        sa.Column("profile_version", sa.Integer(), nullable=True),
        sa.Column("attached", _JSON, nullable=True),
        sa.Column("text_in_doubt", sa.Boolean(), nullable=False),
        sa.Column("warnings", _JSON, nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_lab_message_device_id")),
        sa.ForeignKeyConstraint(
            ["institution_id"], ["institution.id"], name=op.f("fk_lab_message_institution_id")
        ),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_lab_message_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lab_message")),
        sa.UniqueConstraint("record_id", name=op.f("uq_lab_message_record_id")),
    )
    op.create_index("ix_lab_message_control", "lab_message", ["device_id", "control_id"])
    op.create_index("ix_lab_message_received", "lab_message", ["institution_id", "received_at"])

    op.create_table(
        "lab_rerun_request",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("examination_id", sa.Uuid(), nullable=False),
        sa.Column("item_code", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("new_specimen", sa.Boolean(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by_id", sa.Uuid(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["asked_by_id"], ["person.id"], name=op.f("fk_lab_rerun_request_asked_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["examination_id"], ["examination.id"], name=op.f("fk_lab_rerun_request_examination_id")
        ),
        sa.ForeignKeyConstraint(
            ["item_code"], ["lab_item.code"], name=op.f("fk_lab_rerun_request_item_code")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lab_rerun_request")),
    )
    op.create_index(op.f("ix_lab_rerun_request_examination_id"), "lab_rerun_request", ["examination_id"])

    op.create_table(
        "lab_result",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("examination_id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("item_code", sa.String(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column(
            "status",
            sa.Enum("P", "F", "C", "X", "D", name="resultstatus", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("number", sa.Double(), nullable=True),
        sa.Column("comparator", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("range_low", sa.Double(), nullable=True),
        sa.Column("range_high", sa.Double(), nullable=True),
        sa.Column("range_text", sa.String(), nullable=False),
        sa.Column(
            "abnormal",
            sa.Enum("", "L", "H", "LL", "HH", "A", "AA", name="abnormal", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("critical", sa.Boolean(), nullable=False),
        sa.Column("delta", _JSON, nullable=True),
        sa.Column("reported", _JSON, nullable=False),
        sa.Column("instrument_flags", _JSON, nullable=False),
        sa.Column("comments", _JSON, nullable=False),
        sa.Column("dilution", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("operator", sa.String(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=True),
        sa.Column("profile_version", sa.Integer(), nullable=True),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "control_state",
            sa.Enum(
                "in_control",
                "out_of_control",
                "missing",
                "not_required",
                name="controlstate",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "verification",
            sa.Enum(
                "waiting", "automatic", "verified", "rerun", name="verification", native_enum=False, length=40
            ),
            nullable=False,
        ),
        sa.Column("stops", _JSON, nullable=False),
        sa.Column("rules_version", sa.Integer(), nullable=True),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verified_by_id", sa.Uuid(), nullable=True),
        sa.Column("remark", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_lab_result_device_id")),
        sa.ForeignKeyConstraint(
            ["examination_id"], ["examination.id"], name=op.f("fk_lab_result_examination_id")
        ),
        sa.ForeignKeyConstraint(["item_code"], ["lab_item.code"], name=op.f("fk_lab_result_item_code")),
        sa.ForeignKeyConstraint(["patient_id"], ["patient.id"], name=op.f("fk_lab_result_patient_id")),
        sa.ForeignKeyConstraint(["verified_by_id"], ["person.id"], name=op.f("fk_lab_result_verified_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lab_result")),
        sa.UniqueConstraint(
            "examination_id",
            "item_code",
            "run",
            "version",
            name=op.f("uq_lab_result_examination_id_item_code_run_version"),
        ),
        sa.UniqueConstraint("message_id", "position", name=op.f("uq_lab_result_message_id_position")),
    )
    op.create_index(
        "ix_lab_result_current",
        "lab_result",
        ["examination_id"],
        sqlite_where=sa.text("current"),
        postgresql_where=sa.text("current"),
    )
    op.create_index("ix_lab_result_device", "lab_result", ["device_id", "item_code", "observed_at"])
    op.create_index("ix_lab_result_history", "lab_result", ["patient_id", "item_code", "observed_at"])

    op.create_table(
        "lab_specimen",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("institution_id", sa.Uuid(), nullable=False),
        sa.Column("barcode", sa.String(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("examination_id", sa.Uuid(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "registered",
                "in_transit",
                "received",
                "rejected",
                "cancelled",
                name="specimenstate",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "source",
            sa.Enum("page", "order", "analyser", name="specimensource", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("panels", _JSON, nullable=False),
        sa.Column("items", _JSON, nullable=False),
        sa.Column("unknown_tests", _JSON, nullable=False),
        sa.Column("order_number", sa.String(), nullable=False),
        sa.Column(
            "priority",
            sa.Enum("routine", "urgent", "chest_pain", name="priority", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("clinical_information", sa.String(), nullable=False),
        sa.Column("requester", sa.String(), nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("bed", sa.String(), nullable=False),
        sa.Column("collected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("registered_by_id", sa.Uuid(), nullable=True),
        sa.Column("transport_id", sa.Uuid(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_by_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["examination_id"], ["examination.id"], name=op.f("fk_lab_specimen_examination_id")
        ),
        sa.ForeignKeyConstraint(
            ["institution_id"], ["institution.id"], name=op.f("fk_lab_specimen_institution_id")
        ),
        sa.ForeignKeyConstraint(["patient_id"], ["patient.id"], name=op.f("fk_lab_specimen_patient_id")),
        sa.ForeignKeyConstraint(
            ["received_by_id"], ["person.id"], name=op.f("fk_lab_specimen_received_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["registered_by_id"], ["person.id"], name=op.f("fk_lab_specimen_registered_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["transport_id"], ["lab_transport.id"], name=op.f("fk_lab_specimen_transport_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lab_specimen")),
        sa.UniqueConstraint("examination_id", name=op.f("uq_lab_specimen_examination_id")),
        sa.UniqueConstraint("institution_id", "barcode", name=op.f("uq_lab_specimen_institution_id_barcode")),
    )
    op.create_index("ix_lab_specimen_barcode", "lab_specimen", ["barcode"])
    op.create_index(
        "ix_lab_specimen_on_the_way",
        "lab_specimen",
        ["sent_at"],
        sqlite_where=sa.text("state = 'in_transit'"),
        postgresql_where=sa.text("state = 'in_transit'"),
    )
    op.create_index("ix_lab_specimen_order", "lab_specimen", ["institution_id", "order_number"])
    op.create_index(op.f("ix_lab_specimen_patient_id"), "lab_specimen", ["patient_id"])
    op.create_index("ix_lab_specimen_state", "lab_specimen", ["institution_id", "state", "registered_at"])
    op.create_index(op.f("ix_lab_specimen_transport_id"), "lab_specimen", ["transport_id"])

    op.create_table(
        "lab_held",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("institution_id", sa.Uuid(), nullable=True),
        sa.Column("device_id", sa.Uuid(), nullable=True),
        sa.Column(
            "reason",
            sa.Enum(
                "unknown_device",
                "no_profile",
                "incomplete",
                "unreadable",
                "control_id_reused",
                "no_barcode",
                "unknown_barcode",
                "ambiguous_barcode",
                "patient_mismatch",
                "specimen_rejected",
                "unknown_test",
                "unknown_unit",
                "unreadable_value",
                "older_than_current",
                "nothing_to_correct",
                "order_unclear",
                name="labheldreason",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("specimen_number", sa.Integer(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("barcode", sa.String(), nullable=False),
        sa.Column("examination_id", sa.Uuid(), nullable=True),
        sa.Column("detail", _JSON, nullable=False),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by_id", sa.Uuid(), nullable=True),
        sa.Column("resolution", sa.String(), nullable=False),
        sa.Column("resolution_reason", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_lab_held_device_id")),
        sa.ForeignKeyConstraint(
            ["examination_id"], ["examination.id"], name=op.f("fk_lab_held_examination_id")
        ),
        sa.ForeignKeyConstraint(
            ["institution_id"], ["institution.id"], name=op.f("fk_lab_held_institution_id")
        ),
        sa.ForeignKeyConstraint(["message_id"], ["lab_message.id"], name=op.f("fk_lab_held_message_id")),
        sa.ForeignKeyConstraint(["resolved_by_id"], ["person.id"], name=op.f("fk_lab_held_resolved_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lab_held")),
    )
    op.create_index(op.f("ix_lab_held_examination_id"), "lab_held", ["examination_id"])
    op.create_index("ix_lab_held_message", "lab_held", ["message_id"])
    op.create_index(
        "ix_lab_held_open",
        "lab_held",
        ["institution_id", "reason"],
        sqlite_where=sa.text("resolved_at IS NULL"),
        postgresql_where=sa.text("resolved_at IS NULL"),
    )

    with op.batch_alter_table("device") as batch:
        batch.add_column(sa.Column("sender", sa.String(), nullable=False, server_default=""))
        batch.add_column(sa.Column("profile_code", sa.String(), nullable=True))
        batch.add_column(sa.Column("without_order", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch.create_foreign_key(
            op.f("fk_device_profile_code"), "analyser_profile", ["profile_code"], ["code"]
        )


def downgrade() -> None:
    with op.batch_alter_table("device") as batch:
        batch.drop_constraint(op.f("fk_device_profile_code"), type_="foreignkey")
        for column in ("sender", "profile_code", "without_order"):
            batch.drop_column(column)
    for table in (
        "lab_held",
        "lab_specimen",
        "lab_result",
        "lab_rerun_request",
        "lab_message",
        "lab_control_result",
        "lab_attachment",
        "critical_event",
        "lab_verification_rules",
        "lab_transport",
        "lab_range",
        "lab_control_material",
        "analyser_profile_version",
        "lab_item",
        "lab_panel",
        "analyser_profile",
    ):
        op.drop_table(table)
