"""A sync that the kernel does beside us, on real files."""

import asyncio
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from gateway.journal import Journal
from gateway.journal.kernel_sync import KernelSync


@pytest.fixture(params=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as running:
        yield running


def opened() -> KernelSync:
    kernel = KernelSync.open()
    if kernel is None:
        pytest.skip("this kernel does not do it")
    return kernel


async def sync(kernel: KernelSync, handle: int) -> Exception | None:
    heard: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    kernel.start(handle, heard.set_result)
    return await asyncio.wait_for(heard, 10)


def test_each_sync_is_heard_of_once_and_in_turn(runner: asyncio.Runner, tmp_path: Path) -> None:
    async def scene() -> None:
        kernel = opened()
        with (tmp_path / "a").open("wb", buffering=0) as one, (tmp_path / "b").open("wb", buffering=0) as two:
            for n in range(20):
                file = (one, two)[n % 2]
                file.write(bytes(5000))
                assert await sync(kernel, file.fileno()) is None
        kernel.close()

    runner.run(scene())


def test_the_loop_goes_on_while_the_kernel_syncs(runner: asyncio.Runner, tmp_path: Path) -> None:
    async def scene() -> None:
        kernel = opened()
        with (tmp_path / "a").open("wb", buffering=0) as file:
            file.write(bytes(32 << 20))
            heard: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
            kernel.start(file.fileno(), heard.set_result)
            turns = 0
            while not heard.done():
                await asyncio.sleep(0)
                turns += 1
        assert turns > 10
        kernel.close()

    runner.run(scene())


def test_what_cannot_be_synced_is_said_at_once_or_when_it_failed(
    runner: asyncio.Runner, tmp_path: Path
) -> None:
    async def scene() -> None:
        kernel = opened()
        with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
            kernel.start(1 << 20, lambda _: None)
        reading, writing = os.pipe()
        try:
            kernel.start(writing, lambda _: pytest.fail("nothing was asked for"))
        except OSError as error:
            assert error.errno == errno.EINVAL
        os.close(reading)
        os.close(writing)
        with (tmp_path / "a").open("wb", buffering=0) as file:  # and it still works
            file.write(b"x")
            assert await sync(kernel, file.fileno()) is None
        kernel.close()

    runner.run(scene())


def test_a_journal_syncs_in_a_thread_where_the_kernel_does_not_do_it(
    runner: asyncio.Runner, tmp_path: Path
) -> None:
    async def scene() -> None:
        journal = Journal.create(tmp_path / "journal", node="n", limit_bytes=1 << 30)
        kernel = journal._group._kernel
        if kernel is None:
            pytest.skip("this kernel does not do it")
        for n in range(4):
            entry = journal.open("dicom", {"n": n})
            entry.write(bytes(1000))
            await entry.commit()
            if n == 1:  # as a kernel without the operation would answer
                kernel._request.opcode = 99
        assert journal._group._kernel is None
        assert (journal.records, journal.syncs) == (4, 4)
        await journal.close()

    runner.run(scene())
