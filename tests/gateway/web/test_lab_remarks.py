"""What readers notice is said in Chinese and in English; what they could say is gone through here."""

import pytest

from adapters.hl7.reading import read_message as read_hl7
from adapters.lab.astm_reading import read_message as read_astm
from adapters.lab.csv_mapping import read_mapping
from adapters.lab.csv_reading import read_csv
from gateway.lab.filing import CLOCK_IS_WRONG
from gateway.web.lab_remarks import say_in_chinese, say_remarks

MSH = rb"MSH|^~\&|A|B|C|D|20261121080000||ORU^R01|1|P|2.3.1" + b"\r"
COLUMNS = {"layout": "long", "columns": {"barcode": 1, "test": 2, "value": 3, "date": 4}}
NOTICED = [
    read_hl7(MSH + b"PID|1||P1\rOBR|1|B1\rOBX|1|NM|WBC||5\nmore|10*9/L\r").warnings,
    read_hl7(MSH + b"PID|1||P1 OBR|1|B1 OBX|1|NM|WBC||5|10*9/L\rOBR|1|B1\r").warnings,
    read_astm(b"H|\\^&\rO|1|B1||^^^K\rR|1|^^^K|4|mmol/L||||F||||20261399\rL|1|N\rC|1\r").warnings,
    read_astm(b"H|\\^&\rH|\\^&\rR|1|^^^K|4|mmol/L\rL|1|E\r").warnings,
    read_astm(b"H|\\^&\rO|1|B1||^^^K\rR|1|^^^K|4|mmol/L\r").warnings,
    (CLOCK_IS_WRONG,),
]


def table(*rows: str) -> tuple[str, ...]:
    body = "\n".join(("条码,项目,结果,日期", *rows)).encode()
    return read_csv(body, read_mapping(COLUMNS)).warnings


def test_every_remark_is_said_in_chinese() -> None:
    many = table("B1,K,4.1,2026-11-21,x", *(f"B{n},K,4.1,someday" for n in range(40)))
    said = [one for group in (*NOTICED, many) for one in group]
    kinds = {say_in_chinese(one) for one in said}
    assert all(any("一" <= letter <= "鿿" for letter in one) for one in kinds), kinds
    assert len({"".join(c for c in one if not c.isdigit()) for one in kinds}) >= 11


@pytest.mark.parametrize("noticed", NOTICED)
def test_each_is_noticed_and_kept_as_it_is_in_english(noticed: tuple[str, ...]) -> None:
    assert noticed
    assert say_remarks(noticed, "en") == list(noticed)
