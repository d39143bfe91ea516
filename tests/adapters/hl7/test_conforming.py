"""What we write is what the standard says, as hl7apy validates it strictly."""

from datetime import UTC, datetime

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from adapters.hl7.acknowledging import refusal_of, write_acknowledgement
from adapters.hl7.errors import Condition, NotAccepted
from adapters.hl7.header import read_header
from adapters.hl7.orders import write_order
from adapters.hl7.queries import write_answers
from adapters.hl7.reading import read_message
from adapters.hl7.writing import COUNTY_TIME
from tests.adapters.hl7 import messages
from tests.adapters.hl7.messages import oru
from tests.adapters.hl7.test_queries import WORK

NOW = datetime(2026, 1, 5, 2, 0, tzinfo=UTC)


def validate(raw: bytes) -> str:
    """The structure as which it is valid."""
    message = parse_message(raw.decode(), validation_level=VALIDATION_LEVEL.STRICT)
    message.validate()
    return str(message.name)


@pytest.mark.parametrize("version", ["2.4", "2.5", "2.5.1", "2.6", "2.7"])
def test_acknowledgements(version: str) -> None:
    to = read_header(oru(msh=f"MSH|^~\\&|L|T|GW|C|20260101||ORU^R01|7|P|{version}"))
    assert validate(write_acknowledgement(to, "AA", NOW)) == "ACK"
    for condition in Condition:
        refusal = refusal_of(NotAccepted(condition, "why it is | so", "MSH^1^10"))
        assert validate(write_acknowledgement(to, f"A{refusal.verdict}", NOW, refusal=refusal)) == "ACK"


@pytest.mark.parametrize(
    ("version", "kind", "structure"),
    [
        ("2.4", "ORM^O01^ORM_O01", "ORR_O02"),
        ("2.5.1", "ORM^O01^ORM_O01", "ORR_O02"),
        ("2.4", "OML^O21^OML_O21", "ORL_O22"),
        ("2.5.1", "OML^O21^OML_O21", "ORL_O22"),
        ("2.7", "OML^O21^OML_O21", "ORL_O22"),
        ("2.5", "OML^O33^OML_O33", "ORL_O34"),
        ("2.5.1", "OML^O33^OML_O33", "ORL_O34"),
        ("2.6", "OML^O33^OML_O33", "ORL_O34"),
        ("2.5.1", "OML^O35^OML_O35", "ORL_O36"),
        ("2.7", "OML^O39^OML_O39", "ORL_O40"),
        ("2.5.1", "OMG^O19^OMG_O19", "ORG_O20"),
    ],
)
def test_responses_to_orders(version: str, kind: str, structure: str) -> None:
    to = read_header(oru(msh=f"MSH|^~\\&|L|T|GW|C|20260101||{kind}|7|P|{version}"))
    assert validate(write_acknowledgement(to, "AA", NOW)) == structure
    for condition in Condition:
        refusal = refusal_of(NotAccepted(condition, "why it is | so", "ORC^1"))
        assert validate(write_acknowledgement(to, f"A{refusal.verdict}", NOW, refusal=refusal)) == structure


def test_answers_to_law() -> None:
    # QPD-4 and QPD-5 are LAW's own, of which the standard's table knows nothing.
    question = messages.LAW_QUESTION.replace(b"|R7|3", b"")
    (answer,) = write_answers(
        read_header(question), question, read_message(question), (), NOW, character_set=None, zone=COUNTY_TIME
    ).now
    assert validate(answer) == "RSP_K11"


def test_answers_to_chemistry_analysers() -> None:
    question = messages.MINDRAY_QUESTION
    (answer,) = write_answers(
        read_header(question), question, read_message(question), (), NOW, character_set=None, zone=COUNTY_TIME
    ).now
    assert validate(answer) == "QCK_Q02"


def test_orders() -> None:
    order = parse_message(
        write_order(read_header(messages.LAW_QUESTION), WORK, NOW).decode(), find_groups=False
    )
    assert order.spm.spm_2.value == "S-100"
    assert [obr.obr_4.obr_4_1.value for obr in order.obr] == ["1", "2"]
    assert [orc.orc_1.value for orc in order.orc] == ["NW", "NW"]
    assert order.pid.pid_5.pid_5_1.value == "张"
