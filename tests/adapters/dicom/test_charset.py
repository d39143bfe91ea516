"""Character sets: declared, extended, wrongly declared. The oracle is what was encoded."""

import pytest

from adapters.dicom.charset import Text, decode

NAME = "Wang^XiaoDong=王^小东"


@pytest.mark.parametrize(
    ("text", "codec", "declared"),
    [
        (NAME, "gb18030", "GB18030"),
        (NAME, "gbk", "GBK"),
        (NAME, "gbk", "GB2312"),
        (NAME, "utf_8", "ISO_IR 192"),
        ("𠮷田^㛃=䶮", "gb18030", "GB18030"),
        ("𠮷田^㛃", "utf_8", "ISO_IR 192"),
        ("Buc^Jérôme", "latin_1", "ISO_IR 100"),
        ("Äneas^Rüdiger", "latin_1", "ISO_IR 100"),
        ("MÜLLER^ÖZGÜR", "latin_1", "ISO_IR 100"),
        ("créée à Nîmes", "latin_1", "ISO_IR 100"),
        ("Διονυσιος", "iso8859_7", "ISO_IR 126"),
        ("Люксембург", "iso8859_5", "ISO_IR 144"),
        ("قباني^لنزار", "iso8859_6", "ISO_IR 127"),
        ("שרון^דבורה", "iso8859_8", "ISO_IR 138"),
        ("Łukasz", "iso8859_2", "ISO-IR 101"),
        ("plain", "ascii", ""),
        ("plain", "ascii", "NOT A SET"),
    ],
)
def test_declared_sets_are_read_without_a_problem(text, codec, declared):
    assert decode(text.encode(codec), declared) == Text(text=text)


def test_the_devices_override_wins_over_the_declaration():
    raw = "Müller".encode("latin_1")

    assert decode("王^东".encode("gb18030"), "ISO_IR 100", override="GB18030") == Text(text="王^东")
    assert decode(raw, "GB18030", override="ISO_IR 100") == Text(text="Müller")


@pytest.mark.parametrize("character", ["乗", "俓", "僜"])
def test_second_byte_5c_does_not_split(character):
    raw = f"{character}\\张".encode("gb18030")
    assert b"\\" in character.encode("gb18030")

    assert decode(raw, "GB18030").values == (character, "张")
    assert decode(raw, "", override="GB18030").values == (character, "张")


def test_second_byte_5c_under_the_escape_of_gb2312_is_no_delimiter():
    raw = b"\x1b$)A" + "乗^".encode("gbk") + b"\x1b$)A" + "张".encode("gbk")

    assert decode(raw, "\\ISO 2022 IR 58") == Text(text="乗^张")


def test_a_device_that_has_learned_to_declare_is_read_as_declared_and_noted():
    decoded = decode("张三".encode(), "ISO_IR 192", override="ISO 2022 IR 6")

    assert decoded == Text(text="张三", problem="not in the device's character set")


@pytest.mark.parametrize("declared", ["ISO_IR 100", "", "ISO_IR 192", "NOT A SET"])
def test_what_is_declared_wrongly_is_not_repaired(declared):
    assert "王" not in decode("王^小东".encode("gb18030"), declared).text


@pytest.mark.parametrize(
    ("raw", "declared", "text"),
    [
        ("张小东".encode("gb18030")[:-1], "GB18030", "张小\ufffd"),
        ("张𠮷".encode("gb18030")[:-1], "GB18030", "张\ufffd"),
        ("张𠮷".encode("gb18030")[:-2], "GB18030", "张\ufffd"),
        ("张小东".encode()[:-1], "ISO_IR 192", "张小\ufffd"),
        ("张小东".encode()[:-2], "ISO_IR 192", "张小\ufffd"),
        ("𠮷".encode()[:-1], "ISO_IR 192", "\ufffd"),
        ("张小东".encode()[:-1] + "^a=张".encode(), "ISO_IR 192", "张小\ufffd^a=张"),
    ],
)
def test_a_character_cut_in_half_is_marked_and_the_others_stand(raw, declared, text):
    assert decode(raw, declared) == Text(text=text, problem="cut")


@pytest.mark.parametrize(
    ("override", "raw"),
    [
        ("GB18030 IN UTF-8", "王小东".encode("gb18030").decode("latin_1").encode()),
        ("UTF-8 IN UTF-8", "王小东".encode().decode("latin_1").encode()),
        ("UTF-8 VIA GB18030", "王小东西".encode().decode("gb18030").encode()),
    ],
)
def test_text_that_was_written_twice_is_read_back_by_an_override(override, raw):
    assert decode(raw, "ISO_IR 192", override=override).text.startswith("王小东")


@pytest.mark.parametrize(
    ("raw", "declared", "text"),
    [  # PS3.5 Annexes H, I and K
        (b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
         "\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
         "ISO 2022 IR 13\\ISO 2022 IR 87", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎"),
        (b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
         "\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동"),
        (b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=", "\\ISO 2022 IR 58", "Zhang^XiaoDong=张^小东="),
        (b"Zhang=\x1b$)A\xd5\xc5^\xd0\xa1\xb6\xab", "\\ISO 2022 IR 58", "Zhang=张^小东"),  # escape not repeated
        (b"\x1b$)A\xd5\xc5\r\n\x1b$)A\xd0\xa1 x", "\\ISO 2022 IR 58", "张\r\n小 x"),
    ],
)  # fmt: skip
def test_code_extensions_follow_their_escape_sequences(raw, declared, text):
    assert decode(raw, declared) == Text(text=text)


@pytest.mark.parametrize("raw", [b"\xff\xfe\x81", b"a\x80", b"\x1b$)Z\xd5\xc5", b"\x1b$)A\xff\xff"])
def test_what_no_set_reads_is_marked_and_loses_no_byte(raw):
    decoded = decode(raw, "ISO_IR 192")

    assert decoded.problem == "undecodable"
    assert decoded.text.encode("latin_1") == raw


def test_nothing_is_replaced_by_a_question_mark():
    for first in range(0x80, 0x100):
        for declared in ("", "ISO_IR 100", "ISO_IR 192", "GB18030", "\\ISO 2022 IR 58", "ISO_IR 166"):
            text = decode(bytes((first, 0x41, first, first)), declared).text
            assert "?" not in text
            assert "\ufffd" not in text[:-1]  # at the end it stands for half a character


def test_padding_goes_and_empty_values_stay():
    assert decode(b"one \\\\two\0").values == ("one", "", "two")
    assert decode(b"  ").values == ()
