"""Why two patients are proposed, linked or in conflict."""

from collections.abc import Mapping

RULES: Mapping[str, tuple[str, str]] = {
    "card": ("身份证号、姓名、性别、出生日期一致", "Identity card, name, sex and birth date agree"),
    "card_other_name": ("身份证号相同，姓名不同", "The same identity card with another name"),
    "card_other_sex": ("身份证号相同，性别不同", "The same identity card with another sex"),
    "card_other_birth_date": ("身份证号相同，出生日期不同", "The same identity card with another birth date"),
    "card_does_not_fit": (
        "身份证号相同，但证号中的出生日期或性别与登记不符",
        "The same identity card, whose own birth date or sex is not what was entered",
    ),
    "card_incomplete": (
        "身份证号相同，其余信息不全或仅拼音相符",
        "The same identity card; the rest is incomplete or agrees in pinyin only",
    ),
    "number": ("同一机构的同一患者号", "The same number of the same institution"),
    "name": ("姓名、出生日期一致", "Name and birth date agree"),
    "pinyin": ("姓名读音、性别、出生日期一致", "The name's sound, sex and birth date agree"),
    "phone": ("姓名与电话一致", "Name and telephone agree"),
    "newborn_phone": (
        "新生儿：出生日期与电话一致，后来取名",
        "A newborn: birth date and telephone agree, named later",
    ),
    "newborn_number": (
        "新生儿：同一机构，出生日期与性别一致，后来取名",
        "A newborn: the same institution, birth date and sex agree, named later",
    ),
    "linked_and_different": ("已关联，但信息矛盾", "Linked, but what is known contradicts"),
    "other_card": ("身份证号不同", "Another identity card"),
    "nothing": ("人工判断", "A person's judgement"),
}
