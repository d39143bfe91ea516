"""What IT hears of systems that take no reports: the fault with since when, the metrics, and that it is over."""

from prometheus_client import generate_latest

from gateway.deliveries.rows import Endpoint, EndpointWire
from gateway.metrics import registry_of
from gateway.probes import Probes
from gateway.runtime import Runtime
from gateway.system import Overseer
from gateway.web.messages import say_fault
from tests.conftest import Clock
from tests.gateway.deliveries.conftest import Post
from tests.gateway.deliveries.peers import HospitalSystem
from tests.servers import free_ports


def faults(runtime: Runtime) -> dict[str, tuple[str, str, object]]:
    found = Overseer(runtime, Probes(runtime)).look().faults
    return {one.code: (one.where, one.severity, one.since) for one in found}


def metrics(runtime: Runtime) -> dict[str, float]:
    said = generate_latest(registry_of(runtime, Overseer(runtime, Probes(runtime)))).decode()
    lines = (line.rsplit(" ", 1) for line in said.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines if "deliver" in name or "endpoint" in name}


def test_a_system_that_takes_nothing_is_a_fault_until_it_takes_what_waits(
    runtime: Runtime, post: Post, clock: Clock
) -> None:
    [port] = free_ports(1)
    endpoint_id = post.endpoint(EndpointWire.HL7_ORU, port)
    post.sign()
    post.send()
    since = runtime.now()
    assert "endpoint_failing" not in faults(runtime)  # a moment is what retries are for

    clock.advance(minutes=11)
    assert faults(runtime)["endpoint_failing"] == ("城东镇卫生院 城东 HIS", "amber", since)
    clock.advance(hours=24)
    assert faults(runtime)["endpoint_failing"][1] == "red"
    now = metrics(runtime)
    assert now['gateway_endpoint_failing_seconds{endpoint="城东 HIS",site="EAST"}'] == 24 * 3600 + 11 * 60
    assert (now["gateway_endpoints_failing"], now['gateway_deliveries{state="pending"}']) == (1, 1)
    assert now["gateway_delivery_oldest_pending_seconds"] == 24 * 3600 + 11 * 60
    assert "回传" in say_fault("endpoint_failing", "zh-CN", "城东 HIS")

    with HospitalSystem().listening(port):
        post.send()
    assert "endpoint_failing" not in faults(runtime)
    assert metrics(runtime)["gateway_endpoints_failing"] == 0
    with runtime.reading() as session:
        assert session.get_one(Endpoint, endpoint_id).failing_since is None


def test_what_a_system_refused_is_a_fault_until_somebody_sends_it_again(
    runtime: Runtime, post: Post, his: HospitalSystem
) -> None:
    his.answer = lambda message: [message.create_ack("AE")]
    post.endpoint(EndpointWire.HL7_ORU, his.port)
    post.sign()
    queued = runtime.now()
    post.send()

    assert faults(runtime)["deliveries_refused"] == ("1", "amber", queued)
    assert metrics(runtime)['gateway_deliveries{state="refused"}'] == 1
    assert "1" in say_fault("deliveries_refused", "en", "1")


def test_a_system_that_is_not_used_any_more_is_no_fault(runtime: Runtime, post: Post, clock: Clock) -> None:
    [port] = free_ports(1)
    endpoint_id = post.endpoint(EndpointWire.HL7_ORU, port)
    post.sign()
    post.send()
    with runtime.sessions.begin() as session:
        session.get_one(Endpoint, endpoint_id).enabled = False
    clock.advance(hours=2)
    assert "endpoint_failing" not in faults(runtime)
