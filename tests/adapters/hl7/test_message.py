"""Messages are split on their own delimiters, and no character is lost on the way."""

import random
import time

import pytest

from adapters.hl7.errors import Condition, NotAccepted
from adapters.hl7.header import STANDARD, Delimiters, read_header
from adapters.hl7.message import split_segments, unescape
from adapters.hl7.reading import read_attachment, read_message
from adapters.hl7.writing import escape
from tests.adapters.hl7.messages import oru

PIECES = ["MSH|^~\\&|LAB", "PID|1||P1", "OBR|1|B1", "OBX|1|NM|WBC||5.0"]


def values(raw: bytes) -> list[str]:
    return [result.value for specimen in read_message(raw).specimens for result in specimen.results]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r", "\n\n", "\r \r\t", " \r"])
def test_segments_end_as_senders_end_them(end: str) -> None:
    header = read_header(oru())
    segments, warnings = split_segments(end.join(PIECES) + end, header)
    assert [segment.name for segment in segments] == ["MSH", "PID", "OBR", "OBX"]
    assert segments[3].field(5).strip() == "5.0" and not warnings


def test_blanks_before_a_segment_are_passed_over() -> None:
    raw = oru().replace(b"\r", b"\r  ")
    assert values(raw) == ["5.0"]


def test_a_line_that_is_no_segment_is_the_rest_of_the_one_before() -> None:
    raw = oru(value="first\rsecond line\n\nMore|F")
    read = read_message(raw)
    assert read.warnings == ("2 line ends inside of segments",)
    assert read.results == 1
    assert read.specimens[0].results[0].value == "first\rsecond line\n\nMore"


def test_segments_joined_by_blanks_are_one_and_told_of() -> None:
    read = read_message(oru(value="5|g|||||F OBX|2|NM|HGB||6|g|||||F"))
    assert read.results == 1
    assert any("joined by blanks" in warning for warning in read.warnings)


def test_the_sender_chooses_its_delimiters() -> None:
    raw = oru().decode().replace("^~\\&", "@!%*").replace("|", "#").replace("^", "@").encode()
    read = read_message(raw)
    assert (read.type, read.sender.application) == ("ORU^R01", "LAB")
    result = read.specimens[0].results[0]
    assert (result.test.code, result.test.text, result.value) == ("WBC", "White cells", "5.0")


def test_the_fifth_delimiter_of_v2_7_is_known() -> None:
    header = read_header(oru(msh="MSH|^~\\&#|LAB|T|||20260101||ORU^R01|1|P|2.7"))
    assert header.delimiters.truncation == "#"
    assert unescape("a\\P\\b", header.delimiters) == "a#b"


def test_missing_delimiters_are_not_used() -> None:
    read = read_message(oru(msh="MSH|^|LAB|T|||20260101||ORU^R01|1|P|2.2", value="a~b\\c&d"))
    assert read.specimens[0].results[0].value == "a~b\\c&d"


@pytest.mark.parametrize(
    ("start", "condition"),
    [
        ("MSH", Condition.REQUIRED_FIELD),
        ("MSH||", Condition.REQUIRED_FIELD),
        ("MSH|^^\\&|LAB", Condition.DATA_TYPE),
        ("MSH|^|~|", None),
        ("MSH|AB\\&|LAB", Condition.DATA_TYPE),
        ("MSHX^~\\&X", Condition.DATA_TYPE),
        ("PID|1", Condition.SEGMENT_SEQUENCE),
        ("", Condition.SEGMENT_SEQUENCE),
    ],
)
def test_an_msh_that_cannot_be_split_is_refused(start: str, condition: Condition | None) -> None:
    if condition is None:
        read_header(start.encode())
        return
    with pytest.raises(NotAccepted) as caught:
        read_header(start.encode())
    assert caught.value.condition is condition


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"a\F\b\S\c\T\d\R\e\E\f", "a|b^c&d~e\\f"),
        (r"\H\bold\N\ plain", "bold plain"),
        (r"one\.br\two\.sp2\three\.sk3\four\.in+4\five\.ce\six", "one\ntwo\n\nthree   fourfive\nsix"),
        (r"\X41\\X42\\X0A\z", "AB\nz"),
        (r"\XZZ\ \X4\ \Q\ C:\temp\file", r"\XZZ\ \X4\ \Q\ C:\temp\file"),
        (r"\Zlocal\ stays", r"\Zlocal\ stays"),
        ("ends in one\\", "ends in one\\"),
        ("\\", "\\"),
        (r"\\", r"\\"),
        (r"\C2842\plain", "plain"),
        (r"\M2442\;3ED\C2842\ end", "山田 end"),
        (r"\M2441\VPND\C2842\.", "中文."),
        (r"\MFFFF\kept", r"\MFFFF\kept"),
    ],
)
def test_escapes_are_resolved_and_what_is_none_stays(written: str, meant: str) -> None:
    assert unescape(written, STANDARD) == meant


def test_what_is_escaped_comes_back_as_it_was() -> None:
    chance = random.Random(5)
    for delimiters in (
        STANDARD,
        Delimiters(field="#", component="@", repetition="!", escape="%", subcomponent="*"),
    ):
        for _ in range(2000):
            text = "".join(chance.choices("ab|^~\\&#@!%*王\n XFSTRE.br0", k=chance.randint(0, 20)))
            written = escape(text, delimiters)
            assert delimiters.field not in written and "\n" not in written
            assert unescape(written, delimiters) == text


def test_no_character_is_lost_in_splitting() -> None:
    chance = random.Random(7)
    header = read_header(oru())
    for _ in range(2000):
        body = "".join(chance.choices(["OBX|", "\r", "\n", "\r\n", "x", " ", "|", "PID", "^", "王"], k=30))
        segments, _ = split_segments("MSH|^~\\&|A\r" + body, header)
        kept = "".join(segment.line for segment in segments)
        for ignored in ("\r", "\n", " "):
            kept, body = kept.replace(ignored, ""), body.replace(ignored, "")
        assert kept == "MSH|^~\\&|A" + body


def test_ten_megabytes_in_one_field_are_read() -> None:
    data = "QUJD" * 2_500_000
    raw = (
        oru(value="x")
        .replace(b"||x|", f"||^application^pdf^Base64^{data}|".encode())
        .replace(b"|NM|", b"|ED|")
    )
    read = read_message(raw)
    assert read.specimens[0].attachments[0].size_bytes == 7_500_000


def test_base64_broken_into_lines_takes_no_longer() -> None:
    began = time.process_time()
    data = ("QUJD" * 19 + "\n") * 60_000
    raw = (
        oru(value="x")
        .replace(b"||x|", f"||^application^pdf^Base64^{data}|".encode())
        .replace(b"|NM|", b"|ED|")
    )
    assert (
        len(read_attachment(raw, 0)) == read_message(raw).specimens[0].attachments[0].size_bytes == 3_420_000
    )
    assert time.process_time() - began < 10


def test_nothing_but_delimiters_costs_little() -> None:
    for filling in (b"|", b"^", b"~", b"&", b"\\F\\"):
        began = time.process_time()
        read_message(oru(value="x").replace(b"||x|", b"||" + filling * 300_000 + b"|"))
        assert time.process_time() - began < 10


def test_a_message_of_too_many_segments_is_refused() -> None:
    with pytest.raises(NotAccepted, match="segments"):
        read_message(oru() + b"OBX|1|NM|X||1\r" * 100_001)
