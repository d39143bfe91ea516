"""Messages as analysers write them, made for these tests after the public host interface manuals."""

from collections.abc import Sequence


def oru(
    control_id: str = "1",
    *,
    value: str = "5.0",
    msh: str = "",
    pid: str = "PID|1||P1^^^^MR||Wang^Li||19800101|M",
) -> bytes:
    """A small ORU^R01 of v2.3.1."""
    header = msh or f"MSH|^~\\&|LAB|TOWN|GW|COUNTY|20260105101112||ORU^R01|{control_id}|P|2.3.1"
    return join(
        header, pid, "OBR|1|B1|F1|CBC^Blood count", f"OBX|1|NM|WBC^White cells||{value}|10*9/L|4-10|N|||F"
    )


def join(*segments: str, codec: str = "utf-8") -> bytes:
    return ("\r".join(segments) + "\r").encode(codec)


def fields(answer: bytes, name: str, codec: str = "utf-8") -> list[str]:
    """The fields of the first segment of a name; MSH-1 counts."""
    for line in answer.decode(codec).split("\r"):
        if line.startswith(name):
            parts = line.split("|")
            return [parts[0], "|", *parts[1:]] if name == "MSH" else parts
    raise AssertionError(f"no {name} in {answer!r}")


def has(answer: bytes, name: str) -> bool:
    return any(line.startswith(name.encode()) for line in answer.split(b"\r"))


def msa(answer: bytes) -> Sequence[str]:
    """Code and control ID."""
    return fields(answer, "MSA")[1:3]


MINDRAY_CHEMISTRY = join(
    "MSH|^~\\&|Mindray|BS-200E|||20070719145353||ORU^R01|1|P|2.3.1||||0||ASCII|||",
    "PID|1|854||12|Tommy||19830719145307|F|A||||||||||||||||||||||",
    "OBR|1|0000000002|2|Mindray^BS-200E|Y||20070719145300||||||||serum|||||||||||||",
    "OBX|1|NM|2|GLU|5.000000|mmol/L|3.9-6.1|N|||F|||||||",
    "OBX|2|NM|3|ALT|<10|U/L|-||||F|||||||",
)
MINDRAY_CHEMISTRY_CONTROLS = join(
    "MSH|^~\\&|||||20120508103014||ORU^R01|1|P|2.3.1||||2||UTF8|||",
    "OBR|1|7|AST|^|||20120405141255||||2|1^2|QUAL1^QUAL2|1111^2222|20300101^20300101||L^M|45.0^55.0|5.0^5.0|0.13^0.14|U/L",
)
MINDRAY_CALIBRATION = join(
    "MSH|^~\\&|||||20120508103014||ORU^R01|1|P|2.3.1||||1||UTF8|||",
    "OBR|1|7|AST|^|||20120405141255||||1|1|CAL1",
)
MINDRAY_HAEMATOLOGY = join(
    "MSH|^~\\&|BC-5300|Mindray|||20080419104618||ORU^R01|42|P|2.3.1||||||UNICODE",
    "PID|1||CHART-2^^^^MR||^李四||19620824|Male",
    "PV1|1|Outpatient|内科^^12",
    "OBR|1||LAB-000127|00001^Automated Count^99MRC||20071207080000|20071207160000||||||贫血待查|||||||||||HM||||||||Service",
    "OBX|1|IS|08001^Take Mode^99MRC||O||||||F",
    "OBX|2|IS|08003^Test Mode^99MRC||CBC+DIFF||||||F",
    "OBX|3|NM|6690-2^WBC^LN||14.63|10*9/L|4.00-10.00|H~A|||F",
    "OBX|4|IS|17100^WBC Abnormal^99MRC||T||||||F",
    "OBX|5|ED|15008^WBC Histogram. BMP^99MRC||^Image^BMP^Base64^Qk0AAQID||||||F",
    "OBX|6|ED|15001^WBC Histogram. Binary^99MRC||^Application^Octer-stream^Base64^AAECAwQ=||||||F",
)
MINDRAY_HAEMATOLOGY_CONTROL = join(
    "MSH|^~\\&|BC-5300|Mindray|||20081120171602||ORU^R01|1|Q|2.3.1||||||UNICODE",
    "PID|1||LOT1234^^^^MR||||20301231",
    "OBR|1||6|00003^LJ QCR^99MRC||||||||||||||||||||HM",
    "OBX|1|IS|05001^Qc Level^99MRC||M||||||F",
    "OBX|2|NM|6690-2^WBC^LN||7.10|10*9/L|||||F",
)
LAW_RESULTS = join(
    "MSH|^~\\&|Y|HORIBA|LIS|County|20260105101112+0800||OUL^R22^OUL_R22|LAW-1|P|2.5.1|||NE|AL||UNICODE UTF-8|||LAB-29^IHE",
    "PID|||P9^^^County^MR~110101198001011234^^^^NI||王^芳^^^^^L^I~Wang^Fang^^^^^L^A||19800101|F",
    "SPM|1|S-100&Horiba^X||BLD^Blood^HL70487|||||||P||||||20260105090000+0800|20260105093000+0800",
    "SAC|||S-100|||||||R7|3",
    "OBR|1|AWOS-1||6690-2^WBC^LN",
    "ORC|OK||||CM",
    "OBX|1|NM|6690-2^WBC^LN^WBC^^99HOR|1/1|6.1|10*3/uL^10*3/uL^UCUM|4-10|N|||F|||||tech^Li^Na||Y1^HORIBA|20260105100500+0800",
    "TCD|6690-2^WBC^LN|^1^:^5",
    "NTE|1||rerun",
    "OBR|2|AWOS-2||718-7^HGB^LN",
    "OBX|2|SN|718-7^HGB^LN||>^200|g/L||HH|||F",
    "SPM|2|QC-L1||CTRL^Control blood|||||||Q",
    "SAC|||QC-L1",
    "INV|DX01^Difftrol^99HOR|OK|CO|||||||||20261231||||LOT77",
    "OBR|3|||6690-2^WBC^LN",
    "OBX|3|NM|6690-2^WBC^LN||7.0|10*3/uL|||||F",
)
LAW_QUESTION = join(
    "MSH|^~\\&|Y|HORIBA|LIS|County|20260105101112+0800||QBP^Q11^QBP_Q11|Q-1|P|2.5.1|||ER|AL||UNICODE UTF-8|||LAB-27^IHE",
    "QPD|WOS^Work Order Step^IHE_LABTF|TAG-9|S-100|R7|3",
    "RCP|I||R",
)
MINDRAY_QUESTION = join(
    "MSH|^~\\&|Mindray|BS-200E|||20070723170707||QRY^Q02|5|P|2.3.1||||||ASCII|||",
    "QRD|20070723170707|R|D|1|||RD|34567743|OTH|||T|",
    "QRF|BS-200E|20070723000000|20070723170749|||RCT|COR|ALL||",
)
MINDRAY_HAEMATOLOGY_QUESTION = join(
    "MSH|^~\\&|||||20190504060725||ORM^O01|389|P|2.3.1||||||UNICODE", "ORC|RF||SAMPLE-7||IP"
)
