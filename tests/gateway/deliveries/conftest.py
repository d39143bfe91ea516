"""A county, a township's own system as an endpoint, and reports that are signed and kept."""

import hashlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import select

from gateway.audit import Actor
from gateway.deliveries.endpoints import add_endpoint
from gateway.deliveries.queueing import DELIVER, queue_report
from gateway.deliveries.rows import Delivery, EndpointWire
from gateway.intake import Drain
from gateway.runtime import Runtime
from gateway.sweep import sweep_one
from gateway.tasks import TASKS
from tests.builders import County, build_county, identity, signed_report
from tests.gateway.deliveries.peers import HospitalSystem
from worklists.reports import Report

PDF = b"%PDF-1.7\n% a signed document of a report\n%%EOF\n"


@pytest.fixture
def county(runtime: Runtime) -> County:
    with runtime.sessions.begin() as session:
        return build_county(session)


@pytest.fixture
def his() -> Iterator[HospitalSystem]:
    """The township's own system."""
    with HospitalSystem().listening() as system:
        yield system


class Post:
    """What the tests do: enter endpoints, sign, send, look."""

    def __init__(self, runtime: Runtime, county: County) -> None:
        self.runtime, self.county = runtime, county
        self._drain = Drain(runtime)

    def endpoint(self, wire: EndpointWire, port: int, **fields: Any) -> uuid.UUID:
        settings = {"host": "127.0.0.1", "port": port, "within_s": 3, **fields.pop("settings", {})}
        return self.add(wire, settings, **fields)

    def add(self, wire: EndpointWire, settings: dict[str, Any], **fields: Any) -> uuid.UUID:
        values: dict[str, Any] = {
            "institution_id": self.county.east.id, "name": "城东 HIS", "wire": wire, "settings": settings,
            "secret": None, "kinds": [], "enabled": True, **fields,
        }  # fmt: skip
        return add_endpoint(self.runtime, Actor(name="admin"), **values)

    def sign(self, *, kept: bool = True, **fields: Any) -> uuid.UUID:
        """A report is signed as the use case does, and its document kept."""
        with self.runtime.sessions.begin() as session:
            fields.setdefault("patient", identity())
            report = signed_report(session, self.county, delivered=False, **fields)
            queue_report(session, report, self.runtime.now())
            report_id = report.id
        if kept:
            self.keep(report_id)
        return report_id

    def keep(self, report_id: uuid.UUID, pdf: bytes = PDF) -> None:
        origin = {
            "report_id": str(report_id),
            "institution_id": str(self.county.lead.id),
            "received_at": self.runtime.now().isoformat(),
        }
        self.runtime.journal.append("report.pdf", origin, [pdf + str(report_id).encode()])
        self._drain.index_new()

    def send(self) -> int:
        """Whatever is due goes out."""
        return sweep_one(self.runtime, TASKS, DELIVER)

    def deliveries(self) -> list[Delivery]:
        with self.runtime.reading() as session:
            return list(session.scalars(select(Delivery).order_by(Delivery.id)))

    def states(self) -> list[str]:
        return [one.state.value for one in self.deliveries()]

    def report(self, report_id: uuid.UUID) -> Report:
        with self.runtime.reading() as session:
            return session.get_one(Report, report_id)

    @staticmethod
    def digest(data: bytes) -> str:
        return hashlib.sha256(data).hexdigest()


@pytest.fixture
def post(runtime: Runtime, county: County) -> Iterator[Post]:
    yield Post(runtime, county)
    runtime.journal.close()


Sign = Callable[..., uuid.UUID]
