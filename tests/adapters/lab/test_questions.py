"""Questions of an analyser over real sockets: what it is to do is answered on its own line."""

from datetime import UTC, date, datetime

from adapters.lab.said import Coded, Specimen, StatedOrder, StatedPatient
from tests.adapters.lab.astm_server import Memory, Served, until
from tests.instruments import ACK, ENQ, EOT, NAK, Instrument

NOW = datetime(2026, 11, 22, 0, 30, tzinfo=UTC)
WORK = Specimen(
    barcode="K26112200017",
    patient=StatedPatient(patient_id="7001", name="Zhang^San=张^三", sex="M", birth_date=date(1970, 1, 2)),
    order=StatedOrder(tests=(Coded(code="GLU"), Coded(code="UREA^10")), priority="S", collected_at=NOW),
)


def ask_for(analyser: Instrument, *barcodes: str) -> list[str]:
    asked = "\\".join(f"^{one}" for one in barcodes)
    analyser.send(["H|\\^&|||BS-480^Mindray|||||host||P|LIS2-A2", f"Q|1|{asked}||ALL||||||||O", "L|1|N"])
    return [text[:-2].decode("gb18030") for text in analyser.take()]


def test_a_question_by_barcode_is_answered_with_the_order(memory: Memory, analyser: Instrument) -> None:
    memory.work[WORK.barcode] = WORK

    header, patient, order, end = ask_for(analyser, WORK.barcode)

    assert header.startswith("H|\\^&|||host|||||BS-480^Mindray||P|LIS2-A2|20")
    assert patient == "P|1|7001|||张^三||19700102|M"
    tests = "^^^GLU\\^^^UREA^10"
    assert order == f"O|1|K26112200017||{tests}|S||20261122083000||||N||||||||||||||Q"
    assert end == "L|1|F"
    assert memory.asked[0].barcodes == (WORK.barcode,)
    assert memory.kinds() == ["astm.message"]


def test_a_specimen_without_order_is_answered_as_unknown(memory: Memory, analyser: Instrument) -> None:
    _, _, order, end = ask_for(analyser, "K1")

    assert order == "O|1|K1|||||||||||||||||||||||Y"
    assert end == "L|1|I"


def test_several_barcodes_are_answered_in_their_order(memory: Memory, analyser: Instrument) -> None:
    memory.work[WORK.barcode] = WORK

    records = ask_for(analyser, "K1", WORK.barcode)

    assert [record.split("|")[2] for record in records if record[0] == "O"] == ["K1", WORK.barcode]
    assert records[-1] == "L|1|F"


def test_a_desk_that_is_away_is_said_to_be(memory: Memory, analyser: Instrument) -> None:
    memory.desk_away = True
    assert ask_for(analyser, "K1")[-1] == "L|1|Q"


def test_the_same_question_again_is_answered_again_and_kept_once(
    memory: Memory, analyser: Instrument
) -> None:
    assert ask_for(analyser, "K1")[-1] == "L|1|I"
    assert ask_for(analyser, "K1")[-1] == "L|1|I"
    assert len(memory.kept) == 1


def test_the_analyser_wins_when_both_ask(memory: Memory, analyser: Instrument) -> None:
    memory.work[WORK.barcode] = WORK
    analyser.send(["H|\\^&|||BS-480^Mindray", f"Q|1|^{WORK.barcode}", "L|1|N"])
    assert analyser.hear() == ENQ

    assert analyser.send() == ACK * 8  # its ENQ is the answer to ours

    assert analyser.take()[-1].startswith(b"L|1|F")
    until(lambda: analyser_answers(memory) == 1)


def analyser_answers(memory: Memory) -> int:
    return sum(one.kind == "astm.message" and b"Q|1" not in one.body for one in memory.kept)


def test_an_answer_that_is_not_wanted_is_given_up(memory: Memory, served: Served) -> None:
    with Instrument(served.port) as analyser:
        analyser.send(["H|\\^&|||BS-480", "Q|1|^K1", "L|1|N"])
        assert analyser.hear() == ENQ
        analyser.say(ACK)
        for _ in range(6):
            assert analyser.hear(1000).startswith(b"\x021H|")
            analyser.say(NAK)
        assert analyser.hear() == EOT
        until(lambda: served.server.counters.answers["refused"] == 1)
