"""The object store on any S3 server, through the `minio` client. How what is sent is checked: `s3_upload`."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs, unquote, urlsplit

import urllib3
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError

from gateway.objects.s3_upload import REFUSED_BYTES, UnsignedPayload, Uploads
from gateway.objects.store import CHUNK_BYTES, ObjectMissing, Source, StoreFailed, check_range, checked_key

CONNECT_TIMEOUT_S = 5.0
PUT_TIMEOUT_S = 60.0  # a server that assembles a large object answers late
READ_TIMEOUT_S = 10.0  # without a byte; somebody looks at a page meanwhile, and many would hold every thread

# S3 refuses what was signed a quarter of an hour from its own time (AWS Signature Version 4).
_SKEW_ALLOWED = timedelta(minutes=14)
_MISSING = {"NoSuchKey", "NoSuchBucket", "ResourceNotFound"}
_ALREADY_THERE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}


def open_s3(url: str) -> "S3Store":
    """A store for `s3+http(s)://KEY:SECRET@HOST:PORT/BUCKET[?region=…&timeout_s=…]`. Does not connect yet."""
    parts = urlsplit(url.removeprefix("s3+"))
    bucket = parts.path.strip("/")
    if not (parts.hostname and parts.username and parts.password and bucket) or "/" in bucket:
        raise ValueError("an S3 object store is s3+http(s)://KEY:SECRET@HOST:PORT/BUCKET")
    options = parse_qs(parts.query)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname

    def connect(answer_timeout_s: float) -> UnsignedPayload:
        return UnsignedPayload(
            f"{host}:{parts.port}" if parts.port else host,
            access_key=unquote(str(parts.username)),
            secret_key=unquote(str(parts.password)),
            secure=parts.scheme == "https",
            region=options.get("region", ["us-east-1"])[0],
            http_client=_pool(answer_timeout_s),
        )

    timeout_s = options.get("timeout_s", [str(PUT_TIMEOUT_S)])[0]
    try:
        put_timeout_s = float(timeout_s)
    except ValueError:
        raise ValueError("timeout_s of an S3 object store is a number of seconds") from None
    return S3Store(connect(put_timeout_s), bucket, reader=connect(min(put_timeout_s, READ_TIMEOUT_S)))


def _pool(answer_timeout_s: float) -> urllib3.PoolManager:
    return urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=answer_timeout_s),
        # The drain tries again by itself, and would hear nothing while this waited out a Retry-After.
        retries=urllib3.Retry(total=1, backoff_factor=0.2, respect_retry_after_header=False),
        maxsize=16,
    )


class S3Store:
    """Objects in a bucket of an S3 server."""

    def __init__(self, client: UnsignedPayload, bucket: str, *, reader: UnsignedPayload) -> None:
        """The reader waits less for an answer."""
        self._client, self._reader = client, reader
        self._bucket = bucket
        self._uploads = Uploads(client, bucket)

    def prepare(self) -> None:
        with _s3_errors(self._bucket):
            if not self._client.bucket_exists(self._bucket):
                try:
                    self._client.make_bucket(self._bucket)
                except S3Error as error:
                    if error.code not in _ALREADY_THERE:  # another process was first
                        raise

    def put(self, key: str, source: Source, size: int) -> None:
        checked_key(key)
        self.check()  # SeaweedFS would make a new bucket, and nobody would hear that the other one is gone
        with _s3_errors(key):
            self._uploads.put(key, source, size)
            kept = self._client.stat_object(self._bucket, key).size
        if kept != size:
            raise StoreFailed(f"the object store kept {kept} of {size} bytes", cause="IncompleteBody")

    def read(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        return b"".join(self.chunks(key, offset=offset, length=length))

    def chunks(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        checked_key(key)
        check_range(offset, length)
        if length == 0:  # S3 has no empty range
            if self.size(key) is None:
                raise ObjectMissing(key)
            return
        with _s3_errors(key):
            try:
                response = self._reader.get_object(self._bucket, key, offset=offset, length=length or 0)
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
                return self._reader.stat_object(self._bucket, key).size
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

    def tidy(self, prefix: str) -> None:
        """Ends the multipart uploads that nobody will end: their parts fill the disk and are in no listing."""
        with contextlib.suppress(ObjectMissing), _s3_errors(prefix):
            self._uploads.tidy()
            for upload in self._client._list_multipart_uploads(self._bucket, prefix=prefix).uploads:
                if upload.object_name.startswith(prefix) and upload.upload_id:
                    self._client._abort_multipart_upload(self._bucket, upload.object_name, upload.upload_id)

    def check(self) -> None:
        with _s3_errors(self._bucket):
            there = self._reader.bucket_exists(self._bucket)
        if not there:
            raise StoreFailed("the object store has no such bucket", cause="NoSuchBucket")


@contextlib.contextmanager
def _s3_errors(key: str) -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        if error.code in _MISSING:
            raise ObjectMissing(key) from error
        if error.code in REFUSED_BYTES:
            raise StoreFailed("the object store got other bytes than were sent", cause="BadDigest") from error
        headers = error.response.headers
        raise StoreFailed(
            "the object store answered",
            cause=_code_of(error),
            retry_after_s=_seconds(headers.get("retry-after")),
        ) from error
    except ServerError as error:  # the answer to a HEAD has no body that could name its code
        raise StoreFailed("the object store answered", cause=f"HTTP{error.status_code}") from error
    except InvalidResponseError as error:  # no S3 server said this, but something before it
        raise StoreFailed("the object store answered", cause=f"HTTP{error._code}") from error
    except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
        raise StoreFailed("the object store cannot be reached", cause=_cause_of(error)) from error


def _code_of(error: S3Error) -> str:
    """Its code. A HEAD that is refused because of a wrong clock looks like one that is not allowed: its date tells."""
    date = error.response.headers.get("date")
    if error.code == "AccessDenied" and date:
        with contextlib.suppress(ValueError):
            if abs(parsedate_to_datetime(date) - datetime.now(UTC)) > _SKEW_ALLOWED:
                return "RequestTimeTooSkewed"
    return str(error.code)


def _seconds(retry_after: str | None) -> float:
    """Seconds, as S3 servers say them; a date is not waited for."""
    return float(retry_after) if retry_after and retry_after.strip().isdecimal() else 0.0


def _cause_of(error: Exception) -> str:
    """The error that another one only wraps says more."""
    reason = getattr(error, "reason", None)
    return type(reason if isinstance(reason, Exception) else error).__name__
