"""The words of the pages that whoever has a share sees: (Simplified Chinese, English)."""

from collections.abc import Mapping

from gateway.web.messages import LANGUAGES

WORDS: Mapping[str, tuple[str, str]] = {
    "title": ("检查报告查询", "Read your report"),
    "other_language": ("English", "中文"),
    "code": ("查询码", "Code"),
    "code_where": ("小条上二维码下面的 8 位字母和数字", "8 letters and digits below the QR code on the slip"),
    "answer": (
        "身份证号最后 4 位，或出生日期 8 位",
        "Last 4 places of the identity card, or birth date in 8 digits",
    ),
    "answer_where": (
        "小条上写着填哪一个。身份证末位是 X 的填 X；出生日期如 19580312。",
        "The slip says which. X where the card ends in X; a birth date as 19580312.",
    ),
    "open": ("查看报告", "Open the report"),
    "mistyped": (
        "填写的位数不对：查询码是 8 位，身份证号填最后 4 位，出生日期填 8 位数字。",
        "That cannot be right: a code has 8 places, of a card give the last 4, of a birth date 8 digits.",
    ),
    "refused": (
        "打不开：查询码或校验号码不对，或者这张小条已过期、已作废。请核对后再填；还不行，请到卫生院重新打印一张。",
        "It does not open: the code or the answer is not right, or the slip is over or was revoked. Check both; "
        "if it still does not open, ask the health centre for a new slip.",
    ),
    "locked": (
        "输错的次数太多，请 {minutes} 分钟后再试。",
        "Too many wrong answers. Try again in {minutes} minutes.",
    ),
    "too_often": (
        "查询太频繁，请 {seconds} 秒后再试。",
        "Too many tries from here. Try again in {seconds} seconds.",
    ),
    "ended": (
        "为保护隐私，页面已退出。请重新填写。",
        "The page has closed to protect the patient. Please enter it again.",
    ),
    "private": (
        "仅限患者本人、家属和村医查看。看完请点“退出”。",
        "For the patient, the family and the village doctor. Press “Close” when done.",
    ),
    "imaging": ("影像检查", "Imaging"),
    "ecg": ("心电图", "Electrocardiogram"),
    "laboratory": ("检验", "Laboratory tests"),
    "pathology": ("病理检查", "Pathology"),
    "void": (
        "这份报告已作废，请不要再使用。请向卫生院询问新的结果。",
        "This report was made void. Do not use it; ask the health centre for what stands now.",
    ),
    "critical": ("危急值", "Critical value"),
    "critical_do": (
        "情况紧急，请马上打电话，并尽快就医。",
        "This is urgent: call now, and see a doctor at once.",
    ),
    "call": ("打电话给{name}", "Call {name}"),
    "call_nobody": ("请马上联系{name}。", "Contact {name} at once."),
    "preliminary": ("初步报告，以正式报告为准。", "Preliminary: the final report counts."),
    "corrected_since": (
        "您上次看过之后，报告有改动（原第 {before} 版，现第 {version} 版），请重新阅读。",
        "The report changed since you last read it (version {before} then, {version} now). Read it again.",
    ),
    "correction": ("更正报告", "Corrected report"),
    "addendum": ("补充报告", "Report with an addendum"),
    "amended": ("第 {version} 版，原因：{reason}", "Version {version}. Why: {reason}"),
    "renamed": (
        "报告签发后，患者身份信息有更正，请向卫生院核对。",
        "Who the patient is was corrected after the signature. Check with the health centre.",
    ),
    "conclusion": ("诊断意见", "Conclusion"),
    "conclusion_lab": ("检验结果", "Results"),
    "all_normal": (
        "本次 {count} 项结果都在参考范围内。",
        "All {count} results are within their reference ranges.",
    ),
    "abnormal_count": (
        "{count} 项结果中有 {abnormal} 项不在参考范围内：",
        "{abnormal} of {count} results are outside of their reference ranges:",
    ),
    "pending": ("还有项目没有出结果：", "Not there yet: "),
    "hint": ("检验意见", "Interpretation"),
    "findings": ("检查所见", "Findings"),
    "findings_ecg": ("心电图所见", "What the tracing shows"),
    "findings_laboratory": ("说明", "Comment"),
    "facts": ("测量值", "Measurements"),
    "tracing": ("心电图", "Tracing"),
    "tracing_larger": ("点图放大", "Press the picture to enlarge it"),
    "item": ("项目", "Test"),
    "result": ("结果", "Result"),
    "range": ("参考区间", "Reference"),
    "marks": ("检查检验结果互认", "Mutual recognition"),
    "high": ("偏高", "high"),
    "low": ("偏低", "low"),
    "abnormal": ("异常", "abnormal"),
    "critical_short": ("危急", "critical"),
    "corrected_line": ("已更正，原为 {earlier}", "Corrected, formerly {earlier}"),
    "withdrawn": ("已撤销", "Withdrawn"),
    "examined_at": ("检查单位", "Examined at"),
    "diagnosed_at": ("诊断单位", "Reported by"),
    "writer": ("报告医师", "Written by"),
    "reviewer": ("审核医师", "Reviewed by"),
    "signed_by": ("签发医师", "Signed by"),
    "studied": ("检查时间", "Examined"),
    "signed": ("签发时间", "Signed"),
    "number": ("报告编号", "Report number"),
    "version": ("第 {version} 版", "version {version}"),
    "patient_id": ("编号", "Number"),
    "M": ("男", "male"),
    "F": ("女", "female"),
    "O": ("其他", "other"),
    "unknown": ("性别未填", "sex not stated"),
    "pdf": ("打开正式报告 PDF", "Open the signed PDF"),
    "pdf_making": ("正式报告 PDF 正在生成，请稍后再打开。", "The signed PDF is being made. Open it a little later."),
    "back": ("返回报告", "Back to the report"),
    "print": ("打印", "Print"),
    "read": ("我已阅读", "I have read it"),
    "who": ("谁在看？", "Who is reading?"),
    "village_doctor": ("村医", "Village doctor"),
    "patient": ("患者本人", "The patient"),
    "family": ("家属", "Family"),
    "name": ("姓名（可不填）", "Name (not needed)"),
    "read_by": ("✓ 已阅读：{who} {at}", "✓ Read: {who} {at}"),
    "questions": ("有疑问请打电话", "Questions? Call"),
    "leave": ("退出", "Close"),
    "expires": ("这张小条有效期至 {day}", "The slip is good until {day}"),
    "verify": ("核验真伪", "Verify this report"),
}  # fmt: skip


def words_in(language: str) -> Mapping[str, str]:
    """Every word in one language."""
    return {name: pair[LANGUAGES.index(language)] for name, pair in WORDS.items()}
