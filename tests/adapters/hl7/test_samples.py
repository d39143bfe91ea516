"""Messages that others wrote, sent by a sender that others wrote: each is accepted, and each OBX is counted."""

import re
from pathlib import Path

import hl7
import pytest
from hl7.client import MLLPClient, mllp_send

from adapters.hl7.reading import read_attachment, read_message
from adapters.lab.said import Message, MessageKind
from tests.adapters.hl7.memory import Server
from tests.samples import samples_dir

pytestmark = pytest.mark.samples

NAMES = [
    "001_CA_OML_O21", "001_Natus_ACK", "002_CA_ORU_R01", "002_MN_OML_O21_NBS", "002_Natus_ORU_R01_NBS",
    "003_MN_ORM_O01_NBS", "ADT_A31-UpdatePersonInfo", "ADT_A40-PatientMerge", "ADT_A47-ChangePatientID",
    "OMG_O19-GeneralClinicalOrder-Eyecare", "OMI_O23-ImagingOrder", "ORM_O01-GeneralOrder", "ORU-multiline-short",
    "ORU_R01-PDF", "ORU_R01-SR", "ORU_R01_2.5.1_SampleTestCase1", "ORU_R01_2.5.1_SampleTestCase2",
    "ORU_R01_2.5.1_SampleTestCase3", "adt-example", "cerner_lead", "oru-example", "realm-campylobacter-jejuni",
]  # fmt: skip
SILENT = "realm-campylobacter-jejuni"  # its MSH-15 and MSH-16 say NE: it is kept, and nothing is answered


def sample(name: str) -> bytes:
    file: Path = samples_dir() / "lab" / "hl7" / f"{name}.hl7"
    if not file.is_file():
        pytest.skip(f"the sample {name} is not there")
    return file.read_bytes()


def as_others_read_it(raw: bytes) -> hl7.Message:
    """python-hl7 knows CR alone; a file has what its editor made of it."""
    text = raw.decode("utf-8", "replace").replace("\r\n", "\r").replace("\n", "\r").strip("\r")
    return hl7.parse(text)


def observations(message: hl7.Message) -> int:
    return sum(str(segment[0]) == "OBX" for segment in message)


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_is_accepted_with_as_many_results_as_others_count(name: str) -> None:
    raw = sample(name)
    theirs = as_others_read_it(raw)
    with Server() as server, MLLPClient("127.0.0.1", server.port) as client:
        client.socket.settimeout(10)
        if name == SILENT:
            client.socket.sendall(b"\x0b" + raw + b"\x1c\r")
            raw, name = (
                raw.replace(b"|NE|NE|", b"|NE|AL|").replace(b"|1234567890|P^T|", b"|1234567891|P^T|"),
                "",
            )
            theirs = as_others_read_it(raw)
        answer = client.send_message(raw)
        assert answer.startswith(b"\x0b") and answer.endswith(b"\x1c\r")
        acknowledged = hl7.parse(answer.decode().strip("\x0b\x1c\r"))
        assert str(acknowledged.segment("MSA")[1]) in ("AA", "CA")
        assert str(acknowledged.segment("MSA")[2]) == str(theirs.segment("MSH")[10])
        record = server.laboratory.records[-1]
        assert len(server.laboratory.records) == (1 if name else 2)
    assert record.body == raw  # not a byte is changed
    read = read_message(record.body)
    assert read.results == observations(theirs)
    assert read.control_id == str(theirs.segment("MSH")[10])
    if read.kind is MessageKind.RESULTS and "joined" not in "".join(read.warnings):
        _compare(read, theirs)


def _compare(read: Message, theirs: hl7.Message) -> None:
    """Codes, units and states of results are what the other reader has, in their order."""
    ours = {result.position: result for specimen in read.specimens for result in specimen.results}
    lines = [segment for segment in theirs if str(segment[0]) == "OBX"]
    for position, line in enumerate(lines):
        result = ours.get(position)
        if result is None:
            continue  # an attachment
        parts = [*map(str, line), *[""] * 12]
        assert result.test.code == re.split(r"[\^~&]", parts[3])[0].strip()
        assert result.status == parts[11].strip()
        assert result.value_type == parts[2]
        assert result.unit == re.split(r"[\^~]", parts[6])[0].strip() or not parts[6]
        if parts[2] in ("NM", "ST") and "\\" not in parts[5]:
            assert result.value == parts[5].strip()


def test_a_pdf_comes_out_whole() -> None:
    raw = sample("ORU_R01-PDF")
    (attachment,) = read_message(raw).specimens[0].attachments
    content = read_attachment(raw, attachment.position)
    assert attachment.media_type == "application/pdf" and len(content) == attachment.size_bytes
    assert content.startswith(b"%PDF-") and b"%%EOF" in content[-10:]


def test_segments_joined_by_blanks_are_not_taken_apart_by_guessing() -> None:
    read = read_message(sample("adt-example"))
    assert (read.kind, read.results) == (MessageKind.OTHER, 0)
    assert any("joined by blanks" in warning for warning in read.warnings)


def test_the_sender_of_python_hl7_reads_a_file_of_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bodies = [as_others_read_it(sample(name)) for name in NAMES if "ORU" in name]
    file = tmp_path / "messages.hl7"
    file.write_bytes(b"".join(b"\x0b" + str(body).encode() + b"\x1c\r" for body in bodies))
    with Server() as server:
        monkeypatch.setattr(
            "sys.argv", ["mllp_send", "--port", str(server.port), "-f", str(file), "127.0.0.1"]
        )
        mllp_send()
        assert len(server.laboratory.records) == len(bodies)
    assert "MSA|" in capsys.readouterr().out.replace("\r", "\n")
