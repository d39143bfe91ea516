"""Which template is for which examination, and which one key writes."""

import pytest

from worklists.directory import Kind
from worklists.reporting.body_parts import body_parts, find_parts
from worklists.reporting.books import TemplateBook, default_templates
from worklists.reporting.matching import About, Fit, normal_of, rank, same_modalities

BOOK = TemplateBook.read(default_templates(Kind.IMAGING))


def _about(modality: str, body_part: str = "", description: str = "", sex: str = "M") -> About:
    return About(
        modalities=same_modalities(modality.split("\\")), parts=find_parts(body_part, description), sex=sex
    )


@pytest.mark.parametrize(
    ("body_part", "description", "parts"),
    [
        ("CHEST", "", {"CHEST"}),
        ("chest ", "", {"CHEST"}),
        ("", "胸部正位", {"CHEST"}),
        ("CHEST", "胸椎正侧位", {"TSPINE", "CHEST"}),  # the device's code is kept: it is not the same
        ("SPINE", "胸椎正侧位", {"TSPINE"}),
        ("CHEST", "肋骨斜位", {"RIB"}),
        ("EXTREMITY", "左膝关节正侧位", {"KNEE"}),
        ("CHEST", "胸部+上腹部平扫", {"CHEST", "ABDOMEN"}),
        ("HEAD", "CT头颅平扫", {"HEAD"}),
        ("", "Chest PA", {"CHEST"}),
        ("", "heartburn", set()),
        ("ABDOMEN", "肝胆胰脾双肾", {"ABDOMEN"}),
        ("NECK", "甲状腺及颈部淋巴结", {"THYROID"}),
        ("", "", set()),
        ("UNKNOWNPART", "", set()),
    ],
)
def test_parts_are_found_by_code_and_by_words(body_part: str, description: str, parts: set[str]) -> None:
    assert find_parts(body_part, description) == parts


@pytest.mark.parametrize(
    ("about", "code"),
    [
        (_about("DX", "CHEST"), "dr-chest-normal"),
        (_about("CR", "CHEST"), "dr-chest-normal"),
        (_about("DR", "", "胸部后前位"), "dr-chest-normal"),
        (_about("CT", "CHEST"), "ct-chest-normal"),
        (_about("CT", "CHEST", "胸部+上腹部平扫"), "ct-chest-abdomen-normal"),
        (_about("CT", "HEAD", "头颅+胸部"), None),
        (_about("CR", "", "左膝关节正侧位"), "dr-limb-normal"),
        (_about("MR", "KNEE"), "mr-knee-normal"),
        (_about("CT", "BRAIN"), "ct-head-normal"),
        (_about("DX", "SKULL"), "dr-skull-normal"),
        (_about("DX", "CHEST", "肋骨斜位"), "dr-rib-normal"),
        (_about("US", "PELVIS", sex="F"), "us-uterus-normal"),
        (_about("US", "PELVIS", sex="M"), "us-prostate-normal"),
        (_about("US", "PELVIS", sex=""), None),
        (_about("US", "", "产科超声", sex="F"), "us-obstetric"),
        (_about("US", "", "甲状腺彩超"), "us-thyroid-normal"),
        (_about("CT", "PELVIS", sex="F"), "ct-pelvis-normal-f"),
        (_about("CT", ""), None),
        (_about("", "CHEST"), None),
        (_about("NM", "CHEST"), None),
    ],
)
def test_one_key_writes_what_fits_and_none_rather_than_a_wrong_one(about: About, code: str | None) -> None:
    found = normal_of(BOOK.templates, about)

    assert (found.code if found else None) == code


def test_the_most_specific_is_offered_first_and_nothing_for_the_other_sex() -> None:
    offered = [(one.code, how) for one, how in rank(BOOK.templates, _about("DX", "WRIST"))]

    assert offered[0] == ("dr-wrist-radius", Fit.EXACT)
    assert ("dr-limb-normal", Fit.WIDER) in offered
    assert dict(offered)["dr-chest-normal"] is Fit.OTHER
    codes = {one.code for one, _ in rank(BOOK.templates, _about("US", "PELVIS", sex="M"))}
    assert "us-prostate-normal" in codes
    assert not codes & {"us-uterus-normal", "us-obstetric", "us-breast-normal"}


def test_every_part_that_another_names_is_one() -> None:
    for part in body_parts().values():
        assert {part.within, part.read_as} - {""} <= body_parts().keys()
        assert part.zh
        assert part.en
