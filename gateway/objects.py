"""The object store: originals by key, kept whole or not at all, in a folder or on any S3 server.

Keys are relative paths of letters, digits, dots, dashes and underscores; no part begins with a dot.
What is stored is durable when `put` returns. Over S3 its size and ETag (MD5 of what arrived) are compared with what
was sent: not every server verifies the SHA-256 in the signature (SeaweedFS 4.48 does not).
Layout of keys and why originals go in packs: docs/decisions/0002-object-layout.md.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from adapters.errors import Unavailable

CHUNK_BYTES = 1024 * 1024
PART_BYTES = 16 * 1024 * 1024  # held in memory while it is sent; S3 asks for 5 MiB at least
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 60.0  # a server that assembles a large object answers late
KEY_LIMIT = 512  # characters; S3 allows 1,024, file systems less for a whole path

_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_ENCRYPTED = "x-amz-server-side-encryption"
_MISSING = {"NoSuchKey", "NoSuchBucket", "ResourceNotFound"}
_ALREADY_THERE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}


class ObjectMissing(LookupError):
    """There is no object with this key."""


class Source(Protocol):
    """What an object is read from: a file, a body of the journal, a pack being made."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to so many bytes; none at the end."""


class ObjectStore(Protocol):
    """Where originals are kept. Every call may raise Unavailable; a source that ends early is a ValueError."""

    def put(self, key: str, source: Source, size: int) -> None:
        """Keep `size` bytes of the source under the key, replacing what was there."""

    def read(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        """The object, or as much of the range as it has; ObjectMissing."""

    def chunks(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The same in pieces of about CHUNK_BYTES, for what should not be in memory whole."""

    def size(self, key: str) -> int | None:
        """How many bytes the object has; None when there is none."""

    def delete(self, key: str) -> None:
        """Remove the object; removing what is not there changes nothing."""

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Every key that begins with the prefix, in no promised order."""

    def check(self) -> None:
        """Unavailable when nothing can be stored now."""


def open_object_store(place: str | Path) -> ObjectStore:
    """A store for `s3+http(s)://KEY:SECRET@HOST:PORT/BUCKET[?region=…]` or for a folder. Does not connect yet."""
    if isinstance(place, str) and place.startswith(("s3+http://", "s3+https://")):
        return _open_s3(place)
    if isinstance(place, str) and "://" in place:
        raise ValueError("an object store is a folder or s3+http(s)://KEY:SECRET@HOST:PORT/BUCKET")
    return FolderStore(Path(place))


class FolderStore:
    """Objects as files in a folder of a local disk."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, source: Source, size: int) -> None:
        path = self._path(key)
        with _disk_errors():
            _make_folders(path.parent)
        temporary = path.parent / f".put-{uuid4().hex}"
        try:
            with _disk_errors(), temporary.open("xb") as file:
                for chunk in _exactly(source, size):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            with _disk_errors():
                temporary.replace(path)
                _sync_folder(path.parent)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def read(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        return b"".join(self.chunks(key, offset=offset, length=length))

    def chunks(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        _check_range(offset, length)
        with _disk_errors(), self._open(key) as file:
            file.seek(offset)
            while length is None or length > 0:
                chunk = file.read(CHUNK_BYTES if length is None else min(CHUNK_BYTES, length))
                if not chunk:
                    return
                length = None if length is None else length - len(chunk)
                yield chunk

    def size(self, key: str) -> int | None:
        with _disk_errors():
            try:
                return self._path(key).stat().st_size
            except (FileNotFoundError, NotADirectoryError):
                return None

    def delete(self, key: str) -> None:
        with _disk_errors():
            self._path(key).unlink(missing_ok=True)

    def keys(self, prefix: str = "") -> Iterator[str]:
        for folder, _, names in os.walk(self._root):
            for name in names:
                key = (Path(folder) / name).relative_to(self._root).as_posix()
                if not name.startswith(".") and key.startswith(prefix):
                    yield key

    def check(self) -> None:
        probe = self._root / f".check-{uuid4().hex}"
        with _disk_errors():
            _make_folders(self._root)
            try:
                with probe.open("xb") as file:
                    file.write(b"can write")
                    file.flush()
                    os.fsync(file.fileno())
            finally:
                probe.unlink(missing_ok=True)

    def _open(self, key: str) -> BinaryIO:
        try:
            return self._path(key).open("rb")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectMissing(key) from error

    def _path(self, key: str) -> Path:
        return self._root / checked_key(key)


class S3Store:
    """Objects in a bucket of an S3 server; the bucket is made when it is not there."""

    def __init__(self, client: Minio, bucket: str) -> None:
        self._client = client
        self._bucket = bucket
        self._bucket_seen = False

    def put(self, key: str, source: Source, size: int) -> None:
        checked_key(key)
        self._need_bucket()
        exact = _ExactSource(source, size)
        with _s3_errors(key):
            # Multipart above PART_BYTES: the object appears when its last part is confirmed, or not at all.
            result = self._client.put_object(
                self._bucket,
                key,
                exact,  # type: ignore[arg-type]  # the client only calls read
                size,
                part_size=PART_BYTES,
                num_parallel_uploads=1,
            )
            kept = self._client.stat_object(self._bucket, key).size
        if kept != size:
            raise Unavailable(f"the object store kept {kept} of {size} bytes")
        # A server that encrypts by itself may answer another ETag (S3 API: it then says so in a header).
        if (result.etag or "").strip('"') != exact.etag() and _ENCRYPTED not in result.http_headers:
            raise Unavailable("the object store kept other bytes than were sent")

    def read(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        return b"".join(self.chunks(key, offset=offset, length=length))

    def chunks(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        checked_key(key)
        _check_range(offset, length)
        if length == 0:  # S3 has no empty range
            if self.size(key) is None:
                raise ObjectMissing(key)
            return
        with _s3_errors(key):
            try:
                response = self._client.get_object(self._bucket, key, offset=offset, length=length or 0)
            except S3Error as error:
                if error.code == "InvalidRange":  # begins behind the end
                    return
                raise
            try:
                yield from response.stream(CHUNK_BYTES)
            finally:
                response.close()
                response.release_conn()

    def size(self, key: str) -> int | None:
        checked_key(key)
        try:
            with _s3_errors(key):
                return self._client.stat_object(self._bucket, key).size
        except ObjectMissing:
            return None

    def delete(self, key: str) -> None:
        checked_key(key)
        with contextlib.suppress(ObjectMissing), _s3_errors(key):
            self._client.remove_object(self._bucket, key)

    def keys(self, prefix: str = "") -> Iterator[str]:
        with contextlib.suppress(ObjectMissing), _s3_errors(prefix):
            for found in self._client.list_objects(self._bucket, prefix=prefix or None, recursive=True):
                if found.object_name is not None and not found.is_dir:
                    yield found.object_name

    def check(self) -> None:
        self._bucket_seen = False
        self._need_bucket()

    def _need_bucket(self) -> None:
        if self._bucket_seen:
            return
        with _s3_errors(self._bucket):
            if not self._client.bucket_exists(self._bucket):
                try:
                    self._client.make_bucket(self._bucket)
                except S3Error as error:
                    if error.code not in _ALREADY_THERE:  # another process was first
                        raise
        self._bucket_seen = True


def checked_key(key: str) -> str:
    """The key itself, or ValueError."""
    if len(key) > KEY_LIMIT or not _KEY.fullmatch(key):
        raise ValueError("an object key is a relative path of letters, digits, '.', '-' and '_'")
    return key


def _open_s3(url: str) -> S3Store:
    parts = urlsplit(url.removeprefix("s3+"))
    bucket = parts.path.strip("/")
    if not (parts.hostname and parts.username and parts.password and bucket) or "/" in bucket:
        raise ValueError("an S3 object store is s3+http(s)://KEY:SECRET@HOST:PORT/BUCKET")
    http = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S),
        retries=urllib3.Retry(total=1, backoff_factor=0.2),  # the drain tries again by itself
        maxsize=16,
    )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    client = Minio(
        f"{host}:{parts.port}" if parts.port else host,
        access_key=unquote(parts.username),
        secret_key=unquote(parts.password),
        secure=parts.scheme == "https",
        region=parse_qs(parts.query).get("region", ["us-east-1"])[0],
        http_client=http,
    )
    return S3Store(client, bucket)


@contextlib.contextmanager
def _s3_errors(key: str) -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        if error.code in _MISSING:
            raise ObjectMissing(key) from error
        raise Unavailable(f"the object store answered {error.code}") from error
    except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
        raise Unavailable(f"the object store cannot be reached: {type(error).__name__}") from error


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"the object store's folder cannot be used: {error.strerror}") from error


class _ExactSource:
    """So many bytes of a stream, and the ETag they must get; a stream that ends before is the caller's error."""

    def __init__(self, source: Source, size: int) -> None:
        self._source = source
        self._left = size
        self._parts = [_md5()]
        self._in_part = 0

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        if not wanted:
            return b""
        data = self._source.read(wanted)
        if not data:
            raise ValueError(f"the source ended {self._left} bytes early")
        self._left -= len(data)
        self._digest(memoryview(data))
        return data

    def etag(self) -> str:
        """What S3 answers for these bytes: their MD5, or the MD5 of the parts' MD5s and how many parts."""
        if len(self._parts) == 1:
            return self._parts[0].hexdigest()
        whole = _md5(b"".join(part.digest() for part in self._parts))
        return f"{whole.hexdigest()}-{len(self._parts)}"

    def _digest(self, data: memoryview) -> None:
        while data:
            if self._in_part == PART_BYTES:
                self._parts.append(_md5())
                self._in_part = 0
            taken = data[: PART_BYTES - self._in_part]
            self._parts[-1].update(taken)
            self._in_part += len(taken)
            data = data[len(taken) :]


def _exactly(source: Source, size: int) -> Iterator[bytes]:
    while size:
        chunk = source.read(min(CHUNK_BYTES, size))
        if not chunk:
            raise ValueError(f"the source ended {size} bytes early")
        size -= len(chunk)
        yield chunk


def _md5(data: bytes = b"") -> "hashlib._Hash":
    return hashlib.md5(data, usedforsecurity=False)


def _check_range(offset: int, length: int | None) -> None:
    if offset < 0 or (length is not None and length < 0):
        raise ValueError("a range begins and ends inside the object")


def _make_folders(folder: Path) -> None:
    """Make a folder and its parents; each new name is synced, or a power cut could take the object with it."""
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    folder.mkdir(mode=0o750, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
