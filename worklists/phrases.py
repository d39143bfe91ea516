"""Phrases: what a reader would type again and again, by modality and body part; data that a centre edits."""

import uuid

from sqlalchemy import or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from worklists.base import Base, new_id


class Phrase(Base):
    """A piece of a report to begin from. Empty modality, body part or sex fits any."""

    __tablename__ = "phrase"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    modality: Mapped[str] = mapped_column(default="")
    body_part: Mapped[str] = mapped_column(default="")
    sex: Mapped[str] = mapped_column(default="")
    findings: Mapped[str] = mapped_column(default="")
    impression: Mapped[str] = mapped_column(default="")
    normal: Mapped[bool] = mapped_column(default=False)


def find_phrases(session: Session, *, modality: str = "", q: str = "") -> list[Phrase]:
    """Those that fit a modality (DX, CR and DR are one to a reader), and contain what was typed; normal ones first."""
    query = select(Phrase).order_by(Phrase.normal.desc(), Phrase.code)
    if modality:
        fits = {one for part in modality.upper().split("\\") for one in _SAME.get(part, (part,))}
        query = query.where(or_(Phrase.modality == "", Phrase.modality.in_(sorted(fits))))
    if q.strip():
        places = (Phrase.code, Phrase.name, Phrase.findings, Phrase.impression)
        query = query.where(or_(*(place.icontains(q.strip(), autoescape=True) for place in places)))
    return list(session.scalars(query))


def seed_phrases(session: Session) -> int:
    """Lay down the defaults that are not there yet; what a centre changed stays. Answers how many were added."""
    known = set(session.scalars(select(Phrase.code)))
    fresh = [row for row in _DEFAULTS if row[0] not in known]
    for code, name, modality, body_part, sex, normal, findings, impression in fresh:
        session.add(
            Phrase(
                id=new_id(), code=code, name=name, modality=modality, body_part=body_part, sex=sex,
                normal=normal, findings=findings, impression=impression,
            )
        )  # fmt: skip
    return len(fresh)


_PLAIN_FILM = ("DR", "DX", "CR", "RF")
_SAME = dict.fromkeys(_PLAIN_FILM, _PLAIN_FILM)

# code, name, modality, body part, sex, normal, findings, impression
_DEFAULTS = (
    (
        "dr-chest-normal", "胸部正位 正常", "DX", "CHEST", "", True,
        "胸廓对称，骨质未见异常。双肺野清晰，肺纹理走行自然，未见实变及结节影。双肺门影不大。纵隔居中，心影大小、形态未见异常。双侧膈面光整，肋膈角锐利。",
        "心肺膈未见明显异常。",
    ),
    (
        "dr-chest-bronchitis", "胸部正位 支气管炎", "DX", "CHEST", "", False,
        "双肺纹理增多、增粗、紊乱，未见明显实变影。双肺门影不大。心影未见增大，双侧肋膈角锐利。",
        "双肺纹理增多，符合支气管炎改变，请结合临床。",
    ),
    (
        "dr-chest-pneumonia", "胸部正位 肺炎", "DX", "CHEST", "", False,
        "右肺下野见斑片状密度增高影，边缘模糊。余肺野清晰。心影大小、形态未见异常，双侧肋膈角锐利。",
        "右肺下野炎性改变，建议治疗后复查。",
    ),
    (
        "dr-limb-normal", "四肢骨关节 正常", "DX", "EXTREMITY", "", True,
        "所示诸骨骨质结构完整，骨皮质连续，未见骨折及骨质破坏。关节间隙正常，关节面光整。周围软组织未见肿胀。",
        "所示骨关节未见明显异常。",
    ),
    (
        "dr-lspine-degeneration", "腰椎正侧位 退行性变", "DX", "LSPINE", "", False,
        "腰椎生理曲度存在，序列正常。部分椎体边缘骨质增生，椎间隙未见明显狭窄。附件未见异常。",
        "腰椎退行性改变。",
    ),
    (
        "dr-abdomen-normal", "腹部立位 正常", "DX", "ABDOMEN", "", True,
        "双膈下未见游离气体。腹部肠管未见扩张积气，未见气液平面。双侧腹脂线清晰，未见异常致密影。",
        "腹部立位平片未见明显异常。",
    ),
    (
        "ct-chest-normal", "胸部CT 平扫 正常", "CT", "CHEST", "", True,
        "胸廓对称。双肺野透亮度正常，肺纹理清晰，未见结节及实变影。气管、支气管通畅。纵隔内未见肿大淋巴结。心影不大，心包未见积液。双侧胸腔未见积液，胸膜未见增厚。所示骨质未见异常。",
        "胸部CT平扫未见明显异常。",
    ),
    (
        "ct-chest-nodule", "胸部CT 肺结节", "CT", "CHEST", "", False,
        "右肺上叶见一实性小结节，直径约  mm，边界清楚。余肺野清晰，气管支气管通畅。纵隔内未见肿大淋巴结。双侧胸腔未见积液。",
        "右肺上叶实性小结节，建议定期复查。",
    ),
    (
        "ct-head-normal", "头颅CT 平扫 正常", "CT", "HEAD", "", True,
        "脑实质密度未见异常，灰白质分界清楚。脑室、脑池、脑沟大小形态正常，中线结构居中。颅骨骨质未见异常。",
        "头颅CT平扫未见明显异常。",
    ),
    (
        "ct-head-haemorrhage", "头颅CT 脑出血", "CT", "HEAD", "", False,
        "左侧基底节区见团块状高密度影，大小约  mm×  mm，周围见低密度水肿带，邻近脑室受压，中线结构未见明显移位。",
        "左侧基底节区脑出血。（危急值，请即联系临床）",
    ),
    (
        "ct-head-lacunar", "头颅CT 腔隙性脑梗死", "CT", "HEAD", "", False,
        "双侧基底节区见小斑点状低密度影，边界较清。脑室、脑池、脑沟未见异常，中线结构居中。",
        "双侧基底节区腔隙性脑梗死。",
    ),
    (
        "ct-abdomen-normal", "上腹部CT 平扫 正常", "CT", "ABDOMEN", "", True,
        "肝脏大小、形态正常，各叶比例协调，实质密度均匀。胆囊不大，壁不厚，胆管未见扩张。胰腺、脾脏大小、密度未见异常。双肾未见结石及积水。腹膜后未见肿大淋巴结，未见腹水。",
        "上腹部CT平扫未见明显异常。",
    ),
    (
        "us-abdomen-normal", "腹部超声 正常", "US", "ABDOMEN", "", True,
        "肝脏形态大小正常，包膜光整，实质回声均匀，肝内管道显示清晰，门静脉不宽。胆囊大小正常，壁光滑，腔内未见异常回声，胆总管不宽。胰腺形态大小正常，回声均匀，主胰管不宽。脾脏不大，回声均匀。双肾形态大小正常，皮髓质分界清楚，集合系统未见分离。",
        "肝、胆、胰、脾、双肾未见明显异常。",
    ),
    (
        "us-abdomen-fatty-liver", "腹部超声 脂肪肝", "US", "ABDOMEN", "", False,
        "肝脏形态饱满，包膜光整，近场回声细密增强，远场回声衰减，肝内管道显示欠清晰。胆囊、胰腺、脾脏、双肾未见异常。",
        "脂肪肝。",
    ),
    (
        "us-thyroid-normal", "甲状腺超声 正常", "US", "THYROID", "", True,
        "甲状腺两叶形态大小正常，峡部不厚，包膜光整，实质回声均匀，未见结节回声。CDFI：血流信号未见异常。双侧颈部未见肿大淋巴结。",
        "甲状腺未见明显异常。",
    ),
    (
        "us-uterus-normal", "子宫附件超声 正常", "US", "PELVIS", "F", True,
        "子宫位置、大小、形态正常，肌层回声均匀，内膜居中、不厚。双侧附件区未见异常回声。盆腔未见积液。",
        "子宫及双侧附件未见明显异常。",
    ),
    (
        "us-prostate-normal", "前列腺超声 正常", "US", "PELVIS", "M", True,
        "膀胱充盈良好，壁光滑，腔内未见异常回声。前列腺大小、形态正常，包膜完整，实质回声均匀。",
        "膀胱、前列腺未见明显异常。",
    ),
    (
        "mr-knee-normal", "膝关节MR 平扫 正常", "MR", "KNEE", "", True,
        "膝关节诸骨骨质信号未见异常，关节软骨光整。内、外侧半月板形态、信号正常。前、后交叉韧带及内、外侧副韧带连续，信号正常。关节腔未见明显积液，周围软组织未见异常信号。",
        "膝关节MR平扫未见明显异常。",
    ),
    (
        "mr-head-normal", "头颅MR 平扫 正常", "MR", "HEAD", "", True,
        "脑实质内未见异常信号，DWI未见弥散受限。灰白质分界清楚，脑室、脑池、脑沟大小形态正常，中线结构居中。",
        "头颅MR平扫未见明显异常。",
    ),
    (
        "mr-lspine-disc", "腰椎MR 椎间盘突出", "MR", "LSPINE", "", False,
        "腰椎生理曲度变直，序列正常。L4/5椎间盘T2信号减低，向后突出，硬膜囊前缘受压。脊髓圆锥位置、信号正常。椎旁软组织未见异常。",
        "L4/5椎间盘突出。",
    ),
)  # fmt: skip
