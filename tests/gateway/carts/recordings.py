"""Small recordings for tests that must run without the samples: a WFDB record, and an aECG of one lead."""

import struct
from datetime import datetime
from pathlib import Path

HEADER = """{name} 2 500 1000 08:30:00 20/11/2026
{name}.dat 16 200(0)/mV 16 0 0 0 0 I
{name}.dat 16 200(0)/mV 16 0 0 0 0 II
"""


def wfdb(name: str = "rec") -> dict[str, bytes]:
    """Header and signals of two leads, two seconds at 500 Hz."""
    samples = [((n % 500) - 250, (n % 250) * 2 - 250) for n in range(1000)]
    return {
        f"{name}.hea": HEADER.format(name=name).encode(),
        f"{name}.dat": b"".join(struct.pack("<hh", *pair) for pair in samples),
    }


def aecg(patient_id: str = "E1", started_at: datetime = datetime(2026, 11, 20, 8, 30)) -> bytes:  # noqa: DTZ001
    """HL7 aECG (ANSI/HL7 V3 ECG R1) with lead II, one second at 500 Hz."""
    digits = " ".join(str((n % 100) - 50) for n in range(500))
    begin = f"{started_at:%Y%m%d%H%M%S}.000"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <id root="728989ec-b8bc-49cd-9a5a-30be5ade1db5"/><code code="93000" codeSystem="2.16.840.1.113883.6.12"/>
 <effectiveTime><low value="{begin}"/><high value="{begin}"/></effectiveTime>
 <componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject>
  <id root="2.16.840.1" extension="{patient_id}"/>
  <subjectDemographicPerson><name>王五</name></subjectDemographicPerson>
 </trialSubject></subject></subjectAssignment></componentOf></timepointEvent></componentOf>
 <component><series><id root="2.16.840.2"/><code code="RHYTHM" codeSystem="2.16.840.1.113883.5.4"/>
  <effectiveTime><low value="{begin}"/><high value="{begin}"/></effectiveTime>
  <component><sequenceSet>
   <component><sequence><code code="TIME_ABSOLUTE" codeSystem="2.16.840.1.113883.5.4"/>
    <value xsi:type="GLIST_TS"><head value="{begin}"/><increment value="0.002" unit="s"/></value></sequence></component>
   <component><sequence><code code="MDC_ECG_LEAD_II" codeSystem="2.16.840.1.113883.6.24"/>
    <value xsi:type="SLIST_PQ"><origin value="0" unit="uV"/><scale value="5" unit="uV"/><digits>{digits}</digits></value>
   </sequence></component>
  </sequenceSet></component>
 </series></component>
</AnnotatedECG>""".encode()


def put(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
