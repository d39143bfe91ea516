"""An object store that is slow, refuses, changes, cuts or hangs: filing waits, says why, and goes on by itself.

Meanwhile everything that is sent is taken, at speed. A proxy in front of a real SeaweedFS does what stores and networks
do; the wrong clock is the gateway's own, by a library of ours that the system loads before the others.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.causes import CAUSES
from tests.bench.blast import Instance, blast
from tests.bench.corpus import Corpus
from tests.journeys.gateways import Gateway, get_json, wait_for
from tests.servers import SeaweedFs
from tests.torture.conftest import LONG, NewInstallation
from tests.torture.faulty_store import Fault, FaultyStore
from tests.torture.installation import Installation, copy_of
from tests.torture.lanes import STACKS
from tests.torture.tally import count
from tests.torture.verifying import assert_nothing_lost, unfiled

pytestmark = [pytest.mark.xdist_group("torture-stores"), pytest.mark.timeout(900)]

MIB = 1 << 20
TIMEOUT_S = 2  # of an answer; usually a minute
LASTS_S = 5.0 if LONG else 0.5  # a fault, after it was heard of
BURST = 250 if LONG else 60  # instances sent while the store is as it should be, and while it is not
PACK_BYTES = 20 * MIB if LONG else MIB  # over 16 MiB it goes in parts
KEEPS = 0.5  # of the rate at which instances are taken, which a slow store does not touch

FAULTS = [
    Fault(name="slow down, not before", cause="SlowDown", status=503, retry_after_s=3, writes_only=True),
    Fault(name="done and not answered", cause="ReadTimeoutError", withholds=True, writes_only=True),
    *(
        [
            Fault(name="body changed on the way", cause="BadDigest", changes_body=True, writes_only=True),
            Fault(name="cut in the middle", cause="ProtocolError", cut_after=100_000, writes_only=True),
            Fault(name="slow down", cause="SlowDown", status=503),
            Fault(name="slow down for writers", cause="SlowDown", status=503, writes_only=True),
            Fault(name="another ETag", cause="BadDigest", wrong_etag=True, writes_only=True),
            Fault(name="clock refused", cause="RequestTimeTooSkewed", status=403, writes_only=True),
            Fault(name="no answer to anything", cause="ReadTimeoutError", hangs=True),
            Fault(name="no answer to writers", cause="ReadTimeoutError", hangs=True, writes_only=True),
            Fault(name="done long after", cause="ReadTimeoutError", late_s=6.0, writes_only=True),
            Fault(name="access denied", cause="AccessDenied", status=403),
            Fault(name="wrong secret", cause="SignatureDoesNotMatch", status=403, writes_only=True),
            Fault(name="bucket gone", cause="NoSuchBucket", status=404),
            Fault(name="its disk full", cause="InternalError", status=500, writes_only=True),
        ]
        if LONG
        else []
    ),
]
SLOW = Fault(name="slow", cause="", bytes_per_s=5e6)


@pytest.fixture
def store(seaweedfs: SeaweedFs) -> Iterator[FaultyStore]:
    with FaultyStore(seaweedfs.address) as proxy:
        yield proxy


def place(seaweedfs: SeaweedFs, proxy: FaultyStore, *, timeout_s: int = TIMEOUT_S) -> str:
    return seaweedfs.url().replace(seaweedfs.address, proxy.address) + f"?timeout_s={timeout_s}"


def test_a_bad_store_delays_filing_alone_says_why_and_is_caught_up_with(
    new_installation: NewInstallation, seaweedfs: SeaweedFs, store: FaultyStore
) -> None:
    one = new_installation(
        STACKS[1] if LONG else STACKS[0], object_store=place(seaweedfs, store), file_after_s=0.2,
        pack_bytes=PACK_BYTES, cache_bytes=64 * MIB,
    )  # fmt: skip
    one.start(["ingest", "web"])
    it = one.sign_in("it")
    corpus = Corpus(BURST, modality="CT", size=200 if LONG else 100)
    originals: dict[str, bytes] = {}
    quiet = send(one, corpus, originals)
    for fault in FAULTS:
        wait_until_filed(one)
        store.fault = fault
        rate = send(one, corpus, originals)
        say = wait_for(lambda: said(it, fault.cause), 60, f"{fault.name} is said", one.log)  # noqa: B023
        time.sleep(LASTS_S)
        send(one, corpus, originals)
        assert unfiled(one)
        store.fault = None
        count("bad stores")
        began = time.monotonic()
        wait_until_filed(one)
        wait_for(lambda: get_json(it, "/api/v1/system")["store"]["up"], 60, "all is well again", one.log)
        print(
            f"{fault.name}: {say} taken at {rate:.0f}/s (quiet {quiet:.0f}/s), "
            f"filed {time.monotonic() - began:.1f} s after it was over",
            flush=True,
        )
    assert one.run("status").stdout.count("store s3") == 1
    for task in store.late:
        wait_for(task.done, 30, "what was held back is done")
    assert_nothing_lost(one, set(originals), originals)


def test_what_the_terminal_says_of_a_store_that_is_away(
    new_installation: NewInstallation, seaweedfs: SeaweedFs, store: FaultyStore
) -> None:
    one = new_installation(object_store=place(seaweedfs, store))
    one.start()
    store.fault = Fault(name="slow down", cause="SlowDown", status=503, retry_after_s=3600)
    status = one.run("status")
    assert status.returncode == 1
    assert CAUSES["SlowDown"][1] in " ".join(status.stdout.split())
    [line] = [line for line in status.stdout.splitlines() if line.startswith("store s3")]
    assert " down " in line


@pytest.mark.skipif(not LONG, reason="it is about time")
def test_a_slow_store_is_filed_into_as_fast_as_it_goes_and_slows_nobody_down(
    new_installation: NewInstallation, seaweedfs: SeaweedFs, store: FaultyStore
) -> None:
    one = new_installation(
        object_store=place(seaweedfs, store, timeout_s=60), file_after_s=0.2, pack_bytes=4 * MIB
    )
    one.start(["ingest", "web"])
    it = one.sign_in("it")
    corpus = Corpus(BURST, modality="CT", size=300)
    originals: dict[str, bytes] = {}
    quiet = send(one, corpus, originals)
    wait_until_filed(one)
    store.fault = SLOW
    before, began = packed(it), time.monotonic()
    rates = [send(one, corpus, originals) for _ in range(3)]
    wait_until_filed(one)
    filed_at_s = (packed(it) - before) / (time.monotonic() - began)
    print(
        f"taken at {max(rates):.0f}/s (quiet {quiet:.0f}/s), filed at {filed_at_s / 1e6:.1f} MB/s", flush=True
    )
    assert filed_at_s < 1.3 * SLOW.bytes_per_s, "the store was not slow"
    assert max(rates) >= KEEPS * quiet
    assert filed_at_s > 0.5 * SLOW.bytes_per_s
    assert get_json(it, "/api/v1/system")["store"]["up"], "slow is not away"
    store.fault = None  # to be looked at in a reasonable time
    assert_nothing_lost(one, set(originals), originals)


def test_a_clock_that_is_wrong_by_an_hour_is_named_and_filing_goes_on_once_it_is_right(
    county: Path, tmp_path: Path, seaweedfs: SeaweedFs
) -> None:
    library = skewed_clock(tmp_path)
    skew = tmp_path / "skew"
    skew.write_text("0")
    preload = {"LD_PRELOAD": str(library), "CLOCK_SKEW_FILE": str(skew)}
    with WithEnvironment(
        copy_of(county, tmp_path / "data"), preload, object_store=seaweedfs.url(), file_after_s=0.2
    ) as one:
        one.start()
        corpus = Corpus(BURST, modality="CT", size=64)
        originals: dict[str, bytes] = {}
        for wrong_s in (3600, -3600) if LONG else (3600,):
            skew.write_text(str(wrong_s))
            send(one, corpus, originals)
            wait_for(lambda: why_of(one) == "RequestTimeTooSkewed", 60, "the clock is named", one.log)
            assert unfiled_of(one)
            skew.write_text("0")
            wait_for(lambda: not unfiled_of(one), 60, "all is filed once the clock is right", one.log)
        one.stop()
        done = one.check()
        assert done.returncode == 0, done.stdout


class WithEnvironment(Gateway):
    """One whose processes find something more in their environment."""

    def __init__(self, data_dir: Path, more: Mapping[str, str], **settings: object) -> None:
        super().__init__(data_dir, ("ingest",), **settings)
        self._more = more

    @property
    def environment(self) -> Mapping[str, str]:
        return {**super().environment, **self._more}


def skewed_clock(folder: Path) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("a C compiler is needed for a clock that is wrong; it comes with Debian's package gcc")
    library = folder / "skewed_clock.so"
    source = Path(__file__).with_name("skewed_clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    return library


def send(one: Gateway, corpus: Corpus, originals: dict[str, bytes]) -> float:
    """Instances a second; raises when one is not taken."""
    instances: list[Instance] = corpus.fresh()
    originals |= {each.sop_instance_uid: each.data_set for each in instances}
    return len(instances) / blast(one.dicom_port, instances, associations=2)


def said(it: httpx.Client, cause: str) -> str:
    """What the page says of the store, once that is the cause, by this word or another one of the same meaning."""
    system: dict[str, Any] = get_json(it, "/api/v1/system")
    faults = [fault for fault in system["faults"] if fault["code"] == "store_away"]
    if not faults or CAUSES[cause][0] not in system["store"]["detail"]:
        return ""
    assert faults[0]["severity"] == "red"
    assert CAUSES[cause][0] in faults[0]["text"]
    return str(faults[0]["text"])


def packed(it: httpx.Client) -> int:
    return int(get_json(it, "/api/v1/system")["store"]["bytes"])


def why_of(one: Gateway) -> str:
    pulse = one.data_dir / "run" / "drain.json"
    return str(json.loads(pulse.read_text())["why"].get("store", "")) if pulse.exists() else ""


def unfiled_of(one: Gateway) -> bool:
    one.wait_until_drained()
    return bool(unfiled(one))


def wait_until_filed(one: Installation) -> None:
    one.wait_until_drained(120)
    wait_for(lambda: not unfiled(one), 180, "all is filed", one.log)
