"""Fleischner Society 2017: incidental pulmonary nodules of adults, by density, number, diameter and risk.

Not for those under 35, with a known cancer or an immune deficiency, nor for screening (that is Lung-RADS). The diameter
is the mean of long and short axis, rounded to the millimetre; "6 to 8 mm" includes both.

MacMahon H et al., Radiology 2017;284:228-243, table 1; of part-solid nodules recommendation 4.
"""

from typing import Final

from worklists.scores.values import Contradicts, Rated, Scheme, Stated, choice, millimetres, option

# words of what is to be done, in both languages
ADVICE: Final = {
    "none": ("无需常规随访。", "No routine follow-up."),
    "optional_12": ("可选择12个月后CT复查。", "Optional CT at 12 months."),
    "6_12_18_24": ("建议6～12个月后CT复查，之后18～24个月复查。", "CT at 6-12 months, then CT at 18-24 months."),
    "6_12_maybe": ("建议6～12个月后CT复查，之后考虑18～24个月复查。", "CT at 6-12 months, then consider CT at 18-24 months."),
    "3_pet_biopsy": ("考虑3个月后CT复查、PET/CT或组织活检。", "Consider CT at 3 months, PET/CT or tissue sampling."),
    "3_6_maybe": ("建议3～6个月后CT复查，之后考虑18～24个月复查。", "CT at 3-6 months, then consider CT at 18-24 months."),
    "3_6_18_24": ("建议3～6个月后CT复查，之后18～24个月复查。", "CT at 3-6 months, then CT at 18-24 months."),
    "ground_glass": ("建议6～12个月后CT复查以确认是否持续存在，之后每2年复查至5年。", "CT at 6-12 months to confirm persistence, then every 2 years until 5 years."),
    "part_solid": ("建议3～6个月后CT复查以确认是否持续存在；如不变且实性成分<6mm，每年复查至5年。", "CT at 3-6 months to confirm persistence; if unchanged and the solid component stays <6 mm, every year for 5 years."),
    "part_solid_large": ("实性成分≥6mm，应高度怀疑：建议3～6个月后CT复查以确认是否持续存在；形态可疑（分叶、囊变）或实性成分增大时，建议PET/CT、活检或切除。", "Solid component ≥6 mm, highly suspicious: CT at 3-6 months to confirm persistence; PET/CT, biopsy or resection where the morphology is suspicious (lobulated, cystic) or the solid component grows."),
    "part_solid_largest": ("实性成分>8mm，应高度怀疑：建议PET/CT、活检或切除。", "Solid component >8 mm, highly suspicious: PET/CT, biopsy or resection."),
    "many_small": ("建议3～6个月后CT复查；如稳定，考虑第2、4年复查。", "CT at 3-6 months; if stable, consider CT at 2 and 4 years."),
    "many_large": ("建议3～6个月后CT复查，之后按最可疑的结节处理。", "CT at 3-6 months, then as the most suspicious nodule asks."),
}  # fmt: skip

# (density, number, risk): under 6 mm, 6 to 8 mm, over 8 mm
TABLE: Final = {
    ("solid", "single", "low"): ("none", "6_12_maybe", "3_pet_biopsy"),
    ("solid", "single", "high"): ("optional_12", "6_12_18_24", "3_pet_biopsy"),
    ("solid", "multiple", "low"): ("none", "3_6_maybe", "3_6_maybe"),
    ("solid", "multiple", "high"): ("optional_12", "3_6_18_24", "3_6_18_24"),
    ("ground_glass", "single", ""): ("none", "ground_glass", "ground_glass"),
    ("part_solid", "single", ""): ("none", "part_solid", "part_solid"),
    ("ground_glass", "multiple", ""): ("many_small", "many_large", "many_large"),
    ("part_solid", "multiple", ""): ("many_small", "many_large", "many_large"),
}
# of a part-solid nodule, by its solid component (recommendation 4): from 6 mm on; over 8 mm
LARGE_SOLID_MM, LARGEST_SOLID_MM = 6, 8
DENSITY: Final = {
    "solid": ("实性", "solid"),
    "ground_glass": ("纯磨玻璃", "ground glass"),
    "part_solid": ("部分实性", "part-solid"),
}
NUMBER: Final = {"single": ("单发", "single"), "multiple": ("多发", "multiple")}


def band_of(size_mm: float) -> int:
    whole = int(size_mm + 0.5)
    return 0 if whole < 6 else 1 if whole <= 8 else 2


def rate(stated: Stated) -> Rated:
    density, number = stated["density"], stated["number"]
    solid = stated.get("solid_mm")
    if solid is not None and solid > stated["size_mm"]:
        raise Contradicts("solid_mm")
    key = TABLE[density, number, stated.get("risk", "")][band_of(stated["size_mm"])]
    if key == "part_solid" and solid is not None and solid >= LARGE_SOLID_MM:
        key = "part_solid_largest" if solid > LARGEST_SOLID_MM else "part_solid_large"
    size = f"{stated['size_mm']:g}mm"
    return Rated(
        category=key,
        text=f"{NUMBER[number][0]}{DENSITY[density][0]}肺结节，最大者平均径{size}（Fleischner 2017）。",
        text_en=f"{NUMBER[number][1].capitalize()} {DENSITY[density][1]} pulmonary nodule, mean diameter {size} (Fleischner 2017).",
        advice=ADVICE[key][0],
        advice_en=ADVICE[key][1],
    )


SCHEME = Scheme(
    code="fleischner", version="2017", zh="Fleischner 偶发肺结节", en="Fleischner incidental nodule",
    source="MacMahon H et al., Radiology 2017;284:228-243", modalities=("CT",), body_parts=("CHEST", "LUNG"),
    inputs=(
        choice("density", "密度", "Density", *(option(value, *words) for value, words in DENSITY.items())),
        choice("number", "数目", "Number", *(option(value, *words) for value, words in NUMBER.items())),
        choice(
            "risk", "风险", "Risk", option("low", "低危", "low"), option("high", "高危（吸烟、家族史、上叶、毛刺等）", "high (smoking, family history, upper lobe, spiculation…)"),
            when={"density": ("solid",)},
        ),
        millimetres("size_mm", "平均径（长短径之均）", "Mean diameter", high=30),
        millimetres("solid_mm", "实性成分平均径", "Mean diameter of the solid component", high=30, when={"density": ("part_solid",)}),
    ),
    rate=rate,
)  # fmt: skip
