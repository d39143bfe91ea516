"""What lies in another node's segment is read from there, by those who know the secret, until it is filed."""

import asyncio
import io
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import uvicorn

from adapters.errors import Unavailable
from gateway import nodes
from gateway.ingest_health import make_app
from gateway.journal import Journal, journals, read_new, remove_segment
from gateway.nodes import OtherNodes
from gateway.originals import Original, open_original, read_original
from gateway.runtime import Runtime
from gateway.settings import Settings
from tests.servers import free_ports

SECRET = "shared-by-all-nodes"
BODY = bytes(range(256)) * 9000  # over two chunks


@contextmanager
def node_serving(settings: Settings, port: int) -> Iterator[str]:
    """The small HTTP server of an ingest node."""
    server = uvicorn.Server(uvicorn.Config(make_app(settings), host="127.0.0.1", port=port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def other(tmp_path: Path) -> Settings:
    """A node with a journal of its own, and one record in it."""
    settings = Settings(data_dir=tmp_path / "other", node="other", node_secret=SECRET)

    async def write() -> None:
        settings.journal_dir.mkdir(parents=True)
        journal = Journal.create(settings.journal_dir, node="other", limit_bytes=1 << 40, floor_bytes=0)
        entry = journal.open("dicom.instance", {})
        entry.write(BODY)
        await entry.commit()
        await journal.close()

    asyncio.run(write())
    return settings


@pytest.fixture
def original(other: Settings) -> Original:
    (state,) = journals(other.journal_dir)
    (record,) = read_new(other.journal_dir, state, {}).records
    place = record.location
    return Original(
        record_id=uuid.uuid4(), node="other", journal=place.journal, sequence=record.sequence, segment=place.segment,
        offset=place.offset, size_bytes=place.length, local=True, pack_key=None, pack_offset=None,
    )  # fmt: skip


@pytest.fixture
def reader(runtime: Runtime) -> Runtime:
    """A machine that only reads, and knows the secret."""
    settings = runtime.settings.model_copy(update={"node": "web", "node_secret": SECRET})
    return replace(runtime, settings=settings, nodes=OtherNodes(settings))


def test_an_original_is_read_from_the_node_that_has_it(
    reader: Runtime, other: Settings, original: Original
) -> None:
    (port,) = free_ports(1)
    with node_serving(other, port) as url:
        nodes.register(reader.sessions, "other", url, reader.now())

        assert read_original(reader, original, offset=1000, length=50) == BODY[1000:1050]
        assert b"".join(open_original(reader, original)) == BODY


def test_an_absent_node_is_named_and_its_pack_is_read_instead(reader: Runtime, original: Original) -> None:
    (port,) = free_ports(1)
    with pytest.raises(Unavailable, match=r"node other: it has no address .* not filed yet"):
        read_original(reader, original)
    nodes.register(reader.sessions, "other", f"http://127.0.0.1:{port}", reader.now())
    with pytest.raises(Unavailable, match="node other: it does not answer; it is not filed yet"):
        read_original(reader, original)

    reader.objects.put("packs/one.tar", io.BytesIO(b"head" + BODY), len(BODY) + 4)
    filed = replace(original, pack_key="packs/one.tar", pack_offset=4)
    assert read_original(reader, filed, offset=7, length=9) == BODY[7:16]


def test_what_the_node_evicted_comes_out_of_its_pack(
    reader: Runtime, other: Settings, original: Original
) -> None:
    remove_segment(other.journal_dir, original.journal, original.segment)
    reader.objects.put("packs/one.tar", io.BytesIO(BODY), len(BODY))
    (port,) = free_ports(1)
    with node_serving(other, port) as url:
        nodes.register(reader.sessions, "other", url, reader.now())

        filed = replace(original, pack_key="packs/one.tar", pack_offset=0)
        assert read_original(reader, filed) == BODY


def test_nobody_else_is_answered(other: Settings, original: Original) -> None:
    path = f"/internal/journals/{original.journal}/segments/{original.segment}"
    ranged = {"Range": "bytes=0-9"}
    (port,) = free_ports(1)
    with node_serving(other, port) as url, httpx.Client(base_url=url, trust_env=False) as client:

        def ask(where: str = path, **headers: str) -> int:
            return client.get(where, headers=headers).status_code

        right = {"Authorization": f"Bearer {SECRET}"}
        assert ask(**ranged) == 403
        assert ask(**ranged, Authorization="Bearer wrong-secret-wrong") == 403
        assert ask(**right) == 400
        assert ask(**right, Range="bytes=0-999999999") == 416
        assert ask("/internal/journals/..%2f..%2fetc/segments/1", **right, **ranged) == 404
        assert ask(f"/internal/journals/{'0' * 32}/segments/1", **right, **ranged) == 404
        assert ask(**right, **ranged) == 206


def test_a_node_without_the_secret_serves_nobody(other: Settings, original: Original) -> None:
    (port,) = free_ports(1)
    with node_serving(other.model_copy(update={"node_secret": None}), port) as url:
        answer = httpx.get(
            f"{url}/internal/journals/{original.journal}/segments/{original.segment}",
            headers={"Authorization": "Bearer none", "Range": "bytes=0-9"},
            trust_env=False,
        )
    assert answer.status_code == 403
