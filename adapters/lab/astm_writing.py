"""The answer to a question of an ASTM analyser: a Message with a Q record and the specimens in, records out.

In the analyser's own delimiters and character set, with its own words said again: the specimen as it named it
(O-3 and O-4), itself as receiver (H-10), its version. A specimen without anything to do is answered with an O record
of report type Y, and a question without any with L-3 "I" (LIS2-A2 §8.4.26, §12.3); L-3 "Q" says that we could not look.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from adapters.lab.astm_places import SAMPLE_ATTRIBUTES, find_asked
from adapters.lab.dialect import Dialect
from adapters.lab.records import Delimiters, Record, escape, read_records
from adapters.lab.said import Coded, Specimen, StatedPatient
from adapters.lab.stated import COUNTY_TIME
from adapters.lab.text import codec_of, read_text

_CHINESE = "gb18030"  # for an analyser that showed no more than ASCII
_ALL = "ALL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What of a question its answer says again. Delimiters, and text as it stands."""

    header: Record
    asked: tuple[tuple[str, ...], ...]  # Q-3, each repeat in its components
    codec: str


@dataclass(frozen=True, slots=True)
class _Fields:
    """A record under way: fields by their number."""

    letter: str
    said: dict[int, str] = field(default_factory=dict)

    def text(self, mark: str) -> str:
        last = max(self.said, default=1)
        return mark.join([self.letter, *(self.said.get(number, "") for number in range(2, last + 1))])


def read_question(body: bytes, *, character_set: str | None = None) -> Question:
    """Raises Malformed."""
    text = read_text(body, character_set)
    header, *records = read_records(text.text, text.codec)
    asked = tuple(parts for record in records if record.letter == "Q" for parts in record.repeats(3))
    seen = text.codec if text.codec != "ascii" else _CHINESE
    return Question(header=header, asked=asked, codec=codec_of(character_set or "") or seen)


def write_answer(
    question: Question, specimens: Sequence[Specimen], *, now: datetime, dialect: Dialect | None = None
) -> bytes:
    """The records of the answer, each ended by CR."""
    answer = _Answer(question, dialect or Dialect())
    return answer.write(specimens, now)


def write_apology(question: Question, *, now: datetime) -> bytes:
    """We could not look: the analyser may ask again."""
    answer = _Answer(question, Dialect())
    return answer.encode([answer.header(now), answer.terminator("Q")])


class _Answer:
    def __init__(self, question: Question, dialect: Dialect) -> None:
        self._question, self._dialect = question, dialect
        self._marks: Delimiters = question.header.delimiters

    def write(self, specimens: Sequence[Specimen], now: datetime) -> bytes:
        records = [self.header(now)]
        orders = list(self._orders(specimens))
        for number, (specimen, asked) in enumerate(orders, 1):
            records.append(self._patient(number, specimen.patient if specimen else None))
            records.append(self._order(specimen, asked))
        found = any(specimen is not None for specimen, _ in orders)
        records.append(self.terminator(self._dialect.termination if found else "I"))
        return self.encode(records)

    def encode(self, records: Sequence[_Fields]) -> bytes:
        text = "".join(f"{record.text(self._marks.field)}\r" for record in records)
        return text.encode(self._question.codec, "replace")

    def header(self, now: datetime) -> _Fields:
        asked = self._question.header
        marks = self._marks
        said = {
            2: f"{marks.repeat}{marks.component}{marks.escape}",
            5: asked.raw(10),
            10: asked.raw(5),
            12: asked.raw(12) or "P",
            13: asked.raw(13) or "LIS2-A2",
            14: _stamp(now),
        }
        if asked.component(11, 1) == "TSREQ":  # Roche: test selection asked for, and downloaded
            said[11] = marks.component.join(("TSDWN", "REPLY"))
        return _Fields("H", said)

    def terminator(self, code: str) -> _Fields:
        return _Fields("L", {2: "1", 3: code})

    def _orders(self, specimens: Sequence[Specimen]) -> Iterator[tuple[Specimen | None, tuple[str, ...]]]:
        """What was asked for in its order, with what there is to do; then what was not asked for by name."""
        left = [one for one in specimens if one.order is not None and one.order.tests]
        for asked in self._question.asked:
            wanted = find_asked(asked, self._dialect)
            if wanted.barcode.upper() == _ALL or not any(asked):
                continue
            found = next(
                (
                    one
                    for one in left
                    if (wanted.barcode and one.barcode == wanted.barcode)
                    or (not wanted.barcode and (one.rack, one.place) == (wanted.rack, wanted.place))
                ),
                None,
            )
            if found is not None:
                left.remove(found)
                yield found, asked
            elif self._dialect.says_unknown:
                yield None, asked
        yield from ((one, ()) for one in left)

    def _patient(self, number: int, patient: StatedPatient | None) -> _Fields:
        said = {2: str(number)}
        if patient is not None:
            said[3] = self._escaped(patient.patient_id)
            said[6] = self._name(patient.name)
            said[8] = patient.birth_date.strftime("%Y%m%d") if patient.birth_date else ""
            said[9] = patient.sex or "U"
            said[26] = self._joined((patient.department, patient.bed))
        return _Fields("P", {number: text for number, text in said.items() if text})

    def _name(self, name: str) -> str:
        alphabetic, _, rest = name.partition("=")
        ideographic = rest.partition("=")[0]
        family, given, middle, title, suffix = [*(ideographic or alphabetic).split("^"), *[""] * 5][:5]
        return self._joined((family, given, middle, suffix, title))

    def _order(self, specimen: Specimen | None, asked: Sequence[str]) -> _Fields:
        own, analysers, component = self._places(specimen, asked)
        said = {2: "1", 3: own, 4: analysers, 26: "Y"}
        order = specimen.order if specimen is not None else None
        if specimen is not None and order is not None:
            said |= {
                5: self._marks.repeat.join(self._test(test, component) for test in order.tests),
                6: self._escaped(order.priority or "R"),
                7: _stamp(order.ordered_at),
                8: _stamp(order.collected_at),
                12: self._dialect.action_code,
                15: _stamp(order.received_at),
                16: self._escaped(specimen.kind.code) if specimen.kind else "",
                17: self._escaped(order.requester),
                26: self._dialect.report_type,
            }
        return _Fields("O", {number: text for number, text in said.items() if text})

    def _places(self, specimen: Specimen | None, asked: Sequence[str]) -> tuple[str, str, int]:
        """O-3, O-4, and the component of a test's code: the specimen as the analyser named it."""
        component = self._dialect.test_component
        if len(asked) == 4 and asked[3] in SAMPLE_ATTRIBUTES:  # Sysmex
            return self._joined(asked), "", component or 5
        barcode = find_asked(asked, self._dialect).barcode if asked else ""
        if specimen is not None:
            barcode = specimen.barcode or barcode
        after = tuple(asked)[tuple(asked).index(barcode) + 1 :] if barcode in asked else ()
        if not asked and specimen is not None and (specimen.rack or specimen.place):
            after = ("", specimen.rack, specimen.place)
        return self._escaped(barcode), self._joined(after), component or 4

    def _test(self, test: Coded, component: int) -> str:
        """A code may carry more than one component: dilution, repeats."""
        return self._marks.component * (component - 1) + self._joined(test.code.split("^"))

    def _joined(self, parts: Sequence[str]) -> str:
        return self._marks.component.join(map(self._escaped, parts)).rstrip(self._marks.component)

    def _escaped(self, text: str) -> str:
        return escape(text, self._marks)


def _stamp(time: datetime | None) -> str:
    return time.astimezone(COUNTY_TIME).strftime("%Y%m%d%H%M%S") if time is not None else ""
