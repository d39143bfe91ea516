"""Many small instances: one study of thousands, or thousands of studies, cut from one template without pydicom."""

import random
import string
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from tests.bench.blast import Instance, blast
from tests.gateway.sending import encode
from tests.synthetic import make_images, new_uid

SIDE = 52  # pixels: six kilobytes
# Of three townships, whose studies are all read at one centre.
DEVICES = ("DEMO_CT", "DEMO_DR", "DEMO_US", "DEMO_MR", "DEMO2_DR", "DEMO3_US")
# What stands in the template, each as long as what takes its place.
_STUDY, _SERIES, _INSTANCE = ("2.25." + digit * 30 for digit in "123")
_NUMBER, _PATIENT, _NAME, _BORN = "99999", "BIG-000000", "AAA^AAAA=甲^甲甲", "18991231"
_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红建国志文春梅海燕雪云峰波宁"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallInstance(Instance):
    """An instance that knows its study."""

    study_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallStudy:
    """One study, its series, its instances in order."""

    uid: str
    series: Sequence[str]
    instances: Sequence[SmallInstance]


def make_study(count: int, *, series: int) -> SmallStudy:
    """So many instances, an equal share in each series."""
    make, study_uid = _template(), _uid()
    uids = [_uid() for _ in range(series)]
    share = count // series
    instances = [
        make(study_uid=study_uid, series_uid=uid, number=number, patient=0)
        for uid in uids
        for number in range(1, share + 1)
    ]
    return SmallStudy(uid=study_uid, series=uids, instances=instances)


def make_studies(count: int, shares: int) -> list[list[SmallInstance]]:
    """So many studies of one instance and one person each, dealt into shares."""
    make = _template()
    every = [
        make(study_uid=_uid(), series_uid=_uid(), number=1, patient=number) for number in range(1, count + 1)
    ]
    return [every[share::shares] for share in range(shares)]


def send_at_once(
    port: int, shares: Sequence[Sequence[Instance]], *, associations: int, callings: Sequence[str]
) -> None:
    """Each share from a device of its own, all at the same time. Raises when one is not answered with success."""
    failures: list[Exception] = []

    def send(share: Sequence[Instance], calling: str) -> None:
        try:
            blast(port, share, associations=associations, calling=calling)
        except (OSError, RuntimeError) as error:
            failures.append(error)

    threads = [threading.Thread(target=send, args=pair) for pair in zip(shares, callings, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _template() -> Callable[..., SmallInstance]:
    [image] = make_images(1, size=SIDE, patient_id=_PATIENT, name=_NAME, study_uid=_STUDY)
    image.SeriesInstanceUID, image.SOPInstanceUID, image.InstanceNumber = _SERIES, _INSTANCE, _NUMBER
    image.PatientBirthDate = _BORN
    data_set, sop_class = encode(image), str(image.SOPClassUID)
    places = [
        data_set.index(old.encode()) for old in (_STUDY, _SERIES, _INSTANCE, _NUMBER, _PATIENT, _NAME, _BORN)
    ]

    def make(*, study_uid: str, series_uid: str, number: int, patient: int) -> SmallInstance:
        sop_uid, made = _uid(), bytearray(data_set)
        name, born = _person(patient)
        values = (study_uid, series_uid, sop_uid, f"{number:05d}", f"BIG-{patient:06d}", name, born)
        for place, value in zip(places, map(str.encode, values), strict=True):
            made[place : place + len(value)] = value
        return SmallInstance(
            sop_class_uid=sop_class, sop_instance_uid=sop_uid, data_set=bytes(made), study_uid=study_uid
        )

    return make


def _person(number: int) -> tuple[str, str]:
    """A name and a birth date, as alike as people are."""
    chance = random.Random(number)
    letters = "".join(chance.choices(string.ascii_uppercase, k=7))
    surname, given = chance.choice(_SURNAMES), "".join(chance.choices(_GIVEN, k=2))
    born = date(1935, 1, 1) + timedelta(days=chance.randrange(85 * 365))
    return f"{letters[:3]}^{letters[3:]}={surname}^{given}", f"{born:%Y%m%d}"


def _uid() -> str:
    """As long as those of the template."""
    return f"2.25.{int(new_uid()[5:]) % 10**29 + 10**29:030d}"
