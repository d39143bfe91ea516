"""What stands on the slip of a share, in the language of who prints it."""

from sqlalchemy.orm import Session

from adapters.reports.slip import Paper, Slip, write_slip
from gateway.fonts import fonts_of
from gateway.runtime import Runtime
from worklists.base import COUNTY_TIME
from worklists.directory import Kind
from worklists.errors import NotFound
from worklists.names import masked_name
from worklists.sharing import ReportShare, ShareKey, find_shown_report, spoken_code

_WORDS = {
    "zh-CN": {
        "title": "检查报告查询",
        Kind.IMAGING: "影像检查",
        Kind.ECG: "心电图",
        Kind.LABORATORY: "检验",
        Kind.PATHOLOGY: "病理检查",
        "scan": "用微信“扫一扫”扫上面的二维码，不用装软件。",
        ShareKey.CARD: "填患者身份证号的最后 4 位（末位是 X 的填 X）。",
        ShareKey.BIRTH_DATE: "填患者的出生日期 8 位数字，如 19580312。",
        "read": "看完报告后点“已阅读”，卫生院就知道您看到了。",
        "code": "查询码",
        "typed": "扫不了码时，用手机浏览器打开 {address} 输入查询码",
        "expires": "有效期至 {day}，过期可到卫生院重新打印。",
        "phone": "{name}电话：{phone}",
        "caution": "凭此码可以看到病情，请妥善保管，不要转发、不要发到群里。",
        "of": "{site} 检查 · {lead} 诊断",
    },
    "en": {
        "title": "Read your report",
        Kind.IMAGING: "Imaging",
        Kind.ECG: "Electrocardiogram",
        Kind.LABORATORY: "Laboratory tests",
        Kind.PATHOLOGY: "Pathology",
        "scan": "Scan the QR code with WeChat or the camera. Nothing needs to be installed.",
        ShareKey.CARD: "Enter the last 4 places of the patient's identity card (X where it ends in X).",
        ShareKey.BIRTH_DATE: "Enter the patient's birth date in 8 digits, as 19580312.",
        "read": "When you have read it, press “I have read it”: the health centre sees it.",
        "code": "Code",
        "typed": "Without a scanner: open {address} and type the code",
        "expires": "Good until {day}. The health centre prints a new one.",
        "phone": "Telephone of {name}: {phone}",
        "caution": "This code shows medical details: keep it safe, and do not forward it.",
        "of": "Examined at {site}, reported by {lead}",
    },
}


def write_share_slip(
    runtime: Runtime,
    session: Session,
    share: ReportShare,
    code: str,
    *,
    address: str,
    paper: Paper,
    language: str,
) -> bytes:
    """`address` is what its QR code says. Raises Unavailable."""
    slip = _slip(session, share, code, _WORDS[language], address.rpartition("/")[0])
    return write_slip(slip, address=address, paper=paper, fonts=fonts_of(runtime), printed_at=runtime.now())


def _slip(session: Session, share: ReportShare, code: str, words: dict[str, str], typed_at: str) -> Slip:
    examination = share.examination
    report = find_shown_report(session, examination.id)
    if report is None:
        raise NotFound("report")
    lead = report.centre.institution
    phones = {row.name: row.phone for row in (examination.institution, report.centre, lead) if row.phone}
    return Slip(
        title=words["title"],
        name=masked_name(examination.patient.name),
        examination=" ".join(filter(None, (words[examination.kind], examination.description))),
        institutions=words["of"].format(site=examination.institution.name, lead=lead.name),
        how=(words["scan"], words[share.asks], words["read"]),
        code_label=words["code"],
        code=spoken_code(code),
        typed_at=words["typed"].format(address=typed_at),
        expires=words["expires"].format(day=f"{share.expires_at.astimezone(COUNTY_TIME):%Y-%m-%d}"),
        phones=tuple(words["phone"].format(name=name, phone=phone) for name, phone in phones.items()),
        caution=words["caution"],
    )
