"""Sending one object to an S3 server: in one piece, or in parts of which each is checked when it arrives.

What is sent is not in the signature: its SHA-256 cost as much as everything else together, and SeaweedFS 4.48 stores
a body that contradicts it. Instead

- what fits into one part is compared by its ETag (MD5 of what arrived) with what was sent;
- a part of something larger carries its CRC-32C, which the server checks before it keeps the part, if it has refused
  a wrong one before; else it is compared by its ETag, too. The object's ETag is made of those of its parts.

S3 API: PutObject, UploadPart, CompleteMultipartUpload, "Checking object integrity".
"""

import base64
import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.etree.ElementTree import Element, SubElement, tostring

import google_crc32c
import numpy
from minio import Minio
from minio.credentials.credentials import Credentials
from minio.datatypes import CompleteMultipartUploadResult
from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError

from gateway.objects.store import Source, StoreFailed

PART_BYTES = 16 * 1024 * 1024  # held in memory while it is sent; S3 asks for 5 MiB at least

CHECKSUM_HEADER = "x-amz-checksum-crc32c"
REFUSED_BYTES = {
    "BadDigest",
    "InvalidDigest",
    "XAmzContentChecksumMismatch",
}  # they are not those of the checksum
_NO_CHECKSUMS = {"InvalidArgument", "InvalidRequest", "NotImplemented"}  # the header is not understood
_CHECK_KEY = "checks/crc32c"
_ENCRYPTED = "x-amz-server-side-encryption"
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class UnsignedPayload(Minio):
    """The client, which signs the head of a request alone when its body is a memoryview."""

    def _build_headers(
        self,
        host: str,
        headers: dict[str, str | list[str] | tuple[str]] | None = None,
        body: bytes | memoryview | None = None,
        creds: Credentials | None = None,
    ) -> tuple[dict[str, str | list[str] | tuple[str]], datetime]:
        if not isinstance(body, memoryview):
            return super()._build_headers(host, headers, body, creds)
        built, date = super()._build_headers(host, headers, None, creds)
        built["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD"
        built["Content-Length"] = str(body.nbytes)
        return built, date


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A part that the server has: its number, its ETag as answered, its checksum when it was sent with one."""

    number: int
    etag: str
    checksum: str | None


class Uploads:
    """Puts objects into one bucket."""

    def __init__(self, client: UnsignedPayload, bucket: str) -> None:
        self._client, self._bucket = client, bucket
        self._checks_crc: bool | None = None  # not known before it was tried

    def put(self, key: str, source: Source, size: int) -> None:
        """Send so many bytes. Raises what the client raises, and StoreFailed when other bytes were kept."""
        if size <= PART_BYTES:
            self._put_whole(key, source, size)
        else:
            self._put_parts(key, source, size)

    def tidy(self) -> None:
        """Remove what a look whether checksums are checked has left, if it was interrupted."""
        self._client.remove_object(self._bucket, _CHECK_KEY)

    def _put_whole(self, key: str, source: Source, size: int) -> None:
        data = memoryview(bytearray(size))
        _fill(data, source)
        answer = self._client._put_object(
            self._bucket,
            key,
            data,  # type: ignore[arg-type]  # the client only hands it on
            {"Content-Type": "application/octet-stream"},
        )
        _compare(answer.etag or "", _md5(data).hexdigest(), answer.http_headers)

    def _put_parts(self, key: str, source: Source, size: int) -> None:
        """The object appears when its last part is confirmed, or not at all."""
        with_crc = self._server_checks_crc()
        headers: dict[str, str | list[str] | tuple[str]] = (
            {"x-amz-checksum-algorithm": "CRC32C"} if with_crc else {}
        )
        upload = self._client._create_multipart_upload(self._bucket, key, headers)
        try:
            parts = list(self._send_parts(key, upload, source, size, with_crc))
            self._complete(key, upload, parts)
        except BaseException:
            with contextlib.suppress(
                MinioException, HTTPError, OSError
            ):  # what is left of it is removed by `tidy`
                self._client._abort_multipart_upload(self._bucket, key, upload)
            raise

    def _send_parts(
        self, key: str, upload: str, source: Source, size: int, with_crc: bool
    ) -> Iterator[_Part]:
        buffer = memoryview(bytearray(PART_BYTES))
        for number, start in enumerate(range(0, size, PART_BYTES), start=1):
            data = buffer[: min(PART_BYTES, size - start)]
            _fill(data, source)
            checksum = _crc(data) if with_crc else None
            answer = self._client._put_object(
                self._bucket,
                key,
                data,  # type: ignore[arg-type]  # the client only hands it on
                {CHECKSUM_HEADER: checksum} if checksum else {},
                {"partNumber": str(number), "uploadId": upload},
            )
            if checksum is None:
                _compare(answer.etag or "", _md5(data).hexdigest(), answer.http_headers)
            yield _Part(number=number, etag=answer.etag or "", checksum=checksum)

    def _complete(self, key: str, upload: str, parts: Sequence[_Part]) -> None:
        answer = self._client._execute(
            "POST",
            self._bucket,
            key,
            body=_confirmation(parts),
            headers={"Content-Type": "application/xml"},
            query_params={"uploadId": upload},
        )
        with contextlib.suppress(ValueError):  # ETags that are no digests say nothing of the object's
            whole = _md5(b"".join(bytes.fromhex(part.etag) for part in parts)).hexdigest()
            result = CompleteMultipartUploadResult(answer)
            _compare(result.etag or "", f"{whole}-{len(parts)}", answer.headers)

    def _server_checks_crc(self) -> bool:
        """Whether it refuses a body that contradicts its checksum: tried once, not taken from what it says of itself."""
        if self._checks_crc is None:
            try:
                self._client._put_object(
                    self._bucket, _CHECK_KEY, b"-", {CHECKSUM_HEADER: _crc(memoryview(b"+"))}
                )
                self.tidy()
                self._checks_crc = False
            except S3Error as error:
                if error.code not in REFUSED_BYTES | _NO_CHECKSUMS:
                    raise
                self._checks_crc = error.code in REFUSED_BYTES
        return self._checks_crc


def _fill(data: memoryview, source: Source) -> None:
    at = 0
    while at < len(data):
        piece = source.read(len(data) - at)
        if not piece:
            raise ValueError(f"the source ended {len(data) - at} bytes early")
        data[at : at + len(piece)] = piece
        at += len(piece)


def _compare(etag: str, expected: str, headers: Mapping[str, str]) -> None:
    """A server that encrypts by itself may answer another ETag (S3 API: it then says so in a header)."""
    if etag.strip('"') != expected and _ENCRYPTED not in headers:
        raise StoreFailed("the object store kept other bytes than were sent", cause="BadDigest")


def _confirmation(parts: Sequence[_Part]) -> bytes:
    root = Element("CompleteMultipartUpload", {"xmlns": _NAMESPACE})
    for part in parts:
        element = SubElement(root, "Part")
        SubElement(element, "PartNumber").text = str(part.number)
        SubElement(element, "ETag").text = f'"{part.etag}"'
        if part.checksum:
            SubElement(element, "ChecksumCRC32C").text = part.checksum
    return bytes(tostring(root))


def _crc(data: memoryview) -> str:
    # google_crc32c takes no memoryview; seen through numpy it needs no copy.
    value = google_crc32c.value(numpy.asarray(data))
    return base64.b64encode(int(value).to_bytes(4, "big")).decode()


def _md5(data: bytes | memoryview) -> "hashlib._Hash":
    return hashlib.md5(data, usedforsecurity=False)
