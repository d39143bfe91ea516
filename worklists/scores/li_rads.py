"""LI-RADS v2018 for CT and MR: the diagnostic table, for adults with cirrhosis, chronic hepatitis B or an earlier HCC.

The table is asked only where nothing is definitely or probably benign, no tumour in vein, and not LR-M. A nodule of 10 to
19 mm with nonrim enhancement and one major feature is LR-5 where that is washout or threshold growth, LR-4 where it is
the capsule.

ACR CT/MRI LI-RADS v2018 core, diagnostic table (page 8) and table of workup (page 14).
"""

from typing import Final

from worklists.scores.values import Rated, Scheme, Stated, choice, many, millimetres, option

FEATURES: Final = {
    "washout": ("非周边廓清", "nonperipheral washout"),
    "capsule": ("强化包膜", "enhancing capsule"),
    "growth": ("阈值增长（≤6个月增大≥50%）", "threshold growth (≥50% in ≤6 months)"),
}
# arterial phase hyperenhancement: (below which diameter, category by the number of further major features: 0, 1, 2 and more)
TABLE: Final = {
    "none": ((20, ("LR-3", "LR-3", "LR-4")), (10**6, ("LR-3", "LR-4", "LR-4"))),
    "nonrim": (
        (10, ("LR-3", "LR-4", "LR-4")),
        (20, ("LR-3", "LR-5", "LR-5")),
        (10**6, ("LR-4", "LR-5", "LR-5")),
    ),
}
MEANING: Final = {
    "LR-1": ("肯定良性", "definitely benign"),
    "LR-2": ("可能良性", "probably benign"),
    "LR-3": ("中度可疑肝细胞癌", "intermediate probability of hepatocellular carcinoma"),
    "LR-4": ("很可能肝细胞癌", "probably hepatocellular carcinoma"),
    "LR-5": ("肯定肝细胞癌", "definitely hepatocellular carcinoma"),
    "LR-M": (
        "可能或肯定恶性，非肝细胞癌特异",
        "probably or definitely malignant, not specific for hepatocellular carcinoma",
    ),
    "LR-TIV": ("静脉内肿瘤", "tumour in vein"),
    "LR-NC": ("因图像遗漏或质量不能分类", "not categorisable, images missing or degraded"),
}
ADVICE: Final = {
    "LR-1": ("6个月后常规监测。", "Surveillance in 6 months."),
    "LR-2": (
        "6个月后常规监测，可考虑6个月内复查。",
        "Surveillance in 6 months; consider repeat imaging within 6 months.",
    ),
    "LR-3": ("3～6个月后复查或更换影像方法。", "Repeat or alternative imaging in 3-6 months."),
    "LR-4": (
        "多学科讨论，可能需活检；不活检也不治疗时3个月内复查或更换影像方法。",
        "Multidisciplinary discussion, may include biopsy; with neither biopsy nor treatment, repeat or alternative "
        "imaging within 3 months.",
    ),
    "LR-5": (
        "多学科讨论，按肝细胞癌处理。",
        "Multidisciplinary discussion, treated as hepatocellular carcinoma.",
    ),
    "LR-M": ("多学科讨论，常需活检。", "Multidisciplinary discussion, often includes biopsy."),
    "LR-TIV": ("多学科讨论，可能需活检。", "Multidisciplinary discussion, may need biopsy."),
    "LR-NC": ("3个月内复查或更换影像方法。", "Repeat or alternative imaging within 3 months."),
}
_FIRST: Final = {
    "nc": "LR-NC", "tiv": "LR-TIV", "benign": "LR-1", "probably_benign": "LR-2", "lr_m": "LR-M",
}  # fmt: skip


def category_of(enhancement: str, size_mm: float, features: list[str]) -> str:
    row = next(row for below, row in TABLE[enhancement] if size_mm < below)
    if enhancement == "nonrim" and 10 <= size_mm < 20 and features == ["capsule"]:
        return "LR-4"
    return row[min(len(features), 2)]


def rate(stated: Stated) -> Rated:
    category = _FIRST.get(stated["first"]) or _of_the_table(stated)
    said, said_en = MEANING[category]
    return Rated(
        category=category,
        text=f"肝脏观察灶，LI-RADS {category}：{said}。",
        text_en=f"Liver observation, LI-RADS {category}: {said_en}.",
        advice=ADVICE[category][0],
        advice_en=ADVICE[category][1],
    )


def _of_the_table(stated: Stated) -> str:
    return category_of(stated["aphe"], stated["size_mm"], list(stated.get("features", [])))


SCHEME = Scheme(
    code="li-rads", version="2018", zh="LI-RADS 肝脏CT/MR", en="LI-RADS liver CT/MR",
    source="ACR CT/MRI LI-RADS v2018 core", modalities=("CT", "MR"), body_parts=("LIVER", "ABDOMEN"),
    inputs=(
        choice(
            "first", "先判断", "First",
            option("table", "以上都不是，用诊断表", "none of these: the table"),
            option("nc", "图像不能分类", "not categorisable"), option("tiv", "静脉内肿瘤", "tumour in vein"),
            option("benign", "肯定良性", "definitely benign"), option("probably_benign", "可能良性", "probably benign"),
            option("lr_m", "靶样或其他LR-M征象", "targetoid, or other features of LR-M"),
        ),
        choice(
            "aphe", "动脉期高强化", "Arterial phase hyperenhancement",
            option("none", "无", "none"), option("nonrim", "非环形", "nonrim"), when={"first": ("table",)},
        ),
        many("features", "其他主要征象（可多选）", "Further major features (any number)", *(option(value, *words) for value, words in FEATURES.items()), when={"first": ("table",)}),
        millimetres("size_mm", "最大径", "Largest diameter", high=300, when={"first": ("table",)}),
    ),
    rate=rate,
)  # fmt: skip
