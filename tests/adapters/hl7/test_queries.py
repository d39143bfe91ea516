"""Analysers ask what is to be done, and are answered in the way of their family."""

from datetime import UTC, date, datetime

import pytest

from adapters.errors import Unavailable
from adapters.hl7.header import read_header
from adapters.hl7.orders import write_order
from adapters.hl7.reading import read_message
from adapters.lab.said import Coded, Control, Specimen, StatedOrder, StatedPatient
from tests.adapters.hl7 import messages
from tests.adapters.hl7.memory import Peer, Server
from tests.adapters.hl7.messages import fields, has, join, msa

WORK = Specimen(
    barcode="S-100",
    rack="R7",
    place="3",
    kind=Coded(code="SER", text="serum"),
    patient=StatedPatient(
        patient_id="P1",
        name="Zhang^San=张^三",
        sex="M",
        birth_date=date(1962, 8, 24),
        bed="12",
        department="内科",
    ),
    order=StatedOrder(
        placer_number="O-77",
        tests=(Coded(code="1", text="GLU"), Coded(code="2", text="A|LT")),
        priority="S",
        requester="李医生",
        collected_at=datetime(2026, 1, 5, 1, 0, tzinfo=UTC),
    ),
)


def acknowledge(answer: bytes, trigger: str, code: str = "AA") -> bytes:
    """What an analyser says to what it was sent."""
    number = fields(answer, "MSH", "gb18030")[10]
    return join(f"MSH|^~\\&|Mindray|BS-200E|||20260105||{trigger}|A{number}|P|2.3.1", f"MSA|{code}|{number}")


def test_a_chemistry_analyser_hears_that_there_is_work_and_then_what(server: Server, peer: Peer) -> None:
    server.laboratory.work["34567743"] = WORK
    check = peer.ask(messages.MINDRAY_QUESTION)
    assert (fields(check, "MSH")[9], fields(check, "MSH")[10]) == ("QCK^Q02", "5")
    assert fields(check, "MSA") == ["MSA", "AA", "5", "Message accepted", "", "", "0"]
    assert fields(check, "QAK")[1:3] == ["SR", "OK"]
    display = peer.hear()
    assert fields(display, "MSH", "gb18030")[9] == "DSR^Q03"
    lines = {
        line.split("|")[1]: line.split("|")[3:4]
        for line in display.decode("gb18030").split("\r")
        if line.startswith("DSP")
    }
    assert lines["3"] == ["张三"] and lines["4"] == ["19620824000000"] and lines["5"] == ["M"]
    assert lines["21"] == ["S-100"] and lines["24"] == ["Y"] and lines["26"] == ["serum"]
    assert lines["29"] == ["1^GLU^^"] and lines["30"] == ["2^A\\F\\LT^^"] and "31" not in lines
    assert fields(display, "QRD", "gb18030")[8] == "34567743"
    assert peer.is_silent()
    peer.send(b"\x0b" + acknowledge(display, "ACK^Q03") + b"\x1c\r")
    assert peer.is_silent()  # an acknowledgement is not acknowledged
    assert len(server.laboratory.records) == 2


def test_all_that_waits_comes_one_by_one(server: Server, peer: Peer) -> None:
    server.laboratory.work = {"A": WORK, "B": WORK, "C": WORK}
    peer.ask(messages.MINDRAY_QUESTION.replace(b"34567743", b""))
    for place in ("1", "2", ""):
        display = peer.hear()
        continued = fields(display, "DSC", "gb18030")
        assert continued[1:] == [place, ""]
        assert peer.is_silent(0.1)
        peer.send(b"\x0b" + acknowledge(display, "ACK^Q03") + b"\x1c\r")
    assert peer.is_silent(0.1)


def test_acknowledgements_of_one_number_acknowledge_each_its_own(server: Server, peer: Peer) -> None:
    server.laboratory.work = {"A": WORK, "B": WORK, "C": WORK}
    peer.ask(messages.MINDRAY_QUESTION.replace(b"34567743", b""))
    for place in ("1", "2", ""):
        display = peer.hear()
        assert fields(display, "DSC", "gb18030")[1] == place
        number = fields(display, "MSH", "gb18030")[10].encode()
        same = acknowledge(display, "ACK^Q03").replace(b"|A" + number, b"|1")
        peer.send(b"\x0b" + same + b"\x1c\r")
    assert peer.is_silent(0.1)


def test_a_result_between_two_orders_is_no_acknowledgement(server: Server, peer: Peer) -> None:
    server.laboratory.work = {"A": WORK, "B": WORK}
    peer.ask(messages.MINDRAY_QUESTION.replace(b"34567743", b""))
    first = peer.hear()
    silent = messages.oru(msh="MSH|^~\\&|L|T|||2026||ORU^R01|1|P|2.5|||NE|NE")
    peer.send(b"\x0b" + silent + b"\x1c\r")
    assert peer.is_silent()
    peer.send(b"\x0b" + acknowledge(first, "ACK^Q03", "AE") + b"\x1c\r")
    assert fields(peer.hear(), "MSH", "gb18030")[9] == "DSR^Q03"
    assert server.mllp.counters.refused_by_peers == 1


def test_no_work_is_said_in_each_familys_way(server: Server, peer: Peer) -> None:
    check = peer.ask(messages.MINDRAY_QUESTION)
    assert fields(check, "QAK")[1:3] == ["SR", "NF"] and peer.is_silent(0.1)
    assert msa(peer.ask(messages.MINDRAY_HAEMATOLOGY_QUESTION)) == ["AR", "389"]
    answer = peer.ask(messages.LAW_QUESTION)
    assert fields(answer, "MSH")[9] == "RSP^K11^RSP_K11"
    assert fields(answer, "QAK")[1:4] == ["TAG-9", "NF", "WOS^Work Order Step^IHE_LABTF"]
    assert peer.is_silent(0.1)


def test_a_blood_counter_hears_patient_and_modes(server: Server, peer: Peer) -> None:
    work = Specimen(
        barcode="SAMPLE-7", patient=WORK.patient,
        order=StatedOrder(tests=(Coded(code="08003", text="CBC+DIFF"),), diagnosis="贫血"),
    )  # fmt: skip
    server.laboratory.work["SAMPLE-7"] = work
    answer = peer.ask(messages.MINDRAY_HAEMATOLOGY_QUESTION)
    assert (fields(answer, "MSH")[9], fields(answer, "MSH")[10], fields(answer, "MSH")[18]) == (
        "ORR^O02",
        "389",
        "UNICODE",
    )
    assert msa(answer) == ["AA", "389"]
    pid = fields(answer, "PID")
    assert (pid[3], pid[5], pid[7], pid[8]) == ("P1^^^^MR", "^张三", "19620824", "Male")
    assert fields(answer, "ORC")[1:3] == ["AF", "SAMPLE-7"]
    assert fields(answer, "OBR")[13] == "贫血"
    assert fields(answer, "OBX")[2:6] == ["IS", "08003^Test Mode^99MRC", "", "CBC+DIFF"]


def test_law_hears_k11_and_then_its_order(server: Server, peer: Peer) -> None:
    server.laboratory.work["S-100"] = WORK
    answer = peer.ask(messages.LAW_QUESTION)
    assert msa(answer) == ["AA", "Q-1"] and fields(answer, "QAK")[1:3] == ["TAG-9", "OK"]
    assert fields(answer, "QPD")[1:4] == ["WOS^Work Order Step^IHE_LABTF", "TAG-9", "S-100"]
    order = peer.hear()
    msh = fields(order, "MSH")
    assert (msh[9], msh[15], msh[16], msh[21]) == ("OML^O33^OML_O33", "NE", "AL", "LAB-28^IHE")
    read = read_message(order)
    (specimen,) = read.specimens
    assert (specimen.barcode, specimen.rack, specimen.place) == ("S-100", "R7", "3")
    assert specimen.order is not None and specimen.patient is not None
    assert [test.text for test in specimen.order.tests] == ["GLU", "A|LT"]
    assert (specimen.patient.name, specimen.patient.sex, specimen.patient.birth_date) == (
        "=张^三",
        "M",
        date(1962, 8, 24),
    )
    assert (specimen.order.control, specimen.order.priority) == ("NW", "S")
    assert specimen.order.collected_at == datetime(2026, 1, 5, 1, 0, tzinfo=UTC)
    peer.send(b"\x0b" + acknowledge(order, "ORL^O34^ORL_O42") + b"\x1c\r")
    assert peer.is_silent(0.1)


def test_where_msh_15_asks_for_it_the_question_is_acknowledged_before_it_is_answered(
    server: Server, peer: Peer
) -> None:
    accepted = peer.ask(messages.LAW_QUESTION.replace(b"|ER|AL|", b"|AL|AL|"))
    assert msa(accepted) == ["CA", "Q-1"] and fields(accepted, "MSH")[9] == "ACK^Q11^ACK"
    assert fields(peer.hear(), "MSH")[9] == "RSP^K11^RSP_K11"


def test_a_question_may_be_asked_again(server: Server, peer: Peer) -> None:
    for _ in range(3):
        assert fields(peer.ask(messages.MINDRAY_QUESTION), "QAK")[2] == "NF"
    assert len(server.laboratory.asked) == 3


def test_a_desk_that_is_away_says_try_later(server: Server, peer: Peer) -> None:
    server.laboratory.desk_error = Unavailable("the database is away")
    answer = peer.ask(messages.LAW_QUESTION)
    assert msa(answer) == ["CR", "Q-1"] and has(answer, "ERR") and b"207" in answer
    server.laboratory.desk_error = None
    assert fields(peer.ask(messages.LAW_QUESTION), "QAK")[2] == "NF"


def test_an_order_that_is_never_acknowledged_does_not_hold_up_results() -> None:
    with Server(silence_s=1, unread_answers_s=1) as server, Peer(server.port) as peer:
        server.laboratory.work = {"A": WORK, "B": WORK}
        peer.ask(messages.MINDRAY_QUESTION.replace(b"34567743", b""))
        peer.hear()
        assert msa(peer.ask(messages.oru("1"))) == ["AA", "1"]


@pytest.mark.parametrize("control", [None, Control(material="Difftrol")])
def test_orders_are_written_for_whoever_is_to_read_them(control: Control | None) -> None:
    to = read_header(messages.oru(msh="MSH#@!%*#ANALYSER#T#HOST#C#2026##OUL@R22#1#P#2.5.1######GBK"))
    work = Specimen(barcode="B#1", patient=WORK.patient, order=WORK.order, control=control)
    written = write_order(to, work, datetime(2026, 1, 5, 2, 0, tzinfo=UTC))
    assert written.startswith(b"MSH#@!%*#HOST#C#ANALYSER#T#20260105100000+0800##OML@O33@OML_O33#")
    assert "张@三".encode("gbk") in written
    (read,) = read_message(written).specimens
    assert read.barcode == "B#1" and (read.control is not None) is (control is not None)
