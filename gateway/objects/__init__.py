"""The object store: originals by key, kept whole or not at all, in a folder or on any S3 server.

What is stored is durable when `put` returns.
Layout of keys and why originals go in packs: docs/decisions/0002-object-layout.md.
"""

from pathlib import Path

from gateway.objects.folder import FolderStore
from gateway.objects.store import (
    CHUNK_BYTES,
    ChunkSource,
    ObjectMissing,
    ObjectStore,
    Source,
    StoreFailed,
    checked_key,
)

__all__ = [
    "CHUNK_BYTES",
    "ChunkSource",
    "FolderStore",
    "ObjectMissing",
    "ObjectStore",
    "Source",
    "StoreFailed",
    "checked_key",
    "open_object_store",
]


def open_object_store(place: str | Path) -> ObjectStore:
    """A store for `s3+http(s)://KEY:SECRET@HOST:PORT/BUCKET[?region=…&timeout_s=…]` or for a folder.

    Does not connect yet.
    """
    if isinstance(place, str) and place.startswith(("s3+http://", "s3+https://")):
        from gateway.objects.s3 import open_s3  # noqa: PLC0415 (a folder needs no S3 client: half a second to load)

        return open_s3(place)
    if isinstance(place, str) and "://" in place:
        raise ValueError("an object store is a folder or s3+http(s)://KEY:SECRET@HOST:PORT/BUCKET")
    return FolderStore(Path(place))
