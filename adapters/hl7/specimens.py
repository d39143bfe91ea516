"""From segments to specimens: which results belong to which order, which orders to which tube.

The rules of barcodes and of control material are in the docstring of `reading`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo

from adapters.hl7.accepting import ORDERS
from adapters.hl7.header import Header
from adapters.hl7.message import Segment
from adapters.hl7.observations import read_comment, read_observation
from adapters.hl7.patients import read_patient
from adapters.hl7.values import read_coded_field, read_person, read_time
from adapters.lab.said import Attachment, Coded, Control, Specimen, StatedOrder, StatedResult

_CONTROL_ROLES, _CALIBRATOR_ROLES = ("Q", "E"), ("C",)  # HL7 table 0369
_MINDRAY = "99MRC"
_MINDRAY_CONTROLS = (
    "00003",
    "00004",
    "00005",
    "00006",
    "00007",
    "00008",
)  # of OBR-4: L-J, X, XB, X-R and their means
_MINDRAY_LEVEL = "05001"  # OBX-3 of a control run
_CONTAINER_FIRST = ("R23", "O35")  # one message, several tubes of one specimen
_BY_MSH_16 = {"0": "sample", "1": "calibration", "2": "control"}  # Mindray's chemistry analysers


@dataclass(slots=True)
class _Tube:
    """SPM and what stands with it."""

    spm: Segment | None = None
    sac: Segment | None = None
    inv: Segment | None = None


@dataclass(slots=True)
class _Order:
    """One ORC and OBR with what follows them."""

    number_of_patient: int
    pid: Segment | None
    pv1: Segment | None
    tube: _Tube
    orc: Segment | None = None
    obr: Segment | None = None
    tq1: Segment | None = None
    dg1: Segment | None = None
    observations: list[tuple[int, Segment, list[Segment]]] = field(default_factory=list)
    notes: list[Segment] = field(default_factory=list)


def is_calibration(header: Header, segments: Sequence[Segment]) -> bool:
    """Whether a message of results is of calibrators alone."""
    if _kind_of_run(header) == "calibration":
        return True
    roles = [segment.text(11).upper() for segment in segments if segment.name == "SPM"]
    return bool(roles) and all(role in _CALIBRATOR_ROLES for role in roles)


def read_specimens(header: Header, segments: Sequence[Segment], zone: tzinfo) -> tuple[Specimen, ...]:
    """The specimens of a message in their order."""
    walk = _Walk(header, segments)
    orders = list(walk.run())
    grouped: dict[tuple[object, ...], list[_Order]] = {}
    for order in orders:
        grouped.setdefault(_key(header, order, walk.tubes_first), []).append(order)
    found: list[Specimen] = []
    for together in grouped.values():
        if _kind_of_run(header) == "control" and not any(order.observations for order in together):
            found += _read_mindray_controls(together, zone, position=walk.observations + len(found))
        else:
            found.append(_read_specimen(header, together, zone, tubes_first=walk.tubes_first))
    return tuple(found)


class _Walk:
    """One pass over the segments."""

    def __init__(self, header: Header, segments: Sequence[Segment]) -> None:
        self._segments = segments[1:]
        names = [segment.name for segment in self._segments]
        first_tube = min((names.index(name) for name in ("SPM", "SAC") if name in names), default=None)
        first_order = min((names.index(name) for name in ("ORC", "OBR") if name in names), default=len(names))
        self.tubes_first = first_tube is not None and first_tube < first_order
        self._order_first = header.message_type == "OUL"  # there ORC stands behind its OBR
        self._orders_only = header.message_type in ORDERS
        self._pid: Segment | None = None
        self._pv1: Segment | None = None
        self._patients = self.observations = 0
        self._tube = _Tube()
        self._order: _Order | None = None
        self._loose: list[Segment] = []  # notes of the patient

    def run(self) -> Iterator[_Order]:
        """The orders, in their order; one without OBX may be an order, or a tube with nothing."""
        for segment in self._segments:
            finished = self._take(segment)
            if finished is not None:
                yield finished
        last = self._finish()
        if last is not None:
            yield last

    def _take(self, segment: Segment) -> _Order | None:
        name, finished = segment.name, None
        if name == "PID":
            finished = self._finish()
            self._pid, self._pv1, self._patients, self._loose = segment, None, self._patients + 1, []
            if not self.tubes_first:
                self._tube = _Tube()
        elif name == "PV1":
            self._pv1 = segment
            if self._order is not None:
                self._order.pv1 = segment
        elif name in ("SPM", "SAC", "INV"):
            finished = self._take_tube(segment)
        elif name in ("ORC", "OBR"):
            finished = self._take_order(segment)
        elif name == "OBX":
            self._current().observations.append((self.observations, segment, []))
            self.observations += 1
        elif name in ("NTE", "TCD", "SID"):
            self._take_behind(segment)
        elif name == "TQ1" and self._order is not None:
            self._order.tq1 = self._order.tq1 or segment
        elif name == "DG1" and self._order is not None:
            self._order.dg1 = self._order.dg1 or segment
        return finished

    def _take_tube(self, segment: Segment) -> _Order | None:
        name, finished = segment.name, None
        if not self.tubes_first:
            order = self._current()
            if name == "SPM":
                order.tube.spm = order.tube.spm or segment
            elif name == "SAC":
                order.tube.sac = order.tube.sac or segment
            else:
                order.tube.inv = order.tube.inv or segment
            return None
        if name == "INV":
            self._tube.inv = self._tube.inv or segment
            return None
        if name == "SPM":
            finished = self._finish()
            self._tube = _Tube(spm=segment)
        elif self._tube.sac is None and (self._order is None or self._order.obr is None):
            self._tube.sac = segment
        else:
            finished = self._finish()
            self._tube = _Tube(spm=self._tube.spm, sac=segment)
        if self._order is None:
            self._current()
        return finished

    def _take_order(self, segment: Segment) -> _Order | None:
        order, finished = self._order, None
        if segment.name == "ORC":
            begins = order is not None and (
                order.orc is not None or order.obr is not None or bool(order.observations)
            )
            if (
                begins
                and order is not None
                and self._order_first
                and order.orc is None
                and order.obr is not None
            ):
                begins = False
            inherited = None
        else:
            begins = order is not None and (order.obr is not None or bool(order.observations))
            # ORM^O01 has several OBR under one ORC.
            inherited = order.orc if begins and order is not None and self._orders_only else None
        if begins:
            finished = self._finish()
        current = self._current()
        if segment.name == "ORC":
            current.orc = segment
        else:
            current.obr = segment
            current.orc = current.orc or inherited
        return finished

    def _take_behind(self, segment: Segment) -> None:
        if self._order is None:
            self._loose.append(segment)
        elif self._order.observations:
            self._order.observations[-1][2].append(segment)
        elif segment.name == "NTE":
            self._order.notes.append(segment)

    def _current(self) -> _Order:
        if self._order is None:
            tube = self._tube if self.tubes_first else _Tube()
            self._order = _Order(self._patients, self._pid, self._pv1, tube, notes=self._loose)
            self._loose = []
        return self._order

    def _finish(self) -> _Order | None:
        finished, self._order = self._order, None
        return finished


def _key(header: Header, order: _Order, tubes_first: bool) -> tuple[object, ...]:
    """What orders of one specimen have in common."""
    # What is taken back and what is wanted of one tube are two things to do.
    wanted = (order.orc.text(1).upper() if order.orc else "") if header.message_type in ORDERS else ""
    if tubes_first:
        return (order.number_of_patient, id(order.tube), wanted)
    barcode = _barcode(header, order)
    return (order.number_of_patient, barcode, _number(order, 2), _number(order, 3), _role(order), wanted)


def _read_specimen(header: Header, orders: Sequence[_Order], zone: tzinfo, *, tubes_first: bool) -> Specimen:
    first = orders[0]
    spm = next((order.tube.spm for order in orders if order.tube.spm), None)
    sac = next((order.tube.sac for order in orders if order.tube.sac), None)
    control = _read_control(header, first)
    found = [
        read_observation(obx, behind, position, zone, order_number=_number(order, 2) if tubes_first else "")
        for order in orders
        for position, obx, behind in order.observations
    ]
    is_run = bool(_kind_of_run(header))
    results = [_with_name(one, always=is_run) for one in found if isinstance(one, StatedResult)]
    return Specimen(
        barcode=next(filter(None, (_barcode(header, order) for order in orders)), ""),
        rack=sac.text(10) if sac else "",
        place=sac.text(11) if sac else "",
        kind=(read_coded_field(spm, 4) if spm else None) or _kind_in_obr(first.obr),
        patient=None if control else read_patient(first.pid, first.pv1, zone),
        order=_read_order(orders, spm, zone),
        control=control,
        results=tuple(results),
        attachments=tuple(one for one in found if isinstance(one, Attachment)),
        comments=tuple(filter(None, (read_comment(note) for order in orders for note in order.notes))),
    )


_WORD = re.compile(r"[^\W\d_]{2}")


def _with_name(result: StatedResult, *, always: bool) -> StatedResult:
    """Analysers after Mindray's chemistry manual have the test's number in OBX-3 and its name in OBX-4.

    OBX-4 stays the sub-ID as well: elsewhere it is one, and then mostly a number.
    """
    if result.test.text or not result.sub_id or not (always or _WORD.search(result.sub_id)):
        return result
    return replace(result, test=replace(result.test, text=result.sub_id))


def _read_order(orders: Sequence[_Order], spm: Segment | None, zone: tzinfo) -> StatedOrder | None:
    panels = [panel for panel in (_panel(order) for order in orders) if panel is not None]
    first = next((order for order in orders if order.obr is not None or order.orc is not None), None)
    if first is None:
        return None
    orc, obr, tq1, dg1 = first.orc, first.obr, first.tq1, first.dg1
    collected = spm.text(17) if spm else ""
    return StatedOrder(
        control=orc.text(1).upper() if orc else "",
        placer_number=_number(first, 2),
        filler_number=_number(first, 3),
        panel=panels[0] if panels else None,
        tests=tuple(dict.fromkeys(panels)),
        priority=_priority(orc, obr, tq1),
        clinical_information=obr.whole(13) if obr else "",
        diagnosis=(dg1.text(3, 2) or dg1.text(4) or dg1.text(3))
        if dg1
        else (obr.text(31, 2) or obr.text(31) if obr else ""),
        requester=(read_person(obr, 16) if obr else "") or (read_person(orc, 12) if orc else ""),
        department=(orc.text(17, 2) or orc.text(17) or orc.text(13)) if orc else "",
        ordered_at=read_time(orc.text(9), zone) if orc else None,
        status=obr.text(25).upper() if obr else "",
        collected_at=read_time(collected, zone) or (read_time(obr.text(7), zone) if obr else None),
        received_at=(read_time(spm.text(18), zone) if spm else None)
        or (read_time(obr.text(14), zone) if obr else None),
    )


def _panel(order: _Order) -> Coded | None:
    return read_coded_field(order.obr, 4) if order.obr else None


def _priority(orc: Segment | None, obr: Segment | None, tq1: Segment | None) -> str:
    """TQ1-9, else the priorities before v2.5: OBR-27.6, ORC-7.6, OBR-5 (Y and N of Mindray: urgent or not)."""
    said = (
        (tq1.text(9) if tq1 else "")
        or (obr.text(27, 6) if obr else "")
        or (orc.text(7, 6) if orc else "")
        or (obr.text(5) if obr else "")
    )
    return {"Y": "S", "N": "R"}.get(said.upper(), said.upper())


def _number(order: _Order, place: int) -> str:
    """OBR-2 or OBR-3, else ORC-2 or ORC-3: the number without its authority."""
    return (order.obr.text(place) if order.obr else "") or (order.orc.text(place) if order.orc else "")


def _barcode(header: Header, order: _Order) -> str:
    spm, sac = order.tube.spm, order.tube.sac
    container = sac.text(3) if sac else ""
    if container and header.event in _CONTAINER_FIRST:
        return container
    said = (spm.text(2, 1, 1) or spm.text(2, 2, 1)) if spm else ""
    return said or container or _number(order, 2) or _number(order, 3)


def _kind_in_obr(obr: Segment | None) -> Coded | None:
    """OBR-15, the specimen's source before v2.5: a code and text within the first component, or a word."""
    if obr is None or not obr.field(15):
        return None
    code, text, system = (obr.text(15, 1, place) for place in (1, 2, 3))
    return Coded(code=code, text=text, system=system) if code or text else None


# Control material.


def _kind_of_run(header: Header) -> str:
    return "" if header.is_enhanced else _BY_MSH_16.get(header.component(16), "")


def _role(order: _Order) -> str:
    if order.tube.spm is not None:
        return order.tube.spm.text(11).upper()
    return "Q" if order.obr is not None and order.obr.text(11).upper() == "Q" else ""


def _read_control(header: Header, order: _Order) -> Control | None:
    obr, spm, inv, pid = order.obr, order.tube.spm, order.tube.inv, order.pid
    panel = _panel(order)
    is_mindray = header.processing_id == "Q" or (
        panel is not None and panel.system.upper() == _MINDRAY and panel.code in _MINDRAY_CONTROLS
    )
    if is_mindray and spm is None:
        return Control(
            lot=pid.text(3) if pid else "", level=_mindray_level(order), material=obr.text(3) if obr else ""
        )
    if _kind_of_run(header) != "control" and _role(order) not in _CONTROL_ROLES:
        return None
    return Control(
        material=(inv.text(1, 2) or inv.text(1) if inv else "")
        or ((spm.text(4, 2) or spm.text(4)) if spm else ""),
        lot=inv.text(16) if inv else "",
        level=spm.text(14) if spm else "",
    )


def _mindray_level(order: _Order) -> str:
    for _, obx, _ in order.observations:
        if obx.text(3) == _MINDRAY_LEVEL:
            return obx.text(5)
    return ""


def _read_mindray_controls(orders: Sequence[_Order], zone: tzinfo, *, position: int) -> Iterator[Specimen]:
    """Control runs of Mindray's chemistry analysers have no OBX: OBR-13 to OBR-21 hold one component for each control."""
    for order in orders:
        obr = order.obr
        if obr is None:
            continue
        test = Coded(code=obr.text(2), text=obr.text(3))
        at = read_time(obr.text(7), zone) or read_time(obr.text(6), zone)
        for place in range(1, len(obr.components(obr.field(20))) + 1):
            value = obr.text(20, place)
            result = StatedResult(
                position=position, test=test, value=value, value_type="NM", unit=obr.text(21, place) or obr.text(21),
                status="F", analysed_at=at, observed_at=at, instrument=obr.text(4, 2),
            )  # fmt: skip
            position += 1
            yield Specimen(
                order=StatedOrder(tests=(test,), panel=test),
                control=Control(
                    material=obr.text(13, place), lot=obr.text(14, place), level=obr.text(17, place)
                ),
                results=(result,) if value else (),
            )
