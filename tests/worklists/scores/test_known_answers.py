"""Every cell of the published tables, as they print it."""

from typing import Any

import pytest

from worklists.errors import NotFound
from worklists.scores import SCHEMES, fleischner, li_rads, lung_rads, ti_rads
from worklists.scores.rating import ScoreRefused, rate


def _category(scheme: str, **inputs: Any) -> str:
    return rate(scheme, inputs)[1].category


# ---- BI-RADS


@pytest.mark.parametrize(
    ("category", "risk", "advice"),
    [
        ("0", "评估不完全", "补充"),
        ("1", "阴性", "常规筛查"),
        ("2", "良性", "常规筛查"),
        ("3", "≤2%", "6个月"),
        ("4A", ">2%～≤10%", "活检"),
        ("4B", ">10%～≤50%", "活检"),
        ("4C", ">50%～<95%", "活检"),
        ("5", "≥95%", "活检"),
        ("6", "已证实", "切除"),
    ],
)
def test_bi_rads_says_the_risk_and_what_follows(category: str, risk: str, advice: str) -> None:
    _, us = rate("bi-rads-us", {"side": "left", "category": category})
    _, mg = rate("bi-rads-mg", {"side": "both", "category": category, "density": "c"})

    assert (us.category, risk in us.text, "左乳" in us.text, advice in us.advice) == (
        category,
        True,
        True,
        True,
    )
    assert (mg.category, "c型" in mg.text, "双乳" in mg.text, advice in mg.advice) == (
        category,
        True,
        True,
        True,
    )


# ---- ACR TI-RADS 2017

PLAIN = {
    "composition": "cystic",
    "echogenicity": "anechoic",
    "shape": "wider",
    "margin": "smooth",
    "size_mm": 10,
}


@pytest.mark.parametrize(
    ("changed", "points"),
    [
        ({}, 0),
        ({"composition": "mixed", "echogenicity": "hyper_iso"}, 1 + 1),
        ({"composition": "solid", "echogenicity": "hyper_iso"}, 2 + 1),
        ({"composition": "unknown", "echogenicity": "unknown", "margin": "unknown"}, 2 + 1),
        ({"echogenicity": "hypo"}, 2),
        ({"echogenicity": "very_hypo"}, 3),
        ({"shape": "taller"}, 3),
        ({"margin": "ill_defined"}, 0),
        ({"margin": "lobulated"}, 2),
        ({"margin": "extension"}, 3),
        ({"foci": ["comet_tail"]}, 0),
        ({"foci": ["macro"]}, 1),
        ({"foci": ["rim"]}, 2),
        ({"foci": ["punctate"]}, 3),
        ({"foci": ["macro", "rim", "punctate"]}, 6),
    ],
)
def test_ti_rads_points_of_each_feature(changed: dict[str, Any], points: int) -> None:
    assert rate("ti-rads", {**PLAIN, **changed})[1].points == points


def test_a_spongiform_nodule_gets_no_further_points() -> None:
    _, rated = rate("ti-rads", {"composition": "spongiform", "size_mm": 40, "foci": ["punctate"]})

    assert (rated.points, rated.category, rated.advice) == (0, "TR1", "无需细针穿刺。")


@pytest.mark.parametrize(
    ("points", "level"),
    [
        (0, "TR1"),
        (1, "TR1"),
        (2, "TR2"),
        (3, "TR3"),
        (4, "TR4"),
        (5, "TR4"),
        (6, "TR4"),
        (7, "TR5"),
        (14, "TR5"),
    ],
)
def test_ti_rads_levels(points: int, level: str) -> None:
    assert next(name for below, name in ti_rads.LEVELS if points < below) == level


@pytest.mark.parametrize(
    ("level", "size", "word"),
    [
        ("TR1", 60, "无需细针穿刺"),
        ("TR2", 60, "无需细针穿刺"),
        ("TR3", 14.9, "小于随访阈值"),
        ("TR3", 15, "第1、3、5年"),
        ("TR3", 24.9, "第1、3、5年"),
        ("TR3", 25, "建议细针穿刺"),
        ("TR4", 9.9, "小于随访阈值"),
        ("TR4", 10, "第1、2、3、5年"),
        ("TR4", 15, "建议细针穿刺"),
        ("TR5", 4.9, "小于随访阈值"),
        ("TR5", 5, "每年一次"),
        ("TR5", 10, "建议细针穿刺"),
    ],
)
def test_ti_rads_sizes(level: str, size: float, word: str) -> None:
    assert word in ti_rads.advise(level, size)[0]


def test_the_solid_part_of_a_nodule_is_not_anechoic() -> None:
    with pytest.raises(ScoreRefused) as refused:
        rate("ti-rads", {**PLAIN, "composition": "mixed"})
    assert refused.value.reasons == {"inputs.echogenicity": "contradicts"}


# ---- C-TIRADS 2020


@pytest.mark.parametrize(
    ("signs", "category"),
    [
        (["comet_tail"], "2"),
        ([], "3"),
        (["solid", "comet_tail"], "3"),
        (["solid"], "4A"),
        (["solid", "very_hypo"], "4B"),
        (["solid", "very_hypo", "vertical"], "4C"),
        (["solid", "very_hypo", "vertical", "margin"], "4C"),
        (["solid", "very_hypo", "vertical", "margin", "micro"], "5"),
    ],
)
def test_c_ti_rads_counts(signs: list[str], category: str) -> None:
    assert _category("c-ti-rads", state="nodule", signs=signs, size_mm=8) == category


@pytest.mark.parametrize(
    ("signs", "size", "biopsy"),
    [
        ([], 40, False), (["solid"], 14.9, False), (["solid"], 15, True), (["solid", "micro"], 9.9, False),
        (["solid", "micro"], 10, True),
    ],
)  # fmt: skip
def test_c_ti_rads_sizes(signs: list[str], size: float, biopsy: bool) -> None:
    _, rated = rate("c-ti-rads", {"state": "nodule", "signs": signs, "size_mm": size})

    assert (rated.advice == "建议细针穿刺活检。") is biopsy


def test_c_ti_rads_without_a_nodule_and_with_a_proven_one() -> None:
    assert (_category("c-ti-rads", state="none"), _category("c-ti-rads", state="proven")) == ("1", "6")


# ---- Lung-RADS v2022


@pytest.mark.parametrize(
    ("history", "size", "category"),
    [
        ("baseline", 5.9, "2"), ("baseline", 6, "3"), ("baseline", 7.9, "3"), ("baseline", 8, "4A"),
        ("baseline", 14.9, "4A"), ("baseline", 15, "4B"),
        ("new", 3.9, "2"), ("new", 4, "3"), ("new", 5.9, "3"), ("new", 6, "4A"), ("new", 7.9, "4A"), ("new", 8, "4B"),
        ("growing", 7.9, "4A"), ("growing", 8, "4B"),
    ],
)  # fmt: skip
def test_lung_rads_solid(history: str, size: float, category: str) -> None:
    assert _category("lung-rads", kind="solid", history=history, size_mm=size) == category


@pytest.mark.parametrize(
    ("history", "size", "solid", "category"),
    [
        ("baseline", 5.9, 3, "2"), ("baseline", 6, 5.9, "3"), ("baseline", 10, 6, "4A"), ("baseline", 10, 7.9, "4A"),
        ("baseline", 10, 8, "4B"),
        ("new", 5.9, 3.9, "3"), ("new", 5.9, 4, "4B"), ("new", 6, 3.9, "4A"), ("new", 6, 4, "4B"),
        ("growing", 9, 3.9, "4A"), ("growing", 9, 4, "4B"),
    ],
)  # fmt: skip
def test_lung_rads_part_solid(history: str, size: float, solid: float, category: str) -> None:
    said = {"kind": "part_solid", "history": history, "size_mm": size, "solid_mm": solid}
    assert _category("lung-rads", **said) == category


@pytest.mark.parametrize(
    ("said", "category"),
    [
        ({"kind": "none"}, "1"),
        ({"kind": "incomplete"}, "0"),
        ({"kind": "ground_glass", "history": "baseline", "size_mm": 29.9}, "2"),
        ({"kind": "ground_glass", "history": "baseline", "size_mm": 30}, "3"),
        ({"kind": "ground_glass", "history": "new", "size_mm": 29.9}, "2"),
        ({"kind": "ground_glass", "history": "new", "size_mm": 30}, "3"),
        ({"kind": "ground_glass", "history": "growing", "size_mm": 20}, "2"),
        ({"kind": "juxtapleural", "history": "baseline", "size_mm": 9.9}, "2"),
        ({"kind": "juxtapleural", "history": "new", "size_mm": 9.9}, "2"),
        ({"kind": "juxtapleural", "history": "baseline", "size_mm": 10}, "4A"),
        ({"kind": "airway", "history": "baseline", "place": "subsegmental"}, "2"),
        ({"kind": "airway", "history": "stable", "place": "subsegmental"}, "2"),
        ({"kind": "airway", "history": "baseline", "place": "segmental"}, "4A"),
        ({"kind": "airway", "history": "stable", "place": "segmental"}, "4B"),
        ({"kind": "airway", "history": "growing", "place": "segmental"}, "4B"),
        *(({"kind": "cyst", "cyst": kind}, category) for kind, category in lung_rads.CYST.items()),
        *(
            ({"kind": "solid", "history": "stable", "previous": before}, after)
            for before, after in (("2", "2"), ("3", "2"), ("4A", "3"), ("4B", "4B"))
        ),
        ({"kind": "solid", "history": "baseline", "size_mm": 7, "more": "yes"}, "4X"),
        ({"kind": "solid", "history": "baseline", "size_mm": 5, "more": "yes"}, "2"),
        ({"kind": "none", "significant": "yes"}, "1S"),
    ],
)
def test_lung_rads_else(said: dict[str, Any], category: str) -> None:
    assert _category("lung-rads", **said) == category


def test_the_cysts_of_lung_rads() -> None:
    assert {kind for kind, category in lung_rads.CYST.items() if category == "4A"} == {
        "thick", "multilocular", "became_multilocular",
    }  # fmt: skip
    assert lung_rads.CYST["growing_cyst"] == "3"


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"kind": "part_solid", "history": "new", "size_mm": 5, "solid_mm": 6}, "solid_mm"),
        ({"kind": "juxtapleural", "history": "growing", "size_mm": 5}, "history"),
        ({"kind": "airway", "history": "growing", "place": "subsegmental"}, "history"),
    ],
)
def test_what_lung_rads_does_not_know_is_refused(said: dict[str, Any], field: str) -> None:
    with pytest.raises(ScoreRefused) as refused:
        rate("lung-rads", said)
    assert refused.value.reasons == {f"inputs.{field}": "contradicts"}


# ---- LI-RADS v2018


@pytest.mark.parametrize(
    ("aphe", "size", "features", "category"),
    [
        ("none", 19.9, [], "LR-3"), ("none", 19.9, ["washout"], "LR-3"), ("none", 19.9, ["washout", "capsule"], "LR-4"),
        ("none", 20, [], "LR-3"), ("none", 20, ["growth"], "LR-4"), ("none", 20, ["washout", "capsule", "growth"], "LR-4"),
        ("nonrim", 9.9, [], "LR-3"), ("nonrim", 9.9, ["washout"], "LR-4"), ("nonrim", 9.9, ["washout", "capsule"], "LR-4"),
        ("nonrim", 10, [], "LR-3"), ("nonrim", 10, ["washout"], "LR-5"), ("nonrim", 19.9, ["growth"], "LR-5"),
        ("nonrim", 19.9, ["capsule"], "LR-4"), ("nonrim", 15, ["capsule", "washout"], "LR-5"),
        ("nonrim", 20, [], "LR-4"), ("nonrim", 20, ["capsule"], "LR-5"), ("nonrim", 20, ["washout", "growth"], "LR-5"),
    ],
)  # fmt: skip
def test_li_rads_table(aphe: str, size: float, features: list[str], category: str) -> None:
    assert li_rads.category_of(aphe, size, features) == category
    assert _category("li-rads", first="table", aphe=aphe, size_mm=size, features=features) == category


@pytest.mark.parametrize(
    ("first", "category"),
    [("nc", "LR-NC"), ("tiv", "LR-TIV"), ("benign", "LR-1"), ("probably_benign", "LR-2"), ("lr_m", "LR-M")],
)
def test_li_rads_before_the_table(first: str, category: str) -> None:
    assert _category("li-rads", first=first) == category


# ---- PI-RADS v2.1


@pytest.mark.parametrize(
    ("zone", "t2", "dwi", "dce", "category"),
    [
        ("peripheral", "5", "1", "positive", "1"), ("peripheral", "5", "2", "positive", "2"),
        ("peripheral", "1", "3", "negative", "3"), ("peripheral", "1", "3", "none", "3"),
        ("peripheral", "1", "3", "positive", "4"), ("peripheral", "1", "4", "negative", "4"),
        ("peripheral", "1", "5", "negative", "5"),
        ("transition", "1", "5", "positive", "1"), ("transition", "2", "3", "positive", "2"),
        ("transition", "2", "4", "negative", "3"), ("transition", "2", "5", "negative", "3"),
        ("transition", "3", "4", "positive", "3"), ("transition", "3", "5", "negative", "4"),
        ("transition", "4", "1", "negative", "4"), ("transition", "5", "1", "negative", "5"),
        ("peripheral", "2", "x", "positive", "2"), ("peripheral", "3", "x", "negative", "3"),
        ("peripheral", "3", "x", "positive", "4"), ("transition", "3", "x", "positive", "4"),
        ("transition", "5", "x", "none", "5"),
    ],
)  # fmt: skip
def test_pi_rads(zone: str, t2: str, dwi: str, dce: str, category: str) -> None:
    assert _category("pi-rads", zone=zone, t2=t2, dwi=dwi, dce=dce) == category


# ---- Fleischner 2017


@pytest.mark.parametrize(
    ("density", "number", "risk", "size", "word"),
    [
        ("solid", "single", "low", 5.4, "无需常规随访"), ("solid", "single", "low", 5.5, "6～12个月"),
        ("solid", "single", "low", 8.4, "考虑18～24"), ("solid", "single", "low", 8.5, "考虑3个月"),
        ("solid", "single", "high", 5, "可选择12个月"), ("solid", "single", "high", 7, "之后18～24"),
        ("solid", "single", "high", 9, "PET/CT"),
        ("solid", "multiple", "low", 5, "无需常规随访"), ("solid", "multiple", "low", 7, "3～6个月"),
        ("solid", "multiple", "low", 20, "之后考虑18～24"), ("solid", "multiple", "high", 5, "可选择12个月"),
        ("solid", "multiple", "high", 7, "之后18～24"), ("solid", "multiple", "high", 20, "之后18～24"),
        ("ground_glass", "single", None, 5, "无需常规随访"), ("ground_glass", "single", None, 6, "每2年复查至5年"),
        ("ground_glass", "multiple", None, 5, "第2、4年"), ("ground_glass", "multiple", None, 9, "最可疑"),
    ],
)  # fmt: skip
def test_fleischner(density: str, number: str, risk: str | None, size: float, word: str) -> None:
    said = {"density": density, "number": number, "risk": risk, "size_mm": size}
    assert word in rate("fleischner", said)[1].advice


@pytest.mark.parametrize(
    ("number", "size", "solid", "word"),
    [
        ("single", 5, 2, "无需常规随访"), ("single", 9, 5.9, "每年复查至5年"), ("single", 9, 6, "高度怀疑"),
        ("single", 12, 8, "3～6个月"), ("single", 12, 8.1, "建议PET/CT"),
        ("multiple", 5, 2, "第2、4年"), ("multiple", 9, 2, "最可疑"),
    ],
)  # fmt: skip
def test_fleischner_part_solid(number: str, size: float, solid: float, word: str) -> None:
    said = {"density": "part_solid", "number": number, "size_mm": size, "solid_mm": solid}
    assert word in rate("fleischner", said)[1].advice


def test_fleischner_has_a_row_for_every_combination() -> None:
    subsolid = {
        (density, number, "") for density in ("ground_glass", "part_solid") for number in fleischner.NUMBER
    }
    solid = {("solid", number, risk) for number in fleischner.NUMBER for risk in ("low", "high")}
    assert fleischner.TABLE.keys() == subsolid | solid


# ---- what cannot be used

SOLID = {"density": "solid", "number": "single", "risk": "low"}


@pytest.mark.parametrize(
    ("scheme", "inputs", "reasons"),
    [
        ("ti-rads", {}, {"inputs.composition": "required", "inputs.size_mm": "required"}),
        ("fleischner", {**SOLID, "number": "many", "size_mm": 5}, {"inputs.number": "unusable"}),
        ("fleischner", {**SOLID, "size_mm": True}, {"inputs.size_mm": "unusable"}),
        ("fleischner", {**SOLID, "size_mm": float("nan")}, {"inputs.size_mm": "unusable"}),
        ("fleischner", {**SOLID, "size_mm": 5, "solid_mm": 3}, {"inputs.solid_mm": "unknown"}),
        ("c-ti-rads", {"state": "nodule", "signs": "solid", "size_mm": 5}, {"inputs.signs": "unusable"}),
        ("c-ti-rads", {"state": "nodule", "signs": ["solid", "solid"], "size_mm": 5}, {"inputs.signs": "unusable"}),
        ("c-ti-rads", {"state": "nodule", "signs": [{}], "size_mm": 5}, {"inputs.signs": "unusable"}),
        ("bi-rads-us", {"side": "left", "category": "7"}, {"inputs.category": "unusable"}),
        ("bi-rads-us", {"side": "left", "category": "3", "density": "a"}, {"inputs.density": "unknown"}),
    ],
)  # fmt: skip
def test_an_input_that_cannot_be_used_is_named(
    scheme: str, inputs: dict[str, Any], reasons: dict[str, str]
) -> None:
    with pytest.raises(ScoreRefused) as refused:
        rate(scheme, inputs)
    assert refused.value.reasons.items() >= reasons.items()


def test_an_unknown_scheme_is_not_found() -> None:
    with pytest.raises(NotFound):
        rate("asterisk", {})


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES.keys())
def test_every_scheme_cites_its_source_and_speaks_both_languages(scheme: Any) -> None:
    assert any(year in scheme.source for year in ("2013", "2017", "2018", "2019", "2020", "2022"))
    for one in scheme.inputs:
        assert one.zh
        assert one.en
        assert all(each.zh and each.en for each in one.options)
        names = {other.name for other in scheme.inputs}
        assert set(one.when or {}) <= names
