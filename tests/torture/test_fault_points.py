"""The gateway dies or fails at each named point while a modality sends; started again, it has lost nothing."""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

import pytest

from gateway.fault_points import POINTS
from gateway.journal import journals
from tests.journeys.gateways import wait_for
from tests.synthetic import data_sets_of, write_study
from tests.torture.conftest import LONG, NewInstallation
from tests.torture.installation import Installation
from tests.torture.lanes import STACKS
from tests.torture.modality import Modality, uids_of
from tests.torture.tally import count
from tests.torture.verifying import assert_nothing_lost

pytestmark = [pytest.mark.xdist_group("torture-points"), pytest.mark.timeout(900)]

HAPPENS_S = 60.0
# A delivery needs a peer, which an installation of these tests has none of: tests/gateway/deliveries/test_kills.py.
HERE = [point for point in POINTS if not point.startswith("deliver.")]
ERRORS = [point for point, natural in POINTS.items() if natural]


def chains(points: Iterable[str]) -> list[list[str]]:
    """Those of a kind in an installation of their own, on both stacks, when there is time; else all in one."""
    return [list(kind) for _, kind in groupby(points, kind_of)] if LONG else [list(points)]


def kind_of(point: str) -> str:
    return point.partition(".")[0]


# What is done to a journal that lost its writer, and to its segments.
WITHOUT_WRITER = ("file.marked", "evict.", "journal.removing", "journal.renamed")
SMALL, LARGE_SIZE = 10, 1500  # 1,500 pixels square are more than a record of a shared segment may have


@pytest.mark.parametrize("stack", STACKS if LONG else STACKS[:1])
@pytest.mark.parametrize("points", chains(HERE), ids=lambda points: kind_of(points[0]) if LONG else "all")
def test_killed_at_a_named_point_it_has_lost_nothing(
    new_installation: NewInstallation, tmp_path: Path, stack: str, points: list[str]
) -> None:
    break_at(new_installation, tmp_path, stack, points, "kill")


@pytest.mark.parametrize("stack", STACKS if LONG else STACKS[:1])
@pytest.mark.parametrize("points", chains(ERRORS), ids=lambda points: kind_of(points[0]) if LONG else "all")
def test_failing_at_a_named_point_it_has_lost_nothing(
    new_installation: NewInstallation, tmp_path: Path, stack: str, points: list[str]
) -> None:
    break_at(new_installation, tmp_path, stack, points, "error@1")


def break_at(
    new_installation: NewInstallation, tmp_path: Path, stack: str, points: list[str], action: str
) -> None:
    points = [point for point in points if stack == STACKS[0] or not point.startswith("folder.")]
    if not points:
        pytest.skip("no folder on this stack")
    one = new_installation(stack, journal_bytes=32 << 20, cache_bytes=0, file_after_s=0)
    all_files: list[Path] = []
    left: list[Path] = []
    accepted: set[str] = set()
    for point in points:
        files = write_files(tmp_path / point, large=point.startswith("single."))
        all_files += files
        one.arm(f"{point}={action}")
        one.start(commands_for(point))
        with Modality(one.dicom_port, files) as modality:
            wait_for(lambda: reached(one, point, modality), HAPPENS_S, f"{point} is reached", one.log)  # noqa: B023
            if action == "kill":
                one.kill()
        if action != "kill":
            one.stop()
        count("points at which it was killed" if action == "kill" else "points at which it failed")
        accepted |= uids_of(modality.accepted)
        left += files[len(modality.accepted) :]

    one.arm()
    one.start()
    with Modality(one.dicom_port, left) as modality:  # what it heard nothing of may be there already
        wait_for(lambda: modality.is_done, HAPPENS_S, "the rest is taken", one.log)
    originals = data_sets_of(all_files)
    assert accepted | uids_of(left) == set(originals)
    assert_nothing_lost(one, set(originals), originals)


def write_files(folder: Path, *, large: bool) -> list[Path]:
    files = write_study(folder / "small", SMALL, patient_id=f"POINT-{folder.name}", size=96)
    if large:
        files += write_study(folder / "large", 1, patient_id=f"POINT-{folder.name}", size=LARGE_SIZE)
    return files


def commands_for(point: str) -> list[str]:
    return ["serve"] if point.startswith("sweep.") else ["ingest"]


def reached(one: Installation, point: str, modality: Modality) -> bool:
    """Some steps are taken only when the modality is done, and the listeners end in order or have begun anew."""
    if modality.is_done and not one.happened(point):
        if point == "journal.ending":
            one.stop()
        elif point.startswith(WITHOUT_WRITER) and all(
            state.alive for state in journals(one.settings.journal_dir)
        ):
            one.restart()
    return one.happened(point)
