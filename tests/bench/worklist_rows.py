"""A community after three years, written by the database itself: a million examinations that readers list and look for.

27 institutions, four centres (imaging, electrocardiograms, laboratory, pathology), a quarter of a million people with
names as they are in China, among them namesakes, with cards; every examination read, signed, returned and acknowledged
but the last OPEN. No image is behind any of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, select

from tests.bench.large_rows import Columns, Size, Words, write_kinds
from worklists.base import Base
from worklists.directory import Kind
from worklists.examinations import Examination
from worklists.name_words import PatientWord, ends_of
from worklists.patients import Patient
from worklists.reading import ReadingTask
from worklists.reports import Report, ReportReturn

EXAMINATIONS, PATIENTS, YEARS, OPEN = 1_000_000, 250_000, 3, 5_000
NOT_THERE, NOT_REVIEWED = 300, 200  # of the open ones: still arriving, waiting for a second person
_WIDTH = 6  # of a place of a table of syllables; none is longer

# The commonest surnames (公安部《二〇二〇年全国姓名报告》), and characters of given names, with their pinyin.
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢"
)
_READ = (
    "wang li zhang liu chen yang huang zhao wu zhou xu sun ma zhu hu guo he lin gao luo zheng liang xie song tang xu "
    "han deng feng cao peng zeng xiao tian dong pan yuan cai jiang yu yu du ye cheng wei su lv ding ren lu"
)
_GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英玉兰红建国华文辉玲梅春燕云飞志海波宇浩然子涵欣怡梓轩雨晨"
)
_GIVEN_READ = (
    "wei fang na min jing li qiang lei jun yang yong yan jie juan tao ming chao xiu xia ping gang gui ying yu lan hong "
    "jian guo hua wen hui ling mei chun yan yun fei zhi hai bo yu hao ran zi han xin yi zi xuan yu chen"
)
SURNAMES = list(zip(_SURNAMES, _READ.split(), strict=True))
GIVEN = list(zip(_GIVEN, _GIVEN_READ.split(), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Community:
    """What was there before."""

    townships: tuple[str, ...]
    centres: dict[Kind, str]
    reader: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """What somebody is called, as expressions over the number n of a patient."""

    han: str
    surname: str
    given: str  # pinyin, without blanks
    initials: str

    @classmethod
    def of(cls, n: str) -> "Name":
        """Two in three have two characters for a given name. Places of the tables by primes: few repeat soon."""
        places = (
            f"CAST(({n}) * 31 % {len(SURNAMES)} AS integer)",
            f"CAST(({n}) * 17 / 3 % {len(GIVEN)} AS integer)",
            f"CAST(({n}) / 7 % {len(GIVEN)} AS integer)",
        )
        tables = (SURNAMES, GIVEN, GIVEN)
        han = [
            f"substr('{''.join(one for one, _ in table)}', 1 + {at}, 1)"
            for table, at in zip(tables, places, strict=True)
        ]
        latin = [
            f"trim(substr('{''.join(one.ljust(_WIDTH) for _, one in table)}', 1 + {_WIDTH} * {at}, {_WIDTH}))"
            for table, at in zip(tables, places, strict=True)
        ]
        second = f"CASE WHEN ({n}) % 3 = 0 THEN '' ELSE"
        return cls(
            han=f"{han[0]} || {han[1]} || ({second} {han[2]} END)",
            surname=latin[0],
            given=f"{latin[1]} || ({second} {latin[2]} END)",
            initials=f"substr({latin[0]}, 1, 1) || substr({latin[1]}, 1, 1) || ({second} substr({latin[2]}, 1, 1) END)",
        )


class Kinds:
    """Every kind of row: how many there are, and its columns as expressions over the number n."""

    def __init__(self, words: Words, community: Community) -> None:
        self._words, self._community = words, community
        self._reader = words.known(community.reader)
        self._patient_of = f"((n * 48271) % {PATIENTS})"

    def all(self) -> list[tuple[type[Base], int, Columns]]:
        return [
            (Patient, PATIENTS, self._patient()),
            (Examination, EXAMINATIONS, self._examination()),
            (ReadingTask, EXAMINATIONS, self._task()),
            (Report, EXAMINATIONS - OPEN, self._report()),
            (ReportReturn, EXAMINATIONS - OPEN, self._returned()),
        ]

    def _site(self, patient: str) -> str:
        townships = self._community.townships
        sites = " ".join(f"WHEN {k} THEN {self._words.known(one)}" for k, one in enumerate(townships))
        return f"(CASE {patient} % {len(townships)} {sites} END)"

    def _by_kind(self, imaging: str, ecg: str, laboratory: str, pathology: str) -> str:
        """Of twenty: eleven images, three electrocardiograms, five specimens, a slide."""
        return (
            f"(CASE WHEN n % 20 < 11 THEN {imaging} WHEN n % 20 < 14 THEN {ecg} "
            f"WHEN n % 20 < 19 THEN {laboratory} ELSE {pathology} END)"
        )

    def _patient(self) -> Columns:
        w, name = self._words, Name.of("n")
        born, number = (
            w.birth("n"),
            "'P' || substr('0000000' || n, -7)" if w.lite else "'P' || lpad(n::text, 7, '0')",
        )
        day = f"strftime('%Y%m%d', {born})" if w.lite else f"to_char({born}, 'YYYYMMDD')"
        tail = (
            "substr('0000' || (n * 7919 % 10000), -4)" if w.lite else "lpad((n * 7919 % 10000)::text, 4, '0')"
        )
        typed = [
            name.han,
            f"{name.surname} || {name.given}",
            name.initials,
            name.surname,
            name.given,
            f"lower({number})",
        ]
        return {
            "id": w.id(1, "n"), "institution_id": self._site("n"), "patient_id": number,
            "name": f"upper({name.surname}) || '^' || upper({name.given}) || '=' || {name.han}",
            "sex": "CASE n % 2 WHEN 0 THEN 'F' ELSE 'M' END", "birth_date": born,
            "national_id": f"'210' || substr('{100_000}', 1, 3) || {day} || {tail}",
            "search_text": " || ' ' || ".join(typed),
            "issuer": "''", "phone": "''", "proposed_name": "''", "master_id": w.id(1, "n"), "matched_at": w.at("n * 4"),
            "worded_at": w.at("n * 4"),
        }  # fmt: skip

    def _examination(self) -> Columns:
        w, patient = self._words, self._patient_of
        imaging = "CASE n % 3 WHEN 0 THEN 'CT' WHEN 1 THEN 'DX' ELSE 'US' END"
        return {
            "id": w.id(2, "n"), "institution_id": self._site(patient), "patient_id": w.id(1, patient),
            "kind": self._by_kind("'imaging'", "'ecg'", "'laboratory'", "'pathology'"),
            "study_instance_uid": "'2.25.98.' || n", "accession_number": "'A' || n",
            "modality": self._by_kind(imaging, "'ECG'", "'LAB'", "'SM'"), "body_part": "'CHEST'",
            "description": "'胸部'", "procedure_code": "''", "studied_at": w.at("n"), "clinical_information": "''",
            "priority": "CASE n % 50 WHEN 0 THEN 'urgent' ELSE 'routine' END", "received_at": w.at("n"),
            "last_received_at": w.at("n"), "instances": "10", "complete": w.true("1 = 1"), "completed_at": w.at("n"),
            "patient_as_received": w.json("{}"),
        }  # fmt: skip

    def _task(self) -> Columns:
        w = self._words
        centres = [
            w.known(self._community.centres[kind])
            for kind in (Kind.IMAGING, Kind.ECG, Kind.LABORATORY, Kind.PATHOLOGY)
        ]
        opened = EXAMINATIONS - OPEN
        return {
            "id": w.id(3, "n"), "examination_id": w.id(2, "n"), "centre_id": self._by_kind(*centres),
            "purpose": "'read'",
            "state": f"CASE WHEN n < {opened} THEN 'signed' WHEN n < {opened + NOT_REVIEWED} THEN 'submitted' "
            f"WHEN n < {EXAMINATIONS - NOT_THERE} THEN 'waiting' ELSE 'arriving' END",
            "waiting_reason": "''", "rank": "CASE n % 50 WHEN 0 THEN 2 ELSE 3 END", "waiting_since": w.at("n"),
            "due_at": w.at("n"), "late_instances": "0", "sent_back_reason": "''", "version": "1",
        }  # fmt: skip

    def _report(self) -> Columns:
        w, reader = self._words, self._reader
        return {
            "id": w.id(4, "n"), "examination_id": w.id(2, "n"), "task_id": w.id(3, "n"),
            "centre_id": w.known(self._community.centres[Kind.IMAGING]), "number": "'R' || n", "version": "1",
            "state": "'signed'", "findings": "'双肺纹理清晰。'", "impression": "'未见异常。'",
            "clinical_information": "''", "patient": w.json("{}"), "critical": w.true("1 = 0"),
            "preliminary": w.true("1 = 0"), "writer_id": reader, "signed_by_id": reader, "written_at": w.at("n"),
            "signed_at": w.at("n"), "marks": w.json("[]"), "manifest": "''", "verification_code": w.hex("n", 24),
            "pdf_sha256": w.hex("n", 64), "institution_id": self._site(self._patient_of), "modality": "'CT'",
            "rank": "3", "weight": "1", "reviewed": w.true("1 = 0"), "taken_min": "60", "in_time": w.true("1 = 1"),
        }  # fmt: skip

    def _returned(self) -> Columns:
        w = self._words
        return {
            "id": w.id(5, "n"), "report_id": w.id(4, "n"), "recipient_id": self._site(self._patient_of),
            "state": "'acknowledged'", "delivered_at": w.at("n"), "opened_at": w.at("n"),
            "acknowledged_at": w.at("n"),
        }  # fmt: skip


def write_community(engine: Engine, community: Community) -> Iterator[tuple[str, int]]:
    """Write it, and say what was written."""
    words = Words(engine.dialect.name, Size(studies=EXAMINATIONS), years=YEARS)
    yield from write_kinds(engine, words, Kinds(words, community).all())
    yield "words of names", _write_words(engine)


def _write_words(engine: Engine) -> int:
    """By the product's own rule; sorted, so that a tree grows at its end."""
    with engine.connect() as connection:
        asked = select(Patient.id, Patient.name, Patient.search_text, Patient.national_id)
        found = [
            (end, id)
            for id, name, searched, card in connection.execute(asked)
            for end in ends_of(name, searched, card)
        ]
        found.sort()
        _copy(connection.connection.driver_connection, found, lite=engine.dialect.name == "sqlite")
        connection.commit()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"ANALYZE {PatientWord.__tablename__}")
    return len(found)


def _copy(raw: object, found: Sequence[tuple[bytes, object]], *, lite: bool) -> None:
    table = PatientWord.__tablename__
    if lite:
        raw.executemany(  # type: ignore[attr-defined]
            f"INSERT INTO {table} (word, patient_id) VALUES (?, ?)",
            ((word, id.hex) for word, id in found),  # type: ignore[attr-defined]
        )
        return
    with (
        raw.cursor() as cursor,
        cursor.copy(f"COPY {table} (word, patient_id) FROM STDIN (FORMAT BINARY)") as copy,
    ):  # type: ignore[attr-defined]
        copy.set_types(["bytea", "uuid"])
        for row in found:
            copy.write_row(row)
