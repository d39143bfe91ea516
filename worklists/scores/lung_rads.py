"""Lung-RADS v2022: low-dose CT screening, by kind of nodule, its history and mean diameter in millimetres.

Growth is more than 1.5 mm of mean diameter within 12 months; a solid or part-solid nodule that grows by less over several
examinations is 4B (note 8). A "stable" finding steps down from the category that it had at the last examination. A ground
glass nodule of 30 mm and more that grows is held to grow slowly; a subsegmental airway nodule that grows is not in the
table and is refused, as is a juxtapleural one (that is a solid one then). Volumes are not asked.

ACR Lung-RADS v2022 assessment categories; Christensen J et al., J Am Coll Radiol 2024;21:473-488.
"""

from collections.abc import Mapping
from typing import Final

from worklists.scores.values import (
    Contradicts,
    Rated,
    Scheme,
    Stated,
    choice,
    first_below,
    millimetres,
    option,
)

Limits = tuple[tuple[float, str], ...]
_ANY = 10.0**6
# history: below which mean diameter (of a part-solid nodule: of its solid component) → category
SOLID: Final[Mapping[str, Limits]] = {
    "baseline": ((6, "2"), (8, "3"), (15, "4A"), (_ANY, "4B")),
    "new": ((4, "2"), (6, "3"), (8, "4A"), (_ANY, "4B")),
    "growing": ((8, "4A"), (_ANY, "4B")),
}
PART_SOLID: Final[Mapping[str, Limits]] = {
    "baseline": ((6, "3"), (8, "4A"), (_ANY, "4B")),
    "new": ((4, "4A"), (_ANY, "4B")),
    "growing": ((4, "4A"), (_ANY, "4B")),
}
SMALL_PART_SOLID: Final = {"baseline": "2", "new": "3"}  # under 6 mm in all, its solid component under 4 mm
GROUND_GLASS: Final[Mapping[str, Limits]] = {
    "baseline": ((30, "2"), (_ANY, "3")),
    "new": ((30, "2"), (_ANY, "3")),
    "growing": ((30, "2"), (_ANY, "2")),  # of 30 mm and more: slowly growing
}
JUXTAPLEURAL: Final[Mapping[str, Limits]] = {
    "baseline": ((10, "2"), (15, "4A"), (_ANY, "4B")),
    "new": ((10, "2"), (_ANY, "4B")),
}
SLOWLY: Final = {"solid": "4B", "part_solid": "4B", "ground_glass": "2"}
AIRWAY: Final = {
    ("subsegmental", "baseline"): "2", ("subsegmental", "new"): "2",
    ("segmental", "baseline"): "4A", ("segmental", "new"): "4A", ("segmental", "growing"): "4B",
}  # fmt: skip
CYST: Final = {
    "thick": "4A", "multilocular": "4A", "became_multilocular": "4A", "growing_cyst": "3",
    "growing_wall": "4B", "growing_multilocular": "4B", "more_loculation": "4B",
    "stable_3": "2", "stable_4a": "3", "stable_4b": "4B",
}  # fmt: skip
STABLE: Final = {
    "2": "2",
    "3": "2",
    "4A": "3",
    "4B": "4B",
    "4B_benign": "2",  # worked up, and proven benign
}  # what it was at the last examination → what it is now

MEANING: Final = {
    "0": ("评估不完全", "incomplete"),
    "1": ("阴性", "negative"),
    "2": ("良性表现或生物学行为惰性", "benign in appearance or behaviour"),
    "3": ("可能良性", "probably benign"),
    "4A": ("可疑", "suspicious"),
    "4B": ("非常可疑", "very suspicious"),
    "4X": ("非常可疑（有其他提高恶性可能的征象）", "very suspicious, with further features"),
}
_FURTHER = (
    "建议转诊进一步评估：增强或平扫CT、PET/CT（实性成分≥8mm）或组织活检；疑感染时可1个月后低剂量CT复查。",
    "Referral: CT with or without contrast, PET/CT where the solid part is ≥8 mm, or tissue sampling; LDCT at 1 month where infection is likely.",
)
ADVICE: Final = {
    "0": ("补充既往CT对比；疑感染或炎症时1～3个月后低剂量CT复查。", "Comparison with prior CT; LDCT in 1-3 months where it looks inflammatory or infectious."),
    "1": ("12个月后低剂量CT筛查。", "LDCT screening in 12 months."),
    "2": ("12个月后低剂量CT筛查。", "LDCT screening in 12 months."),
    "3": ("6个月后低剂量CT复查。", "LDCT in 6 months."),
    "4A": ("3个月后低剂量CT复查；实性结节或实性成分≥8mm时可考虑PET/CT。", "LDCT in 3 months; PET/CT may be considered where a solid nodule or component is ≥8 mm."),
    "4B": _FURTHER,
    "4X": _FURTHER,
}  # fmt: skip
_NODULES = ("solid", "part_solid", "ground_glass", "juxtapleural")
_MEASURED = ("baseline", "new", "growing", "slow")
_LOOKED_AT = (*_NODULES, "airway", "cyst")


def category_of(stated: Stated) -> str:
    kind = stated["kind"]
    if kind in {"none", "incomplete"}:
        return {"none": "1", "incomplete": "0"}[kind]
    if kind == "cyst":
        return CYST[stated["cyst"]]
    history = stated["history"]
    if kind == "airway" and stated["place"] == "secretions":
        return "2"
    if history == "stable":
        return _stable(stated)
    if kind == "airway":
        if (stated["place"], history) not in AIRWAY:
            raise Contradicts("history")
        return AIRWAY[stated["place"], history]
    return _of_size(kind, history, stated)


def _stable(stated: Stated) -> str:
    """An airway nodule at a segment or nearer that stays is 4B."""
    if stated["kind"] == "airway":
        return "4B" if stated["place"] == "segmental" else "2"
    return STABLE[stated["previous"]]


def _of_size(kind: str, history: str, stated: Stated) -> str:
    size = stated["size_mm"]
    if kind == "part_solid" and stated["solid_mm"] > size:
        raise Contradicts("solid_mm")
    if history == "slow" and kind in SLOWLY:
        return SLOWLY[kind]
    if kind == "part_solid":
        return _part_solid(history, size, stated["solid_mm"])
    tables: dict[str, Mapping[str, Limits]] = {
        "solid": SOLID,
        "ground_glass": GROUND_GLASS,
        "juxtapleural": JUXTAPLEURAL,
    }
    if history not in tables[kind]:
        raise Contradicts("history")  # a pleural nodule that grows is a solid one
    return first_below(size, tables[kind][history])


def _part_solid(history: str, size: float, solid: float) -> str:
    if size < 6 and history in SMALL_PART_SOLID and (history == "baseline" or solid < 4):
        return SMALL_PART_SOLID[history]
    return first_below(solid, PART_SOLID[history])


def rate(stated: Stated) -> Rated:
    category = category_of(stated)
    if category in {"3", "4A", "4B"} and stated.get("more") == "yes":
        category = "4X"
    modifier = "S" if stated.get("significant") == "yes" else ""
    said, said_en = MEANING[category]
    return Rated(
        category=category + modifier,
        text=f"Lung-RADS {category}{modifier}类：{said}{'；另有需临床处理的非肺癌异常' if modifier else ''}。",
        text_en=f"Lung-RADS {category}{modifier}: {said_en}{'; with another significant finding' if modifier else ''}.",
        advice=ADVICE[category][0],
        advice_en=ADVICE[category][1],
    )


_YES = (option("no", "无", "no"), option("yes", "有", "yes"))
INPUTS: Final = (
    choice(
        "kind", "类型", "Kind",
        option("none", "无结节，或明确良性钙化、脂肪", "no nodule, or benign calcification or fat"),
        option("solid", "实性", "solid"), option("part_solid", "部分实性", "part-solid"),
        option("ground_glass", "磨玻璃", "ground glass"), option("juxtapleural", "胸膜旁（光滑，卵圆、透镜或三角形）", "juxtapleural (smooth; oval, lentiform or triangular)"),
        option("airway", "气道内", "airway"), option("cyst", "不典型肺囊腔", "atypical cyst"),
        option("incomplete", "不能评估，或疑炎症", "cannot be assessed, or looks inflammatory"),
    ),
    choice(
        "history", "与以往比", "History",
        option("baseline", "基线", "baseline"), option("new", "新发", "new"), option("growing", "增大（12个月内平均径增加>1.5mm）", "growing (mean diameter by more than 1.5 mm within 12 months)"),
        option("slow", "缓慢增大（多次检查，每12个月不超过1.5mm）", "growing slowly (over several examinations, 1.5 mm in 12 months at most)"),
        option("stable", "稳定或缩小", "stable or smaller"), when={"kind": (*_NODULES, "airway")},
    ),
    choice(
        "previous", "上次分类", "Last category", *(option(one, f"{one}类", one) for one in STABLE if one != "4B_benign"),
        option("4B_benign", "4B类，已证实良性", "4B, proven benign since"),
        when={"history": ("stable",), "kind": _NODULES},
    ),
    choice(
        "place", "位置", "Place", option("subsegmental", "亚段及以远", "subsegmental"),
        option("segmental", "段或更近端", "segmental or more proximal"),
        option("secretions", "段或更近端，含气，考虑分泌物", "segmental or more proximal, with air: favours secretions"), when={"kind": ("airway",)},
    ),
    choice(
        "cyst", "囊腔", "Cyst",
        option("thick", "厚壁", "thick-walled"), option("multilocular", "基线多房", "multilocular at baseline"),
        option("became_multilocular", "由单房变为多房", "became multilocular"),
        option("growing_cyst", "厚壁囊腔的囊性部分增大", "growing cystic part of a thick-walled cyst"),
        option("growing_wall", "壁或结节增厚增大", "wall or nodule grows"),
        option("growing_multilocular", "多房囊腔增大", "multilocular cyst grows"),
        option("stable_3", "稳定或缩小（上次3类）", "stable or smaller, category 3 before"),
        option("stable_4a", "稳定或缩小（上次4A类）", "stable or smaller, category 4A before"),
        option("stable_4b", "稳定或缩小（上次4B类）", "stable or smaller, category 4B before"),
        option("more_loculation", "分房增多或新增实性、磨玻璃成分", "more loculation, or new or more opacity"),
        when={"kind": ("cyst",)},
    ),
    millimetres("size_mm", "平均径", "Mean diameter", high=100, when={"kind": _NODULES, "history": _MEASURED}),
    millimetres("solid_mm", "实性成分平均径", "Mean diameter of the solid part", high=100, when={"kind": ("part_solid",), "history": _MEASURED}),
    choice("more", "提高恶性可能的其他征象（毛刺、淋巴结大等）", "Further features of malignancy", *_YES, required=False, when={"kind": _LOOKED_AT}),
    choice("significant", "需处理的非肺癌异常（S）", "Other significant finding (S)", *_YES, required=False),
)  # fmt: skip

SCHEME = Scheme(
    code="lung-rads", version="2022", zh="Lung-RADS 低剂量CT筛查", en="Lung-RADS screening CT",
    source="ACR Lung-RADS v2022", modalities=("CT",), body_parts=("CHEST", "LUNG"), inputs=INPUTS, rate=rate,
)  # fmt: skip
