"""Associations with real peers: rejections, limits, contexts, PDU lengths, negotiation, AE titles."""

import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import AsynchronousOperationsWindowNegotiation, UserIdentityNegotiation

from adapters.dicom.tally import SLOTS, Tally
from tests.adapters.dicom.memory import Server
from tests.conformance.peers import run_dcmtk

VERIFICATION, CT = "1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
CT_FILE = Path(str(get_testdata_file("CT_small.dcm")))


def associate(
    server: Server, *contexts: tuple[str, str], calling: str = "DEMO_CT", extra: Any = (), source: str = "",
    **entity_fields: Any,
) -> Association:  # fmt: skip
    entity = AE(ae_title=calling)
    entity.acse_timeout = entity.dimse_timeout = 20
    for name, value in entity_fields.items():
        setattr(entity, name, value)
    for abstract, syntax in contexts or ((VERIFICATION, IMPLICIT),):
        entity.add_requested_context(abstract, syntax)
    return entity.associate(
        "127.0.0.1", server.port, ae_title="GATEWAY", ext_neg=list(extra), bind_address=(source, 0)
    )


@pytest.mark.parametrize(
    ("titles", "words"),
    [
        ({"called": "ELSEWHERE"}, "Called AE Title Not Recognized"),
        ({"calling": "STRANGER"}, "Calling AE Title Not Recognized"),
    ],
)
def test_dcmtk_hears_which_title_is_unknown(server: Server, titles: dict[str, str], words: str):
    server.directory.devices = {"DEMO_CT": {"device_id": "ct"}}

    said = run_dcmtk("echoscu", server.port, **titles)

    assert words in said
    assert "Rejected Permanent" in said


def associate_in_vain(server: Server, *contexts: tuple[str, str], **options: Any) -> Association:
    """An association that is rejected; asked for again where pynetdicom lost the answer on its way through its queue."""
    for _ in range(3):
        association = associate(server, *contexts, **options)
        assert not association.is_established
        if association.is_rejected:
            break
    return association


def rejection(association: Association) -> tuple[int, int, int]:
    assert association.is_rejected
    answer = association.acceptor.primitive
    assert answer is not None
    return answer.result, answer.result_source, answer.diagnostic


def test_over_the_limit_is_transient_and_passes():
    with Server(max_associations=2) as server:
        first, second = associate(server), associate(server)

        assert rejection(associate_in_vain(server)) == (2, 3, 2)
        first.release()
        third = associate(server)
        assert third.is_established
        second.release()
        third.release()


def test_a_device_is_limited_from_wherever_it_calls_and_others_are_not():
    with Server(max_associations_per_peer=1) as server:
        server.directory.devices = {"CT1": {"device_id": "ct1"}, "CT2": {"device_id": "ct2"}}
        first = associate(server, calling="CT1")

        assert rejection(associate_in_vain(server, calling="CT1", source="127.0.0.2")) == (2, 3, 2)
        other = associate(server, calling="CT2")
        assert other.is_established
        [noted] = server.intake.noted("dicom.rejection")
        assert (noted["cause"], noted["device_id"]) == ("limit_of_device", "ct1")
        first.release()
        other.release()


def test_where_no_device_is_known_its_address_is_limited():
    with Server(max_associations_per_peer=1) as server:
        server.directory.devices = {None: {"device_id": None, "institution_id": None}}
        first = associate(server, calling="A")

        assert rejection(associate_in_vain(server, calling="B")) == (2, 3, 2)
        elsewhere = associate(server, calling="B", source="127.0.0.2")
        assert elsewhere.is_established
        first.release()
        elsewhere.release()


def test_limits_hold_over_all_processes_that_accept_from_a_port():
    tally = Tally(processes=2)
    servers = [Server(max_associations=2), Server(max_associations=2)]
    with ExitStack() as stack:
        for number, server in enumerate(servers):
            server.tally = tally.of(number)
            stack.enter_context(server)
        first, second = (associate(server) for server in servers)
        assert rejection(associate_in_vain(servers[0])) == (2, 3, 2)
        second.release()
        third = associate(servers[0])
        assert third.is_established
        first.release()
        third.release()


def test_a_process_that_was_started_again_counts_from_zero():
    tally = Tally(processes=2)
    first, second = tally.of(0), tally.of(1)
    first.add("ct")
    second.add("ct")
    assert (first.total(), second.of("ct")) == (2, 2)

    again = tally.of(1)

    assert (again.total(), again.of("ct"), again.of("dr")) == (1, 1, 0)
    assert SLOTS > 200 * 100


def test_good_contexts_stay_usable_beside_bad_ones(server: Server):
    association = associate(
        server,
        (CT, "1.2.3.4.5"),
        ("1.2.840.10008.5.1.4.31", IMPLICIT),
        (CT, EXPLICIT),
        (VERIFICATION, IMPLICIT),
    )

    assert [context.result for context in association.rejected_contexts] == [4, 3]
    assert association.send_c_store(CT_FILE).Status == 0
    assert association.send_c_echo().Status == 0
    association.release()


@pytest.mark.parametrize("limit", [0, 4096, 4097, 16384, 131072])
def test_every_limit_of_pynetdicom_is_kept(server: Server, limit: int):
    association = associate(server, (CT, EXPLICIT), maximum_pdu_size=limit)

    assert association.send_c_store(CT_FILE).Status == 0
    association.release()
    assert len(server.intake.records) == 1


@pytest.mark.parametrize("limit", ["4096", "16384", "131072"])
def test_dcmtk_sends_as_it_likes(server: Server, limit: str):
    assert "Received Store Response (Success)" in run_dcmtk(
        "storescu", server.port, "--max-pdu", limit, CT_FILE
    )


def test_an_asynchronous_window_is_never_promised(server: Server):
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = 8
    window.maximum_number_operations_performed = 8

    association = associate(server, extra=[window])

    assert association.acceptor.asynchronous_operations == (1, 1)
    assert association.send_c_echo().Status == 0
    association.release()


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5], ids=["name", "password", "Kerberos", "SAML", "JWT"])
def test_user_identity_of_any_kind_is_read_past(server: Server, kind: int):
    identity = UserIdentityNegotiation()
    identity.user_identity_type = kind
    identity.primary_field = b"user"
    identity.secondary_field = b"word" if kind == 2 else b""
    identity.positive_response_requested = True

    association = associate(server, extra=[identity])

    assert association.is_established
    assert association.acceptor.user_identity is None
    assert association.send_c_echo().Status == 0
    association.release()


def test_an_inner_blank_belongs_to_a_title_outer_ones_do_not(server: Server):
    server.directory.devices = {"CT ROOM 1": {"device_id": "ct"}}

    association = associate(server, calling=" CT ROOM 1 ")

    assert association.is_established
    association.release()


def test_a_connection_that_is_reset_while_it_sends_leaves_nothing(server: Server):
    association = associate(server, (CT, EXPLICIT))
    data_set = dcmread(CT_FILE)
    connection = association.dul.socket.socket
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    association.dul.socket.send(b"\x04\0\0\0\x20\0" + bytes(100) + data_set.PixelData[:100])
    association.abort()

    assert not server.intake.records
    assert associate(server).is_established
