"""Names of leads."""

import pytest

from adapters.ecg.lead_names import name_of_code, standard_name, unique_names


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("i", "I"),
        ("avr", "aVR"),
        ("AVL", "aVL"),
        ("v1", "V1"),
        ("ECG II", "II"),
        ("Lead III", "III"),
        ("aV-F", "aVF"),
        ("导联I", "I"),
        ("I导联", "I"),
        ("标准II导联", "II"),
        ("Ⅱ", "II"),
        ("导联Ⅲ", "III"),
        ("ａＶＲ", "aVR"),
        ("胸导1", "V1"),
        ("胸前导联V3", "V3"),
        ("胸6", "V6"),
        ("V3R", "V3R"),
        ("加压单极左上肢", "aVL"),
        ("MDC_ECG_LEAD_AVF", "aVF"),
        ("MDC_ECG_LEAD_AVRneg", "-aVR"),
        ("MINDRAY_ECG_LEAD_V5", "V5"),
        ("vx", "X"),
        ("DII", "II"),
        ("C4", "V4"),
        ("MLII", "MLII"),
        ("EKG V2", "V2"),
        ("ECG_V6", "V6"),
        ("  V2 ", "V2"),
        ("ECG V1-Ref", "V1"),
        ("导联V8", "V8"),
        ("Lead 1", "I"),
        ("Lead I (Einthoven)", "I"),  # meanings of CID 3001
        ("aVR, augmented voltage, right", "aVR"),
        ("标准2导联", "II"),
    ],
)
def test_words_of_vendors_become_the_standard_s_names(label: str, name: str) -> None:
    assert standard_name(label) == name


@pytest.mark.parametrize("label", ["Nehb D2x", "通道A", "ES", "Ch7", "ECG 1", "ECG2", "Channel 1", "2"])
def test_names_that_nobody_knows_stay(label: str) -> None:
    assert standard_name(f" {label} ") == label


@pytest.mark.parametrize(
    ("code", "meaning", "name"),
    [
        ("5.6.3-9-61", "", "III"),
        ("2:3", "", "V1"),
        ("MDC_ECG_LEAD_I", "", "I"),
        ("X-1", "Lead aVR", "aVR"),
        ("5.6.3-9-0", "V4", "V4"),
    ],
)
def test_codes_become_the_standard_s_names(code: str, meaning: str, name: str) -> None:
    assert name_of_code(code, meaning) == name


def test_two_leads_of_one_name_are_told_apart() -> None:
    assert unique_names(["II", "V1", "II"]) == ["II", "V1", "II (2)"]
