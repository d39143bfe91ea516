"""ECG files: how fast they are read and measured.

Files are read as the door reads them, against ecgdatakit alone on the same files in the same run: it is what most
programs would use, gives less (no derived leads, no cart's statements as one value) and needs a whole day in memory.
"""

import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from ecgdatakit.parsing import FileParser

from adapters.ecg.measuring import propose
from adapters.ecg.reading import read_set
from tests.bench.table import Against, Row
from tests.ecg_synthetic import Heart, make_recording, write_ishne
from tests.samples import samples_dir

READ_FOR_S = 1.0  # each format, each side, each time
PROPOSAL_AT_MOST_MS = 150
# One file of each format: what it is called here, and the files that belong together, the one to be opened first.
FILES = (
    ("DICOM, 12 × 5000", ("clark/Example.dcm",)),
    ("SCP-ECG, 12 × 5000", ("clark/Example.scp",)),
    ("HL7 aECG, 12 × 5000", ("clark/Example.xml",)),
    ("GE MUSE, 8 × 5000", ("muse/braveheart-example1.xml",)),
    ("Philips Sierra 1.03, 12 × 5500", ("sierra/129DYPRG.XML",)),
    ("Philips Sierra 1.04, 12 × 5500", ("sierra/ZZDEMOPTONLY_1-04.xml",)),
    ("WFDB, 15 × 38400", ("wfdb/s0010_re.hea", "wfdb/s0010_re.dat", "wfdb/s0010_re.xyz")),
)
HOLTER = "ISHNE, 3 × 24 h at 200 Hz"


def reading(repetitions: int) -> Iterator[Row]:
    """Files of every format, and a day."""
    folder = samples_dir() / "ecg"
    with tempfile.TemporaryDirectory() as scratch:
        day = write_ishne(Path(scratch) / "day.ecg")
        files = [(name, [folder / path for path in paths]) for name, paths in FILES]
        for name, paths in [*files, (HOLTER, [day])]:
            ours, theirs = [], []
            for _ in range(repetitions):
                ours.append(_per_second(_ours, paths))
                theirs.append(_per_second(_theirs, paths))
            peer = Against(peer="ecgdatakit", figure=median(theirs))
            yield Row(work=f"read {name}", ours=median(ours), unit="files/s", against=[peer])


def proposing(repetitions: int) -> Row:
    """The computed proposal of an ECG at rest."""
    recordings = [make_recording(Heart(noise_uv=10, seed=seed)) for seed in range(4 * repetitions)]
    propose(recordings[0])
    spent = []
    for recording in recordings:
        start = process_time()
        propose(recording)
        spent.append(1000 * (process_time() - start))
    return Row(
        work="computed proposal, 12 × 5000", ours=median(spent), unit="ms CPU", at_most=PROPOSAL_AT_MOST_MS
    )


def _ours(paths: Sequence[Path]) -> None:
    recording = read_set(paths)
    for window in recording.windows_uv(1 << 20):  # so that every sample is looked at
        window.max(initial=0)


def _theirs(paths: Sequence[Path]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        FileParser().parse(str(paths[0]), units="uV")


def _per_second(read: Callable[[Sequence[Path]], None], paths: Sequence[Path]) -> float:
    read(paths)  # once for imports and the page cache
    count, start = 0, perf_counter()
    while count < 1 or perf_counter() - start < READ_FOR_S:
        read(paths)
        count += 1
    return count / (perf_counter() - start)
