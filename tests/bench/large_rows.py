"""A database as a county has it after years, written by the database itself: one INSERT … SELECT for each kind of row.

Ten instances a study in two series, two studies a patient and a half, every study read, signed, returned and
acknowledged but the last OPEN; packs of some sixty instances; no bytes behind any of it. Times run evenly over
YEARS up to the newest study. Rows of one kind are numbered from 0, and ids are UUIDv7s made of kind and number.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, Table, text

from gateway.audit import AuditEvent
from gateway.index import Instance, Pack, Record, SegmentCursor, Series, Study
from gateway.work import Work
from worklists.base import Base
from worklists.examinations import Association, Examination, ExaminationAssociation
from worklists.patients import Patient
from worklists.reading import ReadingTask
from worklists.reports import Report, ReportReturn

PER_STUDY, SERIES_PER_STUDY, PER_PACK, PER_SEGMENT, EVENTS_PER_STUDY = 10, 2, 60, 500, 3
OPEN = 400  # studies that wait to be read
UNFILED = 3000  # the newest instances, still in segments alone
LOCAL = 50_000  # the newest instances, in segments as well
YEARS = 10
NEWEST_MS = 1_795_000_000_000
STEP = 250_000  # rows in one statement
UID = "2.25.99"
JOURNAL = "f" * 32

Columns = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class County:
    """What was there before: where studies come from, who reads them, where."""

    townships: tuple[str, ...]
    centre: str
    reader: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many rows there are of what."""

    studies: int

    @property
    def instances(self) -> int:
        return self.studies * PER_STUDY

    @property
    def patients(self) -> int:
        return self.studies * 2 // 5

    @property
    def packs(self) -> int:
        return -(-self.instances // PER_PACK)

    @property
    def segments(self) -> int:
        return LOCAL // PER_SEGMENT


class Words:
    """The few expressions that the two databases spell differently. `n` is a row's number."""

    def __init__(self, dialect: str, size: Size, *, years: int = YEARS) -> None:
        self.lite, self.size, self.years = dialect == "sqlite", size, years

    def id(self, kind: int, n: str) -> str:
        """Sorted by number within a kind."""
        hexes = self.hex(f"{NEWEST_MS} - {self.size.instances} + ({n})", 12)
        tail = f"'7{kind:03x}8000' || {self.hex(f'({n})', 12)}"
        return f"{hexes} || {tail}" if self.lite else f"({hexes} || {tail})::uuid"

    def known(self, hexes: str) -> str:
        return f"'{hexes}'" if self.lite else f"'{hexes}'::uuid"

    def hex(self, n: str, digits: int) -> str:
        if self.lite:
            return f"printf('%0{digits}x', {n})"
        return f"lpad(to_hex(({n})::bigint), {digits}, '0')"

    def at(self, study: str) -> str:
        """When a study was made."""
        seconds = f"{NEWEST_MS // 1000} - ({self.size.studies} - ({study})) * {self.years * 365 * 86400 // self.size.studies}"
        if self.lite:
            return f"strftime('%Y-%m-%d %H:%M:%S.000000', {seconds}, 'unixepoch')"
        return f"to_timestamp({seconds})"

    def day(self, study: str) -> str:
        if self.lite:
            return f"strftime('%Y%m%d', {self.at(study)})"
        return f"to_char({self.at(study)} AT TIME ZONE 'UTC', 'YYYYMMDD')"

    def clock(self, study: str) -> str:
        if self.lite:
            return f"strftime('%H%M%S', {self.at(study)})"
        return f"to_char({self.at(study)} AT TIME ZONE 'UTC', 'HH24MISS')"

    def birth(self, patient: str) -> str:
        if self.lite:
            return f"date('1930-01-01', '+' || (({patient}) * 7919 % 30000) || ' days')"
        return f"(date '1930-01-01' + (({patient}) * 7919 % 30000)::int)"

    def true(self, condition: str) -> str:
        return f"({condition})" if self.lite else f"({condition})::boolean"

    def json(self, written: str) -> str:
        return f"'{written}'" if self.lite else f"'{written}'::jsonb"

    def numbers(self, first: int, last: int) -> str:
        """A table `r` of the numbers n from one to another."""
        if self.lite:
            counting = f"SELECT {first} UNION ALL SELECT n + 1 FROM up WHERE n < {last}"
            return f"(WITH RECURSIVE up(n) AS ({counting}) SELECT n FROM up) AS r"
        return f"generate_series({first}::bigint, {last}::bigint) AS r(n)"


class Kinds:
    """Every kind of row: how many there are, and its columns as expressions over the number n."""

    def __init__(self, words: Words, county: County, size: Size) -> None:
        self._words, self._county, self._size = words, county, size
        self._centre, self._reader = words.known(county.centre), words.known(county.reader)
        self._patient_of_study = f"(n % {size.patients})"

    def all(self) -> list[tuple[type[Base], int, Columns]]:
        size = self._size
        return [
            (Patient, size.patients, self._patient()),
            (Examination, size.studies, self._examination()),
            (ReadingTask, size.studies, self._task()),
            (Report, size.studies - OPEN, self._report()),
            (ReportReturn, size.studies - OPEN, self._returned()),
            (Work, size.studies, self._work()),
            (AuditEvent, size.studies * EVENTS_PER_STUDY, self._event()),
            (Association, size.studies, self._association()),
            (ExaminationAssociation, size.studies, self._carried()),
            (Study, size.studies, self._study()),
            (Series, size.studies * SERIES_PER_STUDY, self._series()),
            (Pack, size.packs, self._pack()),
            (Record, size.instances, self._record()),
            (Instance, size.instances, self._instance()),
            (SegmentCursor, size.segments, self._cursor()),
        ]

    def _site(self, patient: str) -> str:
        """Where a patient is known."""
        townships = self._county.townships
        sites = " ".join(f"WHEN {k} THEN {self._words.known(one)}" for k, one in enumerate(townships))
        return f"(CASE {patient} % {len(townships)} {sites} END)"

    def _patient(self) -> Columns:
        w = self._words
        site = self._site
        return {
            "id": w.id(1, "n"), "institution_id": site("n"), "patient_id": "'P' || n",
            "name": "'LI^' || n || '=李^' || n", "sex": "CASE n % 2 WHEN 0 THEN 'F' ELSE 'M' END",
            "birth_date": w.birth("n"), "search_text": "'李' || n || ' li' || n || ' l' || n || ' p' || n",
            "issuer": "''", "phone": "''", "proposed_name": "''", "master_id": w.id(1, "n"),
            "matched_at": w.at("n"),
        }  # fmt: skip

    def _examination(self) -> Columns:
        w = self._words
        patient, site = self._patient_of_study, self._site
        return {
            "id": w.id(2, "n"), "institution_id": site(patient), "patient_id": w.id(1, patient),
            "kind": "'imaging'", "study_instance_uid": f"'{UID}.' || n", "accession_number": "'A' || n",
            "modality": "'CT'", "body_part": "'CHEST'", "description": "'胸部'", "procedure_code": "''",
            "studied_at": w.at("n"), "clinical_information": "''", "priority": "'routine'",
            "received_at": w.at("n"), "last_received_at": w.at("n"), "instances": str(PER_STUDY),
            "complete": w.true("1 = 1"), "completed_at": w.at("n"), "patient_as_received": w.json("{}"),
        }  # fmt: skip

    def _task(self) -> Columns:
        w = self._words
        done = f"n < {self._size.studies - OPEN}"
        return {
            "id": w.id(3, "n"), "examination_id": w.id(2, "n"), "centre_id": self._centre, "purpose": "'read'",
            "state": f"CASE WHEN {done} THEN 'signed' ELSE 'waiting' END", "waiting_reason": "''", "rank": "3",
            "waiting_since": w.at("n"), "late_instances": "0", "sent_back_reason": "''", "version": "1",
        }  # fmt: skip

    def _report(self) -> Columns:
        w = self._words
        centre, reader = self._centre, self._reader
        return {
            "id": w.id(4, "n"), "examination_id": w.id(2, "n"), "task_id": w.id(3, "n"), "centre_id": centre,
            "number": "'R' || n", "version": "1", "state": "'signed'", "findings": "'双肺纹理清晰。'",
            "impression": "'未见异常。'", "clinical_information": "''", "patient": w.json("{}"),
            "critical": w.true("1 = 0"), "preliminary": w.true("1 = 0"), "writer_id": reader,
            "signed_by_id": reader, "written_at": w.at("n"), "signed_at": w.at("n"), "marks": w.json("[]"),
            "manifest": "''", "verification_code": w.hex("n", 24), "pdf_sha256": w.hex("n", 64),
            "institution_id": self._site(self._patient_of_study), "modality": "'CT'", "rank": "3", "weight": "1",
            "reviewed": w.true("1 = 0"), "taken_min": "60", "in_time": w.true("1 = 1"),
        }  # fmt: skip

    def _returned(self) -> Columns:
        w = self._words
        site, patient = self._site, self._patient_of_study
        return {
            "id": w.id(5, "n"), "report_id": w.id(4, "n"), "recipient_id": site(patient),
            "state": "'acknowledged'", "delivered_at": w.at("n"), "opened_at": w.at("n"),
            "acknowledged_at": w.at("n"),
        }  # fmt: skip

    def _work(self) -> Columns:
        w = self._words
        return {
            "id": w.id(6, "n"), "task": "'settle_examination'", "subject": w.hex("n", 32),
            "arguments": w.json("{}"), "due_at": w.at("n"), "attempts": "1", "last_error": "''",
            "done_at": w.at("n"), "generation": "1",
        }  # fmt: skip

    def _event(self) -> Columns:
        w = self._words
        reader = self._reader
        return {
            "id": "n + 1", "at": w.at(f"n / {EVENTS_PER_STUDY}"),
            "action": "CASE n % 3 WHEN 0 THEN 'images_opened' WHEN 1 THEN 'task_claimed' ELSE 'report_signed' END",
            "person_id": reader, "actor": "'reader'", "examination_id": w.id(2, f"(n / {EVENTS_PER_STUDY})"),
            "address": "''", "outcome": "'success'", "detail": w.json("{}"), "sealed_as": "n + 1",
            "seal": w.hex("n", 64),
        }  # fmt: skip

    def _association(self) -> Columns:
        w = self._words
        return {
            "id": w.hex("n", 32), "peer_address": "'10.0.0.1'", "calling_ae_title": "'CT'", "opened_at": w.at("n"),
            "closed_at": w.at("n"), "how": "'released'", "stored": str(PER_STUDY), "refused": "0",
        }  # fmt: skip

    def _carried(self) -> Columns:
        w = self._words
        return {
            "examination_id": w.id(2, "n"), "association_id": w.hex("n", 32)
        }  # fmt: skip

    def _study(self) -> Columns:
        w = self._words
        return {
            "id": w.id(7, "n"), "examination_id": w.id(2, "n"), "study_instance_uid": f"'{UID}.' || n",
            "study_id": "'1'", "study_date": w.day("n"), "study_time": w.clock("n"), "study_description": "'胸部'",
            "accession_number": "'A' || n", "referring_physician_name": "''",
        }  # fmt: skip

    def _series(self) -> Columns:
        w = self._words
        return {
            "id": w.id(8, "n"), "study_id": w.id(7, f"(n / {SERIES_PER_STUDY})"),
            "series_instance_uid": f"'{UID}.' || (n / {SERIES_PER_STUDY}) || '.' || (n % {SERIES_PER_STUDY} + 1)",
            "modality": "'CT'", "series_number": f"n % {SERIES_PER_STUDY} + 1", "series_description": "'肺窗'",
            "body_part_examined": "'CHEST'", "laterality": "''",
            "protocol_name": "''", "station_name": "''", "manufacturer": "'SYNTHETIC'",
            "instances": str(PER_STUDY // SERIES_PER_STUDY),
        }  # fmt: skip

    def _pack(self) -> Columns:
        w = self._words
        return {
            "id": w.id(9, "n"), "key": "'packs/' || n || '.tar'", "size_bytes": "33554432",
            "filed_at": w.at(f"n * {PER_PACK // PER_STUDY}"),
        }  # fmt: skip

    def _record(self) -> Columns:
        w = self._words
        size, of_study = self._size, f"(n / {PER_STUDY})"
        filed = f"n < {size.instances - UNFILED}"
        local = f"n >= {size.instances - LOCAL}"
        segment = f"(CASE WHEN {local} THEN (n - {size.instances - LOCAL}) / {PER_SEGMENT} + 1 ELSE 0 END)"
        maker = self._site(f"({of_study} % {size.patients})")
        digest = f"{w.hex('(n * 7919) % 16777213', 8)} || {w.hex('n', 56)}"
        return {
            "id": w.id(10, "n"), "journal": f"'{JOURNAL}'", "sequence": "n + 1", "node": "'local'", "segment": segment,
            "offset": f"n % {PER_SEGMENT} * 530000", "size_bytes": "526000", "data_set_offset": "0",
            "kind": "'dicom.instance'", "state": "'indexed'", "reason": "''",
            "origin": w.json('{"wire": "dicom", "calling_ae_title": "CT"}'), "institution_id": maker,
            "received_at": w.at(of_study), "sha256": digest,
            "pack_id": f"CASE WHEN {filed} THEN {w.id(9, f'(n / {PER_PACK})')} END",
            "pack_offset": f"CASE WHEN {filed} THEN n % {PER_PACK} * 530000 END", "local": w.true(local),
        }  # fmt: skip

    def _instance(self) -> Columns:
        w = self._words
        of_study, per_series = f"(n / {PER_STUDY})", PER_STUDY // SERIES_PER_STUDY
        in_study = f"(n % {PER_STUDY} / {per_series} + 1)"
        return {
            "id": w.id(11, "n"), "series_id": w.id(8, f"(n / {per_series})"), "record_id": w.id(10, "n"),
            "sop_instance_uid": f"'{UID}.' || {of_study} || '.' || {in_study} || '.' || n",
            "sop_class_uid": "'1.2.840.10008.5.1.4.1.1.2'", "transfer_syntax_uid": "'1.2.840.10008.1.2.1'", "version": "1",
            "current": w.true("1 = 1"), "instance_number": f"n % {per_series} + 1", "rows": "512",
            "columns": "512", "specific_character_set": "'ISO_IR 192'",
        }  # fmt: skip

    def _cursor(self) -> Columns:
        w = self._words
        return {
            "journal": f"'{JOURNAL}'", "segment": "n + 1", "offset": "268435456", "ended": w.true("1 = 1"),
        }  # fmt: skip


def write_large(engine: Engine, county: County, size: Size) -> Iterator[tuple[str, int]]:
    """Write it, kind by kind, and say what was written."""
    words = Words(engine.dialect.name, size)
    yield from write_kinds(engine, words, Kinds(words, county, size).all())


def write_kinds(
    engine: Engine, words: Words, kinds: Sequence[tuple[type[Base], int, Columns]]
) -> Iterator[tuple[str, int]]:
    """Rows of each kind, how many and of what columns. Indexes are made afterwards."""
    tables = [(row.__table__, count, of) for row, count, of in kinds]
    with engine.connect() as connection:
        let_go(connection)
        for table, _, _ in tables:
            for index in table.indexes:
                index.drop(connection)
        connection.commit()
        for table, count, columns in tables:
            for first in range(0, count, STEP):
                insert_rows(connection, words, table, columns, first, min(first + STEP, count) - 1)
            yield table.name, count
        for table, _, _ in tables:
            for index in table.indexes:
                index.create(connection)
            connection.commit()
            yield f"indexes of {table.name}", len(table.indexes)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE" if words.lite else "VACUUM ANALYZE"))


def insert_rows(
    connection: Connection, words: Words, table: Table, columns: Mapping[str, str], first: int, last: int,
    where: str = "1 = 1",
) -> int:  # fmt: skip
    """Answers how many were written."""
    names, values = ", ".join(f'"{name}"' for name in columns), ", ".join(columns.values())
    rows = f"{words.numbers(first, last)} WHERE {where}"
    statement = f'INSERT INTO "{table.name}" ({names}) SELECT {values} FROM {rows}'
    done = connection.exec_driver_sql(statement.replace("%", "%%") if not words.lite else statement)
    connection.commit()
    return done.rowcount


def let_go(connection: Connection) -> None:
    """No foreign keys are looked up for rows that are right by construction; nothing is worth a sync."""
    if connection.dialect.name == "sqlite":
        for pragma in ("foreign_keys=OFF", "synchronous=OFF", "cache_size=-1000000"):
            connection.exec_driver_sql(f"PRAGMA {pragma}")
    else:
        connection.exec_driver_sql("SET session_replication_role = replica")
        connection.exec_driver_sql("SET maintenance_work_mem = '1GB'")
    connection.commit()
