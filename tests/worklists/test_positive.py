"""Whether a report says that something was found: as the writer said, else by its words, statements or results."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.builders import NOW, County, build_county, signed_report, waiting_task, write_draft
from worklists.directory import Kind
from worklists.ecg_statements import seed_statements
from worklists.positive import is_positive
from worklists.reports import sign_report


@pytest.fixture
def county(session: Session) -> County:
    seed_statements(session)
    return build_county(session, review_required=False)


@pytest.mark.parametrize(
    ("kind", "said", "impression", "content", "positive"),
    [
        (Kind.IMAGING, None, "心肺膈未见明显异常。", None, False),
        (Kind.IMAGING, None, " 心肺膈未见明显异常 ", None, False),
        (Kind.IMAGING, None, "宫内单活胎，头位，超声孕周约28周。", None, False),
        (Kind.IMAGING, None, "宫内单活胎，头位，超声孕周约28周。胎盘前置。", None, True),
        (Kind.PATHOLOGY, None, "未见上皮内病变或恶性细胞（NILM）。", None, False),
        (Kind.IMAGING, None, "右肺下野炎性改变，建议治疗后复查。", None, True),
        (Kind.IMAGING, False, "右肺上叶钙化灶，无临床意义。", None, False),
        (Kind.IMAGING, True, "心肺膈未见明显异常。", None, True),
        (
            Kind.ECG,
            None,
            "窦性心律 正常心电图",
            {"statements": ["sinus_rhythm", "axis_normal", "normal_ecg"]},
            False,
        ),
        (Kind.ECG, None, "窦性停搏", {"statements": ["sinus_rhythm", "sinus_arrest"]}, True),
        (Kind.LABORATORY, None, "", {"results": [{"abnormal": ""}, {"abnormal": ""}]}, False),
        (Kind.LABORATORY, None, "", {"results": [{"abnormal": ""}, {"abnormal": "H"}]}, True),
        (Kind.LABORATORY, None, "", {"results": []}, False),
    ],
)
def test_what_counts_as_positive(
    session: Session,
    county: County,
    kind: Kind,
    said: bool | None,
    impression: str,
    content: Any,
    positive: bool,
) -> None:
    assert is_positive(session, kind, said=said, impression=impression, content=content) is positive


def test_a_report_keeps_what_was_said_of_it_and_how_it_came_about(session: Session, county: County) -> None:
    task = waiting_task(session, county)
    task.claim(county.wang, NOW)
    write_draft(session, task, county.wang, positive=True)

    report = sign_report(session, task, signer=county.wang, marks=(), originals=(), now=NOW)

    assert (report.positive, report.reviewed, report.institution_id) == (True, False, county.east.id)
    assert (report.taken_min, report.in_time, report.modality, report.weight) == (0, True, "DX", task.weight)


def test_a_reviewed_report_says_so(session: Session) -> None:
    report = signed_report(session, build_county(session))

    assert report.reviewed
