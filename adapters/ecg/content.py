"""The bytes of a file, mapped and never read whole: what a format's reader looks at, and takes its samples from.

A recording of a day has hundreds of megabytes; samples that lie evenly in the file are views of the mapping, others
are looked up where somebody looks (`Scattered`). Every size that a header claims is held against `size` first.
"""

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from adapters.ecg.errors import NotAnEcg

HEAD_BYTES = 4096  # by which a format is known
READ_WHOLE_BYTES = (
    64 << 20
)  # of what is parsed in memory: XML, SCP-ECG, pages; the largest of these have some MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """One file. `name` is its last part only, as it was sent; it identifies nothing."""

    name: str
    octets: NDArray[np.uint8]

    @property
    def size(self) -> int:
        return int(self.octets.shape[0])

    @property
    def head(self) -> bytes:
        return self.octets[:HEAD_BYTES].tobytes()

    @property
    def suffix(self) -> str:
        return Path(self.name).suffix.lower()

    def take(self, start: int, length: int, about: str = "") -> bytes:
        """So many bytes from there; `truncated` when the file has not that many."""
        if start < 0 or length < 0 or start + length > self.size:
            raise NotAnEcg("truncated", about)
        return self.octets[start : start + length].tobytes()

    def unpack(self, form: str, start: int, about: str = "") -> tuple[Any, ...]:
        return struct.unpack(form, self.take(start, struct.calcsize(form), about))

    def whole(self) -> bytes:
        """Everything, of a format whose files are small."""
        if self.size > READ_WHOLE_BYTES:
            raise NotAnEcg("too_large", f"{self.size >> 20} MB")
        return self.octets.tobytes()

    def view(self, dtype: DTypeLike, start: int, count: int, stride: int) -> NDArray[Any]:
        """Every `stride` bytes one number, without copying."""
        kind = np.dtype(dtype)
        if count < 0 or start < 0 or (count and start + (count - 1) * stride + kind.itemsize > self.size):
            raise NotAnEcg("truncated")
        found: NDArray[Any] = np.ndarray(
            (count,), dtype=kind, buffer=self.octets.data, offset=start, strides=(stride,)
        )
        return found


# Finds what was sent together with a file, by name; nothing else is ever looked at.
Companions = Callable[[str], Content | None]


def open_content(path: Path, name: str = "") -> Content:
    """Map a file. It stays open as long as somebody holds samples of it."""
    if not path.stat().st_size:
        raise NotAnEcg("empty")
    return Content(name=name or path.name, octets=np.asarray(np.memmap(path, dtype=np.uint8, mode="r")))


def content_of(data: bytes, name: str) -> Content:
    """Bytes that are in memory already."""
    if not data:
        raise NotAnEcg("empty")
    return Content(name=name, octets=np.frombuffer(data, dtype=np.uint8))


class Scattered(ABC):
    """Samples that do not lie evenly, as far as an array is asked for them: a length, slices, the whole."""

    ndim = 1

    def __init__(self, samples: int, dtype: DTypeLike) -> None:
        self.shape, self.dtype = (samples,), np.dtype(dtype)

    @abstractmethod
    def window(self, start: int, stop: int) -> NDArray[Any]:
        """Samples from here to there, 0 <= start <= stop <= length."""

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: slice | int) -> Any:
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step > 0:
                return self.window(start, max(start, stop))[::step]
            return self.window(0, len(self))[key]
        position = range(len(self))[key]
        return self.window(position, position + 1)[0]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        whole = self.window(0, len(self))
        return whole if dtype is None else whole.astype(dtype)


class InRecords(Scattered):
    """One channel of records of a fixed size, each with a stretch of every channel (EDF, MFER)."""

    def __init__(self, records: NDArray[Any]) -> None:
        """`records` has the shape (records, samples of this channel in one)."""
        super().__init__(records.shape[0] * records.shape[1], records.dtype)
        self._records = records

    def window(self, start: int, stop: int) -> NDArray[Any]:
        per_record = self._records.shape[1]
        first = start // per_record
        found: NDArray[Any] = self._records[first : -(-stop // per_record)].reshape(-1)
        return found[start - first * per_record : stop - first * per_record]


class Combined(Scattered):
    """A weighted sum of two others: a derived lead of a recording too long to keep."""

    def __init__(self, one: Any, weight_one: int, other: Any, weight_other: int) -> None:
        super().__init__(len(one), np.int32)
        self._parts = ((one, weight_one), (other, weight_other))

    def window(self, start: int, stop: int) -> NDArray[Any]:
        one, other = (np.asarray(part[start:stop]).astype(np.int32) * weight for part, weight in self._parts)
        return one + other


class Decoded(Scattered):
    """Samples that a function makes of a stretch of the file (packed bits)."""

    def __init__(self, samples: int, dtype: DTypeLike, decode: Callable[[int, int], NDArray[Any]]) -> None:
        super().__init__(samples, dtype)
        self._decode = decode

    def window(self, start: int, stop: int) -> NDArray[Any]:
        return self._decode(start, stop)
