"""The bytes of a file: what a format's reader looks at, and takes its samples from.

A recording of a day has hundreds of megabytes. A small file is in memory; of a large one only what somebody looks at
is read, each time (`Strided`, and what the readers derive from `Scattered`). No file is mapped: mapped pages count as
the process's own, and a file that somebody shortens would kill it. Every size that a header claims is held against
`size` before anything is made of it.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from adapters.ecg.errors import NotAnEcg

HEAD_BYTES = 4096  # by which a format is known
IN_MEMORY_BYTES = 8 << 20  # a file up to this size is read once; twelve leads at rest have some 100 KB
READ_WHOLE_BYTES = (
    64 << 20
)  # of what is parsed in memory: XML, SCP-ECG, pages; the largest of these have some MB


class _File:
    """A file that stays open as long as somebody holds samples of it, unlinked or not."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def read(self, start: int, length: int) -> bytes:
        return os.pread(self._descriptor, length, start)

    def __del__(self) -> None:
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """One file, or a part of one. `name` is its last part only, as it was sent; it identifies nothing."""

    name: str
    size: int
    source: "NDArray[np.uint8] | _File"
    offset: int = 0  # in the source

    @property
    def head(self) -> bytes:
        return self.up_to(0, HEAD_BYTES)

    @property
    def suffix(self) -> str:
        return Path(self.name).suffix.lower()

    def up_to(self, start: int, length: int) -> bytes:
        """So many bytes from there, or as many as there are."""
        length = max(0, min(length, self.size - start))
        if isinstance(self.source, _File):
            return self.source.read(self.offset + start, length) if length else b""
        return self.source[self.offset + start : self.offset + start + length].tobytes()

    def take(self, start: int, length: int, about: str = "") -> bytes:
        """So many bytes from there; `truncated` when the file has not that many, or not any more."""
        if start < 0 or length < 0 or start + length > self.size:
            raise NotAnEcg("truncated", about)
        data = self.up_to(start, length)
        if len(data) < length:
            raise NotAnEcg("truncated", about)
        return data

    def whole(self) -> bytes:
        """Everything, of a format whose files are small."""
        if self.size > READ_WHOLE_BYTES:
            raise NotAnEcg("too_large", f"{self.size >> 20} MB")
        return self.take(0, self.size)

    def part(self, name: str, start: int, size: int) -> "Content":
        """A file within this one."""
        if start < 0 or size < 0 or start + size > self.size:
            raise NotAnEcg("truncated", name)
        return Content(name=name, size=size, source=self.source, offset=self.offset + start)

    def view(self, dtype: DTypeLike, start: int, count: int, stride: int) -> NDArray[Any]:
        """Every `stride` bytes one number: a view of what is in memory, else read where somebody looks."""
        kind = np.dtype(dtype)
        if count < 0 or start < 0 or (count and start + (count - 1) * stride + kind.itemsize > self.size):
            raise NotAnEcg("truncated")
        if isinstance(self.source, _File):
            return cast("NDArray[Any]", Strided(self, kind, start, count, stride))
        found: NDArray[Any] = np.ndarray(
            (count,), dtype=kind, buffer=self.source, offset=self.offset + start, strides=(stride,)
        )
        return found


# Finds what was sent together with a file, by name; nothing else is ever looked at.
Companions = Callable[[str], Content | None]


def open_content(path: Path, name: str = "") -> Content:
    """Read a small file, open a large one."""
    file = _File(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    return _content(file, name or path.name)


def keep_open(descriptor: int, name: str) -> Content:
    """The file behind a descriptor, which stays the caller's."""
    return _content(_File(os.dup(descriptor)), name)


def _content(file: _File, name: str) -> Content:
    if not file.size:
        raise NotAnEcg("empty")
    if file.size > IN_MEMORY_BYTES:
        return Content(name=name, size=file.size, source=file)
    octets = np.frombuffer(file.read(0, file.size), dtype=np.uint8).copy()
    return Content(name=name, size=int(octets.size), source=octets)


def content_of(data: bytes, name: str) -> Content:
    """Bytes that are in memory already."""
    if not data:
        raise NotAnEcg("empty")
    return Content(name=name, size=len(data), source=np.frombuffer(data, dtype=np.uint8))


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


class Strided(Scattered):
    """Every so many bytes of a file one number, read where somebody looks."""

    def __init__(self, content: Content, kind: np.dtype[Any], start: int, count: int, stride: int) -> None:
        super().__init__(count, kind)
        self._content, self._start, self._stride = content, start, stride

    def window(self, start: int, stop: int) -> NDArray[Any]:
        if start == stop:
            return np.empty(0, dtype=self.dtype)
        length = (stop - start - 1) * self._stride + self.dtype.itemsize
        data = self._content.take(self._start + start * self._stride, length)
        found: NDArray[Any] = np.ndarray(
            (stop - start,), dtype=self.dtype, buffer=data, strides=(self._stride,)
        )
        return found


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
