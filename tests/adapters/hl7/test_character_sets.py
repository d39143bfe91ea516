"""Text is read as the device is set, as MSH-18 declares, or as the bytes look; what contradicts itself is in doubt."""

import pytest

from adapters.hl7.character_sets import codec_of, declared_codec, decode
from adapters.hl7.errors import NotAccepted
from adapters.hl7.reading import read_message
from tests.adapters.hl7.messages import join

# Second bytes 7CH, 5EH, 7EH, 5CH in GBK: | ^ ~ and the backslash. (26H is none there; in ISO 2022 it is.)
DELIMITERS_INSIDE = bytes(byte for second in b"|^~\\" for byte in (0x8A, second)).decode("gbk")


def message(name: str, codec: str, declared: str = "") -> bytes:
    return join(
        f"MSH|^~\\&|LAB|T|||20260105||ORU^R01|1|P|2.3.1||||||{declared}",
        f"PID|1||P1||{name}",
        "OBR|1|B1",
        f"OBX|1|ST|1^ITEM||{name}",
        codec=codec,
    )


@pytest.mark.parametrize(
    ("term", "codec"),
    [
        ("UNICODE UTF-8", "utf-8"), ("UTF8", "utf-8"), ("UTF-8", "utf-8"), ("UNICODE", "utf-8"), ("utf_8", "utf-8"),
        ("GB 18030-2000", "gb18030"), ("GB18030", "gb18030"), ("GBK", "gb18030"), ("GB2312", "gb18030"),
        ("gb-2312", "gb18030"), ("CP936", "gb18030"), ("8859/1", "iso8859-1"), ("ISO 8859-1", "iso8859-1"),
        ("8859/15", "iso8859-15"), ("ASCII", "ascii"), ("ISO IR87", "iso2022_jp_2"), ("ISO IR14", "cp932"),
        ("KS X 1001", "cp949"), ("BIG-5", "cp950"), ("nothing known", None),
    ],
)  # fmt: skip
def test_terms_of_the_standard_and_of_vendors_are_known(term: str, codec: str | None) -> None:
    assert codec_of(term) == codec


def test_repetitions_name_the_richest_set() -> None:
    assert declared_codec("ASCII~GB 18030-2000") == "gb18030"
    assert declared_codec("ASCII~ISO IR87") == "iso2022_jp_2"
    assert declared_codec("~UNICODE UTF-8") == "utf-8"
    assert declared_codec("") is None


def test_second_bytes_that_are_delimiters_elsewhere_split_nothing() -> None:
    raw = DELIMITERS_INSIDE.encode("gbk")
    assert {0x7C, 0x5E, 0x7E, 0x5C} <= set(raw)
    for declared in ("GB 18030-2000", "GBK", ""):
        read = read_message(message(DELIMITERS_INSIDE, "gbk", declared))
        (specimen,) = read.specimens
        assert specimen.patient is not None
        assert (specimen.patient.name, specimen.results[0].value) == (
            f"={DELIMITERS_INSIDE}",
            DELIMITERS_INSIDE,
        )
    read = read_message(message("ソ表ポ", "cp932", "ISO IR14"))
    assert read.specimens[0].results[0].value == "ソ表ポ"


def test_seven_bit_sets_are_decoded_before_they_are_split() -> None:
    name = "山田太郎漢字"
    assert b"&" in message(name, "iso2022_jp", "ISO IR87") or b"|" in name.encode("iso2022_jp")
    read = read_message(message(name, "iso2022_jp", "ASCII~ISO IR87"))
    assert read.specimens[0].results[0].value == name


@pytest.mark.parametrize(
    ("written", "declared", "read_as", "in_doubt"),
    [
        ("utf-8", "UNICODE UTF-8", "utf-8", False),
        ("gb18030", "GB 18030-2000", "gb18030", False),
        ("utf-8", "", "utf-8", False),
        ("gbk", "", "gb18030", True),
        ("gbk", "ASCII", "gb18030", True),
        ("utf-8", "ASCII", "utf-8", True),
        ("gbk", "UNICODE UTF-8", "gb18030", True),
        ("utf-8", "GB 18030-2000", "utf-8", True),
        ("utf-8", "8859/1", "utf-8", True),
        ("gbk", "8859/1", "gb18030", True),
        ("utf-8", "NOBODY KNOWS", "utf-8", False),
    ],
)
def test_chinese_is_read_whatever_is_declared(
    written: str, declared: str, read_as: str, in_doubt: bool
) -> None:
    read = read_message(message("王小明", written, declared))
    assert (read.character_set, read.text_in_doubt) == (read_as, in_doubt)
    assert read.specimens[0].results[0].value == "王小明"


def test_what_the_device_is_set_to_goes_before_what_it_declares() -> None:
    raw = message("王小明", "gbk", "8859/1")
    read = read_message(raw, character_set="GBK")
    assert (read.character_set, read.text_in_doubt) == ("gb18030", False)
    assert read.specimens[0].results[0].value == "王小明"
    wrongly = read_message(message("王小明", "utf-8", ""), character_set="GB18030")
    assert (wrongly.character_set, wrongly.text_in_doubt) == ("utf-8", True)


def test_western_text_that_is_declared_stays_western() -> None:
    raw = join(
        "MSH|^~\\&|L|T|||20260105||ORU^R01|1|P|2.5||||||8859/1",
        "OBX|1|ST|1||Müller à 37 °C µl",
        codec="latin-1",
    )
    read = read_message(raw)
    assert (read.character_set, read.text_in_doubt) == ("iso8859-1", False)
    assert read.specimens[0].results[0].value == "Müller à 37 °C µl"


def test_a_lone_high_byte_swallows_no_delimiter() -> None:
    raw = join("MSH|^~\\&|L|T|||20260105||ORU^R01|1|P|2.5", "OBX|1|NM|1||37|°|36-37|N|||F", codec="latin-1")
    result = read_message(raw).specimens[0].results[0]
    assert (result.unit, result.reference_range, result.status) == ("°", "36-37", "F")


def test_a_byte_order_mark_says_utf_8() -> None:
    raw = b"\xef\xbb\xbf" + message("王小明", "utf-8", "ASCII")
    read = read_message(raw)
    assert (read.character_set, read.text_in_doubt) == ("utf-8", False)
    assert read.control_id == "1"


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_refused_with_a_sentence(codec: str) -> None:
    with pytest.raises(NotAccepted, match="UTF-16"):
        read_message(message("王", codec))


def test_a_declared_utf_16_is_refused_too() -> None:
    with pytest.raises(NotAccepted, match="UTF-16"):
        read_message(message("Wang", "ascii", "UNICODE UTF-16"))


def test_bytes_that_nothing_explains_cost_themselves_alone() -> None:
    raw = message("王小明", "utf-8", "UNICODE UTF-8").replace("小".encode(), b"\xff")
    read = read_message(raw)
    assert read.text_in_doubt
    assert "\ufffd" in read.specimens[0].results[0].value
    assert len(read.specimens[0].results) == 1


def test_hexadecimal_escapes_are_of_the_same_set() -> None:
    for codec, declared in (("utf-8", "UNICODE UTF-8"), ("gb18030", "GBK")):
        digits = "王".encode(codec).hex().upper()
        split = "\\\\".join(f"X{digits[at : at + 2]}" for at in range(0, len(digits), 2))
        for escaped in (f"\\X{digits}\\", f"\\{split}\\"):
            read = read_message(message("甲", codec, declared).replace("甲".encode(codec), escaped.encode()))
            assert read.specimens[0].results[0].value == "王", escaped


def test_decoding_alone_gives_every_character_back() -> None:
    text = "MSH|^~\\&|" + "".join(chr(code) for code in range(0x4E00, 0x9FA6))
    for codec, term in (("gb18030", "GB 18030-2000"), ("utf-8", "UNICODE UTF-8")):
        assert decode(text.encode(codec), declared=term).text == text
