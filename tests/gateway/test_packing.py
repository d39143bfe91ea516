"""What goes into a pack, and when it is closed."""

from datetime import timedelta

from gateway.journal import Location, RecordId
from gateway.packing import SMALL_BYTES, Waiting, plan_packs
from tests.conftest import NOW
from worklists.base import new_id

MIB = 1 << 20
PACK_BYTES = 48 * MIB
FILE_AFTER = timedelta(seconds=20)


def waiting(series: str, size_bytes: int, *, age_s: float, count: int = 1) -> list[Waiting]:
    return [
        Waiting(
            id=new_id(),
            record_id=RecordId(journal="0" * 32, sequence=number),
            group=series,
            kind="dicom.instance",
            name=f"1.2.{number}",
            received_at=NOW - timedelta(seconds=age_s),
            location=Location(node="n", journal="0" * 32, segment=1, offset=0, length=size_bytes),
        )
        for number in range(1, count + 1)
    ]


def planned(*records: Waiting) -> list[list[str]]:
    """The series of the records of each pack."""
    packs = plan_packs(records, now=NOW, pack_bytes=PACK_BYTES, file_after=FILE_AFTER)
    return [sorted({str(one.group) for one in pack}) for pack in packs]


def test_a_series_that_still_comes_waits_for_the_size_of_a_pack() -> None:
    assert planned(*waiting("a", MIB, age_s=1, count=47)) == []
    assert planned(*waiting("a", MIB, age_s=1, count=48)) == [["a"]]
    assert planned(*waiting("a", MIB, age_s=1, count=100)) == [["a"], ["a"]]  # and four wait


def test_a_series_that_has_come_to_its_end_is_closed_after_a_moment() -> None:
    assert planned(*waiting("a", MIB, age_s=1, count=20), *waiting("b", MIB, age_s=3, count=20)) == [["b"]]


def test_a_slow_series_is_filed_when_its_first_record_has_waited_long_enough() -> None:
    slow = [*waiting("a", MIB, age_s=21), *waiting("a", MIB, age_s=1, count=5)]
    assert planned(*slow) == [["a"]]


def test_small_series_wait_and_then_share_a_pack() -> None:
    small = SMALL_BYTES // 2
    assert planned(*waiting("a", small, age_s=10), *waiting("b", small, age_s=10)) == []
    assert planned(*waiting("a", small, age_s=21), *waiting("b", small, age_s=21)) == [["a", "b"]]


def test_many_small_series_make_packs_of_the_usual_size() -> None:
    records = [one for n in range(100) for one in waiting(f"s{n}", MIB, age_s=30)]
    packs = plan_packs(records, now=NOW, pack_bytes=PACK_BYTES, file_after=FILE_AFTER)
    assert [len(pack) for pack in packs] == [48, 48, 4]


def test_what_is_as_large_as_a_pack_has_one_to_itself() -> None:
    large = waiting("a", 1 << 32, age_s=0)
    small = waiting("a", MIB, age_s=1, count=3)
    assert plan_packs([*small, *large], now=NOW, pack_bytes=PACK_BYTES, file_after=FILE_AFTER) == [large]
