"""Real senders against the acceptor: dcmtk's programs, pynetdicom, our own client; plain and over TLS."""

import socket
import threading
from io import BytesIO
from pathlib import Path

import pydicom.data
import pytest
from pydicom import dcmread
from pydicom.filereader import _read_file_meta_info, read_preamble
from pynetdicom import AE, AllStoragePresentationContexts, build_context, evt
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation, UserIdentityNegotiation

from adapters.dicom import scu
from adapters.dicom.transfer_syntaxes import ENCODINGS
from adapters.errors import Malformed, PeerRejected, PeerUnreachable, Unavailable
from tests.adapters.dicom.memory import Server
from tests.adapters.dicom.wire import Peer
from tests.samples import samples_dir


def test_echoscu_is_answered(server, dcmtk):
    done = dcmtk("echoscu")

    assert done.returncode == 0, done.stderr
    assert server.acceptor.counters.echoes == 1


def test_echoscu_with_a_wrong_title_hears_why(dcmtk):
    done = dcmtk("echoscu", called="NOBODY")

    assert done.returncode != 0
    assert "Called AE Title Not Recognized" in done.stderr + done.stdout


def test_storescu_stores_a_file_that_reads_back_as_sent(server, dcmtk, ct):
    done = dcmtk("storescu", "-R", ct)

    assert done.returncode == 0, done.stderr
    [record] = server.intake.records
    kept, sent = dcmread(BytesIO(record.payload)), dcmread(ct)
    del sent[0xFFFC, 0xFFFC]  # storescu does not send the padding
    assert list(kept) == list(sent)
    assert kept.file_meta.MediaStorageSOPInstanceUID == sent.SOPInstanceUID
    assert kept.file_meta.SourceApplicationEntityTitle == "DEMO_CT"


@pytest.mark.parametrize(
    "options", [("-xi",), ("-xe",), ("-xb",), ("-xd",), ("-pdu", "4096"), ("--max-send-pdu", "131072")]
)
def test_storescu_may_propose_and_cut_as_it_likes(server, dcmtk, ct, options):
    done = dcmtk("storescu", "-R", *options, ct)

    assert done.returncode == 0, done.stderr
    assert (
        dcmread(BytesIO(server.intake.records[0].payload)).pixel_array.sum() == dcmread(ct).pixel_array.sum()
    )


def test_storescu_hears_that_there_is_no_room(server, dcmtk, ct):
    server.intake.open_error = Unavailable("journal is full")

    done = dcmtk("storescu", "-v", ct)

    assert "Refused: OutOfResources" in done.stderr + done.stdout


def test_four_senders_at_once_on_the_other_event_loop(ct):
    with Server(on_uvloop=False) as server:
        senders = [threading.Thread(target=scu.store, args=([ct] * 25, "127.0.0.1", server.port),
                                    kwargs={"calling_ae_title": f"S{n}", "called_ae_title": "GATEWAY"})
                   for n in range(4)]  # fmt: skip
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        assert len(server.intake.records) == 100
        assert server.acceptor.counters.associations_open == 0


def test_pynetdicom_proposes_everything_and_is_accepted(server):
    entity = AE(ae_title="DEMO_CT")
    user = UserIdentityNegotiation()
    user.user_identity_type, user.primary_field, user.positive_response_requested = 1, b"somebody", True
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid, role.scu_role, role.scp_role = (
        AllStoragePresentationContexts[0].abstract_syntax,
        True,
        True,
    )
    contexts = [
        build_context(context.abstract_syntax, list(ENCODINGS)[:40])
        for context in AllStoragePresentationContexts
    ]

    association = entity.associate(
        "127.0.0.1", server.port, contexts=contexts[:128], ae_title="GATEWAY", ext_neg=[user, role]
    )

    assert association.is_established
    assert len(association.accepted_contexts) == 128
    assert not association.accepted_contexts[0].as_scp
    association.release()
    assert association.is_released


CUT_SHORT = ("MR_truncated.dcm", "rtplan_truncated.dcm")
IMPLICIT_IN_EXPLICIT = "SC_rgb_jpeg.dcm"  # its data set is not written as its transfer syntax says


def test_pydicoms_test_files_are_kept_byte_for_byte(server):
    statuses: dict[str, int] = {}
    for path in sorted((Path(pydicom.data.__file__).parent / "test_files").rglob("*.dcm")):
        part10 = _split(path)
        if part10 is None:
            continue
        statuses[path.name] = _store_raw(server, *part10)
        if statuses[path.name] == 0:
            assert server.intake.records[-1].data_set == part10[3], path.name

    refused = {name for name, status in statuses.items() if status == 0xC000}
    assert refused == {*CUT_SHORT, IMPLICIT_IN_EXPLICIT}
    assert {status for status in statuses.values() if status not in (0, 0xA900, 0x0122, 0xC000)} == set()
    assert list(statuses.values()).count(0) > 50


@pytest.mark.samples
def test_dcmsend_delivers_the_sample_collection(server, dcmtk):
    folder = samples_dir() / "dicom"

    done = dcmtk("dcmsend", "+sd", "+r", "-nh", "-nuc", "-dn", folder)

    refusals = [f"{one['status']} {one['comment']}" for one in server.intake.noted("dicom.refusal")]
    assert len(server.intake.records) + len(refusals) >= 110, done.stdout + done.stderr
    assert len(server.intake.records) >= 110, refusals
    for record in server.intake.records:
        assert dcmread(BytesIO(record.payload)).SOPInstanceUID.rstrip() == record.origin["sop_instance_uid"]


def test_our_client_echoes_and_stores(server, ct):
    scu.echo("127.0.0.1", server.port, called_ae_title="GATEWAY")

    [result] = scu.store(
        [ct], "127.0.0.1", server.port, calling_ae_title="DEMO_CT", called_ae_title="GATEWAY"
    )

    assert result.accepted
    assert server.acceptor.counters.echoes == 1
    assert server.intake.records[0].data_set == _split(ct)[3]


def test_our_client_promises_nothing_that_it_does_not_do():
    """No asynchronous operations, no roles, no user identity (PS3.7 D.3.3.3, D.3.3.4, D.3.3.7)."""
    asked: list[set[str]] = []

    def requested(event: evt.Event) -> None:
        asked.append({type(item).__name__ for item in event.assoc.requestor.primitive.user_information})

    entity = AE(ae_title="PEER")
    entity.add_supported_context("1.2.840.10008.1.1")
    handlers = [(evt.EVT_REQUESTED, requested), (evt.EVT_C_ECHO, lambda _: 0)]
    peer = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        scu.echo("127.0.0.1", peer.server_address[1], called_ae_title="PEER")
    finally:
        peer.shutdown()

    assert asked == [
        {
            "MaximumLengthNotification",
            "ImplementationClassUIDNotification",
            "ImplementationVersionNameNotification",
        }
    ]


def test_our_client_tells_its_errors_apart(server, ct, tmp_path):
    with pytest.raises(PeerRejected):
        scu.echo("127.0.0.1", server.port, called_ae_title="NOBODY")
    with pytest.raises(PeerUnreachable):
        scu.echo("127.0.0.1", _closed_port(), timeout_s=2)
    (tmp_path / "note.dcm").write_text("no DICOM")
    with pytest.raises(Malformed):
        scu.store(
            [tmp_path / "note.dcm"], "127.0.0.1", server.port, calling_ae_title="A", called_ae_title="GATEWAY"
        )
    server.intake.open_error = Unavailable("journal is full")
    [result] = scu.store([ct], "127.0.0.1", server.port, calling_ae_title="A", called_ae_title="GATEWAY")
    assert (result.accepted, result.status, result.comment) == (False, 0xA700, "journal is full")


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _split(path: Path) -> tuple[str, str, str, bytes] | None:
    """SOP class, instance, transfer syntax and data set of a file; None when its meta does not name them."""
    with path.open("rb") as file:
        if read_preamble(file, force=True) is None:
            return None
        meta = _read_file_meta_info(file)
        data_set = file.read()
    names = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")
    if not all(meta.get(name) for name in names) or meta.TransferSyntaxUID not in ENCODINGS:
        return None
    sop_class, instance, syntax = (str(meta[name].value) for name in names)
    return sop_class, instance, syntax, data_set


def _store_raw(server: Server, sop_class: str, instance: str, syntax: str, data_set: bytes) -> int:
    """Store a data set over an association of its own; the status, 0122 when its class is not negotiated."""
    with Peer(server.connect()) as peer:
        results = peer.associate(contexts=((1, sop_class, (syntax,)),))
        if results[1][0] != 0:
            return 0x0122
        return peer.store(data_set, context=1, sop_class=sop_class, instance=instance).status
