"""PS3.8 9.2 by a model: whatever order a peer sends things in, it hears what the state table says, and no more."""

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.adapters.dicom import wire
from tests.adapters.dicom.memory import Server
from tests.adapters.dicom.wire import Peer, p_data, pdu

ACCEPT, REJECT, DATA, RELEASE_RQ, RELEASE_RP, ABORT = 2, 3, 4, 5, 6, 7
BY_USER, BY_PROVIDER = 0, 2  # source of an A-ABORT, PS3.8 9.3.8
REQUEST = pdu(RELEASE_RQ, bytes(4))


class Acceptance(RuleBasedStateMachine):
    """A peer that knows which of its steps are right, and takes the others as well."""

    @initialize()
    def listen(self) -> None:
        self.server = Server(artim_s=20.0, idle_timeout_s=20.0)
        self.server.__enter__()
        self.kept = 0
        self.connect()

    def connect(self) -> None:
        self.peer = Peer(self.server.connect())
        self.associated = False
        self.pending: bytes | None = None  # the rest of a data set whose C-STORE-RQ was sent
        self.ended = False

    def hears_abort(self, source: int) -> None:
        kind, body = self.peer.read_pdu()
        assert (kind, body[2:3]) == (ABORT, bytes([source])), (kind, body)
        self.ended = True

    @precondition(lambda self: self.ended)
    @rule()
    def come_again(self) -> None:
        self.peer.connection.close()
        self.connect()

    @precondition(lambda self: not self.ended)
    @rule(called=st.sampled_from([b"GATEWAY", b"NOBODY"]))
    def request(self, called: bytes) -> None:
        self.peer.send(wire.associate_rq(called=called))
        if self.associated:
            self.hears_abort(BY_PROVIDER)  # AA-8
            return
        kind, body = self.peer.read_pdu()
        if called == b"GATEWAY":
            assert kind == ACCEPT
            self.associated = True
        else:
            assert (kind, body[1:]) == (REJECT, bytes((1, 1, 7)))
            self.ended = True

    @precondition(lambda self: not self.ended)
    @rule()
    def echo(self) -> None:
        self.peer.send(p_data(1, 3, wire.echo_rq()))
        if not self.associated:
            self.hears_abort(BY_USER)  # AA-1: not an association yet
        elif self.pending is not None:
            self.hears_abort(BY_USER)  # a command inside a data set is DIMSE's business
        else:
            assert self.peer.read_answer().status == 0

    @precondition(lambda self: self.associated and not self.ended and self.pending is None)
    @rule(size=st.integers(0, 40_000), cut=st.integers(0, 2000))
    def begin_store(self, size: int, cut: int) -> None:
        data_set = wire.ct_data_set(pixels=size)
        self.pending = data_set[cut:] or b""
        self.peer.send(p_data(3, 3, wire.store_rq()), p_data(3, 0, data_set[:cut]))

    @precondition(lambda self: not self.ended and self.pending is not None)
    @rule(pieces=st.integers(1, 5))
    def end_store(self, pieces: int) -> None:
        rest = self.pending or b""
        step = max(2, len(rest) // pieces)
        starts = range(0, max(len(rest), 1), min(step, 16_000))
        for start in starts:
            last = start == starts[-1]
            self.peer.send(p_data(3, 2 if last else 0, rest[start : start + min(step, 16_000)]))
        assert self.peer.read_answer().status == 0
        self.pending, self.kept = None, self.kept + 1

    @precondition(lambda self: not self.ended)
    @rule()
    def release(self) -> None:
        self.peer.send(REQUEST)
        if not self.associated:
            self.hears_abort(BY_USER)
            return
        kind, _ = self.peer.read_pdu()
        assert kind == RELEASE_RP
        self.ended = True

    @precondition(lambda self: not self.ended)
    @rule(kind=st.integers(8, 255))
    def say_nonsense(self, kind: int) -> None:
        self.peer.send(pdu(kind, bytes(4)))
        self.hears_abort(BY_PROVIDER if self.associated else BY_USER)

    @precondition(lambda self: not self.ended)
    @rule(reset=st.booleans())
    def vanish(self, reset: bool) -> None:
        if reset:
            self.peer.send(pdu(ABORT, bytes(4)))
        self.peer.connection.close()
        self.ended = True

    @invariant()
    def what_was_acknowledged_is_kept_once(self) -> None:
        assert len(self.server.intake.records) == self.kept

    def teardown(self) -> None:
        self.peer.connection.close()
        self.server.__exit__()  # says when something escaped, or was left half kept


Acceptance.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,  # the same conversations each time
    suppress_health_check=list(HealthCheck),
)
TestAcceptance = Acceptance.TestCase
