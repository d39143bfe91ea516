"""Reports as DICOM objects: dciodvfy finds nothing wrong, Chinese is read back, identifiers never change."""

import shutil
import subprocess
import uuid
from dataclasses import replace
from datetime import date
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread, dcmwrite

from adapters.reports.dicom_parts import CharacterSet, Evidence, Filed, KeyReference
from adapters.reports.dicom_pdf import write_encapsulated_pdf
from adapters.reports.dicom_sr import VOID, write_basic_text_sr
from adapters.reports.hl7_parts import Bearer
from tests.adapters.reports.conftest import REPORT

BEARER = Bearer(patient_id="LH00012345", name="Zhang^Xiaoming=张^小明", sex="M", birth_date=date(1968, 3, 4))
FILED = Filed(
    report_id=uuid.UUID(int=7),
    examination_id=uuid.UUID(int=8),
    study_instance_uid="1.2.3",
    evidence=(
        Evidence(
            series_instance_uid="1.2.3.1",
            sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
            sop_instance_uid="1.2.3.1.1",
        ),
    ),
)
KEY = KeyReference(sop_class_uid="1.2.840.10008.5.1.4.1.1.2", sop_instance_uid="1.2.3.1.1")
ENHANCED = KeyReference(sop_class_uid="1.2.840.10008.5.1.4.1.1.2.1", sop_instance_uid="1.2.3.1.2", frame=3)
OF_ENHANCED = Evidence(
    series_instance_uid="1.2.3.1", sop_class_uid=ENHANCED.sop_class_uid, sop_instance_uid="1.2.3.1.2"
)
PDF = b"%PDF-1.7\n%odd\n%%EOF"


def written(made: Dataset) -> bytes:
    out = BytesIO()
    dcmwrite(out, made, enforce_file_format=True)
    return out.getvalue()


def complaints(made: Dataset, tmp_path: Path) -> list[str]:
    """Every error and warning of dciodvfy, but that there is no Study ID: the modality's is not known (type 2)."""
    dciodvfy = shutil.which("dciodvfy")
    assert dciodvfy, "dicom3tools is not installed"
    (tmp_path / "made.dcm").write_bytes(written(made))
    said = subprocess.run([dciodvfy, tmp_path / "made.dcm"], capture_output=True, text=True, check=False)
    lines = [line for line in said.stderr.splitlines() if line.startswith(("Error", "Warning"))]
    return [line for line in lines if not line.endswith("needed to build DICOMDIR - Study ID")]


MADE = {
    "pdf": lambda filed: write_encapsulated_pdf(REPORT, BEARER, filed, PDF),
    "sr": lambda filed: write_basic_text_sr(REPORT, BEARER, filed),
    "void": lambda filed: write_basic_text_sr(REPORT, BEARER, filed, void=True),
    "amended sr": lambda filed: write_basic_text_sr(
        replace(REPORT, version=2), BEARER, replace(filed, previous_id=uuid.UUID(int=6))
    ),
    "amended pdf": lambda filed: write_encapsulated_pdf(
        replace(REPORT, version=2), BEARER, replace(filed, previous_id=uuid.UUID(int=6)), PDF
    ),
    "sr with key images": lambda filed: write_basic_text_sr(
        REPORT, BEARER, replace(filed, key_images=(KEY, ENHANCED), evidence=(*filed.evidence, OF_ENHANCED))
    ),
    "of no study": lambda filed: write_basic_text_sr(
        REPORT, BEARER, replace(filed, study_instance_uid=None, evidence=())
    ),
}


@pytest.mark.parametrize("kind", MADE)
def test_objects_are_what_the_standard_says(kind: str, tmp_path: Path) -> None:
    assert complaints(MADE[kind](FILED), tmp_path) == []


@pytest.mark.parametrize("character_set", ["ISO_IR 192", "GB18030"])
def test_chinese_is_read_back_as_it_was_signed(character_set: CharacterSet) -> None:
    filed = replace(FILED, character_set=character_set)
    sr = dcmread(BytesIO(written(write_basic_text_sr(REPORT, BEARER, filed))))
    sr.decode()
    texts = [one.ContentSequence[0].TextValue for one in sr.ContentSequence if one.ValueType == "CONTAINER"]
    pdf = dcmread(BytesIO(written(write_encapsulated_pdf(REPORT, BEARER, filed, PDF))))

    assert texts == [REPORT.clinical_information, REPORT.findings.replace("\n", "\r\n"), REPORT.impression]
    assert [sr.PatientName.ideographic, pdf.PatientName.ideographic] == ["张^小明"] * 2
    assert pdf.EncapsulatedDocument[: pdf.EncapsulatedDocumentLength] == PDF
    assert REPORT.title in pdf.DocumentTitle


def test_the_images_that_a_report_shows_stand_in_a_section_of_their_own() -> None:
    made = MADE["sr with key images"](FILED)

    section = made.ContentSequence[-1]
    assert section.ConceptNameCodeSequence[0].CodeValue == "55113-5"
    referred = [one.ReferencedSOPSequence[0] for one in section.ContentSequence]
    assert [(one.ReferencedSOPInstanceUID, one.get("ReferencedFrameNumber")) for one in referred] == [
        ("1.2.3.1.1", None), ("1.2.3.1.2", 3),
    ]  # fmt: skip
    void = write_basic_text_sr(REPORT, BEARER, replace(FILED, key_images=(KEY,)), void=True)
    assert "55113-5" not in str(void)


def test_an_object_is_the_same_each_time_and_another_version_names_the_one_before() -> None:
    first = write_basic_text_sr(REPORT, BEARER, FILED)
    again = write_basic_text_sr(REPORT, BEARER, FILED)
    second = write_basic_text_sr(
        REPORT, BEARER, replace(FILED, report_id=uuid.UUID(int=9), previous_id=FILED.report_id)
    )
    void = write_basic_text_sr(REPORT, BEARER, FILED, void=True)

    assert written(first) == written(again)
    for later in (second, void):
        before = later.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
        assert before.ReferencedSOPInstanceUID == first.SOPInstanceUID != later.SOPInstanceUID
        assert later.SeriesInstanceUID == first.SeriesInstanceUID
    assert void.ContentSequence[-1].ContentSequence[0].TextValue == VOID
