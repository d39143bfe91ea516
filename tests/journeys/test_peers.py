"""Every kind of sender, well and badly behaved, against a gateway that runs: each is answered clearly, the next is served."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage, MRImageStorage, Verification  # type: ignore[attr-defined]
from sqlalchemy import func, select

from gateway.index import Instance, Record, RecordState, Refusal
from tests.adapters.dicom.wire import Peer, ct_data_set, p_data, store_rq
from tests.conformance.peers import reactor_held
from tests.gateway.sending import encode
from tests.journeys.gateways import Gateway, run_dcmtk, wait_for
from tests.synthetic import make_images, new_uid, split_file, write_study

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-peers"), pytest.mark.timeout(1800)]


@pytest.fixture
def next_study(gateway: Gateway, tmp_path: Path) -> Callable[[], None]:
    """That a good study, sent now, arrives whole."""

    def send() -> None:
        files = write_study(tmp_path / new_uid(), 3, patient_id=f"NEXT-{new_uid()[-8:]}")
        done = run_dcmtk("storescu", gateway.dicom_port, *files, options=["-R"])
        assert done.returncode == 0, done.stdout
        assert_indexed(gateway, files)

    return send


def assert_indexed(gateway: Gateway, files: list[Path]) -> None:
    uids = [split_file(path)[1] for path in files]
    gateway.wait_until_drained()
    with gateway.session() as session:
        found = session.scalars(select(Instance.sop_instance_uid).where(Instance.sop_instance_uid.in_(uids)))
        assert sorted(found) == sorted(uids)


def refusals(gateway: Gateway) -> int:
    with gateway.session() as session:
        return session.scalar(select(func.count(Refusal.id))) or 0


def wait_for_refusal(gateway: Gateway, before: int) -> Refusal:
    """The refusal that people will see; it reaches the database behind the next group commit."""

    def newest() -> Refusal | None:
        with gateway.session() as session:
            rows = session.scalars(select(Refusal).order_by(Refusal.refused_at)).all()
        return rows[-1] if len(rows) > before else None

    found = wait_for(newest, 10, "the refusal is shown", gateway.log)
    assert found is not None
    return found


def test_echoscu_is_answered(gateway: Gateway) -> None:
    assert run_dcmtk("echoscu", gateway.dicom_port).returncode == 0


@pytest.mark.parametrize("program", ["storescu", "dcmsend"])
def test_a_study_from_dcmtk_arrives_with_the_bytes_that_were_sent(
    gateway: Gateway, tmp_path: Path, program: str
) -> None:
    files = write_study(tmp_path, 5, patient_id=f"P-{program}")

    done = run_dcmtk(program, gateway.dicom_port, *files)

    assert done.returncode == 0, done.stdout
    assert_indexed(gateway, files)


def test_a_study_from_pynetdicom_arrives(gateway: Gateway, tmp_path: Path) -> None:
    files = write_study(tmp_path, 5, patient_id="P-PYNETDICOM")
    sender = AE(ae_title="DEMO_CT")
    sender.add_requested_context(CTImageStorage, "1.2.840.10008.1.2.1")
    sender.add_requested_context(Verification)

    association = sender.associate("127.0.0.1", gateway.dicom_port, ae_title="GATEWAY")
    assert association.is_established
    with reactor_held(association):
        statuses = [association.send_c_store(path).Status for path in files]
        assert association.send_c_echo().Status == 0
    association.release()

    assert statuses == [0] * 5
    assert_indexed(gateway, files)


def test_an_unknown_device_is_turned_away_with_the_reason(
    gateway: Gateway, next_study: Callable[[], None]
) -> None:
    before = refusals(gateway)

    done = run_dcmtk("echoscu", gateway.dicom_port, calling="NOBODY")

    assert done.returncode != 0
    assert "Calling AE Title Not Recognized" in done.stdout
    shown = wait_for_refusal(gateway, before)
    assert (shown.what, shown.calling_ae_title) == ("association", "NOBODY")
    next_study()


def test_a_truncated_data_set_is_not_kept(gateway: Gateway, next_study: Callable[[], None]) -> None:
    before = refusals(gateway)
    uid = new_uid()
    whole = ct_data_set(instance=uid, pixels=5000)
    with connect(gateway) as peer:
        peer.associate()
        answer = peer.store(whole[:-777], instance=uid)
        assert (answer.status, bool(answer.comment)) == (0xC000, True)
        assert peer.echo().status == 0  # the same association goes on
        peer.release()
    shown = wait_for_refusal(gateway, before)
    assert shown.sop_instance_uid == uid
    assert shown.institution_id is not None
    assert not is_known(gateway, uid)
    next_study()


@pytest.mark.parametrize("missing", ["sop_class", "instance"])
def test_a_data_set_without_its_sop_uids_is_refused_in_words(
    gateway: Gateway, next_study: Callable[[], None], missing: str
) -> None:
    uid = new_uid()
    fields = {"sop_class": "1.2.840.10008.5.1.4.1.1.2", "instance": uid, missing: None}
    with connect(gateway) as peer:
        peer.associate()
        answer = peer.store(ct_data_set(**fields), instance=uid)  # type: ignore[arg-type]
        peer.release()
    assert answer.status in (0xA900, 0xC000)
    assert "missing" in answer.comment.lower() or "no " in answer.comment.lower()
    assert not is_known(gateway, uid)
    next_study()


def test_a_data_set_of_another_class_than_the_request_is_refused(
    gateway: Gateway, next_study: Callable[[], None], tmp_path: Path
) -> None:
    """pynetdicom builds the request from the data set, so its command is changed on the way."""
    [image] = make_images(1, patient_id="P-CONTRADICTS")
    uid = str(image.SOPInstanceUID)
    image.SOPClassUID = MRImageStorage
    with connect(gateway) as peer:
        peer.associate()
        answer = peer.store(encode(image), instance=uid)
        peer.release()
    assert (answer.status, answer.offending) == (0xA900, (0x0008, 0x0016))
    assert not is_known(gateway, uid)
    next_study()


def test_a_text_file_on_the_dicom_port_is_aborted_not_endured(
    gateway: Gateway, next_study: Callable[[], None]
) -> None:
    with socket.create_connection(("127.0.0.1", gateway.dicom_port), timeout=10) as connection:
        connection.sendall("检查所见:双肺野清晰。\r\n".encode() * 500)
        answer = connection.recv(64)
        assert answer[:1] == b"\x07", answer  # A-ABORT (PS3.8 9.3.8)
    next_study()


def test_a_cut_line_leaves_nothing_half_kept(gateway: Gateway, next_study: Callable[[], None]) -> None:
    uid = new_uid()
    data_set = ct_data_set(instance=uid, pixels=40_000)
    with connect(gateway) as peer:
        peer.associate()
        peer.send(p_data(3, 3, store_rq(instance=uid)), p_data(3, 0, data_set[:16_000]))
    next_study()
    assert not is_known(gateway, uid)


def test_the_installation_is_sound_after_all_of_them(gateway: Gateway) -> None:
    gateway.wait_until_drained()
    with gateway.session() as session:
        assert not session.scalars(select(Record).where(Record.state == RecordState.QUARANTINED)).all()
    done = gateway.check()
    assert done.returncode == 0, done.stdout


def connect(gateway: Gateway) -> Peer:
    return Peer(socket.create_connection(("127.0.0.1", gateway.dicom_port), timeout=10))


def is_known(gateway: Gateway, sop_instance_uid: str) -> bool:
    """Whether anything of it was kept: as an instance, or held."""
    gateway.wait_until_drained()
    with gateway.session() as session:
        records = session.scalars(select(Record).where(Record.kind == "dicom.instance"))
        return any(record.origin.get("sop_instance_uid") == sop_instance_uid for record in records)
