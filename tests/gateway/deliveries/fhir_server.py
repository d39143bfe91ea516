"""An independent FHIR R4 server: Medplum's router, which checks what it is sent against HL7's definitions."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

FOLDER = Path(__file__).parents[2] / "fhir_server"


class FhirPeer:
    """What it keeps, and how it is told to answer."""

    def __init__(self, port: int, token: str) -> None:
        self.port, self.url = port, f"http://127.0.0.1:{port}/fhir"
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False)

    def all(self, kind: str, **query: str) -> list[dict[str, Any]]:
        answer = (
            self._client.get(f"/fhir/{kind}", params={"_count": "1000", **query}).raise_for_status().json()
        )
        return [one["resource"] for one in answer.get("entry", [])]

    def one(self, kind: str) -> dict[str, Any]:
        [only] = self.all(kind)
        return only

    def tell(self, *answers: dict[str, Any]) -> None:
        """How the next posts are answered."""
        self._client.post("/tell", content=json.dumps(answers)).raise_for_status()

    def close(self) -> None:
        self._client.close()


@contextmanager
def running_fhir_server(token: str = "", port: int = 0) -> Iterator[FhirPeer]:
    """On loopback, empty, until it is not needed any more."""
    node = shutil.which("node")
    if node is None or not (FOLDER / "node_modules").is_dir():
        pytest.skip("the FHIR server of the tests is not installed: make servers")
    process = subprocess.Popen(
        [node, "--experimental-websocket", "--no-warnings", "server.mjs"], cwd=FOLDER, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "TOKEN": token, "PORT": str(port)},
    )  # fmt: skip
    assert process.stdout is not None
    peer = None
    try:
        peer = FhirPeer(int(process.stdout.readline()), token)
        yield peer
    finally:
        if peer is not None:
            peer.close()
        process.kill()
        process.wait(30)
