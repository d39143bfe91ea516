"""What senders are answered: codes, conditions, locations, in the sender's delimiters, version and character set."""

import pytest

from adapters.errors import Malformed, Refused, Unavailable
from adapters.hl7.accepting import check
from adapters.hl7.acknowledging import Verdict, acknowledgement_code, refusal_of
from adapters.hl7.errors import Condition, NotAccepted
from adapters.hl7.header import read_header
from adapters.lab.ports import NotAdmitted
from tests.adapters.hl7.memory import Peer, Server
from tests.adapters.hl7.messages import LAW_RESULTS, MINDRAY_CHEMISTRY, fields, has, join, msa, oru


@pytest.mark.parametrize(
    ("msh", "condition", "verdict", "location"),
    [
        ("MSH|^~\\&|L|T|||2026||XYZ^R01|1|P|2.5", 200, "R", "MSH^1^9"),
        ("MSH|^~\\&|L|T|||2026||QRY^A19|1|P|2.3.1", 201, "R", "MSH^1^9"),
        ("MSH|^~\\&|L|T|||2026||QBP^Q22|1|P|2.5", 201, "R", "MSH^1^9"),
        ("MSH|^~\\&|L|T|||2026||ORU^R01|1|X|2.5", 202, "R", "MSH^1^11"),
        ("MSH|^~\\&|L|T|||2026||ORU^R01|1|P|3.0", 203, "R", "MSH^1^12"),
        ("MSH|^~\\&|L|T|||2026||ORU^R01||P|2.5", 101, "E", "MSH^1^10"),
        ("MSH|^~\\&|L|T|||2026|||1|P|2.5", 101, "E", "MSH^1^9"),
        ("MSH|^~\\&|L|T|||2026||ORU^R01|1|P|2.5||||||UNICODE UTF-16", 103, "E", "MSH^1^18"),
    ],
)
def test_what_can_never_be_taken_is_refused_in_the_terms_of_table_0357(
    msh: str, condition: int, verdict: str, location: str
) -> None:
    with pytest.raises(NotAccepted) as caught:
        body = oru(msh=msh)
        check(read_header(body), body)
    refusal = refusal_of(caught.value)
    assert (int(refusal.condition), str(refusal.verdict), refusal.location) == (condition, verdict, location)


@pytest.mark.parametrize(
    ("kind", "segments"),
    [
        ("ORU^R01", ["PID|1"]),
        ("OUL^R22", ["PID|1"]),
        ("ORM^O01", ["PID|1"]),
        ("OML^O33", ["PID|1", "SPM|1"]),
        ("QRY^Q02", ["QRF|1"]),
        ("QBP^Q11", ["RCP|I"]),
        ("ORU^R01", ["OBR|1", "MSH|^~\\&|second||||2026||ORU^R01|2|P|2.5", "OBX|1"]),
    ],
)
def test_what_lacks_its_segments_is_refused(kind: str, segments: list[str]) -> None:
    body = join(f"MSH|^~\\&|L|T|||2026||{kind}|1|P|2.5", *segments)
    with pytest.raises(NotAccepted) as caught:
        check(read_header(body), body)
    assert caught.value.condition is Condition.SEGMENT_SEQUENCE


@pytest.mark.parametrize(
    ("error", "verdict", "condition"),
    [
        (NotAdmitted("unknown", "not known"), "R", 204),
        (Refused("no"), "R", 204),
        (Malformed("bad"), "E", 102),
        (Unavailable("disk full"), "R", 207),
        (NotAccepted(Condition.DUPLICATE_KEY, "again"), "E", 205),
        (NotAccepted(Condition.INTERNAL, "too large"), "E", 207),
        (RuntimeError("bug with 张三 in it"), "R", 207),
    ],
)
def test_one_table_turns_errors_into_answers(error: Exception, verdict: str, condition: int) -> None:
    refusal = refusal_of(error)
    assert (str(refusal.verdict), int(refusal.condition)) == (verdict, condition)
    assert "张三" not in refusal.explanation


@pytest.mark.parametrize(
    ("accept", "application", "taken", "refused"),
    [
        ("", "", "AA", "AR"), ("AL", "NE", "CA", "CR"), ("AL", "AL", "CA", "CR"), ("NE", "AL", "AA", "AR"),
        ("ER", "AL", "AA", "CR"), ("SU", "NE", "CA", ""), ("NE", "NE", "", ""), ("ER", "NE", "", "CR"),
        ("NE", "SU", "AA", ""), ("", "AL", "AA", "AR"), ("AL", "", "CA", "CR"), ("", "2", "AA", "AR"),
    ],
)  # fmt: skip
def test_both_acknowledgement_modes(accept: str, application: str, taken: str, refused: str) -> None:
    header = read_header(oru(msh=f"MSH|^~\\&|L|T|||2026||ORU^R01|1|P|2.5|||{accept}|{application}"))
    assert acknowledgement_code(header, Verdict.ACCEPT) == taken
    assert acknowledgement_code(header, Verdict.REJECT) == refused


def test_an_acknowledgement_names_its_message(peer: Peer) -> None:
    answer = peer.ask(oru("MSG-77"))
    assert msa(answer) == ["AA", "MSG-77"]
    msh = fields(answer, "MSH")
    assert msh[3:7] == ["GW", "COUNTY", "LAB", "TOWN"]
    assert (msh[9], msh[12]) == ("ACK^R01", "2.3.1")


@pytest.mark.parametrize(
    ("version", "kind", "expected"),
    [
        ("2.3.1", "ORU^R01", "ACK^R01"),
        ("2.4", "ORU^R01", "ACK^R01^ACK"),
        ("2.5.1", "OUL^R22^OUL_R22", "ACK^R22^ACK"),
        ("2.8", "ORU^R01^ORU_R01", "ACK^R01^ACK"),
    ],
)
def test_the_trigger_is_that_of_the_message(peer: Peer, version: str, kind: str, expected: str) -> None:
    answer = peer.ask(oru(msh=f"MSH|^~\\&|L|T|||2026||{kind}|{version}|P|{version}"))
    assert (fields(answer, "MSH")[9], msa(answer)) == (expected, ["AA", version])


@pytest.mark.parametrize(
    ("version", "kind", "expected"),
    [
        ("2.3.1", "ORM^O01", "ORR^O02"),
        ("2.4", "ORM^O01^ORM_O01", "ORR^O02^ORR_O02"),
        ("2.3", "ORM", "ORR^O02"),
        ("2.4", "OML^O21", "ORL^O22^ORL_O22"),
        ("2.5.1", "OML^O33^OML_O33", "ORL^O34^ORL_O34"),
        ("2.5", "OML^O35", "ORL^O36^ORL_O36"),
        ("2.7", "OML^O39^OML_O39", "ORL^O40^ORL_O40"),
        ("2.5.1", "OMG^O19^OMG_O19", "ORG^O20^ORG_O20"),
        ("2.5.1", "OML^O21^^EXTRA", "ORL^O22^ORL_O22"),
        ("2.5.1", "OML", "ACK"),  # which of four orders it is, it does not say
    ],
)
def test_an_order_is_answered_with_its_response(peer: Peer, version: str, kind: str, expected: str) -> None:
    answer = peer.ask(order(kind, version))
    assert (fields(answer, "MSH")[9], msa(answer)) == (expected, ["AA", "7"])
    assert not has(answer, "ORC")  # what becomes of each test is not known yet


def test_an_order_that_is_refused_hears_why_in_its_response(peer: Peer) -> None:
    peer.ask(order("OML^O21", "2.5.1"))
    again = peer.ask(order("OML^O21", "2.5.1", barcode="ANOTHER"))
    assert (fields(again, "MSH")[9], msa(again)) == ("ORL^O22^ORL_O22", ["AE", "7"])
    assert fields(again, "ERR")[3].startswith("205^")
    lacking = peer.ask(join("MSH|^~\\&|HIS|T|||2026||ORM^O01|8|P|2.3.1", "PID|1"))
    assert (fields(lacking, "MSH")[9], msa(lacking)) == ("ORR^O02", ["AE", "8"])
    assert "100&Segment sequence error" in fields(lacking, "ERR")[1]


@pytest.mark.parametrize(
    ("accept", "application", "expected"),
    [("AL", "NE", "ACK^O33^ACK"), ("AL", "AL", "ACK^O33^ACK"), ("NE", "AL", "ORL^O34^ORL_O34")],
)
def test_an_accept_acknowledgement_of_an_order_is_the_general_one(
    peer: Peer, accept: str, application: str, expected: str
) -> None:
    answer = peer.ask(order("OML^O33^OML_O33", "2.5.1", ending=f"|||{accept}|{application}"))
    assert fields(answer, "MSH")[9] == expected
    assert msa(answer)[0] == ("AA" if expected.startswith("ORL") else "CA")


def order(kind: str, version: str, *, barcode: str = "B7", ending: str = "") -> bytes:
    return join(
        f"MSH|^~\\&|HIS|T|||20260105||{kind}|7|P|{version}{ending}", "PID|1||P1^^^^MR||Wang^Li", f"ORC|NW|{barcode}",
        f"OBR|1|{barcode}||GLU^Glucose",
    )  # fmt: skip


def test_mindray_hears_what_its_manual_shows(peer: Peer) -> None:
    answer = peer.ask(MINDRAY_CHEMISTRY)
    msh = fields(answer, "MSH")
    assert (msh[9], msh[10], msh[16], msh[18]) == ("ACK^R01", "1", "0", "ASCII")
    assert fields(answer, "MSA") == ["MSA", "AA", "1", "Message accepted", "", "", "0"]


def test_law_hears_an_application_acknowledgement(peer: Peer) -> None:
    answer = peer.ask(LAW_RESULTS)
    assert (fields(answer, "MSH")[9], msa(answer)) == ("ACK^R22^ACK", ["AA", "LAW-1"])
    assert fields(answer, "MSH")[18] == "UNICODE UTF-8"


def test_the_answer_has_the_senders_delimiters(peer: Peer) -> None:
    raw = oru("D1").decode().replace("^~\\&", "@!%*").replace("|", "#").replace("^", "@").encode()
    answer = peer.ask(raw).decode()
    assert answer.startswith("MSH#@!%*#GW#COUNTY#LAB#TOWN#")
    assert "ACK@R01" in answer and "\rMSA#AA#D1#" in answer


def test_a_refusal_says_where_and_why_from_v2_5_on(peer: Peer) -> None:
    answer = peer.ask(oru(msh="MSH|^~\\&|L|T|||2026||XYZ^R01|9|P|2.5.1"))
    assert msa(answer) == ["AR", "9"]
    error = fields(answer, "ERR")
    assert error[1:5] == ["", "MSH^1^9", "200^Unsupported message type^HL70357", "E"]
    assert "XYZ" in error[8]


def test_a_refusal_before_v2_5_has_the_older_form(peer: Peer) -> None:
    answer = peer.ask(oru(msh="MSH|^~\\&|L|T|||2026||XYZ^R01|9|P|2.3.1"))
    assert fields(answer, "ERR")[1] == "MSH^1^9^200&Unsupported message type&HL70357"
    assert fields(answer, "MSA")[6] == "200^Unsupported message type^HL70357"


def test_who_asks_for_no_answer_gets_none(server: Server, peer: Peer) -> None:
    peer.send(b"\x0b" + oru(msh="MSH|^~\\&|L|T|||2026||ORU^R01|1|P|2.5|||NE|NE") + b"\x1c\r")
    assert peer.is_silent()
    assert len(server.laboratory.records) == 1
    assert msa(peer.ask(oru("2"))) == ["AA", "2"]


def test_a_message_whose_msh_cannot_be_used_is_still_answered_by_its_number(peer: Peer) -> None:
    assert msa(peer.ask(oru(msh="MSH|^^^^|L|T|||2026||ORU^R01|77|P|2.5"))) == ["AE", "77"]
    wide = oru("78").decode().encode("utf-16-le")
    peer.send(b"\x0b" + wide + b"\x1c\r")
    answer = peer.hear()
    assert msa(answer) == ["AE", "78"] and b"UTF-16" in answer
    assert msa(peer.ask(b"GET / HTTP/1.1")) == ["AE", ""]


def test_a_chinese_sender_is_answered_in_its_set(server: Server, peer: Peer) -> None:
    raw = join(
        "MSH|^~\\&|检验|乡镇|||2026||ORU^R01|1|P|2.3.1||||||GBK", "OBR|1|B", "OBX|1|ST|X||王", codec="gbk"
    )
    answer = peer.ask(raw)
    assert fields(answer, "MSH", "gbk")[5:7] == ["检验", "乡镇"]
    assert fields(answer, "MSH", "gbk")[18] == "GBK"
    assert server.laboratory.records[0].origin["application"] == "检验"


def test_an_older_err_is_not_sent_for_what_is_accepted(peer: Peer) -> None:
    assert not has(peer.ask(oru()), "ERR")
