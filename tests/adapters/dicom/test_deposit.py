"""DICOM files that arrive in pieces: what is kept, what each becomes, and that nothing half-kept stays."""

import asyncio
import io
from collections.abc import Sequence

import pytest
from pydicom import Dataset

from adapters.dicom.deposit import HEAD_BYTES, Outcome, Terms
from adapters.dicom.submission import Submission
from adapters.errors import Unavailable
from tests.adapters.dicom.memory import MemoryIntake
from tests.synthetic import make_images


def file_of(image: Dataset) -> bytes:
    buffer = io.BytesIO()
    image.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def submit(
    intake: MemoryIntake, files: Sequence[bytes], *, sizes: int = 1 << 20, terms: Terms | None = None
) -> Sequence[Outcome]:
    """Every file in pieces of a size, all in one request."""

    async def run() -> Sequence[Outcome]:
        submission = Submission({"institution_id": "t"}, intake, terms or Terms())
        for file in files:
            submission.begin({})
            for start in range(0, len(file), sizes):
                submission.write(memoryview(file)[start : start + sizes])
            submission.end()
            await asyncio.sleep(0)
            await submission.ease()
        return await submission.finish()

    return asyncio.run(run())


@pytest.fixture
def intake() -> MemoryIntake:
    return MemoryIntake()


@pytest.mark.parametrize("sizes", [1, 13, 4096, 1 << 20])
def test_a_file_is_kept_as_it_came_whatever_the_pieces(intake: MemoryIntake, sizes: int) -> None:
    file = file_of(next(make_images(1, size=16)))
    [outcome] = submit(intake, [file], sizes=sizes)

    assert outcome.is_stored
    assert [record.payload for record in intake.records] == [file]
    assert intake.records[0].origin["sop_instance_uid"] == outcome.sop_instance_uid


def test_every_truncation_is_refused_and_leaves_nothing(intake: MemoryIntake) -> None:
    image = next(make_images(1, size=4))
    file = file_of(image)
    cuts = [file[:size] for size in range(0, len(file), 3)]
    outcomes = submit(intake, cuts)

    # Cut between two elements a data set is whole again.
    assert sum(outcome.is_stored for outcome in outcomes) == len(intake.records) < len(cuts) / 4
    assert {outcome.status.code for outcome in outcomes} <= {0, 0xA900, 0xC000, 0x0117}
    assert not intake.open_entries


def test_meta_information_longer_than_others_is_read_all_the_same(intake: MemoryIntake) -> None:
    image = next(make_images(1))
    image.file_meta.PrivateInformationCreatorUID = "1.2.3"
    image.file_meta.PrivateInformation = bytes(HEAD_BYTES * 3)
    [outcome] = submit(intake, [file_of(image)], sizes=1000)

    assert outcome.is_stored


def test_a_full_journal_ends_the_request_when_nothing_was_stored(intake: MemoryIntake) -> None:
    intake.open_error = Unavailable("the journal is full")
    with pytest.raises(Unavailable):
        submit(intake, [file_of(image) for image in make_images(3)])


def test_a_failed_sync_is_out_of_resources_and_keeps_nothing(intake: MemoryIntake) -> None:
    async def run() -> Sequence[Outcome]:
        submission = Submission({}, intake, Terms())
        submission.begin({})
        submission.write(file_of(next(make_images(1))))
        submission.end()
        return await submission.finish()

    intake.commit_error = Unavailable("disk")
    [outcome] = asyncio.run(run())

    assert (outcome.status.code, intake.records) == (0xA700, [])
    assert not intake.open_entries


def test_what_nobody_foresaw_is_a_processing_failure_and_says_nothing_of_itself(intake: MemoryIntake) -> None:
    intake.commit_error = ZeroDivisionError("secret detail")
    [outcome] = submit(intake, [file_of(next(make_images(1)))])

    assert (outcome.status.code, "secret" in outcome.status.comment) == (0x0110, False)
    assert not intake.open_entries


@pytest.mark.parametrize("start", [1, 128, 132], ids=["shifted", "no preamble", "no prefix"])
def test_what_does_not_begin_as_a_file_is_none(intake: MemoryIntake, start: int) -> None:
    [outcome] = submit(intake, [file_of(next(make_images(1)))[start:]])

    assert (outcome.status.code, intake.records) == (0xC000, [])
    assert "prefix DICM" in outcome.status.comment


def test_files_of_one_request_wait_for_their_sync_together(intake: MemoryIntake) -> None:
    files = [file_of(image) for image in make_images(5)]

    async def run() -> Sequence[Outcome]:
        intake.gate = asyncio.Event()
        submission = Submission({}, intake, Terms())
        for file in files:
            submission.begin({})
            submission.write(file)
            submission.end()
            await submission.ease()  # returns although none is durable yet
        assert intake.records == []
        intake.gate.set()
        return await submission.finish()

    assert [outcome.is_stored for outcome in asyncio.run(run())] == [True] * 5


def test_a_sender_that_goes_leaves_what_was_whole_and_says_so(intake: MemoryIntake) -> None:
    one, two = (file_of(image) for image in make_images(2, size=256))

    async def run() -> None:
        submission = Submission({}, intake, Terms())
        submission.begin({})
        submission.write(one)
        submission.end()
        submission.begin({})
        submission.write(two[:-100])
        await submission.abort()

    asyncio.run(run())
    assert (len(intake.records), intake.open_entries) == (1, set())
    opened, closed = intake.noted("dicom.association")
    assert (opened["event"], closed["event"], closed["how"], closed["stored"]) == (
        "opened",
        "closed",
        "aborted",
        1,
    )


def test_unknown_classes_are_kept_or_not_as_the_switch_says(intake: MemoryIntake) -> None:
    image = next(make_images(1))
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.999"
    file = file_of(image)

    [kept] = submit(intake, [file])
    [refused] = submit(intake, [file], terms=Terms(accept_unknown_storage=False))
    assert (kept.is_stored, refused.status.code) == (True, 0x0122)
