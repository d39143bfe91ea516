"""ECGs in XML: character sets as carts write them, attacks, and leads in Chinese."""

import re
from pathlib import Path

import numpy as np
import pytest

from adapters.ecg.errors import NotAnEcg
from adapters.ecg.reading import read_recording
from adapters.ecg.recording import EcgRecording
from tests.adapters.ecg.builders import heartbeats, put
from tests.samples import samples_dir

COUNTS = heartbeats(3, 500)
AECG = """<AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<id root="61d1a24f-b47e-41aa-ae95-f8ac302f4eeb"/><effectiveTime><center value="20261122093015"/></effectiveTime>
<componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject><id root="1.2.3" extension="H-77"/>
<subjectDemographicPerson><name>{name}</name></subjectDemographicPerson></trialSubject></subject></subjectAssignment>
</componentOf></timepointEvent></componentOf><component><series><code code="RHYTHM"/>
<effectiveTime><low value="20261122093015"/></effectiveTime>{author}<component><sequenceSet>
<component><sequence><code code="TIME_ABSOLUTE"/><value xsi:type="GLIST_TS"><head value="20261122093015"/>
<increment value="{increment}" unit="{unit}"/></value></sequence></component>{leads}</sequenceSet></component>
</series></component></AnnotatedECG>"""
LEAD = """<component><sequence><code code="{code}"/><value xsi:type="SLIST_PQ"><origin value="{origin}" unit="uV"/>
<scale value="{scale}" unit="{unit}"/><digits>{digits}</digits></value></sequence></component>"""


def lead(code: str, counts: np.ndarray, *, scale: str = "2.5", unit: str = "uV", origin: str = "0") -> str:
    return LEAD.format(
        code=code, scale=scale, unit=unit, origin=origin, digits=" ".join(map(str, counts.tolist()))
    )


def aecg(*leads: str, name: str = "Wang", increment: str = "0.004", unit: str = "s") -> str:
    found = leads or (
        lead("MDC_ECG_LEAD_I", COUNTS[0]),
        lead("MDC_ECG_LEAD_II", COUNTS[1]),
        lead("MDC_ECG_LEAD_V1", COUNTS[2]),
    )
    return AECG.format(name=name, author="", leads="".join(found), increment=increment, unit=unit)


def muse(name: str) -> str:
    import base64

    data = base64.b64encode(COUNTS[0].astype("<i2").tobytes()).decode()
    return f"""<RestingECG><PatientDemographics><PatientID>H-77</PatientID><PatientLastName>{name}</PatientLastName>
<Gender>MALE</Gender></PatientDemographics><TestDemographics><AcquisitionDate>11-22-2026</AcquisitionDate>
<AcquisitionTime>09:30:15</AcquisitionTime></TestDemographics><Diagnosis><DiagnosisStatement>
<StmtFlag>ENDSLINE</StmtFlag><StmtText>急性下壁心肌梗死</StmtText></DiagnosisStatement></Diagnosis>
<Waveform><WaveformType>Rhythm</WaveformType><SampleBase>500</SampleBase><SampleExponent>0</SampleExponent>
<LeadData><LeadID>II</LeadID><LeadSampleCountTotal>500</LeadSampleCountTotal><LeadAmplitudeUnitsPerBit>4.88
</LeadAmplitudeUnitsPerBit><LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits><WaveFormData>{data}</WaveFormData>
</LeadData></Waveform></RestingECG>"""


def read(tmp_path: Path, data: bytes) -> EcgRecording:
    return read_recording(put(tmp_path, "a.xml", data))


def waves(*parts: tuple[str, str, str]) -> bytes:
    """MUSE waveforms of one lead each: type, rate, lead."""
    whole = muse("Wang")
    first, end = whole.index("<Waveform>"), whole.index("</Waveform>") + len("</Waveform>")
    one = whole[first:end]
    found = (
        one.replace("Rhythm", kind)
        .replace("<SampleBase>500", f"<SampleBase>{rate}")
        .replace(">II<", f">{name}<")
        for kind, rate, name in parts
    )
    return (whole[:first] + "".join(found) + whole[end:]).encode()


@pytest.mark.samples
def test_elements_with_a_prefix_are_read(tmp_path: Path) -> None:
    path = samples_dir() / "ecg" / "sierra" / "129DYPRG.XML"
    text = re.sub(r"^.*?<\?xml[^>]*\?>", "", path.read_text("utf-8"), count=1, flags=re.DOTALL)
    prefixed = re.sub(r"<(/?)([A-Za-z])", r"<\1p:\2", text).replace("xmlns=", "xmlns:p=", 1)

    recording = read(tmp_path, prefixed.encode())

    assert np.array_equal(recording.window_uv(), read_recording(path).window_uv())


def test_rhythm_waves_of_one_rate_are_one_recording(tmp_path: Path) -> None:
    data = waves(
        ("Median", "500", "II"), ("Rhythm", "500", "II"), ("Rhythm", "500", "V1"), ("Rhythm", "250", "V2")
    )

    recording = read(tmp_path, data)

    assert [one.name for one in recording.leads] == ["II", "V1"]
    assert ("lead_left_out", "Waveform 3") in {
        (caution.code, caution.about) for caution in recording.cautions
    }


def test_average_beats_alone_are_shown_as_such(tmp_path: Path) -> None:
    recording = read(tmp_path, waves(("Median", "500", "II")))

    assert recording.samples == 500 and "median_only" in {caution.code for caution in recording.cautions}


def test_a_lead_of_muse_without_samples_is_left_out_and_told(tmp_path: Path) -> None:
    data = waves(("Rhythm", "500", "II"), ("Rhythm", "500", "V6"))
    start = data.rindex(b"<WaveFormData>") + len(b"<WaveFormData>")

    recording = read(tmp_path, data[:start] + data[data.rindex(b"</WaveFormData>") :])

    assert [one.name for one in recording.leads] == ["II"]
    assert ("lead_left_out", "V6") in {(caution.code, caution.about) for caution in recording.cautions}


def prolog(encoding: str) -> str:
    return f'<?xml version="1.0" encoding="{encoding}"?>\n'


@pytest.mark.parametrize(
    ("declared", "written"),
    [
        ("GBK", "gbk"), ("GB2312", "gb2312"), ("gb18030", "gb18030"), ("UTF-8", "utf-8"), ("UTF-8", "gbk"),
        ("ISO-8859-1", "gbk"), ("ISO-8859-1", "utf-8"), ("GB2312", "utf-8"), ("UTF-16", "utf-16"), ("UTF-8", "utf-8-sig"),
    ],
)  # fmt: skip
def test_chinese_is_read_whatever_the_prolog_declares(tmp_path: Path, declared: str, written: str) -> None:
    for text in (aecg(name="王小东"), muse("王小东")):
        recording = read(tmp_path, (prolog(declared) + text).encode(written))

        assert recording.patient.name == "王小东"
        assert recording.patient.patient_id == "H-77"


def test_western_letters_stay_western(tmp_path: Path) -> None:
    assert (
        read(tmp_path, (prolog("ISO-8859-1") + aecg(name="Müller")).encode("latin-1")).patient.name
        == "Müller"
    )


def test_a_chinese_statement_of_acute_infarction_is_understood(tmp_path: Path) -> None:
    recording = read(tmp_path, (prolog("GB2312") + muse("王")).encode("gbk"))

    assert recording.statements == ("急性下壁心肌梗死",)
    assert recording.acute


BILLION = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;"><!ENTITY c "&b;&b;&b;">]>'
EXTERNAL = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
PARAMETER = '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;]>'


@pytest.mark.parametrize("attack", [BILLION, EXTERNAL, PARAMETER])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gbk"])
def test_entities_are_refused(tmp_path: Path, attack: str, encoding: str) -> None:
    text = prolog(encoding) + attack + aecg(name="&a;" if attack is not PARAMETER else "x")

    with pytest.raises(NotAnEcg) as refusal:
        read(tmp_path, text.encode(encoding))
    assert refusal.value.code == "xml_entities"


def test_elements_without_end_in_elements_are_refused(tmp_path: Path) -> None:
    deep = aecg().replace('<code code="RHYTHM"/>', "<a>" * 5000 + "</a>" * 5000 + '<code code="RHYTHM"/>')

    with pytest.raises(NotAnEcg) as refusal:
        read(tmp_path, deep.encode())
    assert refusal.value.code == "damaged"


def test_scale_origin_and_unit_make_microvolts(tmp_path: Path) -> None:
    recording = read(
        tmp_path, aecg(lead("MDC_ECG_LEAD_II", COUNTS[1], scale="0.005", unit="mV", origin="100")).encode()
    )

    assert np.allclose(recording.window_uv()[0], COUNTS[1] * 5 + 100, atol=0.01)


@pytest.mark.parametrize(
    ("increment", "unit", "rate"), [("0.004", "s", 250), ("4", "ms", 250), ("1953.125", "us", 512)]
)
def test_the_rate_is_exact(tmp_path: Path, increment: str, unit: str, rate: float) -> None:
    assert read(tmp_path, aecg(increment=increment, unit=unit).encode()).sampling_rate_hz == pytest.approx(
        rate
    )


def in_sets(*sets: tuple[str, str]) -> bytes:
    """Sets of sequences, each with the second of the minute at which it begins."""
    whole = aecg("@@")
    first = whole.index("<component><sequenceSet>")
    one = whole[first : whole.index("</sequenceSet></component>") + len("</sequenceSet></component>")]
    head = 'head value="20261122093015"'
    parts = (one.replace("@@", leads).replace(head, f'head value="202611220930{at}"') for at, leads in sets)
    return whole.replace(one, "".join(parts)).encode()


def test_leads_that_were_recorded_one_after_the_other_stand_where_they_were_recorded(tmp_path: Path) -> None:
    one, two, three = COUNTS
    recording = read(
        tmp_path,
        in_sets(
            ("15.000", lead("MDC_ECG_LEAD_II", two[:250])),
            ("16.000", lead("MDC_ECG_LEAD_V1", three[250:]) + lead("MDC_ECG_LEAD_II", two[250:])),
            ("15.500", lead("MDC_ECG_LEAD_V2", one[125:])),
        ),
    )

    found = {one.name: one.window_uv() for one in recording.leads}
    assert np.allclose(found["II"], two * 2.5)
    assert np.isnan(found["V1"][:250]).all() and np.allclose(found["V1"][250:], three[250:] * 2.5)
    assert np.isnan(found["V2"][:125]).all() and np.allclose(found["V2"][125:], one[125:] * 2.5)


def test_a_second_series_is_left_out_and_told(tmp_path: Path) -> None:
    whole = aecg(lead("MDC_ECG_LEAD_II", COUNTS[1]))
    series = whole[whole.index("<component><series>") : whole.rindex("</AnnotatedECG>")]
    empty = "<component><series><code code='RHYTHM'/></series></component>"

    recording = read(tmp_path, whole.replace(series, empty + series + series).encode())

    assert np.allclose(recording.window_uv()[0], COUNTS[1] * 2.5)
    assert ("lead_left_out", "RHYTHM") in {(caution.code, caution.about) for caution in recording.cautions}


def test_an_aecg_without_a_series_has_no_leads(tmp_path: Path) -> None:
    with pytest.raises(NotAnEcg) as refusal:
        read(tmp_path, b'<AnnotatedECG xmlns="urn:hl7-org:v3"/>')
    assert refusal.value.code == "no_leads"


def test_a_set_that_begins_in_another_year_is_refused(tmp_path: Path) -> None:
    data = in_sets(("15", lead("MDC_ECG_LEAD_I", COUNTS[0])), ("16", lead("MDC_ECG_LEAD_II", COUNTS[1])))

    with pytest.raises(NotAnEcg) as refusal:
        read(tmp_path, data.replace(b"20261122093016", b"20271122093016"))
    assert refusal.value.code == "unsupported"


def test_a_lead_without_digits_is_left_out_and_told(tmp_path: Path) -> None:
    text = aecg(lead("MDC_ECG_LEAD_II", COUNTS[1]), lead("MDC_ECG_LEAD_V6", COUNTS[0][:0]))

    recording = read(tmp_path, text.encode())

    assert [one.name for one in recording.leads] == ["II"]
    assert ("lead_left_out", "V6") in {(caution.code, caution.about) for caution in recording.cautions}


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "iso-8859-1"])
def test_a_unit_in_greek_is_microvolts(tmp_path: Path, encoding: str) -> None:
    letter = "μ" if encoding == "gb18030" else "µ"
    text = prolog(encoding) + aecg(lead("MDC_ECG_LEAD_II", COUNTS[1], unit=f"{letter}V"))

    assert read(tmp_path, text.encode(encoding)).leads[0].gain_uv == 2.5


def test_a_refusal_does_not_repeat_the_file(tmp_path: Path) -> None:
    text = aecg(lead("MDC_ECG_LEAD_II", COUNTS[1])).replace("<digits>", "<digits>" + "1," * 5000)

    with pytest.raises(NotAnEcg) as refusal:
        read(tmp_path, text.encode())
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize("increment", ["0", "0.000001", "nan", "-1"])
def test_absurd_rates_are_refused(tmp_path: Path, increment: str) -> None:
    with pytest.raises(NotAnEcg) as refusal:
        read(tmp_path, aecg(increment=increment).encode())
    assert refusal.value.code in ("absurd_rate", "damaged")


def test_a_lead_of_zeros_is_told(tmp_path: Path) -> None:
    recording = read(
        tmp_path, aecg(lead("MDC_ECG_LEAD_V1", COUNTS[0]), lead("MDC_ECG_LEAD_V2", COUNTS[1] * 0)).encode()
    )

    assert [
        (caution.code, caution.about) for caution in recording.cautions if caution.code == "lead_flat"
    ] == [("lead_flat", "V2")]


def test_a_lead_that_stands_at_the_rail_is_told(tmp_path: Path) -> None:
    counts = COUNTS[0].astype(int).copy()
    counts[100:200] = 4000
    recording = read(tmp_path, aecg(lead("MDC_ECG_LEAD_V1", counts)).encode())

    assert ("saturated", "V1") in [(caution.code, caution.about) for caution in recording.cautions]


def test_leads_that_lack_samples_are_filled_up_with_what_was_not_recorded(tmp_path: Path) -> None:
    recording = read(
        tmp_path, aecg(lead("MDC_ECG_LEAD_V1", COUNTS[0]), lead("MDC_ECG_LEAD_V2", COUNTS[1][:400])).encode()
    )

    assert np.isnan(recording.lead("V2").window_uv(400)).all()  # type: ignore[union-attr]
    assert ("lead_missing_samples", "V2") in [(caution.code, caution.about) for caution in recording.cautions]


def test_amplitudes_that_no_heart_has_are_doubted(tmp_path: Path) -> None:
    recording = read(tmp_path, aecg(lead("MDC_ECG_LEAD_II", COUNTS[1], scale="2500")).encode())

    assert "scale_doubtful" in {caution.code for caution in recording.cautions}


def test_more_leads_than_an_ecg_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAnEcg) as refusal:
        read(tmp_path, aecg(*(lead("MDC_ECG_LEAD_II", COUNTS[1][:10]) for _ in range(40))).encode())
    assert refusal.value.code == "too_many_leads"
