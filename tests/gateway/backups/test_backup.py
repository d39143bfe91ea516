"""A backup is taken while everything runs, read back, and becomes an installation again, on both databases."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import func, select

from gateway.backups.archive import get_archive
from gateway.backups.databases import DumpFailed
from gateway.backups.making import NoPassphrase, Wanted, make_backup, remove_old
from gateway.backups.restoring import CannotRestore, Restored, restore_backup
from gateway.backups.rows import BackupRun
from gateway.backups.sealed import WrongPassphrase
from gateway.backups.steps import Steps
from gateway.backups.verifying import find_problems
from gateway.check import run_check
from gateway.filing import Filing
from gateway.index import Instance, Pack, Record
from gateway.intake import Drain
from gateway.migrations import migrate
from gateway.objects import FolderStore
from gateway.originals import read_original
from gateway.runtime import Runtime, open_runtime
from gateway.settings import Settings
from gateway.signing import authority_certificate, signer_for
from tests.conftest import Clock
from tests.gateway.sending import Wire, open_wire
from tests.servers import Postgres

PASSPHRASE = "a long enough passphrase"
WANTED = Wanted(passphrase=PASSPHRASE, wait_filed_s=0)


@pytest.fixture(params=["sqlite", "postgresql"])
def new_installation(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock
) -> Iterator[Callable[[str], Runtime]]:
    """Makes installations with an empty database of one kind."""
    opened: list[Runtime] = []

    def make(name: str) -> Runtime:
        server: Postgres | None = (
            request.getfixturevalue("postgres") if request.param == "postgresql" else None
        )
        settings = Settings(
            data_dir=tmp_path / name, database_url=server.url() if server else None, pack_bytes=2000
        )
        opened.append(replace(open_runtime(settings), now=clock))
        return opened[-1]

    yield make
    for runtime in opened:
        runtime.journal.close()
        runtime.engine.dispose()


@pytest.fixture
def wire(new_installation: Callable[[str], Runtime], clock: Clock) -> Wire:
    """Two studies filed, one indexed and not filed yet, one accepted and not indexed yet."""
    runtime = new_installation("first")
    migrate(runtime.engine)
    wire = open_wire(runtime)
    wire.send(wire.image(patient_id="P1"), wire.image(patient_id="P2"))
    wire.index()
    clock.advance(minutes=1)
    Filing(runtime).file_ready()
    wire.send(wire.image(patient_id="P3"))
    wire.index()
    wire.send(wire.image(patient_id="P4"))
    return wire


def add_key(runtime: Runtime) -> bytes:
    """Few tests have keys: sealing is slow on purpose."""
    keys = runtime.settings.data_dir / "keys"
    keys.mkdir(mode=0o700)
    (keys / "passphrase").write_bytes(b"what the signing keys are encrypted with")
    return b"what the signing keys are encrypted with"


@pytest.fixture
def target(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "backups")


def quiet() -> Steps:
    return Steps(Console(file=io.StringIO()))


def back_up(wire: Wire, target: FolderStore, wanted: Wanted = WANTED) -> None:
    manifest = make_backup(wire.runtime, target, wanted, quiet())
    assert manifest.problems == ()


def restore(runtime: Runtime, target: FolderStore, passphrase: str = PASSPHRASE) -> Restored:
    return restore_backup(runtime, get_archive(target, None), passphrase, quiet())


def check(runtime: Runtime) -> tuple[bool, str]:
    said = io.StringIO()
    return run_check(runtime.settings, Console(file=said)), said.getvalue()


def originals(runtime: Runtime) -> dict[str, bytes]:
    with runtime.reading() as session:
        return {
            one.sop_instance_uid: read_original(runtime, one.record, offset=one.record.data_set_offset)
            for one in session.scalars(select(Instance))
        }


def test_with_its_originals_a_backup_becomes_the_same_installation_elsewhere(
    wire: Wire, target: FolderStore, new_installation: Callable[[str], Runtime]
):
    reviewer = wire.county.reviewer.id
    signer = signer_for(wire.runtime, reviewer, signed_at=wire.runtime.now())
    back_up(wire, target, replace(WANTED, originals=True))
    wire.index()
    expected = originals(wire.runtime)
    second = new_installation("second")

    restored = restore(second, target)
    Drain(second).index_new()

    assert restored.missing == ()
    assert originals(second) == expected
    assert len(expected) == 4
    sound, said = check(second)
    assert sound, said
    assert authority_certificate(second) == authority_certificate(wire.runtime)
    assert signer_for(second, reviewer, signed_at=second.now()).expires_at == signer.expires_at


def test_what_was_restored_is_filed_like_anything_else(
    wire: Wire, target: FolderStore, new_installation: Callable[[str], Runtime], clock: Clock
):
    back_up(wire, target, replace(WANTED, originals=True))
    second = new_installation("second")
    restore(second, target)
    clock.advance(minutes=1)

    Drain(second).index_new()
    Filing(second).file_ready()

    with second.reading() as session:
        assert session.scalar(select(func.count()).where(Record.pack_id.is_(None))) == 0
    sound, said = check(second)
    assert sound, said


def test_a_lost_database_alone_loses_nothing_that_the_journal_still_has(
    wire: Wire, target: FolderStore, new_installation: Callable[[str], Runtime], clock: Clock
):
    back_up(wire, target)
    wire.send(wire.image(patient_id="P5"))  # after the backup, and even filed
    wire.index()
    clock.advance(minutes=1)
    Filing(wire.runtime).file_ready()
    expected = originals(wire.runtime)
    wire.end_journal()
    lost = new_installation("other")
    same_place = replace(
        lost, settings=lost.settings.model_copy(update={"data_dir": wire.runtime.settings.data_dir})
    )
    if lost.engine.dialect.name == "sqlite":
        (wire.runtime.settings.data_dir / "gateway.sqlite3").unlink()
        wire.runtime.engine.dispose()
        same_place = replace(open_runtime(same_place.settings), now=clock)
    same_place = replace(same_place, objects=wire.runtime.objects)

    assert restore(same_place, target).missing == ()
    while Drain(same_place).index_new():
        pass

    assert originals(same_place) == expected
    assert len(expected) == 5
    same_place.engine.dispose()


def test_a_pack_that_was_filed_after_the_backup_is_never_overwritten_nor_removed(
    wire: Wire, target: FolderStore, new_installation: Callable[[str], Runtime], clock: Clock
):
    """Its rows were lost with the database; its members may lie nowhere else."""
    first = wire.runtime
    with first.sessions.begin() as session:  # as a drain that is putting it
        session.add(Pack(key="packs/announced.tar", size_bytes=5))
    back_up(wire, target)
    wire.send(wire.image(patient_id="P5"))
    wire.index()
    clock.advance(minutes=1)
    Filing(first).file_ready()
    first.objects.put("packs/announced.tar", io.BytesIO(b"whole"), 5)
    before = {key: first.objects.read(key) for key in first.objects.keys("packs/")}
    second = replace(new_installation("second"), objects=first.objects)

    restore(second, target)
    Drain(second).index_new()
    Filing(second).file_ready()

    after = {key: first.objects.read(key) for key in first.objects.keys("packs/")}
    assert {key: after.get(key) for key in before} == before
    assert len(after) > len(before)


def test_a_store_that_lost_a_pack_is_said_to_have(
    wire: Wire, target: FolderStore, new_installation: Callable[[str], Runtime]
):
    back_up(wire, target)
    second = new_installation("second")

    restored = restore(second, target)  # its store is empty, and the backup has no originals

    with wire.runtime.reading() as session:
        assert sorted(restored.missing) == sorted(session.scalars(select(Pack.key)))
    assert not check(second)[0]


def test_a_pack_that_is_gone_makes_an_unsound_backup(wire: Wire, target: FolderStore):
    with wire.runtime.reading() as session:
        key = session.scalars(select(Pack.key)).first()
    assert key is not None
    wire.runtime.objects.delete(key)

    manifest = make_backup(wire.runtime, target, WANTED, quiet())

    assert f"{key} is missing or of another size" in manifest.problems
    with wire.runtime.reading() as session:
        assert session.scalars(select(BackupRun.verified)).one() is False


def test_a_segment_that_goes_while_the_backup_is_made_is_in_it(
    wire: Wire, target: FolderStore, tmp_path: Path, clock: Clock
):
    """As if the drain filed and evicted between the snapshot and the copying."""
    runtime = replace(wire.runtime, settings=wire.runtime.settings.model_copy(update={"cache_bytes": 0}))

    class Evicting(FolderStore):
        def put(self, key, source, size):  # type: ignore[no-untyped-def]
            if key.endswith(("sqlite3", "pgdump")):
                wire.end_journal()
                clock.advance(minutes=1)
                wire.index()
                Filing(runtime).file_ready()
                assert not list(runtime.journal_dir.glob("*/*.seg"))
            super().put(key, source, size)

    manifest = make_backup(runtime, Evicting(tmp_path / "backups"), WANTED, quiet())

    assert manifest.problems == ()
    assert [part.name for part in manifest.parts if part.name.endswith(".seg")]


def test_keys_are_nowhere_in_plain_and_open_with_the_passphrase_only(
    wire: Wire, target: FolderStore, new_installation: Callable[[str], Runtime], tmp_path: Path
):
    secret = add_key(wire.runtime)
    back_up(wire, target)

    for path in (tmp_path / "backups").rglob("*"):
        assert not path.is_file() or secret not in path.read_bytes(), path
    with pytest.raises(WrongPassphrase):
        restore(new_installation("second"), target, "another passphrase")


def test_without_a_passphrase_keys_are_not_left_out_silently(wire: Wire, target: FolderStore):
    add_key(wire.runtime)

    with pytest.raises(NoPassphrase):
        make_backup(wire.runtime, target, replace(WANTED, passphrase=None), quiet())


def test_a_backup_is_restored_into_an_empty_database_only(wire: Wire, target: FolderStore):
    back_up(wire, target)

    with pytest.raises(CannotRestore, match="not empty"):
        restore(wire.runtime, target)


def test_a_backup_of_a_later_version_is_refused(
    wire: Wire, target: FolderStore, new_installation: Callable[[str], Runtime], tmp_path: Path
):
    back_up(wire, target)
    [path] = (tmp_path / "backups").rglob("manifest.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "revision": "9999"}))

    with pytest.raises(CannotRestore, match="later version"):
        restore(new_installation("second"), target)


def test_a_byte_that_changed_in_a_backup_is_found(wire: Wire, target: FolderStore, tmp_path: Path):
    back_up(wire, target)
    archive = get_archive(target, None)
    for part in archive.manifest().parts:
        path = tmp_path / "backups" / "backups" / archive.stamp / part.name
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        found = find_problems(
            archive, archive.manifest(), originals=wire.runtime.objects, passphrase=PASSPHRASE, work=tmp_path
        )
        assert found == [f"{part.name} is not what was backed up"]
        path.write_bytes(whole)


def test_settings_are_kept_without_their_secrets(wire: Wire, target: FolderStore, tmp_path: Path):
    runtime = replace(
        wire.runtime, settings=wire.runtime.settings.model_copy(update={"metrics_token": "a secret token"})
    )

    make_backup(runtime, target, WANTED, quiet())

    [kept] = (tmp_path / "backups").rglob("settings.toml")
    assert 'node = "local"' in kept.read_text()
    assert "a secret token" not in kept.read_text()


def test_a_pack_is_read_for_its_first_backup_only(wire: Wire, target: FolderStore, clock: Clock):
    back_up(wire, target)
    clock.advance(hours=1)
    read: list[str] = []

    class Watched(FolderStore):
        def chunks(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
            read.append(key)
            return super().chunks(key, offset=offset, length=length)

    watched = replace(wire.runtime, objects=Watched(Path(wire.runtime.settings.objects)))
    make_backup(watched, target, WANTED, quiet())

    assert read == []


def test_old_backups_go_and_the_newest_stay(wire: Wire, target: FolderStore, clock: Clock):
    for _ in range(3):
        back_up(wire, target)
        clock.advance(days=1)

    removed = remove_old(target, 2)

    assert len(removed) == 1
    assert list(target.keys(f"backups/{removed[0]}/")) == []
    assert get_archive(target, None).manifest().problems == ()


def test_the_backup_is_known_afterwards(wire: Wire, target: FolderStore):
    back_up(wire, target)

    with wire.runtime.reading() as session:
        run = session.scalars(select(BackupRun)).one()
        packs = session.scalar(select(func.count()).select_from(Pack))
    assert (run.verified, run.problems, run.packs) == (True, [], packs)
    assert packs
    assert run.size_bytes > 1000


def test_without_pg_dump_it_is_said_what_is_missing(
    wire: Wire, target: FolderStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    if wire.runtime.engine.dialect.name == "sqlite":
        pytest.skip("SQLite needs no program")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(DumpFailed, match="postgresql-client"):
        make_backup(wire.runtime, target, WANTED, quiet())
