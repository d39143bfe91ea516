"""Reports to a hospital's own system over MLLP: what it gets, what counts as sent, and that nothing comes twice."""

import base64
import uuid
from datetime import timedelta

import hl7
import pytest
from sqlalchemy import select

from gateway.audit import Actor, AuditEvent
from gateway.deliveries.looking import resend
from gateway.deliveries.queueing import queue_report, queue_void
from gateway.deliveries.rows import DeliveryAttempt, Endpoint, EndpointWire
from gateway.runtime import Runtime
from tests.builders import NOW, County, identity, write_draft
from tests.conftest import Clock
from tests.gateway.deliveries.conftest import PDF, Post
from tests.gateway.deliveries.peers import HospitalSystem, accept
from tests.servers import free_ports
from worklists.base import new_id
from worklists.directory import Kind
from worklists.errors import Conflict
from worklists.reading import Purpose, ReadingTask, TaskState
from worklists.reports import Original, Report, ReportState, sign_report

OF_BEFORE = "MSH|^~\\&|HIS|||||||ACK|9|P|2.5.1\rMSA|AA|OF-BEFORE\r"


def amend(post: Post, report_id: uuid.UUID) -> uuid.UUID:
    """Another version of the same examination."""
    with post.runtime.sessions.begin() as session:
        first = session.get_one(Report, report_id)
        county = post.county
        again = ReadingTask(
            id=new_id(),
            examination_id=first.examination_id,
            centre_id=first.centre_id,
            purpose=Purpose.READ,
            state=TaskState.WAITING,
            waiting_since=NOW,
        )
        session.add(again)
        session.flush()
        again.claim(county.wang, NOW)
        write_draft(session, again, county.wang, impression="修订：右肺结节。")
        again.submit(county.wang, NOW)
        session.flush()
        report = sign_report(
            session, again, signer=county.reviewer, marks=(), now=NOW + timedelta(hours=1),
            originals=[Original(sop_instance_uid="1.2.3", sha256="00", size_bytes=1)],
        )  # fmt: skip
        queue_report(session, report, post.runtime.now())
        second = report.id
    post.keep(second)
    return second


def test_a_signed_report_goes_with_its_document_and_is_sent_once_the_peer_says_so(
    runtime: Runtime, post: Post, his: HospitalSystem
) -> None:
    post.endpoint(EndpointWire.HL7_ORU, his.port)
    report_id = post.sign(kept=False)

    assert post.send() == 0  # its document is not kept yet
    post.keep(report_id)
    assert post.send() == 1

    [message] = his.received
    report = post.report(report_id)
    assert str(message.segment("MSH")[10]) == f"{report.number}-1"
    assert str(message.segment("PID")[5]).startswith("仇^明")
    assert str(message["OBR.F25"]) == "F"
    assert "双肺野清晰。" in str(message)
    [document] = [one for one in message.segments("OBX") if str(one[2]) == "ED"]
    assert base64.b64decode(str(document[5]).split("^")[-1]).startswith(PDF)
    [delivery] = post.deliveries()
    assert (delivery.state.value, delivery.attempts, delivery.answer) == ("sent", 1, "AA")
    with runtime.reading() as session:
        actions = session.scalars(select(AuditEvent.action)).all()
    assert actions.count("report_delivered") == 1
    assert post.send() == 0


def test_chinese_goes_in_the_character_set_of_the_endpoint(post: Post) -> None:
    with HospitalSystem("gb18030").listening() as his:
        post.endpoint(EndpointWire.HL7_ORU, his.port, settings={"character_set": "GB18030"})
        post.sign(patient=identity(name="=仇^㐂明", patient_id="P9"))
        post.send()

        [message] = his.received
    assert str(message.segment("MSH")[18]) == "GB 18030-2000"
    assert str(message.segment("PID")[5]).startswith("仇^㐂明")
    assert post.states() == ["sent"]


def test_what_the_peer_refuses_waits_for_a_person_and_what_it_repeats_of_the_patient_is_not_shown(
    post: Post, his: HospitalSystem
) -> None:
    def refuse(message: hl7.Message) -> list[object]:
        answer = str(message.create_ack("AE")).rstrip("\r")
        lines = [
            f"{one}|no such patient 仇明 P001" if one.startswith("MSA") else one for one in answer.split("\r")
        ]
        return [hl7.parse("\r".join(lines))]

    his.answer = refuse
    post.endpoint(EndpointWire.HL7_ORU, his.port)
    post.sign()
    post.send()

    [delivery] = post.deliveries()
    assert (delivery.state.value, delivery.answer) == ("refused", "AE no such patient *** ***")
    assert post.send() == 0


def test_a_peer_that_has_no_time_for_one_is_asked_again_later_and_the_others_go_on(
    post: Post, his: HospitalSystem, clock: Clock
) -> None:
    first = True

    def busy_once(message: hl7.Message) -> list[object]:
        nonlocal first
        code, first = ("AR" if first else "AA"), False
        return [message.create_ack(code)]

    his.answer = busy_once
    post.endpoint(EndpointWire.HL7_ORU, his.port)
    post.sign()
    post.sign(patient=identity(patient_id="P002", name="=李^四"))
    post.send()
    assert post.states() == ["pending", "sent"]

    clock.advance(seconds=6)
    post.send()
    assert post.states() == ["sent", "sent"]
    assert len(his.reports) == 2


def test_a_peer_that_is_away_keeps_everything_waiting_and_gets_it_in_order_when_it_is_back(
    runtime: Runtime, post: Post, clock: Clock
) -> None:
    [port] = free_ports(1)
    endpoint_id = post.endpoint(EndpointWire.HL7_ORU, port)
    ids = [post.sign(patient=identity(patient_id=f"P{n}", name=f"=王^{n}")) for n in range(3)]
    for _ in range(3):
        post.send()
        clock.advance(seconds=30)
    with runtime.reading() as session:
        endpoint = session.get_one(Endpoint, endpoint_id)
        assert endpoint.failures == 3
        assert ("refused" in endpoint.last_answer, endpoint.last_cause) == (True, "refused")
        assert {one.cause for one in session.scalars(select(DeliveryAttempt))} == {"refused"}
    assert post.states() == ["pending"] * 3

    with HospitalSystem().listening(port) as his:
        post.send()
        numbers = [f"{post.report(one).number}-1" for one in ids]
        assert sorted(his.reports) == sorted(numbers)
    assert post.states() == ["sent"] * 3
    with runtime.reading() as session:
        assert session.get_one(Endpoint, endpoint_id).failing_since is None


def test_an_acknowledgement_of_another_message_is_no_answer_and_a_late_one_is_passed_over(
    post: Post, his: HospitalSystem
) -> None:
    his.answer = lambda message: [hl7.parse(OF_BEFORE), message.create_ack("AA")]
    post.endpoint(EndpointWire.HL7_ORU, his.port, settings={"within_s": 1})
    post.sign()
    post.send()
    assert post.states() == ["sent"]

    his.answer = lambda message: [hl7.parse(OF_BEFORE)]
    post.sign(patient=identity(patient_id="P2", name="=李^四"))
    post.send()
    assert post.states() == ["sent", "pending"]


def test_a_slow_peer_is_not_waited_for_and_after_its_late_answer_has_one_report(
    post: Post, his: HospitalSystem, clock: Clock
) -> None:
    his.answer = lambda message: [1.5, message.create_ack("AA")]
    post.endpoint(EndpointWire.HL7_ORU, his.port, settings={"within_s": 1})
    post.sign()
    post.send()
    [delivery] = post.deliveries()
    assert delivery.state.value == "pending"
    assert "within 1 s" in delivery.answer

    his.answer = accept
    clock.advance(seconds=6)
    post.send()
    assert post.states() == ["sent"]
    assert (len(his.received), len(his.reports)) == (2, 1)
    assert str(his.received[0]) == str(his.received[1])


def test_what_is_sent_again_by_hand_is_the_same_message(
    runtime: Runtime, post: Post, his: HospitalSystem
) -> None:
    post.endpoint(EndpointWire.HL7_ORU, his.port)
    post.sign()
    post.send()
    [delivery] = post.deliveries()

    resend(runtime, Actor(name="it"), delivery.id)
    with pytest.raises(Conflict):
        resend(runtime, Actor(name="it"), delivery.id)
    post.send()

    assert (len(his.received), len(his.reports)) == (2, 1)
    assert str(his.received[0]) == str(his.received[1])
    with runtime.reading() as session:
        outcomes = session.scalars(select(DeliveryAttempt.outcome).order_by(DeliveryAttempt.number)).all()
        assert [str(one) for one in outcomes] == ["sent", "sent"]


def test_an_amended_report_is_a_correction_of_the_same_order(post: Post, his: HospitalSystem) -> None:
    post.endpoint(EndpointWire.HL7_ORU, his.port)
    first = post.sign()
    post.send()
    second = amend(post, first)
    post.send()

    before, after = his.received
    assert str(before.segment("OBR")[3]) == str(after.segment("OBR")[3])
    assert (str(before["OBR.F25"]), str(after["OBR.F25"])) == ("F", "C")
    assert {str(one[11]) for one in after.segments("OBX")} == {"C"}
    assert str(after.segment("MSH")[10]) == f"{post.report(second).number}-2"
    assert "修订：右肺结节。" in str(after)


def test_what_was_overtaken_before_it_went_is_not_sent_any_more(
    post: Post, his: HospitalSystem, runtime: Runtime
) -> None:
    post.endpoint(EndpointWire.HL7_ORU, his.port)
    first = post.sign()
    amend(post, first)
    post.send()

    assert post.states() == ["skipped", "sent"]
    assert len(his.received) == 1
    with pytest.raises(Conflict):
        resend(runtime, Actor(name="it"), post.deliveries()[0].id)


def test_a_voided_report_is_taken_back_where_it_was_sent(
    runtime: Runtime, post: Post, his: HospitalSystem
) -> None:
    post.endpoint(EndpointWire.HL7_ORU, his.port)
    post.endpoint(EndpointWire.HL7_MDM, his.port, name="MDM")
    never = free_ports(1)[0]
    report_id = post.sign()
    post.send()
    post.send()
    post.endpoint(EndpointWire.HL7_ORU, never, name="later than the report")
    with runtime.sessions.begin() as session:
        report = session.get_one(Report, report_id)
        report.state = ReportState.VOID
        queue_void(session, report, runtime.now())
        queue_void(session, report, runtime.now())
    post.send()
    post.send()

    assert post.states() == ["sent"] * 4
    taken_back = {str(one.segment("MSH")[9]): one for one in his.received[2:]}
    oru = taken_back["ORU^R01^ORU_R01"]
    assert (str(oru["OBR.F25"]), {str(one[11]) for one in oru.segments("OBX")}) == ("X", {"W"})
    assert str(taken_back["MDM^T11^MDM_T01"].segment("TXA")[19]) == "CA"


def test_a_document_message_says_which_one_it_replaces(post: Post, his: HospitalSystem) -> None:
    post.endpoint(EndpointWire.HL7_MDM, his.port)
    first = post.sign()
    post.send()
    second = amend(post, first)
    post.send()

    before, after = his.received
    numbers = [post.report(one).number for one in (first, second)]
    assert str(before.segment("MSH")[9]) == "MDM^T02^MDM_T02"
    assert str(after.segment("MSH")[9]) == "MDM^T10^MDM_T02"
    assert [str(one.segment("TXA")[12]).split("^")[0] for one in (before, after)] == numbers
    assert str(after.segment("TXA")[13]).split("^")[0] == numbers[0]
    assert str(after.segment("TXA")[17]) == "LA"


def test_who_gets_reports(post: Post, county: County, his: HospitalSystem) -> None:
    post.endpoint(EndpointWire.HL7_ORU, his.port, name="of the hospital", institution_id=county.lead.id)
    post.endpoint(EndpointWire.HL7_ORU, his.port, name="of another township", institution_id=county.west.id)
    post.endpoint(EndpointWire.HL7_ORU, his.port, name="of ECGs", kinds=[Kind.ECG])
    post.endpoint(EndpointWire.HL7_ORU, his.port, name="out of use", enabled=False)
    post.endpoint(EndpointWire.HL7_ORU, his.port, name="of the village", institution_id=county.village.id)
    post.sign()

    with post.runtime.reading() as session:
        names = {row.id: row.name for row in session.scalars(select(Endpoint))}
    assert [names[one.endpoint_id] for one in post.deliveries()] == ["of the hospital"]
