"""C-STORE and C-ECHO: what is kept, what is refused and how."""

import resource
import struct
import zlib
from datetime import UTC, datetime
from io import BytesIO

import pytest
from pydicom import dcmread

from adapters.errors import Unavailable
from tests.adapters.dicom import wire
from tests.adapters.dicom.memory import Server
from tests.adapters.dicom.wire import CT, INSTANCE, MR, Peer, p_data, pdv


@pytest.fixture
def peer(server):
    with Peer(server.connect()) as connected:
        connected.associate()
        yield connected


def test_instance_is_kept_as_a_file_with_its_origin(server, peer):
    data_set = wire.ct_data_set()

    answer = peer.store(data_set, message_id=77)

    assert (answer.status, answer.field, answer.message_id) == (0, 0x8001, 77)
    assert (answer.comment, answer.offending, answer.sop_instance_uid) == ("", None, INSTANCE)
    [record] = server.intake.records
    assert record.kind == "dicom.instance"
    assert record.data_set == data_set
    kept = dcmread(BytesIO(record.payload))
    assert kept.file_meta.TransferSyntaxUID == wire.EXPLICIT
    assert kept.file_meta.FileMetaInformationGroupLength == record.origin["data_set_offset"] - 144
    assert record.origin.pop("data_set_offset") > 144
    assert len(record.origin.pop("association_id")) == 32
    assert (
        abs((datetime.now(UTC) - datetime.fromisoformat(record.origin.pop("received_at"))).total_seconds())
        < 60
    )
    assert record.origin == {
        "device_id": "d1",
        "institution_id": "township",
        "calling_ae_title": "DEMO_CT",
        "called_ae_title": "GATEWAY",
        "peer_address": "127.0.0.1",
        "implementation_version_name": "HANDMADE",
        "transfer_syntax_uid": wire.EXPLICIT,
        "sop_class_uid": CT,
        "sop_instance_uid": INSTANCE,
    }
    counters = server.acceptor.counters
    assert (counters.instances, counters.bytes, dict(counters.refusals)) == (1, len(data_set), {})


REFUSALS = [
    ("class of another context", {"sop_class": MR}, {}, 0x0122, (0, 2)),
    ("no class", {"sop_class": ""}, {}, 0x0122, (0, 2)),
    ("UID with a blank inside", {"instance": "1.2 3"}, {}, 0x0117, (0, 0x1000)),
    ("no UID", {"instance": ""}, {}, 0x0117, (0, 0x1000)),
    ("UID of 65 characters", {"instance": "1." + "2" * 63}, {}, 0x0117, (0, 0x1000)),
    ("UID with a quote", {"instance": "1.2'3"}, {}, 0x0117, (0, 0x1000)),
    ("other instance in the data set", {"instance": "1.2.3"}, {}, 0xA900, (8, 0x18)),
    ("other class in the data set", {}, {"sop_class": MR}, 0xA900, (8, 0x16)),
    ("no class in the data set", {}, {"sop_class": None}, 0xA900, (8, 0x16)),
    ("no instance in the data set", {}, {"instance": None}, 0xA900, (8, 0x18)),
]


@pytest.mark.parametrize(
    ("request_fields", "data_set_fields", "status", "offending"),
    [case[1:] for case in REFUSALS],
    ids=[case[0] for case in REFUSALS],
)
def test_refusal_names_its_reason(server, peer, request_fields, data_set_fields, status, offending):
    answer = peer.store(wire.ct_data_set(**data_set_fields), **request_fields)

    assert (answer.status, answer.offending) == (status, offending)
    assert 0 < len(answer.comment) <= 64
    assert server.intake.records == []
    [noted] = server.intake.noted("dicom.refusal")
    assert (noted["status"], noted["comment"]) == (f"{status:04X}", answer.comment)
    assert server.acceptor.counters.refusals == {f"{status:04X}": 1}
    assert peer.store(wire.ct_data_set()).status == 0  # the association goes on


def test_device_without_leave_to_store_is_told_so(server):
    server.directory.devices[None]["storage_allowed"] = False
    with Peer(server.connect()) as peer:
        peer.associate()
        assert peer.store(wire.ct_data_set()).status == 0x0124
        assert peer.echo().status == 0


@pytest.mark.parametrize("where", ["open", "meta", "middle", "commit"])
def test_no_room_is_a700_and_passes(server, peer, where):
    if where == "open":
        server.intake.open_error = Unavailable("journal is full")
    elif where == "commit":
        server.intake.commit_error = Unavailable("journal cannot be synced")
    else:
        server.intake.room = 10 if where == "meta" else 20_000

    answer = peer.store(wire.ct_data_set(pixels=40_000))

    assert answer.status == 0xA700
    assert answer.comment.startswith("journal")
    assert not server.intake.open_entries
    server.intake.open_error = server.intake.commit_error = None
    server.intake.room = 1 << 40
    assert peer.store(wire.ct_data_set()).status == 0


def test_unforeseen_failure_is_try_again_and_says_nothing_of_itself(server, peer):
    server.intake.commit_error = ZeroDivisionError("secret detail")

    answer = peer.store(wire.ct_data_set())

    assert answer.status == 0xA700
    assert "secret" not in answer.comment


def test_notes_that_cannot_be_kept_do_not_stand_in_the_way(server):
    server.intake.notes = None
    with Peer(server.connect()) as peer:
        peer.associate()
        assert peer.store(wire.ct_data_set(), sop_class=MR).status == 0x0122
        assert peer.store(wire.ct_data_set()).status == 0
        peer.release()


def test_every_truncation_of_a_data_set_is_not_understood(server, peer):
    data_set = wire.ct_data_set(pixels=20)
    whole = {len(data_set)}
    position = 0
    while position < len(data_set):  # where an element ends, what came is a data set
        vr, short = struct.unpack_from("<2sH", data_set, position + 4)
        position += 12 + struct.unpack_from("<I", data_set, position + 8)[0] if vr == b"OW" else 8 + short
        whole.add(position)

    for cut in range(1, len(data_set)):
        answer = peer.store(data_set[:cut])
        if cut in whole:
            assert answer.status in (0, 0xA900)
        else:
            assert (answer.status, "cut short" in answer.comment) == (0xC000, True), cut


@pytest.mark.parametrize(
    ("data_set", "words"),
    [
        (b"MSH|^~\\&|this is no data set at all|", "no value representation at"),
        (wire.element(8, 0x16, b"1.2.840.10008.5.1.4.1.1.2\0"), "no value representation at (0008,0016)"),
        (wire.explicit(2, 0x10, "UI", b"1.2") + wire.ct_data_set(), "not part of a data set: (0002,0010)"),
        (wire.command((2, b"1.2\0")) + wire.ct_data_set(), ""),
        (wire.ct_data_set(pixels=100)[:-30], "cut short, 30 bytes missing in (7FE0,0010)"),
    ],
)
def test_what_does_not_parse_is_not_understood(peer, data_set, words):
    answer = peer.store(data_set)

    assert answer.status == 0xC000
    assert words in answer.comment


def test_store_without_data_set_is_not_understood(peer):
    peer.send(p_data(3, 3, wire.store_rq(data_set=0x101)))

    assert peer.read_answer().status == 0xC000


def test_study_and_series_uids_are_no_reason_to_refuse(peer):
    data_set = wire.explicit(8, 0x16, "UI", CT.encode()) + wire.explicit(8, 0x18, "UI", INSTANCE.encode())

    assert peer.store(data_set).status == 0
    assert peer.store(data_set + wire.explicit(0x20, 0xD, "UI", b"not a uid")).status == 0


@pytest.mark.parametrize("padding", [b"\0", b" ", b"\0\0\0", b"  "])
def test_padding_of_uids_and_leading_zeros_are_borne(peer, padding):
    instance = "1.2.003.4"
    data_set = wire.explicit(8, 0x16, "UI", CT.encode()) + wire.explicit(
        8, 0x18, "UI", instance.encode() + padding
    )

    assert peer.store(data_set, instance=instance).status == 0


@pytest.mark.parametrize("padding", ["\0", " ", "\0\0\0"])
def test_padding_of_the_uid_that_the_request_names_is_borne(peer, padding):
    answer = peer.store(wire.ct_data_set(), instance=INSTANCE + padding)

    assert (answer.status, answer.sop_instance_uid) == (0, INSTANCE)


@pytest.mark.parametrize("instance", ["1.2\\1.3", "1.2/3", "1.2\r3"])
def test_what_names_nothing_is_refused_even_when_the_data_set_says_the_same(server, peer, instance):
    assert peer.store(wire.ct_data_set(instance=instance), instance=instance).status == 0x0117
    assert server.intake.records == []


def test_zero_bytes_after_the_last_element_are_kept(server, peer):
    data_set = wire.ct_data_set() + bytes(3)

    assert peer.store(data_set).status == 0
    assert server.intake.records[0].data_set == data_set


def test_deflated_data_set_is_checked_and_kept_deflated(server, peer):
    deflate = zlib.compressobj(wbits=-15)
    deflated = deflate.compress(wire.ct_data_set()) + deflate.flush()

    assert peer.store(deflated, context=7).status == 0
    assert server.intake.records[0].data_set == deflated
    assert peer.store(deflated + b"\0", context=7).status == 0
    assert "deflated stream does not end" in peer.store(deflated[:-4], context=7).comment
    assert "does not inflate" in peer.store(b"\xff" * 50, context=7).comment


def test_deflated_data_set_that_says_too_little_is_not_understood(peer):
    deflate = zlib.compressobj(wbits=-15)
    deflated = deflate.compress(wire.ct_data_set()[:-10]) + deflate.flush()

    assert "10 bytes missing in (7FE0,0010)" in peer.store(deflated, context=7).comment


@pytest.mark.parametrize("field", [0x10, 0x20, 0x21, 0x100, 0x110, 0x120, 0x130, 0x140, 0x150])
def test_other_operations_are_not_recognized(peer, field):
    request = wire.command(
        (2, wire.even(CT)), (0x100, wire.us(field)), (0x110, wire.us(5)), (0x800, wire.us(0))
    )
    peer.send(p_data(3, 3, request), p_data(3, 2, b"an identifier that nobody reads"))

    answer = peer.read_answer()

    assert (answer.status, answer.field, answer.message_id) == (0x0211, field | 0x8000, 5)
    assert peer.echo().status == 0


def test_cancel_has_no_answer(peer):
    peer.send(
        p_data(3, 3, wire.command((0x100, wire.us(0xFFF)), (0x120, wire.us(1)), (0x800, wire.us(0x101))))
    )

    assert peer.echo().field == 0x8030


def test_echo_of_another_class_is_not_supported(peer):
    peer.send(
        p_data(
            1,
            3,
            wire.command(
                (2, wire.even(CT)), (0x100, wire.us(0x30)), (0x110, wire.us(1)), (0x800, wire.us(0x101))
            ),
        )
    )

    assert peer.read_answer().status == 0x0122


def test_unknown_storage_class_is_taken_only_when_switched_on():
    private, unknown = "1.2.826.0.1.99.1", "1.2.840.10008.5.1.4.1.1.99999"
    contexts = (
        (1, private, (wire.EXPLICIT,)),
        (3, unknown, (wire.EXPLICIT,)),
        (5, "1.2.840.10008.3.9", (wire.EXPLICIT,)),
    )
    for switched_on, expected in ((False, [3, 3, 3]), (True, [0, 0, 3])):
        with Server(accept_unknown_storage=switched_on) as server, Peer(server.connect()) as peer:
            results = peer.associate(contexts=contexts)
            assert [results[number][0] for number in (1, 3, 5)] == expected
            if switched_on:
                answer = peer.store(wire.ct_data_set(sop_class=private), context=1, sop_class=private)
                assert answer.status == 0


def test_large_instance_never_needs_its_size_in_memory():
    megabytes = 300
    run = bytes(131_072 - 6)
    start = wire.explicit(8, 0x16, "UI", CT.encode()) + wire.explicit(8, 0x18, "UI", INSTANCE.encode())
    fragments = megabytes * (1 << 20) // len(run)
    pixel_header = struct.pack("<HH2sxxI", 0x7FE0, 0x10, b"OW", fragments * len(run))
    with Server() as server, Peer(server.connect()) as peer:
        server.intake.keeps_payloads = False
        peer.associate()
        peer.store(wire.ct_data_set())
        before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peer.send(p_data(3, 3, wire.store_rq()), p_data(3, 0, start + pixel_header))
        fragment = wire.pdu(4, pdv(3, 0, run))
        for _ in range(fragments):
            peer.send(fragment)
        peer.send(p_data(3, 2, b""))

        assert peer.read_answer().status == 0
        assert server.acceptor.counters.bytes > megabytes * 1_000_000
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 20_000


def test_small_fragments_are_handed_on_in_larger_runs(server, peer):
    data_set = wire.ct_data_set(pixels=400_000)
    fragments = [data_set[start : start + 1000] for start in range(0, len(data_set), 1000)]
    stream = b"".join(p_data(3, 2 if part is fragments[-1] else 0, part) for part in fragments)
    peer.send(p_data(3, 3, wire.store_rq()) + stream)

    assert peer.read_answer().status == 0
    assert server.intake.records[0].data_set == data_set
    assert server.intake.writes < len(fragments) / 2
