"""Ids."""

import time

from worklists.base import new_id


def test_ids_sort_as_they_were_made_also_within_one_millisecond() -> None:
    made = [new_id() for _ in range(20_000)]

    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_an_id_is_a_uuid_of_version_seven_that_carries_its_time() -> None:
    made = new_id()

    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert abs((made.int >> 80) - time.time_ns() // 1_000_000) < 5_000
