"""PI-RADS v2.1 (2019): the dominant sequence of the zone decides, the other one raises.

Without adequate diffusion the T2 score decides in both zones, and contrast raises a 3 (v2.1, "Assessment without adequate
DWI"). Without contrast a 3 stays a 3.

PI-RADS v2.1, ACR, ESUR and AdMeTech 2019; Turkbey B et al., Eur Urol 2019;76:340-351.
"""

from typing import Final

from worklists.scores.values import Rated, Scheme, Stated, choice, option

# zone: the sequence that decides
DOMINANT: Final = {"peripheral": "dwi", "transition": "t2"}
MEANING: Final = {
    1: ("极低（临床显著癌极不可能存在）", "very low (clinically significant cancer is highly unlikely)"),
    2: ("低（临床显著癌不太可能存在）", "low (clinically significant cancer is unlikely)"),
    3: ("中等（临床显著癌可疑）", "intermediate (clinically significant cancer is equivocal)"),
    4: ("高（临床显著癌可能存在）", "high (clinically significant cancer is likely)"),
    5: ("极高（临床显著癌极可能存在）", "very high (clinically significant cancer is highly likely)"),
}
ADVICE: Final = {
    1: ("临床随访。", "Clinical follow-up."),
    2: ("临床随访。", "Clinical follow-up."),
    3: ("结合PSA密度等临床资料决定是否活检。", "Biopsy as PSA density and other clinical facts ask."),
    4: ("建议靶向活检。", "Targeted biopsy."),
    5: ("建议靶向活检。", "Targeted biopsy."),
}
ZONES: Final = {"peripheral": ("外周带", "peripheral zone"), "transition": ("移行带", "transition zone")}
_SCORES: Final = tuple(option(str(one), f"{one}分", str(one)) for one in range(1, 6))


def category_of(zone: str, t2: int, dwi: int | None, enhanced: bool) -> int:
    if dwi is None:
        return 4 if t2 == 3 and enhanced else t2
    if DOMINANT[zone] == "dwi":
        return 4 if dwi == 3 and enhanced else dwi
    if t2 == 2 and dwi >= 4:
        return 3
    return 4 if t2 == 3 and dwi == 5 else t2


def rate(stated: Stated) -> Rated:
    dwi = None if stated["dwi"] == "x" else int(stated["dwi"])
    category = category_of(stated["zone"], int(stated["t2"]), dwi, stated["dce"] == "positive")
    zone, said = ZONES[stated["zone"]], MEANING[category]
    return Rated(
        category=str(category),
        text=f"前列腺{zone[0]}病灶，PI-RADS {category}分：{said[0]}。",
        text_en=f"Lesion of the prostatic {zone[1]}, PI-RADS {category}: {said[1]}.",
        advice=ADVICE[category][0],
        advice_en=ADVICE[category][1],
    )


SCHEME = Scheme(
    code="pi-rads", version="2.1", zh="PI-RADS 前列腺MR", en="PI-RADS prostate MR",
    source="PI-RADS v2.1, ACR/ESUR/AdMeTech 2019; Turkbey B et al., Eur Urol 2019;76:340-351",
    modalities=("MR",), body_parts=("PROSTATE", "PELVIS"),
    inputs=(
        choice("zone", "分区", "Zone", *(option(value, *words) for value, words in ZONES.items())),
        choice("t2", "T2WI 评分", "T2W score", *_SCORES),
        choice("dwi", "DWI/ADC 评分", "DWI/ADC score", *_SCORES, option("x", "无或不合格", "none, or inadequate")),
        choice(
            "dce", "动态增强", "Dynamic contrast",
            option("negative", "阴性", "negative"), option("positive", "阳性", "positive"), option("none", "未做", "not done"),
        ),
    ),
    rate=rate,
)  # fmt: skip
