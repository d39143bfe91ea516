"""One report, one authority, one signer, shared by the tests of this folder."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.authority import Credentials
from adapters.reports.authority import LocalAuthority
from adapters.reports.document import Institution, Patient, RecognitionMark, ReportDocument
from adapters.reports.fonts import Fonts
from adapters.reports.pdf import write_pdf
from adapters.reports.signing.software import SoftwareSigner
from tests.fonts import fonts_dir

SIGNED_AT = datetime(2026, 11, 21, 2, 31, 7, tzinfo=UTC)

REPORT = ReportDocument(
    report_number="R20261121-000123",
    version=1,
    title="影像诊断报告",
    kind="imaging",
    community="青溪县紧密型医共体",
    examined_at_institution=Institution(name="柳河镇中心卫生院", code="12345678901234567890A1"),
    diagnosed_at_institution=Institution(name="青溪县人民医院", code="PDY00012X33012711A1001"),
    centre="县域影像诊断中心",
    patient=Patient(
        name="张小明",
        sex="男",
        age="58岁",
        patient_id="LH00012345",
        identity_number_masked="3301**********4617",
    ),
    accession_number="CT202611210007",
    examination="胸部CT平扫",
    modality="CT",
    body_part="胸部",
    examined_at=datetime(2026, 11, 21, 1, 5, tzinfo=UTC),
    received_at=datetime(2026, 11, 21, 1, 12, tzinfo=UTC),
    reported_at=datetime(2026, 11, 21, 2, 20, tzinfo=UTC),
    signed_at=SIGNED_AT,
    clinical_information="咳嗽、咳痰1周。",
    findings="右肺上叶尖段见一磨玻璃结节，大小约8 mm×6 mm。\n双侧胸腔未见积液。",
    impression="右肺上叶磨玻璃结节，建议3个月后复查。",
    writer="王建国",
    reviewer="李秀英",
    signers=("李秀英",),
    verification_url="https://gateway.example/verify/0192f3a4",
    images=312,
    marks=(
        RecognitionMark(item="胸部CT平扫", text="浙江省HR", scope="浙江省"),
        RecognitionMark(item="三维重建", reason="不在互认目录内", remark="县内互认"),
    ),
)

MANIFEST = (
    json.dumps({"originals": [{"名": "a", "sha256": "ab" * 32}]}, ensure_ascii=False).encode() + b"\r\n\t "
)


@pytest.fixture(scope="session")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> Fonts:
    """The main font alone, so that what is missing does not depend on what else was installed."""
    folder = tmp_path_factory.mktemp("fonts")
    for file in fonts_dir().glob("NotoSansSC*.ttf"):
        (folder / file.name).symlink_to(file)
    return Fonts([folder])


@pytest.fixture(scope="session")
def printed(fonts: Fonts) -> Callable[..., bytes]:
    """The PDF of the report, with some of its values changed."""

    def write(**changes: Any) -> bytes:
        return write_pdf(replace(REPORT, **changes), manifest=MANIFEST, fonts=fonts)

    return write


@pytest.fixture(scope="session")
def authority() -> LocalAuthority:
    return LocalAuthority.create("青溪县医共体签名根证书", now=datetime(2026, 11, 1, tzinfo=UTC))


@pytest.fixture(scope="session")
def li(authority: LocalAuthority) -> Credentials:
    """李秀英's key and certificate; a new key takes longer than most tests."""
    return authority.issue("李秀英", "reader-007", "青溪县人民医院", now=datetime(2026, 11, 1, tzinfo=UTC))


@pytest.fixture(scope="session")
def signer(authority: LocalAuthority, li: Credentials) -> SoftwareSigner:
    return SoftwareSigner(li.certificate_pem, li.key_pem, [authority.certificate_pem])


@pytest.fixture(scope="session")
def signed(printed: Callable[..., bytes], signer: SoftwareSigner) -> bytes:
    return signer.sign_pdf(
        printed(), reason="签发影像诊断报告", location="青溪县人民医院", signed_at=SIGNED_AT
    )
