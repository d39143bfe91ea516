"""QIDO-RS: what is found, in which order, and what is said of what cannot be used (PS3.18 10.6)."""

import httpx
import pytest
from dicomweb_client.api import DICOMwebClient
from sqlalchemy import text, update

from gateway.dicomweb.search import SKIPPED_LIMIT
from gateway.index import Series
from gateway.runtime import Runtime
from tests.bench.many import write_studies
from tests.gateway.web.dicomweb.conftest import Stored, image
from tests.synthetic import make_images

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_study_is_found_with_its_counts_and_modalities(stored: Stored, reader: DICOMwebClient) -> None:
    images = list(make_images(3, name="ZHANG^SAN=张^三", patient_id="P1"))
    stored(*images)

    (found,) = reader.search_for_studies(fields=["StudyDescription"], limit=10)

    assert found["0020000D"]["Value"] == [images[0].StudyInstanceUID]
    assert found["00100010"]["Value"] == [{"Alphabetic": "ZHANG^SAN", "Ideographic": "张^三"}]
    assert found["00080061"]["Value"] == ["CT"]
    assert found["00201206"]["Value"] == [1]
    assert found["00201208"]["Value"] == [3]
    assert list(found) == sorted(found)


@pytest.mark.parametrize(
    ("key", "value", "matches"),
    [
        ("PatientName", "zhang*", True),
        ("PatientName", "ZHANG^SAN", True),
        ("PatientName", "张三", True),
        ("PatientName", "张^?", True),
        ("PatientName", "*三", True),
        ("PatientName", "li*", False),
        ("PatientName", "100%", False),
        ("PatientID", "P1", True),
        ("00100020", "P?", True),
        ("PatientBirthDate", "19700101", True),
        ("StudyDate", "20261120", True),
        ("StudyDate", "20261101-20261130", True),
        ("StudyDate", "-20261119", False),
        ("StudyDate", "20261120-", True),
        ("StudyDate", "20261121-20261120", False),
        ("PatientName", "杨*", False),
        ("StudyTime", "10", True),
        ("StudyTime", "1016-11", False),
        ("ModalitiesInStudy", "MR\\CT", True),
        ("ModalitiesInStudy", "MR", False),
        ("StudyInstanceUID", "1.2.3,2.25.1", False),
        ("AccessionNumber", "", True),
    ],
)
def test_a_key_matches_as_the_standard_says(
    stored: Stored, reader: DICOMwebClient, key: str, value: str, matches: bool
) -> None:
    stored(image(name="ZHANG^SAN=张^三", patient_id="P1"))

    assert bool(reader.search_for_studies(search_filters={key: value})) is matches


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("Nonsense=1", "Nonsense"),
        ("Modality=CT", "Modality"),
        ("StudyDate=yesterday", "StudyDate"),
        ("limit=many", "limit"),
        ("includefield=Nonsense", "Nonsense"),
        ("includefield=ScheduledStepAttributesSequence.Nonsense", "Nonsense"),
        ("limit=-1", "limit"),
        ("offset=-1", "offset"),
        ("StudyDate=20261120-20261121-20261122", "StudyDate"),
        ("StudyDate=-", "StudyDate"),
        ("PatientBirthDate=20260230", "PatientBirthDate"),
        ("00400275.00400009=1", "00400275.00400009"),
    ],
)
def test_what_cannot_be_used_is_a_400_that_names_it(browser: httpx.Client, query: str, named: str) -> None:
    answer = browser.get(f"/studies?{query}")

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert named in answer.json()["detail"]


@pytest.mark.parametrize(
    "fields",
    ["all", "StudyDescription", "00081030,PatientAge", "00400275.00400009", "00091010",
     "RequestAttributesSequence.ScheduledProcedureStepID"],
)  # fmt: skip
def test_every_way_to_ask_for_attributes_is_understood(
    stored: Stored, browser: httpx.Client, fields: str
) -> None:
    stored(image(StudyDescription="胸部"))

    (found,) = browser.get("/studies", params={"includefield": fields}).json()

    assert found["00081030"]["Value"] == ["胸部"]


def test_nothing_found_is_an_empty_list(browser: httpx.Client) -> None:
    answer = browser.get("/studies?PatientID=nobody&includefield=all")

    assert (answer.status_code, answer.json()) == (200, [])
    assert answer.headers["content-type"] == "application/dicom+json"


def test_pages_follow_one_another(stored: Stored, browser: httpx.Client) -> None:
    stored(*(image(patient_id=f"P{number}") for number in range(5)))

    whole = [one["0020000D"]["Value"][0] for one in browser.get("/studies").json()]
    paged = [
        one["0020000D"]["Value"][0]
        for offset in (0, 2, 4)
        for one in browser.get(f"/studies?limit=2&offset={offset}").json()
    ]

    assert len(whole) == 5
    assert paged == whole


def test_a_page_far_behind_is_the_page_that_stands_there(runtime: Runtime, browser: httpx.Client) -> None:
    with runtime.sessions.begin() as session:
        write_studies(session, SKIPPED_LIMIT + 30)
        session.execute(text("ANALYZE"))  # as autovacuum does: without statistics the plan is chance

    whole = browser.get("/studies").json()
    page = browser.get(f"/studies?limit=5&offset={SKIPPED_LIMIT + 10}").json()

    assert len(whole) == SKIPPED_LIMIT + 30
    assert page == whole[SKIPPED_LIMIT + 10 : SKIPPED_LIMIT + 15]


def test_a_study_with_nothing_in_it_and_text_that_json_escapes(
    stored: Stored, runtime: Runtime, browser: httpx.Client
) -> None:
    one = image(patient_id="P1")
    one.StudyDescription = 'a "b" \\ c'
    stored(one)
    with runtime.sessions.begin() as session:
        session.execute(update(Series).values(instances=0))

    (found,) = browser.get("/studies").json()

    assert found["00081030"]["Value"] == ['a "b" \\ c']
    assert found["00080061"] == {"vr": "CS"}
    assert [found["00201206"]["Value"], found["00201208"]["Value"]] == [[0], [0]]


def test_series_and_instances_are_listed_in_reading_order(stored: Stored, reader: DICOMwebClient) -> None:
    images = list(make_images(3))
    stored(*reversed(images))
    study, series = images[0].StudyInstanceUID, images[0].SeriesInstanceUID

    (one,) = reader.search_for_series(study, search_filters={"Modality": "CT"})
    instances = reader.search_for_instances(study, series)

    assert one["0020000E"]["Value"] == [series]
    assert one["00201209"]["Value"] == [3]
    assert [found["00200013"]["Value"][0] for found in instances] == [1, 2, 3]
    assert [len(reader.search_for_instances()), len(reader.search_for_series())] == [3, 1]
    assert instances[0]["00280010"]["Value"] == [32]


@pytest.mark.parametrize(
    ("value", "found"),
    [("zhangsan", 1), ("san zhang", 1), ("zs", 1), ("三", 1), ("张三", 1), ("lisi", 0), ("%", 0), ("^", 0)],
)
def test_fuzzy_matching_finds_a_name_by_its_pinyin_and_in_any_order(
    stored: Stored, browser: httpx.Client, value: str, found: int
) -> None:
    stored(image(name="=张^三", patient_id="P1"))

    answer = browser.get("/studies", params={"PatientName": value, "fuzzymatching": "true"})

    assert len(answer.json()) == found
    assert "warning" not in answer.headers


@pytest.mark.parametrize(
    ("value", "fuzzy"),
    [
        ("杨^㛃??", False),
        ("*𠮷", False),
        ("杨㛃𬍛𠮷", False),
        ("yang^R*", False),
        ("㛃", True),
        ("rare yang", True),
    ],
)
def test_a_rare_name_is_found_by_its_characters(
    stored: Stored, browser: httpx.Client, value: str, fuzzy: bool
) -> None:
    stored(image(name="Yang^Rare=杨^㛃𬍛𠮷"), image(name="Yang^Rich=杨^富贵"))

    found = browser.get("/studies", params={"PatientName": value, "fuzzymatching": str(fuzzy).lower()}).json()

    assert [one["00100010"]["Value"][0]["Ideographic"] for one in found] == ["杨^㛃𬍛𠮷"]


def test_what_is_not_supported_is_warned_about_or_refused(browser: httpx.Client) -> None:
    assert "emptyvaluematching" in browser.get("/studies?emptyvaluematching=true").headers["warning"]
    refused = browser.get("/studies", headers={"Accept": 'multipart/related; type="application/dicom+xml"'})
    assert refused.status_code == 406
