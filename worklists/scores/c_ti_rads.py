"""C-TIRADS 2020: five signs of malignancy count one each, comet tails take one away.

Zhou J et al., Endocrine 2020;70:256-279; 中华医学会超声医学分会,《2020甲状腺结节超声恶性危险分层中国指南:C-TIRADS》.
"""

from typing import Final

from worklists.scores.values import Rated, Scheme, Stated, choice, many, millimetres, option

SIGNS: Final = {
    "solid": ("实性", "solid", 1),
    "very_hypo": ("极低回声", "markedly hypoechoic", 1),
    "vertical": ("垂直位", "vertical orientation", 1),
    "margin": (
        "边缘模糊、不规则或甲状腺外侵犯",
        "ill-defined or irregular margin, or extra-thyroidal extension",
        1,
    ),
    "micro": ("微钙化", "microcalcifications", 1),
    "comet_tail": ("彗星尾伪像", "comet-tail artefacts", -1),
}
# count: category
COUNTED: Final = {-1: "2", 0: "3", 1: "4A", 2: "4B", 3: "4C", 4: "4C", 5: "5"}
RISKS: Final = {"2": "0", "3": "<2%", "4A": "2%～10%", "4B": "10%～50%", "4C": "50%～90%", "5": ">90%"}
# from this diameter on: ≥ as those write it who repeat it; the paper itself was not seen (docs/conformance/scores.md)
BIOPSY_FROM_MM: Final = {"4A": 15, "4B": 10, "4C": 10, "5": 10}
_NODULE: Final = {"state": ("nodule",)}


def rate(stated: Stated) -> Rated:
    if stated["state"] == "none":
        return Rated(
            category="1", text="甲状腺未见结节，C-TIRADS 1类。", text_en="No thyroid nodule, C-TIRADS 1.",
            advice="无需随访。", advice_en="No follow-up.",
        )  # fmt: skip
    if stated["state"] == "proven":
        return Rated(
            category="6", text="甲状腺恶性结节（活检已证实），C-TIRADS 6类。",
            text_en="Biopsy-proven malignant thyroid nodule, C-TIRADS 6.",
            advice="按临床治疗方案处理。", advice_en="As the clinical plan of treatment says.",
        )  # fmt: skip
    count = sum(SIGNS[one][2] for one in stated.get("signs", ()))
    category = COUNTED[count]
    advice, advice_en = advise(category, stated["size_mm"])
    return Rated(
        category=category,
        points=count,
        text=f"甲状腺结节，C-TIRADS {category}类（恶性率{RISKS[category]}）。",
        text_en=f"Thyroid nodule, C-TIRADS {category} (malignancy rate {RISKS[category].replace('～', '-')}).",
        advice=advice,
        advice_en=advice_en,
    )


def advise(category: str, size_mm: float) -> tuple[str, str]:
    least = BIOPSY_FROM_MM.get(category)
    if least is None:
        return "建议定期超声随访。", "Regular ultrasound follow-up."
    if size_mm >= least:
        return "建议细针穿刺活检。", "Fine-needle aspiration."
    return (
        "建议超声随访；多灶、紧邻包膜、气管或喉返神经，或可疑颈部淋巴结时考虑细针穿刺。",
        "Ultrasound follow-up; aspiration where multifocal, next to capsule, trachea or recurrent laryngeal nerve, "
        "or with suspicious cervical nodes.",
    )


SCHEME = Scheme(
    code="c-ti-rads", version="2020", zh="C-TIRADS 甲状腺结节", en="C-TIRADS thyroid nodule",
    source="Zhou J et al., Endocrine 2020;70:256-279", modalities=("US",), body_parts=("THYROID", "NECK"),
    inputs=(
        choice(
            "state", "结节", "Nodule",
            option("nodule", "有结节", "present"), option("none", "无结节", "none"),
            option("proven", "活检已证实恶性", "biopsy-proven malignant"),
        ),
        many("signs", "征象（可多选）", "Signs (any number)", *(option(value, zh, en) for value, (zh, en, _) in SIGNS.items()), when=_NODULE),
        millimetres("size_mm", "最大径", "Largest diameter", high=150, when=_NODULE),
    ),
    rate=rate,
)  # fmt: skip
