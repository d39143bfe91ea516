"""A modality as townships have them: it sends with dcmtk's `storescu`, and what was not acknowledged it sends again."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self
from uuid import uuid4

from tests.journeys.gateways import dcmtk
from tests.synthetic import split_file

AT_ONCE = 60  # instances of one association
PAUSE_S = 0.15  # before it calls again
_SUCCESS = re.compile(rb"Received Store Response \(Success\)")
_REFUSED = re.compile(rb"Received Store Response \((?!Success)([^)]*)\)")


class Modality(threading.Thread):
    """Sends its files in order, over as many associations as it takes; `accepted` are those answered 0000."""

    def __init__(self, port: int, files: Sequence[Path], *, calling: str = "DEMO_CT", at_once: int = AT_ONCE):
        super().__init__(name=f"modality-{calling}", daemon=True)
        self.accepted: list[Path] = []
        self.refused: list[str] = []
        self.associations = 0
        self._port, self._files, self._calling, self._at_once = port, list(files), calling, at_once
        self._ended = threading.Event()
        self._sender: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def is_done(self) -> bool:
        return len(self.accepted) == len(self._files)

    def run(self) -> None:
        while not self._ended.is_set() and not self.is_done:
            taken = self._send(self._files[len(self.accepted) :][: self._at_once])
            if not taken:
                time.sleep(PAUSE_S)

    def end(self) -> None:
        """Switch it off; what it has sent without an answer it does not know of."""
        self._ended.set()
        if self._sender is not None:
            self._sender.kill()
        self.join(30)

    def _send(self, files: Sequence[Path]) -> int:
        said = self._files[0].parent / f"said-{uuid4().hex}"
        with said.open("wb") as out:
            self._sender = subprocess.Popen(
                [dcmtk("storescu"), "-v", "-to", "5", "-ta", "20", "-td", "20", "-aet", self._calling,
                 "-aec", "GATEWAY", "127.0.0.1", str(self._port), *map(str, files)],
                stdout=out, stderr=out, env={**os.environ, "TCP_NODELAY": "1"},
            )  # fmt: skip
            self._sender.wait()
        output = said.read_bytes()
        said.unlink()
        taken = len(_SUCCESS.findall(output))
        self.accepted += files[:taken]
        self.refused += [found.decode() for found in _REFUSED.findall(output)]
        self.associations += 1
        return taken


def uids_of(files: Sequence[Path]) -> set[str]:
    return {split_file(path)[1] for path in files}
