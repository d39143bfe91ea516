"""The demonstration county: 明河县, invented, with hospitals, townships, centres, devices, people and marks.

Everything is found again by its code or name, so making it twice changes nothing.
"""

import uuid
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway import accounts
from gateway.demo_laboratory import make_bench
from worklists.base import new_id
from worklists.critical import CriticalContact
from worklists.directory import (
    Agreement,
    Centre,
    Device,
    Institution,
    InstitutionKind,
    Kind,
    Person,
    PersonRole,
    Role,
)
from worklists.laboratory.defaults import recognition_codes
from worklists.laboratory.dictionary import LabItem
from worklists.recognising.rows import RecognitionPrice, RecognitionScope
from worklists.recognition import ItemMapping, Qualification, QualificationResult, RecognitionItem, ScopeLevel

REGION = "明河县"
RECOGNISED_DAYS = 7  # of a laboratory result, in the demonstration's catalogue
FIRST_TOWNSHIP, SECOND_TOWNSHIP = "MH-T01", "MH-T02"
WITHOUT_AGREEMENT = "MH-T06"

# code, name, kind, code of the institution above
INSTITUTIONS = [
    ("MH-H01", "明河县人民医院", InstitutionKind.LEAD_HOSPITAL, None),
    ("MH-H02", "明河县中医医院", InstitutionKind.LEAD_HOSPITAL, None),
    (FIRST_TOWNSHIP, "柳溪镇卫生院", InstitutionKind.TOWNSHIP, "MH-H01"),
    (SECOND_TOWNSHIP, "石桥镇卫生院", InstitutionKind.TOWNSHIP, "MH-H01"),
    ("MH-T03", "青山乡卫生院", InstitutionKind.TOWNSHIP, "MH-H01"),
    ("MH-T04", "河口镇卫生院", InstitutionKind.TOWNSHIP, "MH-H02"),
    ("MH-T05", "白杨乡卫生院", InstitutionKind.TOWNSHIP, "MH-H02"),
    (WITHOUT_AGREEMENT, "东岭乡卫生院", InstitutionKind.TOWNSHIP, "MH-H02"),
    ("MH-V01", "柳溪镇上湾村卫生室", InstitutionKind.VILLAGE, FIRST_TOWNSHIP),
    ("MH-V02", "柳溪镇大坪村卫生室", InstitutionKind.VILLAGE, FIRST_TOWNSHIP),
]

# institution, kind, name, is a second person needed
CENTRES = [
    ("MH-H01", Kind.IMAGING, "县域影像诊断中心", True),
    ("MH-H01", Kind.ECG, "县域心电诊断中心", False),
    ("MH-H01", Kind.PATHOLOGY, "县域病理诊断中心", True),
    ("MH-H01", Kind.LABORATORY, "县域检验中心", False),
    ("MH-H02", Kind.IMAGING, "中医医院影像诊断中心", True),
]

# AE title, institution, name, modality, character set of a device that declares a wrong one
DEVICES = [
    ("DEMO_CT", FIRST_TOWNSHIP, "16 排 CT", "CT", None),
    ("DEMO_DR", FIRST_TOWNSHIP, "双板 DR", "DX", None),
    ("DEMO_US", FIRST_TOWNSHIP, "彩超 1 号", "US", "GB18030"),
    ("DEMO_MR", FIRST_TOWNSHIP, "0.35T 磁共振", "MR", None),
    ("DEMO_ECG", FIRST_TOWNSHIP, "心电图机", "ECG", None),
    ("DEMO_LAB", FIRST_TOWNSHIP, "检验分析仪", "LAB", None),
    ("DEMO2_DR", SECOND_TOWNSHIP, "移动 DR", "DX", None),
    ("DEMO3_US", "MH-T03", "彩超", "US", None),
    ("DEMO4_DR", "MH-T04", "DR", "DX", None),
    ("DEMO5_CT", "MH-T05", "CT", "CT", None),
    ("DEMO6_DR", WITHOUT_AGREEMENT, "DR", "DX", None),
]

# Of those that hand over files: the name of their folder.
ACCOUNTS = {"DEMO_ECG": "demo-ecg"}

# Of those that are known by it: whatever analyser speaks from this machine and gives no other name.
ADDRESSES = {"DEMO_LAB": "127.0.0.1"}
# It takes whatever analyser speaks from here, in the codes of the county or LOINC, ordered or not.
BENCH, BENCH_PROFILE = "DEMO_LAB", "generic-codes"

# username, name, institution, roles (with the kind of the centre at that institution)
PEOPLE: list[tuple[str, str, str, list[tuple[Role, Kind | None]]]] = [
    ("radiographer", "周敏", FIRST_TOWNSHIP, [(Role.RADIOGRAPHER, None)]),
    ("village", "杨春生", "MH-V01", [(Role.VILLAGE, None)]),
    ("reader", "陈立", "MH-H01", [(Role.READER, Kind.IMAGING)]),
    ("reviewer", "王秀兰", "MH-H01", [(Role.READER, Kind.IMAGING), (Role.REVIEWER, Kind.IMAGING)]),
    ("ecg", "何建国", "MH-H01", [(Role.READER, Kind.ECG), (Role.REVIEWER, Kind.ECG)]),
    ("lab", "林晓燕", "MH-H01", [(Role.READER, Kind.LABORATORY), (Role.REVIEWER, Kind.LABORATORY)]),
    ("pathology", "郑文", "MH-H01", [(Role.READER, Kind.PATHOLOGY), (Role.REVIEWER, Kind.PATHOLOGY)]),
    ("leader", "赵国强", FIRST_TOWNSHIP, []),
    ("duty", "吴海燕", "MH-H01", []),
    ("it", "孙磊", "MH-H01", [(Role.IT, None)]),
    ("admin", "管理员", "MH-H01", [(Role.ADMIN, None)]),
    ("auditor", "审计员", "MH-H01", [(Role.AUDITOR, None)]),
]

# institution, place in its chain, function, username, telephone: who is called when a critical value is not answered
CRITICAL_CONTACTS = [
    (FIRST_TOWNSHIP, 1, "门诊值班电话", None, "内线 8120"),
    (FIRST_TOWNSHIP, 2, "卫生院值班领导", "leader", "内线 8101"),
    ("MH-H01", 1, "县医院总值班", "duty", "内线 6000"),
]
MINUTES_OF_SILENCE = 5

# code, name, kind, on the negative list, valid days; those of the laboratory come with its dictionary
ITEMS = [
    ("MH-CT-HEAD", "颅脑 CT 平扫", Kind.IMAGING, False, 14),
    ("MH-CT-CHEST", "胸部 CT 平扫", Kind.IMAGING, False, 30),
    ("MH-CT-ABDOMEN", "腹部 CT 平扫", Kind.IMAGING, False, 14),
    ("MH-DX-CHEST", "胸部 X 线摄影", Kind.IMAGING, False, 14),
    ("MH-DX-LIMB", "四肢关节 X 线摄影", Kind.IMAGING, False, 30),
    ("MH-US-ABDOMEN", "腹部超声", Kind.IMAGING, False, 14),
    ("MH-US-OBSTETRIC", "产科超声", Kind.IMAGING, True, None),
    ("MH-MR-HEAD", "颅脑磁共振平扫", Kind.IMAGING, False, 30),
    ("MH-MR-KNEE", "膝关节磁共振平扫", Kind.IMAGING, False, 90),
    ("MH-ECG-REST", "常规心电图检查", Kind.ECG, False, 7),
]

# kind, modality, body part, item: one of every outcome of the decision table
MAPPINGS = [
    (Kind.IMAGING, "CT", "HEAD", "MH-CT-HEAD"),
    (Kind.IMAGING, "CT", "CHEST", "MH-CT-CHEST"),
    (Kind.IMAGING, "CT", "ABDOMEN", "MH-CT-ABDOMEN"),
    (Kind.IMAGING, "DX", "CHEST", "MH-DX-CHEST"),
    (Kind.IMAGING, "CR", "CHEST", "MH-DX-CHEST"),
    (Kind.IMAGING, "DX", "EXTREMITY", "MH-DX-LIMB"),
    (Kind.IMAGING, "US", "ABDOMEN", "MH-US-ABDOMEN"),
    (Kind.IMAGING, "US", "PREGNANCY", "MH-US-OBSTETRIC"),
    (Kind.IMAGING, "MR", "HEAD", "MH-MR-HEAD"),
    (Kind.IMAGING, "MR", "KNEE", "MH-MR-KNEE"),
    (Kind.ECG, "", "", "MH-ECG-REST"),
]

# level, label: how far scopes reach of the demonstration's region
SCOPES = [
    (ScopeLevel.JOINT, "三省联合"),
    (ScopeLevel.PROVINCE, "本省"),
    (ScopeLevel.CITY, "本市"),
    (ScopeLevel.COUNTY, "明河县"),
]

# item, yuan: what every township of the demonstration charges
PRICES = [
    ("MH-CT-HEAD", 180), ("MH-CT-CHEST", 220), ("MH-DX-CHEST", 80), ("MH-DX-LIMB", 60), ("MH-US-ABDOMEN", 90),
    ("MH-MR-HEAD", 420), ("MH-ECG-REST", 25), ("LAB-WBC", 5), ("LAB-GLU", 6), ("LAB-CREA", 6), ("LAB-K", 5),
]  # fmt: skip

# item, level, label, result, years from and to relative to this one
QUALIFICATIONS = [
    ("MH-CT-HEAD", ScopeLevel.NATIONAL, "全国", QualificationResult.PASS, -1, 2),
    ("MH-CT-HEAD", ScopeLevel.PROVINCE, "本省", QualificationResult.PASS, -1, 2),
    ("MH-CT-CHEST", ScopeLevel.PROVINCE, "本省", QualificationResult.PASS, -1, 2),
    ("MH-CT-ABDOMEN", ScopeLevel.CITY, "本市", QualificationResult.SUSPENDED, -1, 2),
    ("MH-DX-CHEST", ScopeLevel.COUNTY, "明河县", QualificationResult.PASS, -1, 2),
    ("MH-DX-LIMB", ScopeLevel.PROVINCE, "本省", QualificationResult.PASS, -4, -1),
    ("MH-US-ABDOMEN", ScopeLevel.COMMUNITY, "明河县医共体", QualificationResult.PASS, -1, 2),
    ("MH-US-OBSTETRIC", ScopeLevel.PROVINCE, "本省", QualificationResult.PASS, -1, 2),
    ("MH-MR-HEAD", ScopeLevel.JOINT, "三省联合", QualificationResult.PASS, -1, 2),
    ("MH-ECG-REST", ScopeLevel.CITY, "本市", QualificationResult.PASS, -1, 2),
    *(
        (f"LAB-{code}", ScopeLevel.NATIONAL, "全国", QualificationResult.PASS, -1, 2)
        for code in ("WBC", "RBC", "HGB", "PLT")
    ),
    *(
        (f"LAB-{code}", ScopeLevel.PROVINCE, "本省", QualificationResult.PASS, -1, 2)
        for code in ("GLU", "CREA", "UREA", "K")
    ),
    *(
        (f"LAB-{code}", ScopeLevel.COUNTY, "明河县", QualificationResult.PASS, -1, 2)
        for code in ("ALT", "AST")
    ),
    ("LAB-TCHOL", ScopeLevel.PROVINCE, "本省", QualificationResult.FAIL, -1, 2),
    ("LAB-NA", ScopeLevel.PROVINCE, "本省", QualificationResult.PASS, -4, -1),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class County:
    """What was made or found again."""

    institutions: dict[str, Institution]
    centres: dict[tuple[str, Kind], Centre]


def make_county(session: Session, *, password: accounts.HashedPassword, now: datetime) -> County:
    """Make whatever of the demonstration county is not there yet."""
    institutions = {code: _institution(session, code, name, kind) for code, name, kind, _ in INSTITUTIONS}
    for code, _, _, above in INSTITUTIONS:
        institutions[code].lead_id = institutions[above].id if above else None
    centres = {
        (code, kind): _centre(session, institutions[code], kind, name, review)
        for code, kind, name, review in CENTRES
    }
    county = County(institutions=institutions, centres=centres)
    for title, code, name, modality, character_set in DEVICES:
        _device(session, title, institutions[code], name, modality, character_set)
    for username, name, code, roles in PEOPLE:
        _person(session, county, username, name, code, roles, password=password, now=now)
    _critical_contacts(session, institutions)
    _agreements(session, institutions, now.date())
    _recognition(session, institutions, now.date())
    make_bench(session, institutions[FIRST_TOWNSHIP], now)
    return county


def _institution(session: Session, code: str, name: str, kind: InstitutionKind) -> Institution:
    found = session.scalars(select(Institution).where(Institution.code == code)).first()
    if found is None:
        found = Institution(id=new_id(), code=code, name=name, kind=kind, region=REGION)
        session.add(found)
        session.flush()
    return found


def _centre(session: Session, institution: Institution, kind: Kind, name: str, review: bool) -> Centre:
    found = session.scalars(
        select(Centre).where(Centre.institution_id == institution.id, Centre.kind == kind)
    ).first()
    if found is None:
        found = Centre(
            id=new_id(), institution_id=institution.id, kind=kind, name=name, review_required=review
        )
        session.add(found)
        session.flush()
    return found


def _device(
    session: Session,
    title: str,
    institution: Institution,
    name: str,
    modality: str,
    character_set: str | None,
) -> None:
    if session.scalars(select(Device).where(Device.ae_title == title)).first() is None:
        session.add(
            Device(
                id=new_id(),
                ae_title=title,
                institution_id=institution.id,
                name=name,
                modality=modality,
                character_set=character_set,
                account=ACCOUNTS.get(title),
                address=ADDRESSES.get(title),
                profile_code=BENCH_PROFILE if title == BENCH else None,
                without_order=title == BENCH,
            )
        )


def _person(
    session: Session,
    county: County,
    username: str,
    name: str,
    code: str,
    roles: list[tuple[Role, Kind | None]],
    *,
    password: accounts.HashedPassword,
    now: datetime,
) -> None:
    if session.scalars(select(Person).where(Person.username == username)).first() is not None:
        return
    person = Person(id=new_id(), username=username, name=name, institution_id=county.institutions[code].id)
    for role, kind in roles:
        centre = county.centres[code, kind] if kind else None
        person.roles.append(PersonRole(id=new_id(), role=role, centre_id=centre.id if centre else None))
    session.add(person)
    session.flush()
    accounts.set_password(session, person.id, password, now=now)


def _critical_contacts(session: Session, institutions: dict[str, Institution]) -> None:
    for code, position, title, username, phone in CRITICAL_CONTACTS:
        institution_id = institutions[code].id
        known = select(CriticalContact).where(
            CriticalContact.institution_id == institution_id, CriticalContact.position == position
        )
        if session.scalars(known).first() is not None:
            continue
        person = (
            session.scalars(select(Person).where(Person.username == username)).one() if username else None
        )
        session.add(
            CriticalContact(
                id=new_id(), institution_id=institution_id, position=position, title=title, phone=phone,
                person_id=person.id if person else None, minutes=MINUTES_OF_SILENCE,
            )
        )  # fmt: skip


def _agreements(session: Session, institutions: dict[str, Institution], today: date) -> None:
    for code, _, kind, above in INSTITUTIONS:
        if kind is not InstitutionKind.TOWNSHIP or above is None or code == WITHOUT_AGREEMENT:
            continue
        lead, member = institutions[above], institutions[code]
        known = select(Agreement).where(Agreement.lead_id == lead.id, Agreement.member_id == member.id)
        if session.scalars(known).first() is None:
            session.add(
                Agreement(
                    id=new_id(),
                    lead_id=lead.id,
                    member_id=member.id,
                    valid_from=date(today.year - 1, 1, 1),
                    valid_to=date(today.year + 2, 12, 31),
                )
            )


def _recognition(session: Session, institutions: dict[str, Institution], today: date) -> None:
    for code, name, kind, negative, days in ITEMS:
        if session.get(RecognitionItem, code) is None:
            session.add(
                RecognitionItem(
                    code=code,
                    name=name,
                    kind=kind,
                    negative_list=negative,
                    valid_days=days,
                    source="演示目录",
                    unconfirmed=True,
                    effective_from=date(2022, 3, 1),
                )
            )
    session.flush()
    _recognise_laboratory_items(session)
    mapped = set(session.scalars(select(ItemMapping.kind)))  # of these a county has its own way by now
    for kind, modality, part, item in MAPPINGS:
        if kind in mapped:
            continue
        session.add(
            ItemMapping(
                id=new_id(),
                kind=kind,
                modality=modality,
                body_part=part,
                procedure_code="",
                item_code=item,
                priority=10,
            )
        )
    for code in (FIRST_TOWNSHIP, SECOND_TOWNSHIP):
        _qualify(session, institutions[code].id, today)
        _price(session, institutions[code].id, today)
    _reach(session)


def _recognise_laboratory_items(session: Session) -> None:
    """The items of the dictionary that catalogues of recognition are expected to list."""
    for item_code, code in recognition_codes().items():
        item = session.get(LabItem, item_code)
        if item is None or session.get(RecognitionItem, code) is not None:
            continue
        session.add(
            RecognitionItem(
                code=code,
                name=item.name,
                kind=Kind.LABORATORY,
                valid_days=RECOGNISED_DAYS,
                source="演示目录",
                unconfirmed=True,
                effective_from=date(2022, 3, 1),
            )
        )
        session.flush()
        item.recognition_item_code = code
    session.flush()


def _reach(session: Session) -> None:
    if session.scalars(select(RecognitionScope)).first() is not None:
        return  # the county has its own way by now
    session.add_all(
        RecognitionScope(id=new_id(), level=level, label=label, region=REGION, unconfirmed=True)
        for level, label in SCOPES
    )


def _price(session: Session, institution_id: uuid.UUID, today: date) -> None:
    known = set(
        session.scalars(
            select(RecognitionPrice.item_code).where(RecognitionPrice.institution_id == institution_id)
        )
    )
    for item, yuan in PRICES:
        if item not in known and session.get(RecognitionItem, item) is not None:
            session.add(
                RecognitionPrice(
                    id=new_id(), institution_id=institution_id, item_code=item, amount=Decimal(yuan),
                    valid_from=date(today.year - 1, 1, 1),
                )
            )  # fmt: skip


def _qualify(session: Session, institution_id: uuid.UUID, today: date) -> None:
    """One of every kind of qualification; what an institution has for an item stays as it is."""
    held = set(
        session.scalars(select(Qualification.item_code).where(Qualification.institution_id == institution_id))
    )
    for item, level, label, result, first, last in QUALIFICATIONS:
        if item in held:
            continue
        session.add(
            Qualification(
                id=new_id(),
                institution_id=institution_id,
                item_code=item,
                scope_level=level,
                scope_label=label,
                result=result,
                valid_from=date(today.year + first, 1, 1),
                valid_to=date(today.year + last, 12, 31),
                programme="演示室间质评",
                unconfirmed=True,
            )
        )
