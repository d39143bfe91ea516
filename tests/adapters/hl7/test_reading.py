"""What messages of analysers and hospitals say: specimens, results, orders, patients, control material."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from adapters.errors import Malformed
from adapters.hl7.reading import read_attachment, read_message
from adapters.hl7.values import read_time
from adapters.lab.said import Coded, MessageKind, Specimen
from tests.adapters.hl7 import messages
from tests.adapters.hl7.messages import join, oru

SHANGHAI = ZoneInfo("Asia/Shanghai")


def only(raw: bytes) -> Specimen:
    (specimen,) = read_message(raw).specimens
    return specimen


def test_a_chemistry_result_of_mindray() -> None:
    read = read_message(messages.MINDRAY_CHEMISTRY)
    assert (read.kind, read.type, read.version, read.control_id) == (
        MessageKind.RESULTS,
        "ORU^R01",
        "2.3.1",
        "1",
    )
    (specimen,) = read.specimens
    assert specimen.barcode == "0000000002"
    assert specimen.patient is not None and specimen.order is not None
    assert (specimen.patient.patient_id, specimen.patient.name, specimen.patient.sex) == ("854", "Tommy", "F")
    assert specimen.patient.birth_date == date(1983, 7, 19)
    assert specimen.kind == Coded(code="serum")
    assert specimen.order.priority == "S"
    glucose, alt = specimen.results
    assert glucose.test == Coded(code="2", text="GLU")
    assert (glucose.value, glucose.unit, glucose.reference_range) == ("5.000000", "mmol/L", "3.9-6.1")
    assert (glucose.flags, glucose.status) == (("N",), "F")
    assert alt.value == "<10"
    assert specimen.order.collected_at == datetime(2007, 7, 19, 6, 53, tzinfo=UTC)


def test_a_blood_count_of_mindray_with_its_modes_and_histograms() -> None:
    raw = messages.MINDRAY_HAEMATOLOGY
    read = read_message(raw)
    (specimen,) = read.specimens
    assert specimen.barcode == "LAB-000127" and specimen.control is None
    assert specimen.patient is not None and specimen.order is not None
    assert (specimen.patient.name, specimen.patient.sex, specimen.patient.patient_id) == (
        "=李四",
        "M",
        "CHART-2",
    )
    assert (specimen.patient.department, specimen.patient.bed) == ("内科", "12")
    assert specimen.order.clinical_information == "贫血待查"
    assert [one.test.code for one in specimen.results] == ["08001", "08003", "6690-2", "17100"]
    assert specimen.results[2].flags == ("H", "A")
    assert [(one.media_type, one.size_bytes, one.position) for one in specimen.attachments] == [
        ("image/bmp", 6, 4),
        ("application/octet-stream", 5, 5),
    ]
    assert read.results == 6
    assert read_attachment(raw, 4) == b"BM\x00\x01\x02\x03"
    assert read_attachment(raw, 5) == bytes(range(5))


def test_control_material_is_no_patients_specimen() -> None:
    specimen = only(messages.MINDRAY_HAEMATOLOGY_CONTROL)
    assert specimen.control is not None and specimen.patient is None
    assert (specimen.control.lot, specimen.control.level, specimen.control.material) == ("LOT1234", "M", "6")
    assert [one.value for one in specimen.results] == ["M", "7.10"]


def test_controls_of_chemistry_come_without_obx() -> None:
    first, second = read_message(messages.MINDRAY_CHEMISTRY_CONTROLS).specimens
    assert first.control is not None and second.control is not None
    assert (first.control.material, first.control.lot, first.control.level) == ("QUAL1", "1111", "L")
    assert (second.control.material, second.control.lot, second.control.level) == ("QUAL2", "2222", "M")
    assert [
        (one.results[0].test.code, one.results[0].test.text, one.results[0].value) for one in (first, second)
    ] == [
        ("7", "AST", "0.13"),
        ("7", "AST", "0.14"),
    ]
    assert first.results[0].unit == "U/L"


def test_calibration_is_nothing_of_a_patient() -> None:
    assert read_message(messages.MINDRAY_CALIBRATION).kind is MessageKind.OTHER


def test_results_after_law() -> None:
    read = read_message(messages.LAW_RESULTS)
    patient_specimen, control = read.specimens
    patient = patient_specimen.patient
    assert patient is not None
    assert (patient.name, patient.national_id, patient.patient_id, patient.issuer) == (
        "Wang^Fang=王^芳",
        "110101198001011234",
        "P9",
        "County",
    )
    assert (patient_specimen.barcode, patient_specimen.rack, patient_specimen.place) == ("S-100", "R7", "3")
    wbc, hgb = patient_specimen.results
    assert wbc.alternate == Coded(code="WBC", system="99HOR")
    assert (wbc.dilution, wbc.comments, wbc.order_number) == ("1:5", ("rerun",), "AWOS-1")
    assert (wbc.operator, wbc.instrument) == ("Na Li", "Y1")
    assert wbc.analysed_at == datetime(2026, 1, 5, 2, 5, tzinfo=UTC)
    assert (hgb.value, hgb.flags, hgb.order_number) == (">200", ("HH",), "AWOS-2")
    assert patient_specimen.order is not None and patient_specimen.order.control == "OK"
    assert [test.code for test in patient_specimen.order.tests] == ["6690-2", "718-7"]
    assert patient_specimen.order.received_at == datetime(2026, 1, 5, 1, 30, tzinfo=UTC)
    assert control.control is not None and control.patient is None
    assert (control.control.material, control.control.lot, control.barcode) == ("Difftrol", "LOT77", "QC-L1")
    assert read.results == 3


def test_containers_are_specimens_where_the_message_is_about_them() -> None:
    raw = join(
        "MSH|^~\\&|A|B|||20260105||OUL^R23^OUL_R23|1|P|2.5.1", "SPM|1|S1||BLD", "SAC|||T1", "OBR|1|||X", "OBX|1|NM|X||1",
        "SAC|||T2", "OBR|2|||X", "OBX|2|NM|X||2",
    )  # fmt: skip
    assert [(one.barcode, one.results[0].value) for one in read_message(raw).specimens] == [
        ("T1", "1"),
        ("T2", "2"),
    ]


def test_a_specimen_behind_its_order_is_that_orders() -> None:
    raw = join(
        "MSH|^~\\&|A|B|||20260105||ORU^R01^ORU_R01|1|P|2.5.1", "PID|1||P1", "ORC|RE|O1", "OBR|1|O1||CBC", "OBX|1|NM|X||1",
        "SPM|1|TUBE-1^F||BLD", "ORC|RE|O2", "OBR|2|O2||GLU", "OBX|1|NM|Y||2", "SPM|1|^TUBE-2||SER",
    )  # fmt: skip
    read = read_message(raw)
    assert [
        (one.barcode, one.results[0].position, one.order.placer_number) for one in read.specimens if one.order
    ] == [
        ("TUBE-1", 0, "O1"),
        ("TUBE-2", 1, "O2"),
    ]


def test_several_patients_in_one_message_stay_apart() -> None:
    raw = join(
        "MSH|^~\\&|A|B|||20260105||ORU^R01|1|P|2.3.1", "PID|1||P1", "OBR|1|B1", "OBX|1|NM|X||1", "PID|2||P2", "OBR|1|B1",
        "OBX|1|NM|X||2",
    )  # fmt: skip
    read = read_message(raw)
    assert [(one.patient.patient_id, one.results[0].value) for one in read.specimens if one.patient] == [
        ("P1", "1"),
        ("P2", "2"),
    ]


def test_results_without_an_order_are_results() -> None:
    specimen = only(join("MSH|^~\\&|A|B|||20260105||ORU^R01|1|P|2.3.1", "PID|1||P1", "OBX|1|NM|X||1"))
    assert specimen.barcode == "" and specimen.order is None and specimen.results[0].value == "1"


@pytest.mark.parametrize(
    ("kind", "segments"),
    [
        ("ORM^O01", ["PID|1||P1", "ORC|NW|B7", "OBR|1|B7||GLU^Glucose", "OBR|2|B7||ALT"]),
        ("OML^O21", ["PID|1||P1", "ORC|NW|B7", "OBR|1|B7||GLU^Glucose", "ORC|NW|B7", "OBR|2|B7||ALT"]),
        (
            "OML^O33",
            ["PID|1||P1", "SPM|1|B7||SER", "ORC|NW|1", "OBR|1|1||GLU^Glucose", "ORC|NW|2", "OBR|2|2||ALT"],
        ),
        (
            "OML^O35",
            ["PID|1||P1", "SPM|1|X||SER", "SAC|||B7", "ORC|NW|1", "OBR|1|1||GLU^Glucose", "OBR|2|2||ALT"],
        ),
        ("OMG^O19", ["PID|1||P1", "ORC|NW|B7", "OBR|1|B7||GLU^Glucose", "ORC|NW|B7", "OBR|2|B7||ALT"]),
    ],
)
def test_orders_come_as_hospitals_send_them(kind: str, segments: list[str]) -> None:
    read = read_message(join(f"MSH|^~\\&|HIS|T|||20260105||{kind}|1|P|2.5.1", *segments))
    assert read.kind is MessageKind.ORDERS
    (specimen,) = read.specimens
    assert specimen.barcode == "B7" and specimen.order is not None and specimen.order.control == "NW"
    assert specimen.order.tests == (Coded(code="GLU", text="Glucose"), Coded(code="ALT"))


@pytest.mark.parametrize("tube", ["SPM|1|B7||SER", ""])
def test_a_test_that_is_taken_back_does_not_take_back_the_rest(tube: str) -> None:
    orders = ["ORC|CA|B7", "OBR|1|B7||GLU", "ORC|NW|B7", "OBR|2|B7||ALT"]
    read = read_message(
        join("MSH|^~\\&|HIS|T|||20260105||OML^O33|1|P|2.5.1", "PID|1||P1", *([tube] if tube else []), *orders)
    )
    said = [
        (one.barcode, one.order.control, [test.code for test in one.order.tests])
        for one in read.specimens
        if one.order
    ]
    assert said == [("B7", "CA", ["GLU"]), ("B7", "NW", ["ALT"])]


def test_a_zero_byte_is_no_character_of_a_value() -> None:
    read = read_message(oru(value="5\x00.0"))
    assert (read.specimens[0].results[0].value, read.text_in_doubt) == ("5\ufffd.0", True)
    escaped = read_message(oru(value="5\\X00\\0"))
    assert escaped.specimens[0].results[0].value == "5\\X00\\0"


@pytest.mark.parametrize(
    "version", ["2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", ""]
)
def test_versions_are_read_alike(version: str) -> None:
    read = read_message(oru(msh=f"MSH|^~\\&|LAB|T|||20260105||ORU^R01|1|P|{version}"))
    assert (read.version, read.results, read.specimens[0].results[0].value) == (version, 1, "5.0")


def test_the_event_may_be_in_the_structure_alone() -> None:
    assert read_message(oru(msh="MSH|^~\\&|L|T|||2026||ORU^^ORU_R01|1|P|2.5")).type == "ORU^R01"


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        ("NM", "5.0", "5.0"), ("NM", "<0.01", "<0.01"), ("SN", ">=^100", ">=100"), ("SN", "^1^:^128", "1:128"),
        ("SN", "^3^-^5", "3-5"), ("ST", "a^b&c", "a^b&c"), ("", "12", "12"), ("FT", r"one\.br\two", "one\ntwo"),
        ("ST", "1~2", "1~2"), ("NM", '""', ""), ("TX", "", ""), ("CE", "260373001^Detected^SCT", "Detected"),
        ("CWE", "E^^L~F^Second^L", "E~Second"), ("DT", "20260105", "20260105"), ("ST", r"5\T\6 \S\ 7", "5&6 ^ 7"),
    ],
)  # fmt: skip
def test_values_stand_as_they_were_written(kind: str, written: str, value: str) -> None:
    result = only(oru(value=written).replace(b"|NM|", f"|{kind}|".encode())).results[0]
    assert (result.value, result.value_type) == (value, kind)


@pytest.mark.parametrize(
    ("written", "unit"),
    [
        ("mmol/L", "mmol/L"), ("10*9/L", "10*9/L"), ("10^9/L", "10^9/L"), ("x10^12/L", "x10^12/L"), ("10^3", "10^3"),
        (r"10\S\9/L", "10^9/L"), ("g/dL^gram per decilitre^UCUM", "g/dL"), ("^mg/L", "mg/L"), ("%^percent", "%"), ("", ""),
    ],
)  # fmt: skip
def test_units_stand_as_they_were_written(written: str, unit: str) -> None:
    assert only(oru().replace(b"|10*9/L|", f"|{written}|".encode())).results[0].unit == unit


def test_a_coded_value_keeps_its_code() -> None:
    result = only(oru(value="260373001^Detected^SCT").replace(b"|NM|", b"|CWE|")).results[0]
    assert result.coded == Coded(code="260373001", text="Detected", system="SCT")


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Wang^Li", "Wang^Li"), ("张三", "=张三"), ("张^三", "=张^三"), ("^张三", "=张三"), ("^Tommy", "Tommy"),
        ("张^三^^^^^L^I~Zhang^San^^^^^L^A", "Zhang^San=张^三"), ("Smith^John^Q^Jr^Dr", "Smith^John^Q^Dr^Jr"),
        ("van Gogh&van&Gogh^Vincent", "van Gogh^Vincent"), ("", ""), ("a=b^c", "a b^c"), ('""', ""),
    ],
)  # fmt: skip
def test_names_take_the_form_that_is_kept_here(written: str, name: str) -> None:
    patient = only(oru(pid=f"PID|1||P1||{written}")).patient
    assert patient is not None and patient.name == name


@pytest.mark.parametrize(
    ("written", "sex"),
    [("M", "M"), ("Male", "M"), ("男", "M"), ("1", "M"), ("F", "F"), ("女", "F"), ("2", "F"), ("O", "O"), ("U", ""),
     ("0", ""), ("9", ""), ("", ""), ("x", "")],
)  # fmt: skip
def test_sexes_are_known_however_they_are_written(written: str, sex: str) -> None:
    patient = only(oru(pid=f"PID|1||P1||||20000101|{written}")).patient
    assert patient is not None and patient.sex == sex


@pytest.mark.parametrize(
    ("pid", "number", "national"),
    [
        ("PID|1||123^^^A^MR~110101198001011234^^^^NI", "123", "110101198001011234"),
        ("PID|1||11010119800101123x^^^^身份证~7^^^^PI", "7", "11010119800101123X"),
        ("PID|1||9^^^^VN~8^^^^PI", "8", ""),
        ("PID|1|5", "5", ""),
        ("PID|1|||6", "6", ""),
        ("PID|1||P1||||||||||||||||110101800101123", "P1", "110101800101123"),
        ("PID|1||P1||||||||||||||||none", "P1", ""),
    ],
)
def test_numbers_of_patients_by_their_types(pid: str, number: str, national: str) -> None:
    patient = only(oru(pid=pid)).patient
    assert patient is not None
    assert (patient.patient_id, patient.national_id) == (number, national)


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("2026", datetime(2026, 1, 1, tzinfo=SHANGHAI)),
        ("202603", datetime(2026, 3, 1, tzinfo=SHANGHAI)),
        ("20260305", datetime(2026, 3, 5, tzinfo=SHANGHAI)),
        ("2026030507", datetime(2026, 3, 5, 7, tzinfo=SHANGHAI)),
        ("202603050708", datetime(2026, 3, 5, 7, 8, tzinfo=SHANGHAI)),
        ("20260305070809", datetime(2026, 3, 5, 7, 8, 9, tzinfo=SHANGHAI)),
        ("20260305070809.1234", datetime(2026, 3, 5, 7, 8, 9, 123400, tzinfo=SHANGHAI)),
        ("20260305070809+0000", datetime(2026, 3, 5, 7, 8, 9, tzinfo=UTC)),
        ("20260305070809.1-0330", datetime(2026, 3, 5, 10, 38, 9, 100000, tzinfo=UTC)),
        ("2026/03/05 07:08:09", datetime(2026, 3, 5, 7, 8, 9, tzinfo=SHANGHAI)),
        ("2026-03-05T07:08:09Z", datetime(2026, 3, 5, 7, 8, 9, tzinfo=UTC)),
        ("20261399", None),
        ("yesterday", None),
        ("", None),
        ("99999999999999", None),
        ("00010101000000+1400", None),
        ("20260305070809+9999", None),
    ],
)
def test_times_of_every_precision(written: str, at: datetime | None) -> None:
    found = read_time(written, SHANGHAI)
    assert found == at
    assert found is None or found.tzinfo is UTC


@pytest.mark.parametrize(
    ("written", "media_type", "content"),
    [
        ("^application^pdf^Base64^JVBERi0=", "application/pdf", b"%PDF-"),
        ("^AP^PDF^Base64^JVBERi0=", "application/pdf", b"%PDF-"),
        ("X^IM^PNG^Hex^89504E47", "image/png", b"\x89PNG"),
        ("^IM^JPEG^base64^/9j/", "image/jpeg", b"\xff\xd8\xff"),
        (r"^TEXT^plain^A^one\.br\two", "text/plain", b"one\ntwo"),
        ("^image/svg+xml^^Base64^PHN2Zz4=", "image/svg+xml", b"<svg>"),
        ("^application^pdf^Base64^JVBE\nRi0=", "application/pdf", b"%PDF-"),
        (r"^application^pdf^Base64^JVBE\.br\Ri0=", "application/pdf", b"%PDF-"),
    ],
)
def test_attachments_are_described_and_decoded_when_asked_for(
    written: str, media_type: str, content: bytes
) -> None:
    raw = oru(value=written).replace(b"|NM|", b"|ED|")
    (attachment,) = only(raw).attachments
    assert (attachment.media_type, attachment.size_bytes) == (media_type, len(content))
    assert read_attachment(raw, attachment.position) == content


def test_an_attachment_that_is_none_says_so() -> None:
    with pytest.raises(Malformed, match="no attachment"):
        read_attachment(oru(), 0)
    with pytest.raises(Malformed, match="Base64"):
        read_attachment(oru(value="^application^pdf^Base64^%%%").replace(b"|NM|", b"|ED|"), 0)


def test_a_message_of_another_kind_is_understood_and_nothing_more() -> None:
    read = read_message(
        join("MSH|^~\\&|HIS|T|||20260105||ADT^A01|1|P|2.5", "EVN|A01", "PID|1||P1", "PV1|1|I")
    )
    assert (read.kind, read.specimens, read.query) == (MessageKind.OTHER, (), None)


def test_questions_say_what_is_asked_for() -> None:
    law = read_message(messages.LAW_QUESTION)
    assert law.kind is MessageKind.QUERY and law.query is not None
    assert (law.query.barcodes, law.query.tag, law.query.everything) == (("S-100",), "TAG-9", False)
    chemistry = read_message(messages.MINDRAY_QUESTION).query
    assert chemistry is not None and chemistry.barcodes == ("34567743",)
    unread = read_message(messages.LAW_QUESTION.replace(b"|S-100|R7|3", b"|||")).query
    assert unread is not None and not unread.barcodes and not unread.everything
    of_all = read_message(
        messages.LAW_QUESTION.replace(b"|S-100|R7|3", b"").replace(b"WOS^", b"WOS_ALL^")
    ).query
    assert of_all is not None and of_all.everything

    everything = read_message(messages.MINDRAY_QUESTION.replace(b"34567743", b"")).query
    assert everything is not None and everything.everything
    haematology = read_message(messages.MINDRAY_HAEMATOLOGY_QUESTION)
    assert haematology.kind is MessageKind.QUERY and haematology.query is not None
    assert haematology.query.barcodes == ("SAMPLE-7",)
    by_place = read_message(messages.LAW_QUESTION.replace(b"|S-100|", b"||")).query
    assert by_place is not None and by_place.racks == (("R7", "3"),)
