"""Analysers on real sockets: what they send is acknowledged, in the journal, and a result behind the drain."""

import pytest
from sqlalchemy import select

from gateway import audit
from gateway.index import Refusal
from gateway.lab.held import reprocess
from gateway.lab.rows import LabHeldReason, LabMessage, MessageState
from gateway.reading import Who
from gateway.runtime import Runtime
from gateway.web.refusals import explain
from tests.builders import County, build_county
from tests.gateway.lab.listening import Hl7Line, drain, listening, oru, tell_listeners
from tests.instruments import ACK, NAK, Instrument
from tests.laboratory import Laboratory, build_laboratory, register
from worklists.access import Subject
from worklists.directory import Device, Role
from worklists.laboratory.profiles import AnalyserProfile
from worklists.laboratory.results import LabResult

Bench = tuple[County, Laboratory]


@pytest.fixture
def bench(runtime: Runtime) -> Bench:
    with runtime.sessions.begin() as session:
        county = build_county(session)
        laboratory = build_laboratory(session, county)
        laboratory.bench.address = "127.0.0.1"
        register(session, county, "B001")
    tell_listeners(runtime)
    return county, laboratory


def values(runtime: Runtime) -> dict[str, str]:
    with runtime.reading() as session:
        return {one.item_code: one.value for one in session.scalars(select(LabResult))}


def test_an_oru_over_mllp_is_acknowledged_and_becomes_results(runtime: Runtime, bench: Bench) -> None:
    with listening(runtime.settings) as ports, Hl7Line(ports.hl7) as line:
        answer = line.ask(oru())
    drain(runtime)

    assert "MSA|AA|1" in answer
    assert values(runtime) == {"WBC": "5.50", "HGB": "142", "PLT": "210"}
    with runtime.reading() as session:
        assert session.get_one(Device, bench[1].bench.id).last_heard_at is not None


def test_a_question_and_its_result_may_have_one_number(runtime: Runtime, bench: Bench) -> None:
    question = (
        "MSH|^~\\&|BC-5300|Mindray|||20261121143000||ORM^O01|1|P|2.3.1||||||UNICODE\rORC|RF||NONE||IP\r"
    )
    with listening(runtime.settings) as ports, Hl7Line(ports.hl7) as line:
        assert "MSA|AR|1" in line.ask(question)
        assert "MSA|AR|1" in line.ask(question.replace("NONE", "NOBODY"))
        line.ask(oru())
    drain(runtime)

    assert values(runtime) == {"WBC": "5.50", "HGB": "142", "PLT": "210"}


def test_an_astm_transfer_is_acknowledged_and_becomes_results(runtime: Runtime, bench: Bench) -> None:
    records = (
        "H|\\^&|||BC-5300|||||||P|1|20261121143000",
        "P|1||P001||仇^明|||M",
        "O|1|B001||^^^WBC|R",
        "R|1|^^^WBC|6.21|10*9/L|4.0 to 10.0|N||F||li||20261121143000",
        "L|1|N",
    )
    with listening(runtime.settings) as ports, Instrument(ports.astm) as line:
        answers = line.send(records)
    drain(runtime)

    assert answers == ACK * 6
    assert values(runtime) == {"WBC": "6.21"}


def test_an_astm_message_sent_again_after_a_restart_is_filed_once(runtime: Runtime, bench: Bench) -> None:
    records = (
        "H|\\^&|7||BC-5300|||||||P|1|20261121143000",
        "O|1|B001||^^^WBC|R",
        "R|1|^^^WBC|6.21|10*9/L|4.0 to 10.0|N||F||li||20261121143000",
        "L|1|N",
    )
    other = tuple(record.replace("WBC|6.21|10*9/L", "HGB|142|g/L") for record in records)
    for said in (records, records, other):
        with listening(runtime.settings) as ports, Instrument(ports.astm) as line:
            assert line.send(said) == ACK * 5
    drain(runtime)

    assert values(runtime) == {"WBC": "6.21", "HGB": "142"}
    with runtime.reading() as session:
        states = [one.state for one in session.scalars(select(LabMessage).order_by(LabMessage.received_at))]
    assert states.count(MessageState.DUPLICATE) == 1


# A made-up analyser: its number in O-4 with the rack before it, its codes in the second component.
ODD = ("H|\\^&|9||BC-5300|||||||P|1|20261121143000", "O|1|7|R1^B001||R", "R|1|^WBC^1|6.21|10*9/L", "L|1|N")
ODD_DIALECT = {
    "barcode_field": 4, "barcode_component": 2, "test_component": 2, "query_component": 3,
    "termination": "N", "action_code": "A",
}  # fmt: skip


def speak(runtime: Runtime, dialect: dict[str, object]) -> None:
    with runtime.sessions.begin() as session:
        profile = session.get_one(AnalyserProfile, "test")
        profile.content = {**profile.content, "dialect": dialect}
    tell_listeners(runtime)


def test_an_astm_analyser_is_read_and_answered_as_its_profile_says_that_it_speaks(
    runtime: Runtime, bench: Bench
) -> None:
    speak(runtime, ODD_DIALECT)
    question = ("H|\\^&|||BC-5300|||||||P|1|20261121143000", "Q|1|^^B001||ALL||||||||O", "L|1|N")
    with listening(runtime.settings) as ports, Instrument(ports.astm) as line:
        line.send(question)
        answer = [one.decode("gb18030") for one in line.take()]
        assert line.send(ODD) == ACK * 5
    drain(runtime)

    order = next(text for text in answer if text.startswith("O|")).split("|")
    assert order[2:5] == ["B001", "", "^WBC\\^HGB\\^PLT"]
    assert order[11] == "A" and answer[-1].startswith("L|1|N")
    assert values(runtime) == {"WBC": "6.21"}


def test_what_was_read_amiss_is_read_again_as_the_profile_says_now(runtime: Runtime, bench: Bench) -> None:
    with listening(runtime.settings) as ports, Instrument(ports.astm) as line:
        line.send(ODD)
    drain(runtime)
    assert values(runtime) == {}

    speak(runtime, ODD_DIALECT)
    admin = Subject(institution_id=bench[0].east.id, roles=frozenset({Role.ADMIN}))
    who = Who(subject=admin, actor=audit.Actor(name="admin"))
    done = reprocess(runtime, who, device_id=bench[1].bench.id, reason=LabHeldReason.UNKNOWN_BARCODE)

    assert (done.messages, done.held) == (1, 0)
    assert values(runtime) == {"WBC": "6.21"}


def refusals(runtime: Runtime) -> list[tuple[str, str, str, str]]:
    with runtime.reading() as session:
        rows = session.scalars(select(Refusal).order_by(Refusal.refused_at))
        return [(one.what, one.calling_ae_title, one.reason, one.cause) for one in rows]


def test_an_unknown_analyser_is_refused_on_both_wires_and_it_people_can_see_why(
    runtime: Runtime, bench: Bench
) -> None:
    with runtime.sessions.begin() as session:
        session.get_one(Device, bench[1].bench.id).address = "10.0.0.7"
    tell_listeners(runtime)
    with listening(runtime.settings) as ports:
        with Hl7Line(ports.hl7) as line:
            refused = line.ask(oru(sender="XN-1000"))
            malformed = line.ask("MSH|^~\\&|XN-1000||LIS||20261121||ORU^R01||P|2.3.1\rPID|1\r")
        with Instrument(ports.astm) as analyser:
            assert analyser.ask(b"\x05") == NAK
    drain(runtime)

    assert "MSA|AR|1" in refused and "MSA|AR|" in malformed
    assert refusals(runtime)[0] == ("message", "XN-1000", "204", "sender_unknown")
    assert refusals(runtime)[-1] == ("message", "", "sender_unknown", "sender_unknown")
    assert values(runtime) == {}
    for what, _, reason, cause in refusals(runtime):
        assert explain(what, reason, "", "zh-CN", cause=cause)[0] == "检验设备未登记"


def test_an_analyser_s_question_is_answered_on_its_line(runtime: Runtime, bench: Bench) -> None:
    question = (
        "MSH|^~\\&|BC-5300||LIS||20261121143000||QRY^Q02|7|P|2.3.1||||||UNICODE UTF-8\r"
        "QRD|20261121143000|R|D|1|||RD|B001|OTH|||T\rQRF|BC-5300||||RCT|COR|ALL\r"
    )
    with listening(runtime.settings) as ports, Hl7Line(ports.hl7) as line:
        heard = line.ask(question)
        while "WBC" not in heard:
            heard += line.hear()

    assert "B001" in heard and "HGB" in heard and "PLT" in heard


def test_what_was_not_kept_is_not_acknowledged(runtime: Runtime, bench: Bench) -> None:
    full = runtime.settings.model_copy(update={"journal_bytes": 1})
    with listening(full) as ports, Hl7Line(ports.hl7) as line:
        answer = line.ask(oru())

    assert "MSA|AR|1" in answer


def test_the_same_message_again_is_acknowledged_and_filed_once(runtime: Runtime, bench: Bench) -> None:
    with listening(runtime.settings) as ports, Hl7Line(ports.hl7) as line:
        answers = [line.ask(oru()) for _ in range(3)]
    drain(runtime)

    assert all("MSA|AA|1" in one for one in answers)
    with runtime.reading() as session:
        assert len(session.scalars(select(LabResult)).all()) == 3
