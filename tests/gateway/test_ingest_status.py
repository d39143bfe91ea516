"""What a listener says of itself, also after it could not say it for a while."""

import asyncio
import json
from pathlib import Path

from adapters.dicom.acceptor import Acceptor
from adapters.dicom.association import Config
from gateway import ingest
from gateway.doors import Door, listen
from gateway.journal import Journal
from gateway.settings import Settings
from gateway.snapshot import DeviceDirectory
from gateway.status_file import publish


def test_a_listener_that_could_not_write_its_status_writes_it_again_later(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, dicom_port=0)
    (tmp_path / "run").write_text("in the way, as a full disk would be")

    status = asyncio.run(_published(settings))

    assert [listener["name"] for listener in status["listeners"]] == ["dicom"]


async def _published(settings: Settings) -> dict[str, list[dict[str, object]]]:
    settings.journal_dir.mkdir()
    door = Door(name="dicom", listener=listen(settings.bind, 0))
    journal = Journal.create(settings.journal_dir, node="n", limit_bytes=1 << 30)
    acceptor = Acceptor(
        door.listener, intake=journal, admission=DeviceDirectory(settings.directory_snapshot), config=Config()
    )
    publishing = asyncio.create_task(
        publish(ingest._status_path(settings), lambda: ingest._status(settings, [door], [acceptor], journal))
    )
    await asyncio.sleep(0.3)
    (settings.data_dir / "run").unlink()
    for _ in range(200):
        if found := list((settings.data_dir / "run").glob("ingest-*.json")):
            break
        await asyncio.sleep(0.05)
    publishing.cancel()
    await journal.close()
    door.listener.close()
    status: dict[str, list[dict[str, object]]] = json.loads(found[0].read_text())
    return status
