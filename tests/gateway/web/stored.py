"""DICOM files put into a gateway as if a township's device had sent them: journal, drain, rows."""

import asyncio
import io
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pydicom
import pydicom.data
import uvicorn
from dicomweb_client.api import DICOMwebClient
from fastapi import FastAPI
from pydicom.dataset import Dataset

from adapters.dicom.data_set import find_data_set
from gateway.intake import Drain
from gateway.journal import Journal
from gateway.runtime import Runtime
from worklists.directory import Agreement


def file_of(data_set: Dataset) -> bytes:
    written = io.BytesIO()
    data_set.save_as(written, enforce_file_format=True)
    return written.getvalue()


def let_read(runtime: Runtime, *, lead: uuid.UUID, member: uuid.UUID) -> None:
    """An agreement, so that what the township sends goes to the hospital's centres."""
    with runtime.sessions.begin() as session:
        session.add(Agreement(lead_id=lead, member_id=member, kind=None, valid_from=date(2020, 1, 1)))


def keep(runtime: Runtime, files: Iterable[bytes], *, institution_id: uuid.UUID, **origin: Any) -> None:
    """Journal the files and index them."""

    async def write() -> None:
        journal = Journal.create(runtime.journal_dir, node="local", limit_bytes=1 << 40, floor_bytes=0)
        for file in files:
            entry = journal.open(
                "dicom.instance", {**_origin(file), "institution_id": str(institution_id), **origin}
            )
            entry.write(file)
            await entry.commit()
        await journal.close()

    asyncio.run(write())
    drain = Drain(runtime)
    while drain.index_new():
        pass


def _origin(file: bytes) -> dict[str, Any]:
    header = pydicom.dcmread(io.BytesIO(file), stop_before_pixels=True, force=True)
    return {
        "transfer_syntax_uid": str(header.file_meta.get("TransferSyntaxUID", "1.2.840.10008.1.2")),
        "data_set_offset": find_data_set(io.BytesIO(file)),
        "calling_ae_title": "DEMO_CT",
        "received_at": "2026-11-21T06:30:00.000000+00:00",
    }


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The application on a real socket; answers its address."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="on"))
    thread = Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the server did not start")
            thread.join(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def reader_of(base_url: str, token: str) -> DICOMwebClient:
    return DICOMwebClient(f"{base_url}/dicomweb", headers={"Authorization": f"Bearer {token}"})


def browser_of(base_url: str, token: str) -> httpx.Client:
    return httpx.Client(
        base_url=f"{base_url}/dicomweb",
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=60,
    )


def parts_of(response: httpx.Response) -> list[tuple[dict[str, str], bytes]]:
    """The headers and the body of each part of a multipart answer."""
    boundary = response.headers["content-type"].split("boundary=")[1].strip('"').encode()
    found = []
    for piece in response.content.split(b"--" + boundary)[1:-1]:
        head, _, body = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        found.append(({name.lower(): value for name, value in lines}, body.removesuffix(b"\r\n")))
    return found


def pydicom_file(name: str) -> Path:
    """One of the files that ship with pydicom."""
    found = pydicom.data.get_testdata_file(name, download=False)
    assert found is not None, name
    return Path(str(found))
