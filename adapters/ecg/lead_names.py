"""What leads are called: vendors' words, codes and Chinese in, the standard's names out; unknown names stay.

Codes: SCP-ECG (EN 1064 5.6.3), which MDC numbers repeat (ISO/IEEE 11073-10101 "2:n"), MDC reference names.
"""

import re
import unicodedata

from adapters.ecg.recording import STANDARD_LEADS

_MORE_LEADS = (
    "V7", "V8", "V9", "V2R", "V3R", "V4R", "V5R", "V6R", "V7R", "V8R", "V9R", "X", "Y", "Z", "-aVR", "MLI", "MLII",
    "MLIII", "CC5", "CM5", "CM1", "CM2", "MCL1", "MCL6", "CS1", "D", "A", "J", "V",
)  # fmt: skip
_KNOWN = {name.lower(): name for name in (*STANDARD_LEADS, *_MORE_LEADS)}

# EN 1064 Table of lead identification codes, up to 85 (without the calibration leads 31 to 60 and 79 to 85).
SCP_CODES: dict[int, str] = {
    **dict(enumerate(("I", "II", "V1", "V2", "V3", "V4", "V5", "V6", "V7", "V2R", "V3R", "V4R", "V5R", "V6R", "V7R",
                      "X", "Y", "Z", "CC5", "CM5", "LA", "RA", "LL", "fI", "fE", "fC", "fA", "fM", "fF", "fH"), 1)),
    **dict(enumerate(("III", "aVR", "aVL", "aVF", "-aVR", "V8", "V9", "V8R", "V9R", "D", "A", "J", "Defib",
                      "ExtPace", "A1", "A2", "A3", "A4"), 61)),
}  # fmt: skip

_WORDS = {
    "d1": "I", "d2": "II", "d3": "III", "di": "I", "dii": "II", "diii": "III", "l1": "I", "l2": "II", "l3": "III",
    "avrneg": "-aVR", "vx": "X", "vy": "Y", "vz": "Z", "vr": "aVR", "vl": "aVL",
    "vf": "aVF", "ml2": "MLII", "ml1": "MLI", "ml3": "MLIII", "modlii": "MLII", "一": "I", "二": "II", "三": "III",
    "加压右上肢": "aVR", "加压左上肢": "aVL", "加压左下肢": "aVF", "加压单极右上肢": "aVR", "加压单极左上肢": "aVL",
    "加压单极左下肢": "aVF", "右上肢加压": "aVR", "左上肢加压": "aVL", "左下肢加压": "aVF",
}  # fmt: skip
# Of a limb lead; "ECG 1" and "channel 2" are only counted, and nothing can be calculated from them.
_NUMBERED = re.compile(r"(?:mdc_ecg_lead_|ecg_lead_|lead |标准|导联|导程)+ ?([123])(?:导联|导程)?")
_NUMBERS = {"1": "I", "2": "II", "3": "III"}
_CHEST = re.compile(r"(?:c|胸|胸前|心前区)(?:导联|导)?v?([1-9])(r?)")
_SAYS_ECG = re.compile(r"ecg|ekg|心电", re.IGNORECASE)
_DRESSING = re.compile(
    r"^(mdc_ecg_lead_|mindray_ecg_lead_|ecg_lead_|ecg_|ecg lead |ecg |ekg |lead |channel |标准|导联|导程)"
    r"|(导联|导程| lead|-ecg| ecg|-ref|\(ecg\)|[_ ]?(uv|mv)"
    r"|\((?:einthoven|goldberger|wilson)\)|, augmented voltage, (?:right|left|foot))$"
)


def standard_name(label: str) -> str:
    """The standard's name of a lead; the label itself, trimmed, when it is none we know."""
    plain = unicodedata.normalize("NFKC", label.replace("\0", " ")).strip()  # Ⅱ, ＡＶＲ, ｖ１
    word, before = plain.lower(), ""
    while word != before:
        before, word = word, _DRESSING.sub("", word).strip(" _:.")
    compact = re.sub(r"[\s_]|(?<=av)-(?=[rlf]$)|(?<=^v)-(?=\d)", "", word)
    numbered = _NUMBERED.fullmatch(plain.lower())
    if numbered:
        return _NUMBERS[numbered[1]]
    chest = _CHEST.fullmatch(compact)
    if chest:
        return f"V{chest[1]}{chest[2].upper()}"
    return _KNOWN.get(compact) or _WORDS.get(compact) or plain


def is_ecg_name(label: str) -> bool:
    """Whether a name alone says that a signal is an ECG: one of the standard's, or ECG in it."""
    return bool(_SAYS_ECG.search(label)) or standard_name(label).lower() in _KNOWN


def name_of_code(code: str, meaning: str = "") -> str:
    """The lead of a coded source (DICOM CID 3001): `5.6.3-9-61`, `2:61` or MDC_ECG_LEAD_III."""
    if code.upper().startswith("MDC_"):
        return standard_name(code)
    number = re.fullmatch(r"(?:5\.6\.3-9-|2:)(\d+)", code.strip())
    if number and int(number[1]) in SCP_CODES:
        return SCP_CODES[int(number[1])]
    return standard_name(meaning or code)


def unique_names(names: list[str]) -> list[str]:
    """Two leads of one name are told apart by a number."""
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique
