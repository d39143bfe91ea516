"""ACR BI-RADS, 5th edition (2013): assessment categories of mammography and ultrasound, with management.

The category is the reader's judgement; the table gives its likelihood of malignancy and what follows.
"""

from typing import Final

from worklists.scores.values import Option, Rated, Scheme, Stated, choice, option

SOURCE = "ACR BI-RADS Atlas, 5th edition, 2013: assessment categories and management"

# category: what it says, in both languages, and what is to be done, in both
CATEGORIES: Final = {
    "0": ("评估不完全", "incomplete", "需补充其他影像检查或与既往片对比。", "Additional imaging or comparison with earlier examinations."),
    "1": ("阴性", "negative", "常规筛查。", "Routine screening."),
    "2": ("良性", "benign", "常规筛查。", "Routine screening."),
    "3": ("可能良性，恶性可能≤2%", "probably benign, likelihood of malignancy ≤2%", "建议6个月后随访复查。", "Follow-up in 6 months."),
    "4A": ("低度可疑恶性，恶性可能>2%～≤10%", "low suspicion, >2% to ≤10%", "建议组织学活检。", "Tissue diagnosis."),
    "4B": ("中度可疑恶性，恶性可能>10%～≤50%", "moderate suspicion, >10% to ≤50%", "建议组织学活检。", "Tissue diagnosis."),
    "4C": ("高度可疑恶性，恶性可能>50%～<95%", "high suspicion, >50% to <95%", "建议组织学活检。", "Tissue diagnosis."),
    "5": ("高度提示恶性，恶性可能≥95%", "highly suggestive of malignancy, ≥95%", "应行组织学活检及临床处理。", "Tissue diagnosis and appropriate action."),
    "6": ("活检已证实恶性", "known biopsy-proven malignancy", "临床允许时手术切除。", "Surgical excision when clinically appropriate."),
}  # fmt: skip
DENSITIES: Final = {
    "a": ("乳腺几乎全为脂肪组织（a型）", "the breasts are almost entirely fatty (a)"),
    "b": ("乳腺散在纤维腺体密度（b型）", "scattered areas of fibroglandular density (b)"),
    "c": (
        "乳腺不均匀致密（c型），可能掩盖小肿块",
        "heterogeneously dense (c), which may obscure small masses",
    ),
    "d": (
        "乳腺极度致密（d型），降低钼靶敏感性",
        "extremely dense (d), which lowers the sensitivity of mammography",
    ),
}
SIDES: Final = {
    "right": ("右乳", "right breast"),
    "left": ("左乳", "left breast"),
    "both": ("双乳", "both breasts"),
}


def _options(table: dict[str, tuple[str, ...]]) -> tuple[Option, ...]:
    return tuple(option(value, words[0], words[1]) for value, words in table.items())


_SIDE = choice("side", "侧别", "Side", *_options(dict(SIDES)))
_CATEGORY = choice(
    "category", "分类", "Category",
    *(option(value, f"{value}类 {words[0]}", f"{value}: {words[1]}") for value, words in CATEGORIES.items()),
)  # fmt: skip
_DENSITY = choice("density", "腺体构成", "Breast composition", *_options(dict(DENSITIES)))


def rate(stated: Stated) -> Rated:
    category, side = str(stated["category"]), SIDES[stated["side"]]
    said, said_en, advice, advice_en = CATEGORIES[category]
    density = DENSITIES.get(str(stated.get("density", "")))
    return Rated(
        category=category,
        text=f"{density[0] + '。' if density else ''}{side[0]}BI-RADS {category}类：{said}。",
        text_en=f"{density[1].capitalize() + '. ' if density else ''}BI-RADS category {category}, {side[1]}: {said_en}.",
        advice=advice,
        advice_en=advice_en,
    )


MAMMOGRAPHY = Scheme(
    code="bi-rads-mg", version="2013", zh="BI-RADS 乳腺钼靶", en="BI-RADS mammography", source=SOURCE,
    modalities=("MG",), body_parts=("BREAST",), inputs=(_DENSITY, _SIDE, _CATEGORY), rate=rate,
)  # fmt: skip
ULTRASOUND = Scheme(
    code="bi-rads-us", version="2013", zh="BI-RADS 乳腺超声", en="BI-RADS ultrasound", source=SOURCE,
    modalities=("US",), body_parts=("BREAST",), inputs=(_SIDE, _CATEGORY), rate=rate,
)  # fmt: skip
