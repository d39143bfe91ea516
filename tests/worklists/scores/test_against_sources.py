"""The score tables against tables written down a second time, from what others print of the same schemes.

Each is in the form of its source and shares nothing with ours; where there are few inputs, all of them are tried. What
each was held against, and what could be seen of no primary text: docs/conformance/scores.md.
"""

from itertools import combinations, product
from typing import Any

import pytest

from worklists.errors import FieldsRefused
from worklists.scores.rating import rate


def _category(scheme: str, **inputs: Any) -> str:
    return rate(scheme, inputs)[1].category


def _subsets(of: tuple[str, ...]) -> list[list[str]]:
    return [list(some) for n in range(len(of) + 1) for some in combinations(of, n)]


# ---- CT/MRI LI-RADS v2018 core, diagnostic table: rows by further major features, columns as printed

COLUMNS = ("none <20", "none ≥20", "nonrim <10", "nonrim 10-19", "nonrim ≥20")
LI_RADS = {
    0: ("LR-3", "LR-3", "LR-3", "LR-3", "LR-4"),
    1: ("LR-3", "LR-4", "LR-4", "LR-4 or LR-5", "LR-5"),
    2: ("LR-4", "LR-4", "LR-4", "LR-5", "LR-5"),
}
IN_COLUMN = {
    "none <20": (0.1, 9.9, 10, 19, 19.9),
    "none ≥20": (20, 50, 300),
    "nonrim <10": (0.1, 9, 9.9),
    "nonrim 10-19": (10, 15, 19, 19.9),
    "nonrim ≥20": (20, 50, 300),
}


@pytest.mark.parametrize("features", _subsets(("washout", "capsule", "growth")), ids="+".join)
@pytest.mark.parametrize("column", COLUMNS)
def test_every_cell_of_li_rads(column: str, features: list[str]) -> None:
    printed = LI_RADS[min(len(features), 2)][COLUMNS.index(column)]
    if printed == "LR-4 or LR-5":
        printed = "LR-4" if features == ["capsule"] else "LR-5"
    for size in IN_COLUMN[column]:
        said = {"first": "table", "aphe": column.split(maxsplit=1)[0], "size_mm": size, "features": features}
        assert _category("li-rads", **said) == printed


# ---- PI-RADS v2.1: rows of the two tables; "any" is every score

PERIPHERAL = (  # DWI, DCE, T2W, category
    ("1", "any", "any", "1"),
    ("2", "any", "any", "2"),
    ("3", "negative", "any", "3"),
    ("3", "positive", "any", "4"),
    ("4", "any", "any", "4"),
    ("5", "any", "any", "5"),
)
TRANSITION = (  # T2W, DWI, category; DCE has no part in it
    ("1", "12345", "1"),
    ("2", "123", "2"),
    ("2", "45", "3"),
    ("3", "1234", "3"),
    ("3", "5", "4"),
    ("4", "12345", "4"),
    ("5", "12345", "5"),
)


def _peripheral(t2: str, dwi: str, dce: str) -> str:
    positive = "positive" if dce == "positive" else "negative"
    [one] = {row[3] for row in PERIPHERAL if row[0] == dwi and row[1] in {"any", positive}}
    return one


def _transition(t2: str, dwi: str, dce: str) -> str:
    [one] = {row[2] for row in TRANSITION if row[0] == t2 and dwi in row[1]}
    return one


@pytest.mark.parametrize(("zone", "printed"), [("peripheral", _peripheral), ("transition", _transition)])
def test_every_combination_of_pi_rads(zone: str, printed: Any) -> None:
    for t2, dwi, dce in product("12345", "12345", ("negative", "positive", "none")):
        assert _category("pi-rads", zone=zone, t2=t2, dwi=dwi, dce=dce) == printed(t2, dwi, dce)


# ---- ACR TI-RADS 2017: points as RadElement RDES152 gives them; levels and sizes as the white paper's figure 1

POINTS = {
    "composition": {"cystic": 0, "mixed": 1, "solid": 2, "unknown": 2},
    "echogenicity": {"anechoic": 0, "hyper_iso": 1, "unknown": 1, "hypo": 2, "very_hypo": 3},
    "shape": {"wider": 0, "taller": 3},
    "margin": {"smooth": 0, "ill_defined": 0, "unknown": 0, "lobulated": 2, "extension": 3},
}
FOCI = {"comet_tail": 0, "macro": 1, "rim": 2, "punctate": 3}
LEVEL = {0: "TR1", 1: "TR1", 2: "TR2", 3: "TR3", 4: "TR4", 5: "TR4", 6: "TR4"}  # 7 and more: TR5; 1 is ours
SIZES_CM = {"TR3": (2.5, 1.5), "TR4": (1.5, 1.0), "TR5": (1.0, 0.5)}  # needle biopsy from, follow-up from


def test_every_combination_of_features_of_ti_rads() -> None:
    tried = 0
    for features in product(*(table for table in POINTS.values())):
        said = dict(zip(POINTS, features, strict=True))
        if said["echogenicity"] == "anechoic" and said["composition"] in {"mixed", "solid"}:
            continue  # refused: a solid part is not anechoic
        for foci in _subsets(tuple(FOCI)):
            points = sum(POINTS[name][value] for name, value in said.items()) + sum(FOCI[one] for one in foci)
            _, rated = rate("ti-rads", {**said, "foci": foci, "size_mm": 4})
            assert (rated.points, rated.category) == (points, LEVEL.get(points, "TR5"))
            tried += 1
    assert tried == (4 * 5 - 2) * 2 * 5 * 16


@pytest.mark.parametrize(
    ("level", "features"),
    [
        ("TR1", ("cystic", "anechoic", "wider")),
        ("TR2", ("cystic", "hypo", "wider")),
        ("TR3", ("solid", "hyper_iso", "wider")),
        ("TR4", ("solid", "hypo", "wider")),
        ("TR5", ("solid", "hypo", "taller")),
    ],
)
def test_every_millimetre_of_ti_rads(level: str, features: tuple[str, str, str]) -> None:
    said = dict(zip(("composition", "echogenicity", "shape"), features, strict=True))
    for tenths in range(1, 400):
        size = tenths / 10
        _, rated = rate("ti-rads", {**said, "margin": "smooth", "size_mm": size})
        biopsy, follow = SIZES_CM.get(level, (99, 99))
        assert rated.category == level
        assert rated.advice_en.startswith("Fine-needle") is (size / 10 >= biopsy)
        assert ("follow-up at" in rated.advice_en or "follow-up every" in rated.advice_en) is (
            follow <= size / 10 < biopsy
        )


# ---- C-TIRADS 2020: categories by count and their risks, as reviews in open access print them

C_TIRADS = {-1: ("2", "0"), 0: ("3", "<2%"), 1: ("4A", "2%～10%"), 2: ("4B", "10%～50%"), 3: ("4C", "50%～90%"),
            4: ("4C", "50%～90%"), 5: ("5", ">90%")}  # fmt: skip
MALIGNANT = ("solid", "micro", "vertical", "very_hypo", "margin")
FROM_MM = {"4A": 15, "4B": 10, "4C": 10, "5": 10}


@pytest.mark.parametrize("signs", _subsets((*MALIGNANT, "comet_tail")), ids="+".join)
def test_every_set_of_signs_of_c_tirads(signs: list[str]) -> None:
    count = len([one for one in signs if one in MALIGNANT]) - ("comet_tail" in signs)
    category, risk = C_TIRADS[count]
    for size in (0.1, 9.9, 10, 10.1, 14.9, 15, 15.1, 150):
        _, rated = rate("c-ti-rads", {"state": "nodule", "signs": signs, "size_mm": size})
        assert (rated.category, rated.points, risk in rated.text) == (category, count, True)
        assert (rated.advice_en == "Fine-needle aspiration.") is (size >= FROM_MM.get(category, 999))


# ---- Lung-RADS v2022: rows of the assessment table: kind, history, from mm, below mm, category

ANY = 101
SOLID = (
    ("baseline", 0, 6, "2"), ("baseline", 6, 8, "3"), ("baseline", 8, 15, "4A"), ("baseline", 15, ANY, "4B"),
    ("new", 0, 4, "2"), ("new", 4, 6, "3"), ("new", 6, 8, "4A"), ("new", 8, ANY, "4B"),
    ("growing", 0, 8, "4A"), ("growing", 8, ANY, "4B"), ("slow", 0, ANY, "4B"),
)  # fmt: skip
GROUND_GLASS = (
    ("baseline", 0, 30, "2"), ("new", 0, 30, "2"), ("growing", 0, 30, "2"), ("baseline", 30, ANY, "3"),
    ("new", 30, ANY, "3"), ("slow", 0, ANY, "2"),
)  # fmt: skip
JUXTAPLEURAL = (("baseline", 0, 10, "2"), ("new", 0, 10, "2"))


@pytest.mark.parametrize(
    ("kind", "rows"), [("solid", SOLID), ("ground_glass", GROUND_GLASS), ("juxtapleural", JUXTAPLEURAL)]
)
def test_every_tenth_of_a_millimetre_of_lung_rads(kind: str, rows: Any) -> None:
    for history, least, below, category in rows:
        for tenths in range(max(1, least * 10), min(below * 10, 1001)):
            said = {"kind": kind, "history": history, "size_mm": tenths / 10}
            assert _category("lung-rads", **said) == category, said


# kind of history, total from, total below, solid part from, solid part below, category
PART_SOLID = (
    ("baseline", 1, 6, 0, 6, "2"),
    ("baseline", 6, 30, 0, 6, "3"),
    ("baseline", 6, 30, 6, 8, "4A"),
    ("baseline", 8, 30, 8, 30, "4B"),
    ("new", 1, 6, 0, 4, "3"),
    ("new", 6, 30, 0, 4, "4A"),
    ("new", 4, 30, 4, 30, "4B"),
    ("growing", 1, 30, 0, 4, "4A"),
    ("growing", 4, 30, 4, 30, "4B"),
    ("slow", 1, 30, 0, 30, "4B"),
)


def test_every_half_millimetre_of_part_solid_nodules() -> None:
    for history, least, below, solid_least, solid_below, category in PART_SOLID:
        for size, solid in product(range(2 * least, 2 * below), range(2 * solid_least, 2 * solid_below)):
            if not 0 < solid <= size:
                continue
            said = {"history": history, "size_mm": size / 2, "solid_mm": solid / 2}
            assert _category("lung-rads", kind="part_solid", **said) == category, said


@pytest.mark.parametrize(
    ("said", "category"),
    [
        ({"kind": "airway", "place": "subsegmental", "history": "baseline"}, "2"),
        ({"kind": "airway", "place": "subsegmental", "history": "new"}, "2"),
        ({"kind": "airway", "place": "subsegmental", "history": "stable"}, "2"),
        ({"kind": "airway", "place": "segmental", "history": "baseline"}, "4A"),
        ({"kind": "airway", "place": "segmental", "history": "new"}, "4A"),
        ({"kind": "airway", "place": "segmental", "history": "stable"}, "4B"),
        ({"kind": "airway", "place": "segmental", "history": "growing"}, "4B"),
        ({"kind": "airway", "place": "secretions", "history": "baseline"}, "2"),
        ({"kind": "cyst", "cyst": "growing_cyst"}, "3"),
        ({"kind": "cyst", "cyst": "thick"}, "4A"),
        ({"kind": "cyst", "cyst": "multilocular"}, "4A"),
        ({"kind": "cyst", "cyst": "became_multilocular"}, "4A"),
        ({"kind": "cyst", "cyst": "growing_wall"}, "4B"),
        ({"kind": "cyst", "cyst": "growing_multilocular"}, "4B"),
        ({"kind": "cyst", "cyst": "more_loculation"}, "4B"),
        ({"kind": "cyst", "cyst": "stable_3"}, "2"),
        ({"kind": "cyst", "cyst": "stable_4a"}, "3"),
        ({"kind": "solid", "history": "stable", "previous": "3"}, "2"),
        ({"kind": "solid", "history": "stable", "previous": "4A"}, "3"),
        ({"kind": "solid", "history": "stable", "previous": "4B_benign"}, "2"),
        ({"kind": "ground_glass", "history": "stable", "previous": "2"}, "2"),
    ],
)  # fmt: skip
def test_what_lung_rads_says_without_a_size(said: dict[str, Any], category: str) -> None:
    assert _category("lung-rads", **said) == category


@pytest.mark.parametrize("size", [0.1, 5.9, 6, 7.9, 8, 14.9, 15, 40])
def test_further_features_raise_3_and_4_alone_and_s_is_said_behind_any(size: float) -> None:
    said = {"kind": "solid", "history": "baseline", "size_mm": size, "significant": "yes"}
    plain = _category("lung-rads", **said)
    assert plain.endswith("S")
    raised = _category("lung-rads", **said, more="yes")
    assert raised == (plain if plain == "2S" else "4XS")


def test_lung_rads_knows_no_slow_airway_or_juxtapleural_nodule() -> None:
    for said in (
        {"kind": "airway", "place": "subsegmental"},
        {"kind": "juxtapleural", "size_mm": 5},
    ):
        with pytest.raises(FieldsRefused):
            rate("lung-rads", {**said, "history": "slow"})


# ---- Fleischner 2017, table 1: a band of whole millimetres (the mean diameter is rounded) and what is recommended

SOLID_NODULES = {
    ("single", "low"): ("No routine", "6-12 months, then consider CT at 18-24", "Consider CT at 3 months, PET/CT"),
    ("single", "high"): ("Optional CT at 12", "6-12 months, then CT at 18-24", "Consider CT at 3 months, PET/CT"),
    ("multiple", "low"): ("No routine", "3-6 months, then consider CT at 18-24", "3-6 months, then consider CT at 18-24"),
    ("multiple", "high"): ("Optional CT at 12", "3-6 months, then CT at 18-24", "3-6 months, then CT at 18-24"),
}  # fmt: skip
SUBSOLID_NODULES = {
    ("ground_glass", "single"): ("No routine", "6-12 months to confirm persistence, then every 2 years until 5"),
    ("part_solid", "single"): ("No routine", "3-6 months to confirm persistence; if unchanged and the solid component"),
    ("ground_glass", "multiple"): ("3-6 months; if stable, consider CT at 2 and 4", "3-6 months, then as the most"),
    ("part_solid", "multiple"): ("3-6 months; if stable, consider CT at 2 and 4", "3-6 months, then as the most"),
}  # fmt: skip


def _whole(tenths: int) -> int:
    return (tenths + 5) // 10


@pytest.mark.parametrize(("number", "risk"), SOLID_NODULES)
def test_every_tenth_of_a_millimetre_of_solid_incidental_nodules(number: str, risk: str) -> None:
    for tenths in range(1, 301):
        size = _whole(tenths)
        band = 0 if size < 6 else 1 if size <= 8 else 2
        said = {"density": "solid", "number": number, "risk": risk, "size_mm": tenths / 10}
        assert SOLID_NODULES[number, risk][band] in rate("fleischner", said)[1].advice_en, said


@pytest.mark.parametrize(("density", "number"), SUBSOLID_NODULES)
def test_every_tenth_of_a_millimetre_of_subsolid_incidental_nodules(density: str, number: str) -> None:
    for tenths in range(1, 301):
        band = 0 if _whole(tenths) < 6 else 1
        said = {"density": density, "number": number, "size_mm": tenths / 10}
        if density == "part_solid":
            said["solid_mm"] = 0.1
        assert SUBSOLID_NODULES[density, number][band] in rate("fleischner", said)[1].advice_en, said


def test_a_large_solid_component_is_highly_suspicious() -> None:
    for tenths in range(1, 301):
        said = {"density": "part_solid", "number": "single", "size_mm": 30, "solid_mm": tenths / 10}
        advice = rate("fleischner", said)[1].advice_en
        assert ("highly suspicious" in advice) is (tenths >= 60)
        assert ("CT at 3-6 months" in advice) is (tenths <= 80)
        assert ("PET/CT, biopsy or resection" in advice) is (tenths >= 60)


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("nc", "within 3 months"), ("benign", "in 6 months"),
        ("probably_benign", "in 6 months; consider repeat imaging within 6 months"),
        ("lr_m", "often includes biopsy"), ("tiv", "may need biopsy"),
    ],
)  # fmt: skip
def test_what_is_advised_outside_the_diagnostic_table_of_the_liver(first: str, said: str) -> None:
    """The core's page 14."""
    assert said in rate("li-rads", {"first": first})[1].advice_en


@pytest.mark.parametrize(
    ("aphe", "category", "said"),
    [("none", "LR-3", "imaging in 3-6 months"), ("nonrim", "LR-4", "imaging within 3 months")],
)
def test_when_imaging_of_the_liver_is_repeated(aphe: str, category: str, said: str) -> None:
    rated = rate("li-rads", {"first": "table", "aphe": aphe, "size_mm": 25})[1]
    assert (rated.category, said in rated.advice_en) == (category, True)


# ---- BI-RADS, 5th edition: likelihood of malignancy and management

BI_RADS = {
    "0": ("incomplete", "Additional imaging"),
    "1": ("negative", "Routine screening"),
    "2": ("benign", "Routine screening"),
    "3": ("≤2%", "6 months"),
    "4A": (">2% to ≤10%", "Tissue diagnosis"),
    "4B": (">10% to ≤50%", "Tissue diagnosis"),
    "4C": (">50% to <95%", "Tissue diagnosis"),
    "5": ("≥95%", "Tissue diagnosis"),
    "6": ("biopsy-proven", "Surgical excision when clinically appropriate"),
}


@pytest.mark.parametrize("category", BI_RADS)
@pytest.mark.parametrize("scheme", ["bi-rads-mg", "bi-rads-us"])
def test_every_category_of_bi_rads(scheme: str, category: str) -> None:
    said = {"side": "left", "category": category}
    _, rated = rate(scheme, {**said, "density": "b"} if scheme == "bi-rads-mg" else said)
    likelihood, management = BI_RADS[category]
    assert (likelihood in rated.text_en, management in rated.advice_en) == (True, True)
