"""LIS2-A2 messages: what their records say."""

import re
from datetime import UTC, date, datetime

import pytest

from adapters.errors import Malformed
from adapters.lab.astm_files import split_messages
from adapters.lab.astm_reading import read_message
from adapters.lab.dialect import Dialect, read_dialect
from adapters.lab.records import Delimiters, escape, read_delimiters, read_records, unescape
from adapters.lab.said import Coded, Control, Message, MessageKind, StatedPatient
from adapters.lab.stated import read_time
from tests.samples import samples_dir

H = "H|\\^&|||BC-5300^Mindray^5300^01.02^1^RE-7A001234|||||host||P|LIS2-A2|20261122080000"


def read(*records: str, codec: str = "utf-8", character_set: str | None = None) -> Message:
    body = "".join(f"{record}\r" for record in records).encode(codec)
    return read_message(body, character_set=character_set)


def only_result(message: Message) -> tuple[str, str]:
    ((result,),) = (specimen.results for specimen in message.specimens)
    return result.test.code, result.value


# known answers

RESULTS_OF_SAMPLES = {
    "abbott_afinion2.txt": 1,
    "cobas_c111.txt": 1,
    "example_lis2a2_01.txt": 2,
    "example_lis2a2_02.txt": 4,
    "mini_vidas_mock.txt": 1,
    "spotchem_el_mock.txt": 3,
    "sysmex_xp100.txt": 20,
}
SPECIMENS_OF_SAMPLES = {
    "abbott_afinion2.txt": ["5"],
    "cobas_c111.txt": ["T20 10134GA D28"],
    "example_lis2a2_01.txt": ["927529"],
    "example_lis2a2_02.txt": ["927529", "927533"],
    "mini_vidas_mock.txt": ["Z1G021SCR"],
    "spotchem_el_mock.txt": ["1DC042FP"],
    "sysmex_xp100.txt": ["113"],
}


@pytest.mark.samples
@pytest.mark.parametrize("name", RESULTS_OF_SAMPLES)
def test_every_sample_is_read_with_all_of_its_results(name: str) -> None:
    raw = (samples_dir() / "lab/astm" / name).read_bytes()

    (body,) = split_messages(raw)
    message = read_message(body)

    assert message.results == RESULTS_OF_SAMPLES[name] == len(re.findall(rb"[\r\n\x02]\d?R\|", raw))
    assert [one.barcode for one in message.specimens] == SPECIMENS_OF_SAMPLES[name]
    assert message.kind is MessageKind.RESULTS
    assert message.warnings == ()


@pytest.mark.samples
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("mini_vidas.txt", "frame 1 is no ASTM frame: it begins with '\\x1emtrsl|\\x1epi"),
        ("spotchem_el.txt", "frame 1 is no ASTM frame: it begins with '24/10/29 1"),
    ],
)
def test_what_is_no_astm_is_refused_with_a_sentence(name: str, sentence: str) -> None:
    raw = (samples_dir() / "lab/astm" / name).read_bytes()

    with pytest.raises(Malformed) as refused:
        split_messages(raw)

    assert str(refused.value).startswith(sentence)


@pytest.mark.samples
def test_a_sysmex_tube_test_and_serial_number_are_where_it_writes_them() -> None:
    message = read_message(*split_messages((samples_dir() / "lab/astm/sysmex_xp100.txt").read_bytes()))

    (specimen,) = message.specimens
    assert message.sender.application == "XP-100"
    assert message.sender.serial_number == "A7869"
    assert (specimen.barcode, specimen.rack, specimen.place) == ("113", "", "")
    first = specimen.results[0]
    assert (first.test.code, first.value, first.unit, first.flags) == ("WBC", "5.5", "10*3/uL", ("N",))
    assert first.analysed_at == datetime(2024, 7, 23, 9, 24, 52, tzinfo=UTC)


@pytest.mark.samples
def test_records_of_the_maker_are_kept() -> None:
    message = read_message(*split_messages((samples_dir() / "lab/astm/cobas_c111.txt").read_bytes()))

    (specimen,) = message.specimens
    assert (specimen.barcode, specimen.place) == ("T20 10134GA D28", "6")
    assert specimen.of_the_maker[0].startswith("M|1|RR^BM^c111^1|-21|")
    assert (message.sender.manufacturer, message.sender.model) == ("Roche", "c111")


# records


def test_delimiters_are_those_of_the_h_record() -> None:
    message = read("H!~@%!!!X@Y", "P!1!!7!!Li@Si", "O!1!K1!!@@@GLU~@@@UREA", "R!1!@@@GLU!5.1!mmol/L", "L!1!N")

    (specimen,) = message.specimens
    assert only_result(message) == ("GLU", "5.1")
    assert specimen.order is not None
    assert [test.code for test in specimen.order.tests] == ["GLU", "UREA"]
    assert specimen.patient is not None
    assert specimen.patient.name == "Li^Si"


def test_a_doubled_backslash_is_one() -> None:
    assert read_delimiters("H|\\\\^&|||x") == Delimiters()


@pytest.mark.parametrize("header", ["H", "HELLO", "H|", "H||||", "H|\\|^&", "H|abc", "H|\\\\\\\\", "P|1"])
def test_an_h_record_without_delimiters_is_refused(header: str) -> None:
    with pytest.raises(Malformed):
        read_message(header.encode())


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a&F&b", "a|b"),
        ("a&S&b&R&c&E&d", "a^b\\c&d"),
        ("&X4142&", "AB"),
        ("&XE5BCA0&", "张"),
        ("&H&bold&N&", "bold"),
        ("Na & K", "Na & K"),
        ("&", "&"),
        ("&Q&", "&Q&"),
        ("&X4&", "&X4&"),
    ],
)
def test_escapes_are_undone_and_what_is_none_stays(written: str, meant: str) -> None:
    assert unescape(written, Delimiters()) == meant


def test_what_is_escaped_reads_as_it_was() -> None:
    said = "50% | ^ \\ & 张三 𠮷"
    assert unescape(escape(said, Delimiters()), Delimiters()) == said


def test_a_text_with_a_cr_in_it_stays_one_record() -> None:
    message = read(H, "O|1|K1", "R|1|^^^GLU|5.1", "C|1|I|line one\rline two|I", "L|1|N")

    assert message.specimens[0].results[0].comments == ("line one\nline two",)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r"])
def test_records_end_as_their_sender_ends_them(end: str) -> None:
    body = end.join((H, "O|1|K1", "R|1|^^^GLU|5.1", "L|1|N"))
    assert only_result(read_message(body.encode())) == ("GLU", "5.1")


# specimens and results


def test_several_patients_and_specimens_keep_their_results_apart() -> None:
    message = read(
        H,
        "P|1||A",
        "C|1|L|fasting",
        "O|1|K1",
        "R|1|^^^GLU|5.1",
        "O|2|K2",
        "R|1|^^^GLU|6.1",
        "R|2|^^^UREA|4.0",
        "P|2||B",
        "O|1|K3",
        "R|1|^^^GLU|7.1",
        "L|1|N",
    )

    said = [
        (one.barcode, one.patient.patient_id, [r.value for r in one.results])
        for one in message.specimens
        if one.patient is not None
    ]
    assert said == [("K1", "A", ["5.1"]), ("K2", "A", ["6.1", "4.0"]), ("K3", "B", ["7.1"])]
    assert [one.comments for one in message.specimens] == [("fasting",), ("fasting",), ()]
    assert [r.position for one in message.specimens for r in one.results] == [0, 1, 2, 3]


def test_results_without_an_order_are_not_lost() -> None:
    message = read(H, "P|1||A", "R|1|^^^GLU|5.1", "L|1|N")

    assert only_result(message) == ("GLU", "5.1")
    assert message.specimens[0].barcode == ""
    assert message.warnings == ("results without an O record",)


def test_a_message_without_l_says_so() -> None:
    message = read(H, "O|1|K1", "R|1|^^^GLU|5.1")
    assert message.warnings == ("the message has no L record: it may not be whole",)
    assert message.results == 1


@pytest.mark.parametrize(
    ("order", "tube"),
    [
        ("O|1|K1", ("K1", "", "")),
        ("O|1|K1^5^2", ("K1", "5", "2")),
        ("O|1|K1|12^50001^3^^S1^SC", ("K1", "50001", "3")),  # Roche
        ("O|1||2^4^            K1^B", ("K1", "2", "4")),  # Sysmex
        ("O|1|1^5^2|K1", ("K1", "5", "2")),  # Mindray
        ("O|1|K1|^5^2", ("K1", "5", "2")),  # Beckman
        ("O|1||K1^^6", ("K1", "", "6")),
        ("O|1", ("", "", "")),
    ],
)
def test_barcode_rack_and_place_are_found_where_analysers_write_them(
    order: str, tube: tuple[str, str, str]
) -> None:
    (specimen,) = read(H, order, "R|1|^^^GLU|1", "L|1").specimens
    assert (specimen.barcode, specimen.rack, specimen.place) == tube


@pytest.mark.parametrize(
    ("universal", "code", "dilution"),
    [
        ("^^^GLU", "GLU", ""),
        ("^^^GLU^10", "GLU", "10"),
        ("^^^^WBC^1", "WBC", ""),
        ("GLU", "GLU", ""),
        ("1^Glucose^2^F", "1", ""),
        ("2345-7^Glucose^LN^GLU^2", "GLU", "2"),
    ],
)
def test_the_code_of_a_test_is_found(universal: str, code: str, dilution: str) -> None:
    result = read(H, "O|1|K1", f"R|1|{universal}|1", "L|1").specimens[0].results[0]
    assert (result.test.code, result.dilution) == (code, dilution)


def test_a_universal_code_stays_beside_the_makers() -> None:
    result = read(H, "O|1|K1", "R|1|2345-7^Glucose^LN^GLU|1", "L|1").specimens[0].results[0]
    assert result.alternate == Coded(code="2345-7", text="Glucose", system="LN")


def test_a_dialect_says_where_barcode_and_code_are() -> None:
    body = "\r".join((H, "O|1|S9|K1^x", "R|1|A^B^C^D|1", "L|1")).encode()
    dialect = Dialect(barcode_field=4, barcode_component=1, test_component=2)

    (specimen,) = read_message(body, dialect=dialect).specimens

    assert (specimen.barcode, specimen.results[0].test.code) == ("K1", "B")


def test_a_dialect_says_that_results_have_a_dilution_field() -> None:
    """As a Beckman DxH 500 writes them: value and its marks in R-4, a dilution in R-6, all else one field later."""
    header = "H|\\!~|||DxH 500!01|||||||P|LIS2-A2|20261122080600"
    record = "R|1|!!!HGB|115.2  ! Rl |g/L||120 to 165|A||||DXH500||20261122080500|01"
    body = "\r".join((header, "O|1|K1!|RUN!OV|!!!CD", record, "L|1|N")).encode()

    (specimen,) = read_message(body, dialect=read_dialect({"dilution_field": True})).specimens

    (result,) = specimen.results
    assert (specimen.barcode, result.test.code) == ("K1", "HGB")
    assert (result.value, result.unit, result.reference_range) == ("115.2", "g/L", "120 to 165")
    assert (result.flags, result.status, result.operator) == (("R", "L", "A"), "", "DXH500")
    assert result.analysed_at == datetime(2026, 11, 22, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "wrong",
    [
        {"x": 1},
        {"dilution_field": 1},
        {"test_component": "4"},
        {"answer_text_limit": 0},
        {"barcode_field": 7},
        {"barcode_component": -1},
        {"termination": "\r"},
    ],
)
def test_what_is_no_dialect_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        read_dialect(wrong)


def test_a_result_is_read_whole() -> None:
    record = (
        "R|1|^^^CRP^5|>200|mg/L|0 to 8\\0 to 10|H~\\HH\\*||F||li^wang|20261122075900|20261122080500|AU5800"
    )
    result = (
        read(H, "O|1|K1|||||20261122070000", record, "C|1|I|high dose hook", "L|1").specimens[0].results[0]
    )

    assert (result.value, result.unit, result.reference_range) == (">200", "mg/L", "0 to 8~0 to 10")
    assert result.flags == ("H~", "HH", "*")
    assert (result.status, result.operator, result.instrument) == ("F", "li^wang", "AU5800")
    assert result.observed_at == datetime(2026, 11, 21, 23, 0, tzinfo=UTC)
    assert result.analysed_at == datetime(2026, 11, 22, 0, 5, tzinfo=UTC)
    assert result.comments == ("high dose hook",)


@pytest.mark.parametrize("order", ["O|1|QC-L1^4711^2|||||||||Q", "O|1|QC-L1^4711^2"])
def test_control_material_is_known_by_its_action_code_or_name(order: str) -> None:
    (specimen,) = read(H, order, "R|1|^^^GLU|5.1", "L|1").specimens
    assert specimen.control == Control(material="QC-L1", lot="4711", level="2")


def test_a_message_of_a_control_run_is_of_control_material() -> None:
    header = H.replace("||P|LIS2", "||Q|LIS2")
    (specimen,) = read(header, "O|1|LOT7", "R|1|^^^GLU|5.1", "L|1").specimens
    assert specimen.control == Control(material="LOT7")


def test_a_patients_specimen_is_no_control() -> None:
    (specimen,) = read(H, "O|1|QCHEN01|||||||||N", "R|1|^^^GLU|5.1", "L|1").specimens
    assert specimen.control is None


def test_an_order_without_results_is_an_order() -> None:
    message = read(H, "P|1", "O|1|K1||^^^GLU\\^^^K|S||||||A||||Serum||||||||||O", "L|1")
    (specimen,) = message.specimens
    assert message.kind is MessageKind.ORDERS
    assert specimen.order is not None
    assert [one.code for one in specimen.order.tests] == ["GLU", "K"]
    assert (specimen.order.priority, specimen.order.control) == ("S", "A")


# people


@pytest.mark.parametrize("codec", ["utf-8", "gbk", "gb18030"])
def test_chinese_is_read_whoever_wrote_it(codec: str) -> None:
    message = read(
        H,
        "P|1||7001||张^三||19700102|男",
        "O|1|K1",
        "R|1|^^^GLU|5.1",
        "C|1|I|标本溶血，请重采",
        "L|1|N",
        codec=codec,
    )

    (specimen,) = message.specimens
    assert specimen.patient == StatedPatient(
        patient_id="7001", name="=张^三", sex="M", birth_date=date(1970, 1, 2)
    )
    assert specimen.results[0].comments == ("标本溶血，请重采",)


def test_second_bytes_that_look_like_delimiters_split_nothing() -> None:
    name = "淺淾東"  # in GBK their second bytes are a backslash, a caret and a bar
    assert {0x5C, 0x5E, 0x7C} <= set(name.encode("gbk"))

    (specimen,) = read(
        H, f"P|1||7001||{name}", "O|1|K1", "R|1|^^^GLU|5.1", "L|1", codec="gbk", character_set="GBK"
    ).specimens

    assert specimen.patient is not None
    assert specimen.patient.name == f"={name}"


def test_latin_micro_is_no_chinese() -> None:
    message = read(H, "O|1|K1", "R|1|^^^CREA|88|µmol/L", "L|1", codec="latin-1")
    assert message.specimens[0].results[0].unit == "µmol/L"
    assert message.text_in_doubt


def test_a_setting_that_the_bytes_contradict_is_told() -> None:
    message = read(H, "P|1||||张三", "O|1|K1", "R|1|^^^GLU|1", "L|1", codec="gbk", character_set="utf-8")
    assert message.specimens[0].patient is not None
    assert message.specimens[0].patient.name == "=张三"
    assert message.text_in_doubt


def test_a_device_set_to_gbk_that_learned_utf_8_is_read() -> None:
    message = read(H, "P|1||||张三丰", "O|1|K1", "R|1|^^^GLU|1", "L|1", character_set="GBK")
    assert message.specimens[0].patient is not None
    assert message.specimens[0].patient.name == "=张三丰"
    assert message.text_in_doubt


@pytest.mark.parametrize(
    ("stated", "meant"),
    [
        ("20261122080500", "2026-11-22T00:05:00"),
        ("20261122080500+0000", "2026-11-22T08:05:00"),
        ("202611220805", "2026-11-22T00:05:00"),
        ("20261122", "2026-11-21T16:00:00"),
        ("2026-11-22 8:05", "2026-11-22T00:05:00"),
        ("2026/11/22 08:05:06", "2026-11-22T00:05:06"),
        ("2026年11月22日 08时05分", "2026-11-22T00:05:00"),
        ("2026-11-22T08:05:00Z", "2026-11-22T08:05:00"),
        ("20261322", None),
        ("20260230", None),
        ("99999999999999", None),
        ("00010101", None),
        ("22/11/2026", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_times_are_read_as_chinas_and_what_no_calendar_has_is_none(stated: str, meant: str | None) -> None:
    found = read_time(stated)
    assert (found.replace(tzinfo=None).isoformat() if found else None) == meant


def test_a_latin_name_stays_alphabetic() -> None:
    (specimen,) = read(H, "P|1||||Zhang^San^X", "O|1|K1", "R|1|^^^GLU|1", "L|1").specimens
    assert specimen.patient is not None
    assert specimen.patient.name == "Zhang^San^X"


# questions


@pytest.mark.parametrize(
    ("asked", "barcodes", "racks"),
    [
        ("^K1", ("K1",), ()),
        ("P7^K1", ("K1",), ()),
        ("K1", ("K1",), ()),
        ("^K1\\^K2\\^K1", ("K1", "K2"), ()),
        ("^^K1^12^50001^3^^S1^SC", ("K1",), ()),  # Roche
        ("2^4^            K1^B", ("K1",), ()),  # Sysmex
        ("2^4^^B", (), (("2", "4"),)),
    ],
)
def test_questions_name_specimens_or_places(
    asked: str, barcodes: tuple[str, ...], racks: tuple[tuple[str, str], ...]
) -> None:
    message = read(H, f"Q|1|{asked}||ALL||||||||O", "L|1|N")

    assert message.kind is MessageKind.QUERY
    assert message.query is not None
    assert (message.query.barcodes, message.query.racks) == (barcodes, racks)
    assert not message.query.everything


@pytest.mark.parametrize("record", ["Q|1|ALL", "Q|1|^ALL||ALL", "Q|1|"])
def test_a_question_for_all_is_one(record: str) -> None:
    query = read(H, record, "L|1").query
    assert query is not None
    assert query.everything


def test_a_question_is_taken_back() -> None:
    query = read(H, "Q|1|^K1||||||||||A", "L|1").query
    assert query is not None
    assert query.cancelled


# files


def test_a_file_of_several_messages_is_split() -> None:
    one = f"{H}\rO|1|K1\rR|1|^^^GLU|5.1\rL|1|N\r"
    assert split_messages((one + one).encode()) == (one.encode(), one.encode())


def test_a_file_with_a_damaged_frame_is_refused() -> None:
    with pytest.raises(Malformed, match="frame 2 is damaged"):
        split_messages(b"\x021H|\\^&\r\x03E5\r\n\x022L|1\r\x03FF\r\n")


@pytest.mark.parametrize("raw", [b"", b"\r\n", b"\x05\x04", b"plain text", b"\x02", b"H|\\^&\rL|1\r"[:6]])
def test_a_file_without_a_message_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        split_messages(raw)


def test_every_truncation_is_a_message_or_malformed() -> None:
    body = f"{H}\rP|1||7001||张^三\rO|1|K1\rR|1|^^^GLU|5.1|mmol/L\rL|1|N\r".encode("gb18030")
    for end in range(len(body)):
        try:
            list(read_records(body[:end].decode("gb18030", "replace")))
            read_message(body[:end])
        except Malformed:
            assert end < 8 or b"|" not in body[:end]


@pytest.mark.parametrize(
    ("asked", "everything"), [("ALL", True), ("", True), ("^ALL", True), ("^", False), ("^^", False)]
)
def test_a_barcode_that_was_not_read_is_no_question_for_all_that_waits(asked: str, everything: bool) -> None:
    query = read_message(f"H|\\^&\rQ|1|{asked}||ALL\rL|1|N\r".encode()).query
    assert query is not None and not query.barcodes and query.everything is everything
