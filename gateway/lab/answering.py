"""What is to be done with a specimen, for an analyser that asks: its open tests, in that analyser's codes.

A bench is told of its own institution's specimens, a lead hospital's of its members' too. What has a result is asked
for again only when a person wants it run again.
"""

import asyncio
import uuid
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from sqlalchemy import Engine, or_, select
from sqlalchemy.orm import Session

from adapters.errors import Unavailable
from adapters.lab.ports import Admitted
from adapters.lab.said import Coded, Message, Query, Specimen, StatedOrder, StatedPatient
from gateway.database import is_away, open_engine, open_sessions
from gateway.lab.mapping import Profile, read_profile
from gateway.runtime import utc_now
from gateway.settings import Settings
from worklists.directory import Device, Institution
from worklists.examinations import Priority
from worklists.laboratory.profiles import AnalyserProfile
from worklists.laboratory.results import LabResult, RerunRequest
from worklists.laboratory.specimens import LabSpecimen, SpecimenState, find_for_bench

TO_BE_TESTED = (SpecimenState.REGISTERED, SpecimenState.RECEIVED)
ASKED_FOR = timedelta(
    days=3
)  # of "all that waits": what was registered longer ago is asked for by its barcode
MOST = 200  # specimens in one answer
_THREADS = 2
_PRIORITIES = {Priority.ROUTINE: "R"}  # HL7 table 0485; whatever else there is cannot wait


class LabDesk:
    """Answers from the database, in threads. It is opened with the first question."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine: Engine | None = None
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="desk")

    async def answer(self, admitted: Admitted, message: Message, query: Query) -> tuple[Specimen, ...]:
        """Raises Unavailable while the database is away."""
        device_id = admitted.origin.get("device_id")
        if device_id is None or query.cancelled:
            return ()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._answer, uuid.UUID(str(device_id)), query)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._engine is not None:
            self._engine.dispose()

    def _answer(self, device_id: uuid.UUID, query: Query) -> tuple[Specimen, ...]:
        try:
            if self._engine is None:
                self._engine = open_engine(self._settings.database).execution_options(read_only=True)
            with open_sessions(self._engine)() as session:
                return find_work(session, device_id, query, now=utc_now())
        except Exception as error:
            if is_away(error):
                raise Unavailable("the orders cannot be looked up now, ask again later") from error
            raise


def find_work(session: Session, device_id: uuid.UUID, query: Query, *, now: datetime) -> tuple[Specimen, ...]:
    """The specimens that are asked for and have open tests which this analyser does."""
    device = session.get(Device, device_id)
    profile = _profile_of(session, device)
    if device is None or profile is None:
        return ()
    codes = order_codes(profile)
    found = [
        _describe(one, _open_tests(session, one, codes)) for one in _asked_for(session, device, query, now)
    ]
    return tuple(one for one in found if one.order is not None and one.order.tests)


def order_codes(profile: Profile) -> Mapping[str, Coded]:
    """Item → how the analyser calls it; of several names the first of the profile."""
    codes: dict[str, Coded] = {}
    for code, meaning in profile.tests.items():
        if meaning.get("item"):
            codes.setdefault(str(meaning["item"]), Coded(code=code, text=code))
    return codes


def _profile_of(session: Session, device: Device | None) -> Profile | None:
    if device is None or device.profile_code is None:
        return None
    row = session.get(AnalyserProfile, device.profile_code)
    return read_profile(row) if row is not None and row.enabled else None


def _asked_for(session: Session, device: Device, query: Query, now: datetime) -> list[LabSpecimen]:
    if query.everything:
        waiting = (
            select(LabSpecimen)
            .join(Institution, Institution.id == LabSpecimen.institution_id)
            .where(or_(Institution.id == device.institution_id, Institution.lead_id == device.institution_id))
            .where(LabSpecimen.state.in_(TO_BE_TESTED), LabSpecimen.registered_at > now - ASKED_FOR)
            .order_by(LabSpecimen.registered_at, LabSpecimen.id)
            .limit(MOST)
        )
        return list(session.scalars(waiting))
    found = []
    for barcode in dict.fromkeys(one.strip() for one in query.barcodes[:MOST]):
        known = find_for_bench(session, device.institution_id, barcode)
        # Of two members that gave the same number nobody can say whose tube this is.
        if len(known) == 1 and known[0].state in TO_BE_TESTED:
            found += known
    return found


def _open_tests(session: Session, specimen: LabSpecimen, codes: Mapping[str, Coded]) -> Iterable[Coded]:
    done: set[str] = set()
    if specimen.examination_id is not None:
        done = set(
            session.scalars(
                select(LabResult.item_code).where(
                    LabResult.examination_id == specimen.examination_id, LabResult.current
                )
            )
        ) - _wanted_again(session, specimen.examination_id)
    return [codes[item] for item in specimen.items if item in codes and item not in done]


def _wanted_again(session: Session, examination_id: uuid.UUID) -> set[str]:
    again = select(RerunRequest.item_code).where(
        RerunRequest.examination_id == examination_id,
        RerunRequest.done_at.is_(None),
        RerunRequest.new_specimen.is_(False),
    )
    return set(session.scalars(again))


def _describe(specimen: LabSpecimen, tests: Iterable[Coded]) -> Specimen:
    identity = specimen.patient.identity
    return Specimen(
        barcode=specimen.barcode,
        kind=Coded(text=specimen.kind) if specimen.kind else None,
        patient=StatedPatient(
            patient_id=identity.patient_id,
            name=identity.name,
            sex=identity.sex or "",
            birth_date=identity.birth_date,
            bed=specimen.bed,
            department=specimen.department,
        ),
        order=StatedOrder(
            placer_number=specimen.order_number or specimen.barcode,
            tests=tuple(tests),
            priority=_PRIORITIES.get(specimen.priority, "S"),
            clinical_information=specimen.clinical_information,
            requester=specimen.requester,
            department=specimen.department,
            ordered_at=specimen.registered_at,
            collected_at=specimen.collected_at,
        ),
    )
