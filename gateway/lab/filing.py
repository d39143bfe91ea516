"""Filing: what a message says becomes results of specimens, results of control material, or is held with its reason.

Nothing is dropped and nothing is guessed. The same message can be filed again after a fix: what is recorded already is
known by its message and position, what was held and is filed now is resolved.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from adapters.lab.said import Control, Message, MessageKind, Specimen, StatedPatient, StatedResult
from gateway import indexing, work
from gateway.lab import judging, orders
from gateway.lab.bench import Bench
from gateway.lab.identity import contradictions_of
from gateway.lab.mapping import Profile, Remark, shown_test
from gateway.lab.meaning import Meaning, find_meaning
from gateway.lab.rows import LabHeld, LabHeldReason, LabMessage, MessageState
from gateway.runtime import Runtime
from worklists import bulk
from worklists.base import local_date, new_id
from worklists.directory import Device
from worklists.examinations import Examination
from worklists.laboratory.control import Verdict
from worklists.laboratory.controlling import record_control
from worklists.laboratory.dictionary import AnyItem
from worklists.laboratory.examining import make_examination, note_results, route_results
from worklists.laboratory.holding_back import settle
from worklists.laboratory.interpretation import Bearer, Interpreted
from worklists.laboratory.recording import (
    STATUSES,
    NewResult,
    NotRecorded,
    Sheet,
)
from worklists.laboratory.results import LabAttachment, ResultStatus
from worklists.laboratory.specimens import (
    LabSpecimen,
    SpecimenState,
    for_bench,
    make_from_analyser,
)
from worklists.laboratory.verifying import close_reruns

# What a clock says is told of when it is that long after the receipt or before the specimen was taken, and is not
# believed when it is further off than that. Where nobody said when the specimen was taken, a year is.
CLOCK_OFF = timedelta(hours=24)
NOT_BELIEVED = timedelta(days=7)
LONG_AGO = timedelta(days=366)
SENT_TOGETHER = 100  # messages whose results the database writes while the next ones are filed
CLOCK_IS_WRONG = "a time that cannot be: the analyser's clock is wrong"
_REFUSED = {
    NotRecorded.OLDER: LabHeldReason.OLDER_THAN_CURRENT,
    NotRecorded.NOTHING_TO_CORRECT: LabHeldReason.NOTHING_TO_CORRECT,
}


def file_messages(runtime: Runtime, session: Session, messages: Iterable[tuple[LabMessage, Message]]) -> None:
    """File each in its order, and route what they touched together. Raises nothing of what a message may say.

    New messages are rows of the session once they are filed, not before.
    """
    batch = list(messages)
    touched: set[uuid.UUID] = set()
    with bulk.Sender(session=session) as sender:
        bench = Bench(session=session, now=runtime.now(), sender=sender)
        bench.look_around(batch)
        for number, (row, said) in enumerate(batch, start=1):
            touched |= _Filing(bench=bench, row=row, said=said).file()
            if number % SENT_TOGETHER == 0:
                bench.send()
        bench.write()
    route_results(session, bench.gained, now=bench.now)
    judging.schedule(session, bench.to_judge, judging.Because.CONTROL, now=bench.now)
    if touched:
        at = bench.now + timedelta(seconds=runtime.settings.quiet_period_s)
        work.schedule_all(session, indexing.SETTLE, {str(one): at for one in touched})


def find_specimen(
    device: Device, barcode: str, patient: StatedPatient | None, alike: Sequence[LabSpecimen]
) -> LabSpecimen | LabHeldReason | None:
    """Which of those with this barcode it is, or why it waits; None where it is made from what the analyser says."""
    known = for_bench(alike, device.institution_id)
    if len(known) > 1:
        return LabHeldReason.AMBIGUOUS_BARCODE
    if known:
        usable = known[0].state not in {SpecimenState.REJECTED, SpecimenState.CANCELLED}
        return known[0] if usable else LabHeldReason.SPECIMEN_REJECTED
    if not barcode:
        return LabHeldReason.NO_BARCODE
    if not device.without_order or patient is None or not (patient.patient_id and patient.name):
        return LabHeldReason.UNKNOWN_BARCODE
    return None


@dataclass(slots=True, kw_only=True)
class _Filing:
    """One message on its way."""

    bench: Bench
    row: LabMessage
    said: Message
    held: list[LabHeld] = field(default_factory=list)
    touched: set[uuid.UUID] = field(default_factory=set)
    aside: set[tuple[LabHeldReason, int | None, int | None]] = field(
        default_factory=set
    )  # by a person, earlier
    received_at: datetime = field(init=False)
    filed: int = 0
    controls: int = 0

    def __post_init__(self) -> None:
        self.received_at = self.row.received_at

    def file(self) -> set[uuid.UUID]:
        """Answers the examinations that changed."""
        self._forget_held()
        if self.said.kind in {MessageKind.OTHER, MessageKind.QUERY}:
            self.row.state = MessageState.OTHER
            self.bench.add_message(self.row)
            return set()
        device = self.bench.device(self.row)
        if device is None:
            self._hold(LabHeldReason.UNKNOWN_DEVICE)
        elif self.said.kind is MessageKind.ORDERS:
            self._take_orders(device)
        else:
            self._take_results(device)
        self.row.state = MessageState.HELD if self.held else MessageState.FILED
        self.bench.add_message(self.row)
        return self.touched

    def _take_orders(self, device: Device) -> None:
        for number, specimen in enumerate(self.said.specimens):
            why = orders.take_order(self.bench.session, device, specimen, now=self.bench.now)
            self.bench.forget_specimens()
            if why is not None:
                self._hold(LabHeldReason.ORDER_UNCLEAR, number, detail={"why": why}, barcode=specimen.barcode)

    def _take_results(self, device: Device) -> None:
        profile = self.bench.profile(device)
        if profile is None:
            return self._hold(LabHeldReason.NO_PROFILE)
        self.row.profile_version = profile.version
        for number, specimen in enumerate(self.said.specimens):
            control = profile.control_of(specimen)
            if control is not None:
                self._take_control(device, profile, number, specimen, control)
            else:
                with self.bench.session.no_autoflush:  # what a query could miss is at hand
                    self._take_specimen(device, profile, number, specimen)
        self.row.filed, self.row.controls = self.filed, self.controls
        return None

    def _take_control(
        self, device: Device, profile: Profile, number: int, specimen: Specimen, control: Control
    ) -> None:
        """Control material is nobody's specimen: its results stand apart, and say what patients' results are worth."""
        self.bench.releaser.forget_control(device.id)
        for result in specimen.results:
            taken = self._mapped(profile, number, result, Bearer(sex=None, age_days=None))
            if taken is None:
                continue
            item, interpreted = taken
            row = record_control(
                self.bench.session,
                device_id=device.id,
                item=item,
                level=control.level,
                lot=control.lot,
                value=interpreted.value,
                number=interpreted.number,
                unit=interpreted.unit,
                observed_at=self._moment(result),
                received_at=self.received_at,
                message_id=self.row.id,
                position=result.position,
            )
            if row.verdict is Verdict.OUT_OF_CONTROL:
                self.bench.write()
                settled = settle(self.bench.session, device.id, item.code, releaser=self.bench.releaser)
                self.bench.to_judge |= settled.to_judge
            self.filed += 1
            self.controls += 1

    def _take_specimen(self, device: Device, profile: Profile, number: int, specimen: Specimen) -> None:
        barcode = profile.barcode_of(specimen)
        found = self._attached(number) or self._find(device, barcode, specimen.patient)
        if isinstance(found, LabHeldReason):
            detail = {"results": len(specimen.results) + len(specimen.attachments)}
            return self._hold(found, number, barcode=barcode, detail=detail)
        wrong = contradictions_of(found.patient, specimen.patient, barcode)
        if wrong:
            return self._hold(
                LabHeldReason.PATIENT_MISMATCH, number, barcode=barcode, detail={"fields": wrong},
                examination_id=found.examination_id,
            )  # fmt: skip
        return self._fill(device, profile, number, specimen, found)

    def _find(
        self, device: Device, barcode: str, patient: StatedPatient | None
    ) -> LabSpecimen | LabHeldReason:
        found = find_specimen(device, barcode, patient, self.bench.specimens(barcode) if barcode else ())
        if found is not None or patient is None:
            return found or LabHeldReason.UNKNOWN_BARCODE
        whose = self.bench.patient(device.institution_id, patient)
        made = make_from_analyser(self.bench.session, barcode, whose, now=self.bench.now)
        self.bench.specimens(barcode).append(made)
        return made

    def _attached(self, number: int) -> LabSpecimen | None:
        """What a person said of this message's specimen, when it was filed before."""
        chosen = (self.row.attached or {}).get(str(number))
        return self.bench.session.get(LabSpecimen, uuid.UUID(chosen)) if chosen else None

    def _fill(
        self, device: Device, profile: Profile, number: int, specimen: Specimen, known: LabSpecimen
    ) -> None:
        session, now = self.bench.session, self.bench.now
        is_new = known.examination_id is None
        examination = make_examination(session, known, self.bench.wording, now=now)
        self.bench.gained.setdefault(examination, 0)
        patient, sheet = known.patient, self.bench.sheet(examination, known, is_new=is_new)
        on = local_date(known.collected_at or self.received_at)
        bearer = Bearer.of(patient.sex, patient.birth_date, on)
        remarks = profile.specimen_flags(specimen)
        for result in specimen.results:
            self._record(device, profile, number, result, sheet, bearer, remarks, known.collected_at)
        self._keep_attachments(specimen, examination)
        if not sheet.added:
            return
        self.bench.add(sheet)
        tested_at = min(one.observed_at for one in sheet.added)
        known.note_tested(device.name or device.ae_title, tested_at, self.received_at)
        close_reruns(session, examination.id, sheet.added, now)
        self.bench.releaser.release(examination, sheet)
        note_results(examination, known, sheet.results, sheet.added, now=now)
        self.bench.gained[examination] += len(sheet.added)
        self.touched.add(examination.id)

    def _record(
        self,
        device: Device,
        profile: Profile,
        number: int,
        result: StatedResult,
        sheet: Sheet,
        bearer: Bearer,
        remarks: tuple[Remark, ...],
        collected_at: datetime | None,
    ) -> None:
        taken = self._mapped(profile, number, result, bearer, examination_id=sheet.examination_id)
        if taken is None:
            return None
        item, interpreted = taken
        new = NewResult(
            item=item,
            item_code=item.code,
            status=STATUSES[result.status.upper()],
            interpreted=interpreted,
            reported=reported(result),
            observed_at=self._moment(result, collected_at),
            received_at=self.received_at,
            message_id=self.row.id,
            position=result.position,
            device_id=device.id,
            profile_version=profile.version,
            instrument_flags=(
                *profile.instrument_flags(result),
                *(one.text for one in remarks if one.concerns(item.code)),
            ),
            comments=result.comments,
            dilution=result.dilution,
            method=result.method or item.method,
            operator=result.operator,
        )
        current = sheet.current(item.code)
        if current is not None and new.status in {ResultStatus.DELETED, ResultStatus.CANCELLED}:
            new.withdraw(current.unit)
        outcome = sheet.record(new)
        if isinstance(outcome, NotRecorded) and outcome in _REFUSED:
            return self._hold_result(_REFUSED[outcome], number, result, sheet.examination_id)
        self.filed += 1
        return None

    def _mapped(
        self,
        profile: Profile,
        number: int,
        result: StatedResult,
        bearer: Bearer,
        examination_id: uuid.UUID | None = None,
    ) -> tuple[AnyItem, Interpreted] | None:
        """The item and what the value means; None when the result was held, or says nothing yet."""
        found = find_meaning(profile, self.bench.item, result, bearer)
        if isinstance(found, Meaning):
            return found.item, found.interpreted
        if found is None:
            self.filed += 1
        else:
            self._hold_result(found.reason, number, result, examination_id, **found.detail)
        return None

    def _keep_attachments(self, specimen: Specimen, examination: Examination) -> None:
        for one in specimen.attachments:
            self.filed += 1
            if not self.bench.is_attached(self.row, one.position):
                self.bench.add(
                    LabAttachment(
                        id=new_id(),
                        examination_id=examination.id,
                        message_id=self.row.id,
                        position=one.position,
                        name=shown_test(one.test),
                        media_type=one.media_type,
                        size_bytes=one.size_bytes,
                        received_at=self.received_at,
                    )
                )
                self.touched.add(examination.id)

    def _moment(self, result: StatedResult, collected_at: datetime | None = None) -> datetime:
        """When it was measured; an analyser whose clock is far off is not believed.

        It would put a new result behind an old one, or before the control run that failed.
        """
        received_at = self.received_at
        taken_at = collected_at or received_at - LONG_AGO
        for said in filter(None, (result.analysed_at, result.observed_at, self.said.sent_at)):
            if not taken_at - CLOCK_OFF <= said <= received_at + CLOCK_OFF:
                self._warn(CLOCK_IS_WRONG)
            if taken_at - NOT_BELIEVED <= said <= received_at + CLOCK_OFF:
                return said
        return received_at

    def _warn(self, about: str) -> None:
        if about not in (self.row.warnings or ()):
            self.row.warnings = [*(self.row.warnings or ()), about]

    def _hold_result(
        self,
        reason: LabHeldReason,
        number: int,
        result: StatedResult,
        examination_id: uuid.UUID | None,
        **more: str,
    ) -> None:
        self._hold(
            reason, number, position=result.position, examination_id=examination_id,
            detail={"test": shown_test(result.test), "value": result.value[:200], "unit": result.unit, **more},
        )  # fmt: skip

    def _hold(
        self,
        reason: LabHeldReason,
        number: int | None = None,
        *,
        position: int | None = None,
        barcode: str = "",
        examination_id: uuid.UUID | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        if (reason, number, position) in self.aside:
            return
        held = LabHeld(
            id=new_id(),
            message_id=self.row.id,
            institution_id=self.row.institution_id,
            device_id=self.row.device_id,
            reason=reason,
            specimen_number=number,
            position=position,
            barcode=barcode[:100],
            examination_id=examination_id,
            detail=dict(detail or {}),
            held_at=self.bench.now,
        )
        self.held.append(held)
        self.bench.session.add(self.row)
        self.bench.add(held)

    def _forget_held(self) -> None:
        """What was held of it is resolved by filing it anew, or held again."""
        for one in self.bench.held(self.row):
            if one.resolution == "set_aside":
                self.aside.add((one.reason, one.specimen_number, one.position))
            elif one.resolved_at is None:
                one.resolved_at, one.resolution = self.bench.now, "filed_again"


def reported(result: StatedResult) -> dict[str, Any]:
    """What the analyser itself said, to stand beside what it was taken for."""
    return {
        "code": result.test.code,
        "text": result.test.text,
        "value": result.value,
        "unit": result.unit,
        "range": result.reference_range,
        "flags": list(result.flags),
        "status": result.status,
        "sub_id": result.sub_id,
    }
