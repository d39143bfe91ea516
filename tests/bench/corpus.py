"""What is sent: instances of three sizes, whose names nobody has seen before."""

from collections.abc import Iterator

from tests.bench.blast import Instance
from tests.gateway.sending import encode
from tests.synthetic import make_images

# Every measurement sends names of its own: this part of all its UIDs counts the measurements.
_MARK = "2.25.1000000%06d"
_HEAD_BYTES = 2000  # of a data set, in which its UIDs stand


class Corpus:
    """One series as bytes, with other UIDs whenever it is asked for."""

    _numbers: Iterator[int] = iter(range(1, 1_000_000))  # over all corpora

    def __init__(self, count: int, *, modality: str, size: int) -> None:
        self._templates = []
        mark = _MARK % 0
        for number, image in enumerate(
            make_images(count, modality=modality, size=size, patient_id="BENCH"), start=1
        ):
            image.StudyInstanceUID, image.SeriesInstanceUID = f"{mark}1", f"{mark}2"
            image.SOPInstanceUID = uid = f"{mark}3{number:06d}"
            self._templates.append((str(image.SOPClassUID), uid, encode(image)))

    @property
    def count(self) -> int:
        return len(self._templates)

    @property
    def instance_bytes(self) -> int:
        return len(self._templates[0][2])

    def fresh(self, count: int | None = None) -> list[Instance]:
        """So many instances of a study that has not been sent before."""
        old, new = _MARK % 0, _MARK % next(self._numbers)
        return [
            Instance(
                sop_class_uid=sop_class,
                sop_instance_uid=uid.replace(old, new),
                data_set=data_set[:_HEAD_BYTES].replace(old.encode(), new.encode()) + data_set[_HEAD_BYTES:],
            )
            for sop_class, uid, data_set in self._templates[:count]
        ]


def make_corpus(kind: str) -> Corpus:
    """`ct`: 300 of 525 kB · `small`: 1,000 of 6 kB · `dx`: 16 of 18 MB."""
    if kind == "ct":
        return Corpus(300, modality="CT", size=512)
    if kind == "small":
        return Corpus(1000, modality="CT", size=52)
    return Corpus(16, modality="DX", size=3000)
