"""What a cart says of an acute infarction: the words of carts in English and Chinese."""

import pytest

from adapters.ecg.acute import says_acute

SAYS = [
    ">>> Acute MI <<<",
    "*** ** ** ** * ACUTE MI * ** ** ** **",
    "ACUTE ANTERIOR INFARCT",
    "Inferior infarct, acute (LCx)",
    "Acute ST elevation myocardial infarction",
    "STEMI",
    "** ** ACUTE MI / STEMI ** **",
    "INFEROLATERAL INFARCT, POSSIBLY ACUTE",
    "Consider acute inferior infarct",
    "Cannot rule out acute anterior infarction",
    "MEETS ST ELEVATION MI CRITERIA",
    "Acute antero-septal myocardial infarction",
    "Anterior infarct - possibly acute",
    "NSTEMI",
    "急性下壁心肌梗死",
    "急性前壁心肌梗塞",
    "急性广泛前壁心梗",
    "ST段抬高型心肌梗死",
    "提示急性心肌梗死",
    "下壁心肌梗死（急性期）",
    "不除外急性心肌梗死",
    "急性心肌梗死待排除",
    "不能排除急性下壁心肌梗死",
    "心肌梗死超急性期",
]
SAYS_NOT = [
    "No evidence of acute myocardial infarction",
    "no acute MI",
    "Acute MI ruled out",
    "without acute infarct",
    "Normal ECG",
    "Old inferior infarct",
    "Anterior infarct, age undetermined",
    "Cannot rule out anterior infarct, age undetermined",
    "Negative for acute MI",
    "Acute infarct is unlikely",
    "ST elevation, probably early repolarization",
    "SINUS RHYTHM",
    "Acute pericarditis",
    "ANTERIOR ST ELEVATION, PROBABLY DUE TO LVH",
    "未见急性心肌梗死",
    "无急性心肌梗死证据",
    "排除急性心肌梗死",
    "急性心肌梗死已排除",
    "陈旧性下壁心肌梗死",
    "窦性心律",
    "正常心电图",
    "急性肺栓塞可能",
    "非急性心肌梗死",
    "目前不支持急性心肌梗死",
    "",
]


@pytest.mark.parametrize("statement", SAYS)
def test_what_a_cart_says_or_holds_possible_is_raised(statement: str) -> None:
    assert says_acute(["Sinus rhythm", statement])


@pytest.mark.parametrize("statement", SAYS_NOT)
def test_what_a_cart_denies_or_calls_old_is_not_raised(statement: str) -> None:
    assert not says_acute([statement])


def test_a_denial_in_one_line_denies_nothing_in_another() -> None:
    assert says_acute(["No acute pericarditis.", "Acute inferior infarct"])
    assert says_acute(["No atrial fibrillation. Acute inferior MI"])
