"""A county after three years, a million examinations: 26 townships, four centres, written by the database itself.

    python -m tests.bench.million --database-url … [--examinations N] [--no-words]

People have names as people have, checked identity cards, and a number of their township's; four examinations each.
Images, tracings, specimens and slides are read by ten people a centre, signed and returned but the last OPEN, which
wait in every state. Seven in ten were reviewed and compared, one in fifty was sent back, one in a hundred critical and
one in twenty of these passed on, six in ten graded. Numbers that look like chance come from a row's own number, so that
two databases are alike. Nothing of it has bytes.
"""

import argparse
import itertools
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.schema import DropIndex

from gateway.migrations import migrate
from gateway.rows import MODULES
from tests.bench.large_rows import STEP, Columns, Words, insert_rows, let_go
from worklists.base import Base, new_id
from worklists.critical import CriticalEvent, CriticalStep
from worklists.directory import (
    Agreement,
    Centre,
    Institution,
    InstitutionKind,
    Kind,
    Person,
    PersonRole,
    Role,
)
from worklists.examinations import Examination
from worklists.grading import ImageGrade
from worklists.name_words import PatientWord, ends_of
from worklists.patients import Patient, PatientIdentity, search_text
from worklists.reading import ReadingTask
from worklists.reports import Report, ReportReturn
from worklists.reviewing import ReportDiscrepancy, Submission
from worklists.sent_back import SentBack

COUNT, OPEN, PER_PATIENT = 1_000_000, 5_000, 4
TOWNSHIPS, READERS, REVIEWERS = 26, 8, 2
DAYS = 3 * 365
UNTIL = datetime(2026, 11, 21, 9, tzinfo=UTC)  # the end of the last day
SENT_BACK_EVERY, CRITICAL_EVERY, UNREAD = 50, 100, 2_000
KINDS = tuple(Kind)
HEAD = "head"  # who reviews for all four centres
TOWNS = (
    "城东 城西 柳林 青石 白水 双河 龙泉 永安 太平 石桥 黄土 新集 马店 高庙 三官 大岭 花园"
    " 南塘 北关 东湖 西山 清溪 金牛 凤凰 竹园 沙河"
)
SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎"
    "余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
    "仇"
)
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红梅建国志德福春生海燕雪晨宇轩浩然子涵梓欣怡佳琪文博思远嘉"
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643-1999, ISO 7064 mod 11-2
_PRIMES = (2654435761, 2246822519, 3266489917, 668265263, 374761393, 1597334677, 3812015801, 2860486313)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Who there is: townships, centres in the order of KINDS, and of each centre its people, readers first."""

    lead: uuid.UUID
    townships: tuple[uuid.UUID, ...]
    centres: tuple[uuid.UUID, ...]
    people: tuple[tuple[uuid.UUID, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is written. The last OPEN examinations are not signed."""

    examinations: int = COUNT

    @property
    def patients(self) -> int:
        return -(-self.examinations // PER_PATIENT)

    @property
    def signed(self) -> int:
        return self.examinations - min(OPEN, self.examinations // 10)

    @property
    def instances(self) -> int:
        """What ids are counted down from."""
        return self.examinations


def chance(which: int, among: int, n: str = "n") -> str:
    """A number below `among` that a row has by its own number; independent for each `which`."""
    return f"(((({n}) * {_PRIMES[which]} + {which * 7919}) % 4294967296) / 1024 % {among})"


class MillionKinds:
    """Every kind of row that is written by an expression over its number n."""

    def __init__(self, words: Words, place: Place, extent: Extent) -> None:
        self._words, self._place, self._extent = words, place, extent
        self._of_patient = f"(n % {extent.patients})"

    def all(self) -> list[tuple[type[Base], int, Columns]]:
        """Of what was reviewed only `reviewed` are written."""
        extent = self._extent
        return [
            (Examination, extent.examinations, self._examination()),
            (ReadingTask, extent.examinations, self._task()),
            (Report, extent.signed, self._report()),
            (ReportReturn, extent.signed, self._returned()),
            (SentBack, extent.examinations // SENT_BACK_EVERY, self._sent_back()),
            (ImageGrade, extent.signed * 6 // 10, self._grade()),
            (CriticalEvent, extent.signed // CRITICAL_EVERY, self._critical()),
            (CriticalStep, extent.signed // CRITICAL_EVERY * 6, self._step()),
            (Submission, extent.signed, self._submission()),
            (ReportDiscrepancy, extent.signed, self._discrepancy()),
        ]

    def among(self, row: type[Base]) -> str:
        """Which of the numbers are written."""
        return self._reviewed() if row in {Submission, ReportDiscrepancy} else "1 = 1"

    def _at(self, n: str, minutes: str = "0") -> str:
        """When it was received, or so many minutes later: on its day between eight and six o'clock of the county."""
        begin = int((UNTIL - timedelta(days=DAYS)).timestamp()) // 86400 * 86400
        day = f"(({n}) * {DAYS} / {self._extent.examinations})"
        seconds = f"{begin} + {day} * 86400 + {chance(0, 36_000, n)} + ({minutes}) * 60"
        if self._words.lite:
            return f"strftime('%Y-%m-%d %H:%M:%S.000000', {seconds}, 'unixepoch')"
        return f"to_timestamp({seconds})"

    def _pick(self, index: str, ids: Sequence[uuid.UUID]) -> str:
        cases = " ".join(f"WHEN {k} THEN {self._words.known(one.hex)}" for k, one in enumerate(ids))
        return f"(CASE {index} {cases} END)"

    def _site(self, n: str = "n") -> str:
        return self._pick(f"(({n}) % {self._extent.patients} % {TOWNSHIPS})", self._place.townships)

    def _kind(self, n: str = "n") -> str:
        """Its place in KINDS."""
        of = chance(1, 100, n)
        return f"(CASE WHEN {of} < 45 THEN 0 WHEN {of} < 65 THEN 1 WHEN {of} < 96 THEN 2 ELSE 3 END)"

    def _modality(self, n: str = "n") -> str:
        of = chance(1, 100, n)
        bounds = ((22, "DX"), (34, "US"), (42, "CT"), (45, "MR"), (65, "ECG"), (96, "LAB"))
        return f"(CASE {' '.join(f'''WHEN {of} < {top} THEN '{word}' ''' for top, word in bounds)} ELSE 'SM' END)"

    def _centre(self, n: str = "n") -> str:
        return self._pick(self._kind(n), self._place.centres)

    def _person(self, which: str, n: str = "n") -> str:
        """Of its centre the one at this place."""
        people = [one for centre in self._place.people for one in centre]
        return self._pick(f"({self._kind(n)} * {READERS + REVIEWERS} + {which})", people)

    def _writer(self, n: str = "n") -> str:
        return self._person(chance(2, READERS, n), n)

    def _signer(self, n: str = "n") -> str:
        reviewer = f"{READERS} + {chance(3, REVIEWERS, n)}"
        return f"(CASE WHEN {self._reviewed(n)} THEN {self._person(f'({reviewer})', n)} ELSE {self._writer(n)} END)"

    def _reviewed(self, n: str = "n") -> str:
        return f"({chance(4, 10, n)} < 7)"

    def _submission(self) -> Columns:
        w = self._words
        return {
            "id": w.id(16, "n"), "task_id": w.id(3, "n"), "writer_id": self._writer(), "findings": "'双肺纹理清晰。'",
            "impression": "'心肺膈未见明显异常。'", "critical": w.true("1 = 0"), "preliminary": w.true("1 = 0"),
            "submitted_at": self._at("n", "5"),
        }  # fmt: skip

    def _discrepancy(self) -> Columns:
        w, of = self._words, chance(5, 100)
        return {
            "id": w.id(17, "n"), "report_id": w.id(4, "n"), "submission_id": w.id(16, "n"),
            "centre_id": self._centre(), "writer_id": self._writer(), "reviewer_id": self._signer(),
            "grade": f"CASE WHEN {of} < 88 THEN 'none' WHEN {of} < 98 THEN 'minor' ELSE 'major' END",
            "category": f"CASE WHEN {of} < 88 THEN NULL ELSE 'wording' END", "note": "''",
            "changed": w.true(f"{of} >= 88"), "graded_at": self._at("n", self._taken()), "reply": "''",
            "examination_id": w.id(2, "n"), "institution_id": self._site(), "modality": self._modality(),
            "rank": f"CASE WHEN {chance(6, 20)} = 0 THEN 2 ELSE 3 END",
        }  # fmt: skip

    def _taken(self, n: str = "n") -> str:
        late = f"CASE WHEN {chance(5, 10, n)} = 0 THEN {chance(6, 1440, n)} ELSE 0 END"
        return f"(6 + {chance(7, 50, n)} + {late})"

    def _due(self, n: str = "n") -> str:
        return f"(CASE {self._kind(n)} WHEN 0 THEN 120 WHEN 1 THEN 30 WHEN 2 THEN 240 ELSE 1440 END)"

    def _examination(self) -> Columns:
        w, patient = self._words, self._of_patient
        kind = f"(CASE {self._kind()} {' '.join(f'''WHEN {k} THEN '{one}' ''' for k, one in enumerate(KINDS))} END)"
        return {
            "id": w.id(2, "n"), "institution_id": self._site(), "patient_id": w.id(1, patient), "kind": kind,
            "study_instance_uid": "'2.25.98.' || n", "accession_number": "'A' || n",
            "modality": self._modality(), "body_part": "'CHEST'", "description": "'常规检查'",
            "procedure_code": "''", "studied_at": self._at("n"), "clinical_information": "''",
            "priority": f"CASE WHEN {chance(6, 20)} = 0 THEN 'urgent' ELSE 'routine' END",
            "received_at": self._at("n"), "last_received_at": self._at("n"), "instances": "2",
            "complete": w.true("1 = 1"), "completed_at": self._at("n"), "patient_as_received": w.json("{}"),
        }  # fmt: skip

    def _task(self) -> Columns:
        w, signed = self._words, f"n < {self._extent.signed}"
        states = "CASE n % 20 WHEN 0 THEN 'arriving' WHEN 1 THEN 'submitted' WHEN 2 THEN 'claimed' ELSE 'waiting' END"
        held = f"CASE WHEN {signed} OR n % 20 IN (1, 2) THEN {self._writer()} END"
        return {
            "id": w.id(3, "n"), "examination_id": w.id(2, "n"), "centre_id": self._centre(), "purpose": "'read'",
            "state": f"CASE WHEN {signed} THEN 'signed' ELSE {states} END", "waiting_reason": "''",
            "rank": f"CASE WHEN {chance(6, 20)} = 0 THEN 2 ELSE 3 END", "waiting_since": self._at("n"),
            "due_at": self._at("n", self._due()), "claimed_by_id": held,
            "claimed_at": f"CASE WHEN {signed} THEN {self._at('n', '3')} END",
            "late_instances": "0", "sent_back_reason": "''", "subspecialty": "''", "weight": "1",
            "reserved": w.true("1 = 0"), "hand_over_note": "''", "pause_reason": "''", "amendment_kind": "''",
            "amendment_reason": "''", "version": "1",
        }  # fmt: skip

    def _report(self) -> Columns:
        w, taken = self._words, self._taken()
        signed_at = self._at("n", taken)
        return {
            "id": w.id(4, "n"), "examination_id": w.id(2, "n"), "task_id": w.id(3, "n"),
            "centre_id": self._centre(), "number": "'R' || n", "version": "1", "state": "'signed'",
            "findings": "'双肺纹理清晰，走行自然，未见实变及结节影。双肺门影不大，纵隔居中，心影大小形态未见异常。'",
            "impression": "'心肺膈未见明显异常。'", "clinical_information": "''", "patient": w.json("{}"),
            "critical": w.true(f"n % {CRITICAL_EVERY} = 0"), "preliminary": w.true("n % 1000 = 7"),
            "writer_id": self._writer(), "signed_by_id": self._signer(), "written_at": self._at("n", "5"),
            "signed_at": signed_at, "marks": w.json("[]"), "manifest": "''",
            "verification_code": w.hex("n", 24), "pdf_sha256": w.hex("n", 64),
            "institution_id": self._site(), "modality": self._modality(),
            "rank": f"CASE WHEN {chance(6, 20)} = 0 THEN 2 ELSE 3 END", "weight": "1",
            "reviewed": w.true(self._reviewed()), "taken_min": taken,
            "in_time": w.true(f"{taken} <= {self._due()}"), "positive": w.true(f"{chance(3, 100)} < 42"),
        }  # fmt: skip

    def _returned(self) -> Columns:
        w, later = self._words, f"{self._taken()} + 10"
        unread = f"n >= {self._extent.signed - UNREAD}"
        return {
            "id": w.id(5, "n"), "report_id": w.id(4, "n"), "recipient_id": self._site(), "notice": "'report'",
            "state": f"CASE WHEN {unread} THEN 'delivered' ELSE 'acknowledged' END",
            "delivered_at": self._at("n", later),
            "opened_at": f"CASE WHEN {unread} THEN NULL ELSE {self._at('n', f'{later} + 15')} END",
            "acknowledged_at": f"CASE WHEN {unread} THEN NULL ELSE {self._at('n', f'{later} + 20')} END",
        }  # fmt: skip

    def _sent_back(self) -> Columns:
        w, n = self._words, f"(n * {SENT_BACK_EVERY})"
        remade = f"CASE WHEN {chance(2, 4, n)} > 0 THEN {self._at(n, '40')} END"
        return {
            "id": w.id(12, "n"), "task_id": w.id(3, n), "examination_id": w.id(2, n), "centre_id": self._centre(n),
            "institution_id": self._site(n), "modality": self._modality(n), "at": self._at(n, "10"),
            "by_id": self._writer(n), "reason": "'运动伪影，请重拍'", "remade_at": remade,
        }  # fmt: skip

    def _grade(self) -> Columns:
        w, n, of = self._words, "(n * 10 / 6)", chance(4, 100)
        none, one = w.json("[]"), w.json('["positioning"]')
        return {
            "id": w.id(13, "n"), "examination_id": w.id(2, n), "institution_id": self._site(n),
            "centre_id": self._centre(n), "modality": self._modality(n),
            "grade": f"CASE WHEN {of} < 80 THEN 'A' WHEN {of} < 96 THEN 'B' ELSE 'C' END",
            "reasons": f"CASE WHEN {of} < 80 THEN {none} ELSE {one} END",
            "note": "''", "person_id": self._writer(n), "graded_at": self._at(n, "20"),
            "counts": w.true("1 = 1"),
        }  # fmt: skip

    def _critical(self) -> Columns:
        w, n = self._words, f"(n * {CRITICAL_EVERY})"
        kind = f"(CASE {self._kind(n)} {' '.join(f'''WHEN {k} THEN '{one}' ''' for k, one in enumerate(KINDS))} END)"
        return {
            "id": w.id(14, "n"), "examination_id": w.id(2, n), "kind": kind, "source_id": w.id(3, n),
            "found": w.json('{"name": "气胸", "value": "右侧气胸"}'),
            "state": "CASE WHEN n % 200 = 0 THEN 'notified' ELSE 'closed' END",
            "found_at": self._at(n, "5"), "level": "0", "version": "1",
        }  # fmt: skip

    def _step(self) -> Columns:
        """Found, reviewed, notified, received, handled, closed: some minutes between each; some stay notified.

        For one in twenty the next of the chain was called in the place of a review.
        """
        w, event_ = self._words, "(n / 6)"
        names = ("found", "reviewed", "notified", "received", "handled", "closed")
        action = f"(CASE n % 6 {' '.join(f'''WHEN {k} THEN '{one}' ''' for k, one in enumerate(names))} END)"
        stuck, passed = f"{event_} % 200 = 0 AND n % 6 > 2", f"{event_} % 20 = 7 AND n % 6 = 1"
        minutes = f"5 + n % 6 * (1 + {chance(2, 9, event_)})"
        return {
            "id": w.id(15, "n"), "event_id": w.id(14, event_),
            "action": f"CASE WHEN {stuck} THEN 'called' WHEN {passed} THEN 'escalated' ELSE {action} END",
            "at": self._at(f"({event_} * {CRITICAL_EVERY})", minutes), "channel": "'page'", "recipient": "''",
            "detail": w.json("{}"),
        }  # fmt: skip


def write_million(
    engine: Engine, extent: Extent | None = None, *, words: bool = True
) -> Iterator[tuple[str, int]]:
    """Write it into a migrated database without a county, and say what was written. Indexes are made afterwards.

    `words`: also what patients are found by.
    """
    extent = extent or Extent()
    place = _make_place(engine)
    said = Words(engine.dialect.name, extent)  # type: ignore[arg-type]
    rows = MillionKinds(said, place, extent)
    kinds = rows.all()
    tables = [Patient.__table__, *(row.__table__ for row, _, _ in kinds)]
    with engine.connect() as connection:
        let_go(connection)
        for table in tables:
            for index in table.indexes:
                # expressions are not reflected, so nothing can be checked before
                connection.execute(DropIndex(index, if_exists=True))
        connection.commit()
        yield "patients", _write_patients(connection, said, place, extent, words=words)
        for row, count, columns in kinds:
            written = 0
            for first in range(0, count, STEP):
                last = min(first + STEP, count) - 1
                written += insert_rows(connection, said, row.__table__, columns, first, last, rows.among(row))
            yield row.__tablename__, written
        for table in tables:
            for index in table.indexes:
                index.create(connection)
            connection.commit()
        yield "indexes", sum(len(table.indexes) for table in tables)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE" if said.lite else "VACUUM ANALYZE"))


def card_number(n: int, born: date, sex: str) -> str:
    """A resident identity card whose last place is right (GB 11643-1999)."""
    body = f"511{n % 900 + 100:03d}{born:%Y%m%d}{n // 900 % 50 * 2 + (sex == 'F') * 1:03d}"
    body = body[:16] + str(int(body[16]) // 2 * 2 + (sex == "M"))
    return (
        body + "10X98765432"[sum(int(one) * weight for one, weight in zip(body, _WEIGHTS, strict=True)) % 11]
    )


def name_of(n: int) -> str:
    """Two or three characters; a few thousand people share the most common ones."""
    surname = SURNAMES[min(n * 7919 % len(SURNAMES), n * 104729 % len(SURNAMES))]
    first, second = GIVEN[n * 31 % len(GIVEN)], GIVEN[n * 17 // 7 % len(GIVEN)]
    return f"{surname}^{first}" if n % 5 == 0 else f"{surname}^{first}{second}"


def _identities(extent: Extent) -> Iterator[PatientIdentity]:
    for n in range(extent.patients):
        sex, born = "MF"[n * 3 // 2 % 2], date(1935, 1, 1) + timedelta(days=n * 7919 % 32_000)
        yield PatientIdentity(
            patient_id=f"{n % TOWNSHIPS + 1:02d}{n:07d}", name=name_of(n), sex=sex, birth_date=born,
            national_id=card_number(n, born, sex),
        )  # fmt: skip


_PATIENT = (
    "id", "institution_id", "patient_id", "name", "sex", "birth_date", "national_id", "search_text", "issuer",
    "phone", "proposed_name", "master_id", "matched_at", "worded_at",
)  # fmt: skip


def _write_patients(connection: Connection, said: Words, place: Place, extent: Extent, *, words: bool) -> int:
    """Their ids are those that the expression over n makes."""
    select = f"SELECT {said.id(1, 'n')} FROM {said.numbers(0, extent.patients - 1)} ORDER BY n"
    ids = [
        uuid.UUID(str(one))
        for (one,) in connection.exec_driver_sql(select if said.lite else select.replace("%", "%%"))
    ]
    at = UNTIL if not said.lite else UNTIL.strftime("%Y-%m-%d %H:%M:%S.%f")
    people = zip(ids, _identities(extent), itertools.cycle(place.townships))
    for batch in _batches(people, 20_000):
        rows, found = [], []
        for own, who, site in batch:
            sought = search_text(who)
            rows.append(
                (own, site, who.patient_id, who.name, who.sex, who.birth_date, who.national_id, sought, "", "",
                 "", own, at, at if words else None)
            )  # fmt: skip
            if words:
                found += [(end, own) for end in ends_of(who.name, sought, who.national_id)]
        _copy(connection, "patient", _PATIENT, rows)
        _copy(connection, PatientWord.__tablename__, ("word", "patient_id"), found)
    return extent.patients


def _batches(rows: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while batch := list(itertools.islice(rows, size)):
        yield batch


def _copy(
    connection: Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    raw = connection.connection.cursor()
    if connection.dialect.name == "postgresql":
        with raw.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:  # type: ignore[attr-defined]
            for row in rows:
                copy.write_row(row)
    else:
        plain = [tuple(one.hex if isinstance(one, uuid.UUID) else one for one in row) for row in rows]
        raw.executemany(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
            [tuple(one.isoformat() if isinstance(one, date) else one for one in row) for row in plain],
        )
    connection.commit()


def _make_place(engine: Engine) -> Place:
    """Institutions, centres, people and agreements."""
    from sqlalchemy.orm import Session

    with Session(engine) as session, session.begin():
        lead = Institution(
            id=new_id(), code="LEAD", name="县人民医院", kind=InstitutionKind.LEAD_HOSPITAL, enabled=True
        )
        session.add(lead)
        session.flush()
        townships = [
            Institution(
                id=new_id(), code=f"T{n:02d}", name=f"{name}镇卫生院", kind=InstitutionKind.TOWNSHIP,
                lead_id=lead.id, enabled=True,
            )
            for n, name in enumerate(TOWNS.split(), 1)
        ]  # fmt: skip
        names = ("影像", "心电", "检验", "病理")
        centres = [
            Centre(
                id=new_id(), institution_id=lead.id, kind=kind, name=f"县域{name}诊断中心",
                review_required=True, enabled=True,
            )
            for kind, name in zip(KINDS, names, strict=True)
        ]  # fmt: skip
        session.add_all([*townships, *centres])
        session.flush()
        for one in townships:
            session.add(
                Agreement(
                    id=new_id(), lead_id=lead.id, member_id=one.id, kind=None, valid_from=date(2020, 1, 1)
                )
            )
            _add(session, f"radiographer{one.code}", f"{one.name[:2]}放射", one, Role.RADIOGRAPHER)
        _add(session, "admin", "管理员", lead, Role.ADMIN)
        head = session.get_one(Person, _add(session, HEAD, "业务院长", lead, Role.REVIEWER, centres[0]))
        head.roles += [PersonRole(id=new_id(), role=Role.REVIEWER, centre_id=one.id) for one in centres[1:]]
        people = tuple(
            tuple(
                _add(
                    session, f"{centre.kind}{n}", f"{SURNAMES[place * 10 + n]}医师", lead,
                    Role.READER if n < READERS else Role.REVIEWER, centre,
                )
                for n in range(READERS + REVIEWERS)
            )
            for place, centre in enumerate(centres)
        )  # fmt: skip
        return Place(
            lead=lead.id,
            townships=tuple(one.id for one in townships),
            centres=tuple(one.id for one in centres),
            people=people,
        )


def _add(
    session: Any, username: str, name: str, institution: Institution, role: Role, centre: Centre | None = None
) -> uuid.UUID:
    person = Person(id=new_id(), username=username, name=name, institution_id=institution.id, enabled=True)
    person.roles.append(PersonRole(id=new_id(), role=role, centre_id=centre.id if centre else None))
    session.add(person)
    session.flush()
    return person.id


def main() -> None:
    """Migrate, write, say how long it took."""
    assert MODULES  # every row is known
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--examinations", type=int, default=COUNT)
    parser.add_argument("--no-words", action="store_true", help="patients are not found by what is typed")
    arguments = parser.parse_args()
    engine = create_engine(
        arguments.database_url
    )  # of its own: the product's syncs, and looks foreign keys up
    migrate(engine)
    began = time.perf_counter()
    extent = Extent(examinations=arguments.examinations)
    for what, count in write_million(engine, extent, words=not arguments.no_words):
        print(f"{time.perf_counter() - began:6.0f} s  {count:>9,} {what}", flush=True)


if __name__ == "__main__":
    main()
