"""How fast the journal takes records: bodies of a CT's size, a few committers at once, every one synced.

Run: python -m tests.bench.journal [committers] [records] [body bytes]
"""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from gateway.journal import Journal

PDU_BYTES = 128 * 1024


async def measure(root: Path, committers: int, records: int, size_bytes: int) -> tuple[float, Journal]:
    journal = Journal.create(root, node="bench", limit_bytes=1 << 40)
    body = memoryview(os.urandom(size_bytes))
    left = iter(range(records))

    async def commit_some() -> None:
        for _ in left:
            entry = journal.open("dicom", {"calling_ae_title": "BENCH"}, size_hint=size_bytes)
            for start in range(0, size_bytes, PDU_BYTES):
                entry.write(body[start : start + PDU_BYTES])
            await entry.commit()

    started = time.perf_counter()
    await asyncio.gather(*(commit_some() for _ in range(committers)))
    seconds = time.perf_counter() - started
    await journal.close()
    return seconds, journal


def main() -> None:
    committers, records, size_bytes = (
        int(given) if given else default
        for given, default in zip([*sys.argv[1:], "", "", ""], (4, 1000, 526 * 1024), strict=False)
    )
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        cpu = time.process_time()
        seconds, journal = asyncio.run(measure(Path(folder), committers, records, size_bytes))
        cpu = time.process_time() - cpu
    print(
        f"{committers} committers, {records} records of {size_bytes} bytes: {records / seconds:.0f} records/s, "
        f"{records * size_bytes / seconds / 1e6:.0f} MB/s, {journal.syncs} fdatasyncs, "
        f"{cpu / records * 1000:.2f} ms CPU a record"
    )


if __name__ == "__main__":
    main()
