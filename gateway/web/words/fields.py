"""What is wrong with one field of what was sent."""

from collections.abc import Mapping

REASONS: Mapping[str, tuple[str, str]] = {
    "too_short": ("太短：至少 16 个字符。", "Too short: 16 characters at least."),
    "card_checksum": (
        "身份证号不正确：应为 18 位，且校验位相符。",
        "It is no identity card number: 18 places whose check digit is right.",
    ),
    "card_says_M": ("与身份证号不符：证号表明是男性。", "The card's number says male."),
    "card_says_F": ("与身份证号不符：证号表明是女性。", "The card's number says female."),
    "card_birth_date": (
        "与身份证号不符：证号上是 {card_birth_date}。",
        "The card's number says {card_birth_date}.",
    ),
    "who_is_it": (
        "请填写身份证号或患者编号；都没有时，须填写性别和出生日期。",
        "A card's number or a patient number is needed; without either, sex and birth date.",
    ),
    "known_name": (
        "与本院登记（编号 {number}）不符：登记为“{known_name}”。请核对；确需更正的，先更正登记。",
        "It contradicts what is registered here under {number}: {known_name}.",
    ),
    "known_sex": (
        "与本院登记（编号 {number}，{known_name}）的性别不符。",
        "It contradicts the sex registered here under {number} ({known_name}).",
    ),
    "known_birth_date": (
        "与本院登记（编号 {number}，{known_name}）不符：登记为 {known_birth_date}。",
        "It contradicts what is registered here under {number} ({known_name}): {known_birth_date}.",
    ),
    "known_national_id": (
        "与本院登记（编号 {number}，{known_name}）的身份证号 {known_card} 不符。",
        "It contradicts the card registered here under {number} ({known_name}): {known_card}.",
    ),
    "evidence_kind": ("附件须为 PDF、JPEG 或 PNG。", "Evidence is a PDF, JPEG or PNG."),
    "future": ("不能晚于现在。", "It must not be in the future."),
    "barcode_form": (
        "条码应为 4 至 32 个字母、数字或 . / + -，不含空格。",
        "A barcode has 4 to 32 letters, digits or . / + -, and no blanks.",
    ),
    "barcode_count": (
        "条码与标本管数（{tubes}）不符。",
        "There are {tubes} tubes, and another number of barcodes.",
    ),
    "barcode_twice": ("同一条码扫了两次。", "The same barcode was scanned twice."),
    "barcode_taken": (
        "该条码已用于 {bearer}（{day} 登记），请换一个标签。",
        "It is on a specimen of {bearer} already (registered {day}). Take another label.",
    ),
    "barcode_taken_elsewhere": (
        "该条码已被{site}使用，请换一个标签。",
        "{site} uses it already. Take another label.",
    ),
    "too_many_key_images": (
        "一份报告最多 12 幅关键图像，请先移除一幅。",
        "A report shows 12 key images at most. Take one away first.",
    ),
    "not_of_the_examination": (
        "这幅图像不属于本次检查，不能放进本次报告。",
        "That image is none of this examination; its report cannot show it.",
    ),
    "addendum_changes": (
        "补充报告须保留原文，只能在其后增加内容；如需改动原文，请用“更正”。",
        "An addendum keeps what was said and adds behind it. To change it, correct the report.",
    ),
    "read_back_differs": (
        "复述与危急值不一致，请核对后重新输入。",
        "What was read back is not the value. Check it and type it again.",
    ),
    "required": ("必填。", "It is required."),
    "overlaps": (
        "与该机构此项目的另一价格时间重叠。",
        "It overlaps another price of the institution for this item.",
    ),
    "scope_is_known": (
        "全国与医共体范围无须填写地区。",
        "Nationwide and community scopes need no regions.",
    ),
    "every_reminder": (
        "须对本次全部提醒一并作出决定。",
        "Every reminder of the question is decided at once.",
    ),
    "nothing_to_decide": ("没有可决定的提醒。", "There is nothing to decide."),
    "no_reason_wanted": ("采纳时不填写不采纳的原因。", "What is adopted has no reason for declining it."),
    "card_and_identity": (
        "与身份证号上的性别、出生日期不符。",
        "The card's own sex and birth date are others.",
    ),
    "span": ("时间范围须先后有序，且不超过 36 个月。", "A span of days, in order and 36 months at most."),
    "unusable": ("内容不能使用。", "It cannot be used."),
    "mapped_otherwise": (
        "列的对照已改变：请先重新处理此文件。",
        "What its columns mean was changed: process the file again first.",
    ),
    "waiting": ("尚未审核。", "It is not verified yet."),
    "one_by_one": ("须逐项审核。", "It must be verified by itself."),
    "taken": ("已被使用。", "It is already in use."),
    "proposal_decided": (
        "该项已由他人处理或已不成立，请刷新。",
        "Somebody else has decided about it, or it no longer holds. Reload.",
    ),
    "kind_not_taken": ("暂不支持。", "It is not taken yet."),
    "one_meaning": (
        "应对照到一个项目，或忽略，或作为提示。",
        "It is one item, ignored, or a flag of the specimen.",
    ),
    "unit": ("项目字典没有这个单位的换算。", "The dictionary has no way from this unit."),
    "pattern": (
        "应为简短的正则表达式，不能有嵌套重复、回溯引用，也不能匹配空白。",
        "A short regular expression without nested repetition or back references, that does not match nothing.",
    ),
    "factor": (
        "换算应写作“单位=系数”，系数不为 0。",
        "A conversion is unit=factor, and the factor is not 0.",
    ),
    "low_high": (
        "下限应小于上限，危急限应在参考区间之外。",
        "The lower limit is below the upper one, and critical limits are outside the range.",
    ),
    "twice": ("出现了两次。", "It is there twice."),
    "loinc": ("LOINC 编码的校验位不对。", "The check digit of this LOINC code is wrong."),
    "age": ("年龄写作 28d、6m、1y。", "An age is 28d, 6m, 1y."),
    "number": ("应为数字。", "It must be a number."),
    "positive": ("应大于 0。", "It must be more than 0."),
    "between_0_and_6": ("应为 0 到 6。", "It must be from 0 to 6."),
    "another_patient": (
        "与报文中的患者不一致，不能归入。",
        "The message names another patient; it cannot go there.",
    ),
    "unknown": ("没有这一项。", "There is no such thing."),
    "not_ecg": (
        "只有心电检查的报告有测量值和结论条目。",
        "Only the report of an ECG has measurements and statements.",
    ),
    "contradicts": ("与其他各项矛盾。", "It contradicts what else is stated."),
    "stray_brace": (
        "有不成对的花括号；要写花括号本身，请写两个。",
        "A brace stands alone. To write a brace itself, write two.",
    ),
    "other_sex": ("文字与所限性别矛盾。", "Its words contradict the sex that it is for."),
    "slot_not_declared": (
        "文字里用了这个填空，但没有定义。",
        "The text uses this blank, and it is not defined.",
    ),
    "slot_not_used": ("定义了这个填空，但文字里没有用到。", "This blank is defined, and no text uses it."),
    "two_normal": (
        "同一设备类型、部位、性别已有另一个正常模板。",
        "There is another normal report of the same modality, part and sex.",
    ),
    "unknown_column": ("表头有不认识的列。", "The heading has a column that is not known."),
    "not_physiological": ("超出人体可能的范围。", "It is not possible in man."),
    "needed_by_qtc": (
        "填写 QTc 时须同时有 QT、心率和所用公式。",
        "A QTc needs its QT, its rate and its formula.",
    ),
    "qtc_contradicts": (
        "与 QT、心率不符：按所选公式应为 {expected} ms。",
        "It contradicts QT and rate: the formula gives {expected} ms.",
    ),
    "unknown_statement": ("含有不存在的结论条目。", "One of the statements does not exist."),
    "too_long": ("内容过长。", "It is too long."),
    "ae_title": (
        "AE 标题为 1 至 16 个 ASCII 字符，不含反斜杠和控制字符，首尾不留空格。",
        "An AE title has 1 to 16 ASCII characters, no backslash, no control character, no outer blanks.",
    ),
    "code": (
        "代码由字母、数字、点、横线或下划线组成，最多 64 个字符。",
        "A code has at most 64 letters, digits, dots, dashes or underscores.",
    ),
    "account": (
        "账号由 1 至 32 个小写字母、数字、横线或下划线组成。",
        "An account has 1 to 32 lower-case letters, digits, dashes or underscores.",
    ),
    "address": ("应为 IP 地址。", "It must be an IP address."),
    "sender_or_address": (
        "检验设备须填发送方名称或地址，否则无法识别。",
        "An analyser needs the name that it gives itself, or an address, to be known by.",
    ),
    "sender_taken": (
        "同一地址（或都未填地址）已有同名的检验设备，无法区分。",
        "Another analyser with this name has the same address, or none either: nobody could tell them apart.",
    ),
    "character_set": ("不是 DICOM 字符集名称。", "It is not a DICOM character set term."),
    "certificate": (
        "应为证书的 SHA-256 指纹（64 位十六进制）或主题（如 CN=CT1,O=东乡卫生院）。",
        "It must be a certificate's SHA-256 (64 hex digits) or its subject (such as CN=CT1,O=Hospital).",
    ),
    "exception_needs": (
        "请先填写例外的理由和到期日。",
        "An exception needs its reason and its last day first.",
    ),
    "upload_only": (
        "只有可上传的令牌才能代表设备。",
        "Only a token that may upload can stand for a device.",
    ),
    "measure_needs_limit": (
        "测量值和上限或下限须一并填写。",
        "A measure needs a limit above or below, and a limit its measure.",
    ),
    "limits": ("须大于“高于”的值。", "It must be more than the value above."),
    "critical_normal": ("危急条目不能同时是正常条目。", "A critical statement cannot be a normal one."),
    "not_reader_there": (
        "应为该中心在用的报告医师或审核医师。",
        "It must be a reader or reviewer of the centre who can sign in.",
    ),
    "weekdays": (
        "用 1 至 7 表示周一至周日，如 12345；留空为每天。",
        "Digits 1 to 7, Monday is 1; empty is every day.",
    ),
    "time_of_day": ("时间写作 08:00，起止不能相同。", "A time is written 08:00; the two must differ."),
    "past": ("不能早于现在。", "It must not be in the past."),
    "grade_a_has_none": ("甲级不需要原因。", "Grade A has no reasons."),
    "too_many_days": ("逐日统计最多一年。", "By day, a year at most."),
    "dates": ("结束日期不能早于开始日期。", "The end must not be before the beginning."),
    "village_lead_kind": (
        "应为乡镇卫生院或牵头医院。",
        "It must be a township health centre or a lead hospital.",
    ),
    "share_needs_identity": (
        "既没有身份证号，也没有出生日期，无法设置查看校验；请先更正患者身份。",
        "Neither an identity card nor a birth date is known: there is nothing to ask for. Correct the identity first.",
    ),
    "lead_kind": ("应为牵头医院。", "It must be a lead hospital."),
    "member_kind": ("成员单位不能是牵头医院自身。", "The member must be another institution than the lead."),
    "own_lead": ("不能以自己为牵头医院。", "An institution cannot be its own lead."),
    "centre_needed": ("报告医师和审核医师须指定诊断中心。", "A reader or reviewer needs a centre."),
    "centre_not_wanted": ("此角色不属于诊断中心。", "This role belongs to no centre."),
    "username": (
        "用户名最多 64 个字符，不含空格和斜杠。",
        "A user name has at most 64 characters, no blanks and no slashes.",
    ),
    "still_lead": (
        "仍有中心、成员单位或协议依附于它，须保持为牵头医院。",
        "Centres, members or agreements still hang on it; it must stay a lead hospital.",
    ),
    "immutable": ("建立后不能更改。", "It cannot be changed once it exists."),
    "last_admin": ("至少保留一位可用的管理员。", "At least one administrator must remain."),
    "password": (
        "密码至少 8 个字符，最多 256 个字符，且不能包含用户名。",
        "A password has 8 to 256 characters and does not contain the user name.",
    ),
}
