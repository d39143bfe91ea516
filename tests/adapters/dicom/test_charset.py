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


@pytest.mark.parametrize(
    ("text", "codec", "declared", "problem"),
    [
        (NAME, "gb18030", "ISO_IR 100", "read as GB18030"),
        (NAME, "gb18030", "", "read as GB18030"),
        (NAME, "gb18030", "ISO_IR 192", "read as GB18030"),
        (NAME, "gb18030", "\\ISO 2022 IR 58", "read as GB18030"),  # without its escape sequences
        (NAME, "gb18030", "NOT A SET", "read as GB18030"),
        (NAME, "utf_8", "ISO_IR 100", "read as UTF-8"),
        (NAME, "utf_8", "", "read as UTF-8"),
        ("王小东", "utf_8", "GB18030", "read as UTF-8"),
        ("王东", "utf_8", "GB18030", "read as UTF-8"),
        ("CT头颅平扫", "gb18030", "ISO_IR 100", "read as GB18030"),
        ("胸部（正侧位）", "gb18030", "ISO_IR 100", "read as GB18030"),
        ("第1次 L4-5椎间盘", "gb18030", "", "read as GB18030"),
    ],
)
def test_wrong_declarations_are_seen_through_and_noted(text, codec, declared, problem):
    assert decode(text.encode(codec), declared) == Text(text=text, problem=problem)


def test_the_devices_override_wins_over_the_declaration():
    raw = "Müller".encode("latin_1")

    assert decode("王^东".encode("gb18030"), "ISO_IR 100", override="GB18030") == Text(text="王^东")
    assert decode(raw, "GB18030", override="ISO_IR 100") == Text(text="Müller")


@pytest.mark.parametrize("character", ["乗", "俓", "僜"])
def test_second_byte_5c_does_not_split(character):
    raw = f"{character}\\张".encode("gb18030")
    assert b"\\" in character.encode("gb18030")

    assert decode(raw, "GB18030").values == (character, "张")
    assert decode(raw, "").values == (character, "张")


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
            assert "\ufffd" not in text


def test_padding_goes_and_empty_values_stay():
    assert decode(b"one \\\\two\0").values == ("one", "", "two")
    assert decode(b"  ").values == ()
