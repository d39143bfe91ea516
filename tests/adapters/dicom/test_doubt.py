"""Proposals of a character set: what is meant is found, what is declared rightly is left alone."""

import pytest

from adapters.dicom.charset import decode
from adapters.dicom.doubt import propose_character_set

NAME = "Wang^XiaoDong=王^小东"
GB, UTF = "GB18030", "ISO_IR 192"


@pytest.mark.parametrize(
    ("text", "codec", "declared", "meant"),
    [
        (NAME, "gb18030", "ISO_IR 100", GB),
        (NAME, "gbk", "ISO_IR 100", GB),
        (NAME, "gb18030", "", GB),
        (NAME, "gb18030", "ISO_IR 192", GB),
        (NAME, "gb18030", "\\ISO 2022 IR 58", GB),  # without its escape sequences
        (NAME, "gb18030", "ISO 2022 IR 6\\ISO 2022 IR 58", GB),
        (NAME, "gb18030", "NOT A SET", GB),
        (NAME, "utf_8", "ISO_IR 100", UTF),
        (NAME, "utf_8", "", UTF),
        ("王小东", "utf_8", "GB18030", UTF),
        ("王东", "utf_8", "GB18030", UTF),
        ("张三", "gb18030", "ISO_IR 100", GB),  # ÕÅÈý: all of them letters
        ("张三", "gb18030", "ISO_IR 192", GB),
        ("一", "gb18030", "", GB),
        ("乗田", "gbk", "ISO_IR 100", GB),  # a second byte of 5CH
        ("CT头颅平扫", "gb18030", "ISO_IR 100", GB),
        ("胸部（正侧位）", "gb18030", "ISO_IR 100", GB),
        ("第1次 L4-5椎间盘", "gb18030", "", GB),
        ("𠮷田^明", "gb18030", "ISO_IR 100", GB),
        ("𠮷田^明", "utf_8", "ISO_IR 100", UTF),
        ("㛃^玉", "utf_8", "GB18030", UTF),
        ("Jérôme", "utf_8", "", UTF),
    ],
)
def test_what_was_meant_is_proposed_and_reads(text: str, codec: str, declared: str, meant: str) -> None:
    raw = text.encode(codec)

    assert propose_character_set([raw], declared) == meant
    assert decode(raw, declared, override=meant).text == text


@pytest.mark.parametrize(
    ("text", "codec", "declared"),
    [
        (NAME, "gb18030", "GB18030"),
        (NAME, "gbk", "GBK"),
        (NAME, "utf_8", "ISO_IR 192"),
        ("小東", "utf_8", "ISO_IR 192"),
        ("小東", "gb18030", "GB18030"),
        ("𠮷田^㛃=䶮", "gb18030", "GB18030"),
        ("𠮷田^㛃=䶮", "utf_8", "ISO_IR 192"),
        ("𬍛", "utf_8", "ISO_IR 192"),
        ("𬍛", "gb18030", "GB18030"),
        ("㛃", "gb18030", "GB18030"),
        ("Buc^Jérôme", "latin_1", "ISO_IR 100"),
        ("Äneas^Rüdiger", "latin_1", "ISO_IR 100"),
        ("MÜLLER^ÖZGÜR", "latin_1", "ISO_IR 100"),
        ("MÜLLER^ÖZGÜR", "utf_8", "ISO_IR 192"),
        ("créée à Nîmes", "latin_1", "ISO_IR 100"),
        ("créée à Nîmes", "utf_8", "ISO_IR 192"),
        ("Διονυσιος", "iso8859_7", "ISO_IR 126"),
        ("Διονυσιος", "utf_8", "ISO_IR 192"),
        ("김희중", "utf_8", "ISO_IR 192"),
        ("やまだ^たろう", "utf_8", "ISO_IR 192"),
        ("Łukasz", "iso8859_2", "ISO-IR 101"),
        ("plain", "ascii", ""),
        ("", "ascii", "NOT A SET"),
    ],
)
def test_what_makes_sense_as_declared_is_left_alone(text: str, codec: str, declared: str) -> None:
    assert propose_character_set([text.encode(codec)], declared) == ""


def test_text_under_its_escape_sequences_is_left_alone() -> None:
    raw = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab="

    assert propose_character_set([raw], "\\ISO 2022 IR 58") == ""
    assert propose_character_set([raw, "平扫".encode("gbk")], "\\ISO 2022 IR 58") == GB


@pytest.mark.parametrize(
    ("raw", "meant", "text"),
    [
        (NAME.encode("gb18030").decode("latin_1").encode(), "GB18030 IN UTF-8", NAME),
        (NAME.encode().decode("latin_1").encode(), "UTF-8 IN UTF-8", NAME),
        ("王小东西".encode().decode("gb18030").encode(), "UTF-8 VIA GB18030", "王小东西"),
        ("张三".encode("gbk").decode("cp1252").encode(), "GB18030 IN UTF-8", "张三"),
    ],
)
def test_text_that_was_written_twice_is_seen(raw: bytes, meant: str, text: str) -> None:
    assert propose_character_set([raw], "ISO_IR 192") == meant
    assert decode(raw, "ISO_IR 192", override=meant).text == text


@pytest.mark.parametrize("cut", [1, 2])
def test_a_cut_name_is_still_recognised(cut: int) -> None:
    assert propose_character_set(["张小东".encode()[:-cut]], "GB18030") == UTF
    assert propose_character_set(["张小东".encode("gb18030")[:-1]], "ISO_IR 100") == GB


def test_one_value_that_does_not_fit_speaks_against_a_set() -> None:
    good, bad = "张三".encode("gb18030"), b"\xff\xfe\xff"

    assert propose_character_set([good, bad], "") == ""


def test_an_override_that_no_longer_fits_is_doubted_in_favour_of_the_declaration() -> None:
    assert propose_character_set([NAME.encode()], "ISO_IR 192", override="GB18030") == UTF
    assert propose_character_set([NAME.encode("gb18030")], "GB18030", override="ISO_IR 192") == GB
    assert propose_character_set([NAME.encode("gb18030")], "ISO_IR 100", override="GB18030") == ""
