"""ACR TI-RADS 2017: points of five features give a level; the level and the largest diameter what follows.

The chart gives TR1 to 0 points and TR2 to 2; one point, which it does not name, is held to be TR1. A spongiform nodule
gets no further points. In a nodule that is mixed or solid it is the solid part whose echogenicity counts, so that
"anechoic" contradicts.

Tessler FN et al., J Am Coll Radiol 2017;14:587-595, figure 1.
"""

from typing import Final

from worklists.scores.values import Contradicts, Rated, Scheme, Stated, choice, many, millimetres, option

COMPOSITION: Final = {"cystic": 0, "spongiform": 0, "mixed": 1, "solid": 2, "unknown": 2}
ECHOGENICITY: Final = {"anechoic": 0, "hyper_iso": 1, "hypo": 2, "very_hypo": 3, "unknown": 1}
SHAPE: Final = {"wider": 0, "taller": 3}
MARGIN: Final = {"smooth": 0, "ill_defined": 0, "lobulated": 2, "extension": 3, "unknown": 0}
FOCI: Final = {"comet_tail": 0, "macro": 1, "rim": 2, "punctate": 3}

# points below this: level
LEVELS: Final = ((2, "TR1"), (3, "TR2"), (4, "TR3"), (7, "TR4"), (10**6, "TR5"))
MEANING: Final = {
    "TR1": ("良性", "benign"),
    "TR2": ("无可疑恶性", "not suspicious"),
    "TR3": ("低度可疑", "mildly suspicious"),
    "TR4": ("中度可疑", "moderately suspicious"),
    "TR5": ("高度可疑", "highly suspicious"),
}
# level: from how many millimetres on a needle biopsy, and a follow-up; after how many years
SIZES: Final = {
    "TR3": (25, 15, "第1、3、5年", "at 1, 3 and 5 years"),
    "TR4": (15, 10, "第1、2、3、5年", "at 1, 2, 3 and 5 years"),
    "TR5": (10, 5, "每年一次，共5年", "every year for up to 5 years"),
}

INPUTS: Final = (
    choice(
        "composition", "成分", "Composition",
        option("cystic", "囊性或几乎完全囊性", "cystic or almost completely cystic"),
        option("spongiform", "海绵样", "spongiform"),
        option("mixed", "囊实混合", "mixed cystic and solid"),
        option("solid", "实性或几乎完全实性", "solid or almost completely solid"),
        option("unknown", "因钙化不能判断", "cannot be determined because of calcification"),
    ),
    choice(
        "echogenicity", "回声", "Echogenicity",
        option("anechoic", "无回声", "anechoic"),
        option("hyper_iso", "高回声或等回声", "hyperechoic or isoechoic"),
        option("hypo", "低回声", "hypoechoic"),
        option("very_hypo", "极低回声", "very hypoechoic"),
        option("unknown", "不能判断", "cannot be determined"),
        when={"composition": ("cystic", "mixed", "solid", "unknown")},
    ),
    choice(
        "shape", "形态", "Shape",
        option("wider", "宽大于高", "wider than tall"),
        option("taller", "高大于宽", "taller than wide"),
        when={"composition": ("cystic", "mixed", "solid", "unknown")},
    ),
    choice(
        "margin", "边缘", "Margin",
        option("smooth", "光滑", "smooth"),
        option("ill_defined", "模糊", "ill-defined"),
        option("lobulated", "分叶或不规则", "lobulated or irregular"),
        option("extension", "向甲状腺外侵犯", "extra-thyroidal extension"),
        option("unknown", "不能判断", "cannot be determined"),
        when={"composition": ("cystic", "mixed", "solid", "unknown")},
    ),
    many(
        "foci", "强回声灶（可多选）", "Echogenic foci (any number)",
        option("comet_tail", "大彗星尾", "large comet-tail artefacts"),
        option("macro", "粗大钙化", "macrocalcifications"),
        option("rim", "边缘（环状）钙化", "peripheral (rim) calcifications"),
        option("punctate", "点状强回声", "punctate echogenic foci"),
    ),
    millimetres("size_mm", "最大径", "Largest diameter", high=150),
)  # fmt: skip


def points_of(stated: Stated) -> int:
    if stated["composition"] == "spongiform":
        return 0
    if stated["echogenicity"] == "anechoic" and stated["composition"] in {"mixed", "solid"}:
        raise Contradicts("echogenicity")
    return (
        COMPOSITION[stated["composition"]]
        + ECHOGENICITY[stated["echogenicity"]]
        + SHAPE[stated["shape"]]
        + MARGIN[stated["margin"]]
        + sum(FOCI[one] for one in stated.get("foci", ()))
    )


def advise(level: str, size_mm: float) -> tuple[str, str]:
    if level not in SIZES:
        return "无需细针穿刺。", "No fine-needle aspiration."
    biopsy, follow, when, when_en = SIZES[level]
    if size_mm >= biopsy:
        return "建议细针穿刺活检。", "Fine-needle aspiration."
    if size_mm >= follow:
        return f"建议超声随访（{when}）。", f"Ultrasound follow-up {when_en}."
    return (
        "小于随访阈值，无需细针穿刺及常规随访。",
        "Below the size for follow-up: no aspiration, no routine follow-up.",
    )


def rate(stated: Stated) -> Rated:
    points = points_of(stated)
    level = next(level for below, level in LEVELS if points < below)
    advice, advice_en = advise(level, stated["size_mm"])
    said, said_en = MEANING[level]
    return Rated(
        category=level,
        points=points,
        text=f"甲状腺结节，ACR TI-RADS {level[2:]}类（{points}分，{said}）。",
        text_en=f"Thyroid nodule, ACR {level} ({points} points, {said_en}).",
        advice=advice,
        advice_en=advice_en,
    )


SCHEME = Scheme(
    code="ti-rads", version="2017", zh="ACR TI-RADS 甲状腺结节", en="ACR TI-RADS thyroid nodule",
    source="Tessler FN et al., J Am Coll Radiol 2017;14:587-595", modalities=("US",), body_parts=("THYROID", "NECK"),
    inputs=INPUTS, rate=rate,
)  # fmt: skip
