"""Rows of the laboratory as the JSON of docs/http.md. Who may see them was decided before."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.lab.showing import Earlier, ResultSheet
from gateway.web.lab_shapes import (
    AttachmentShape,
    CodedShape,
    EarlierShape,
    HeldPartShape,
    ItemShape,
    LabMarkShape,
    RangeShape,
    RerunShape,
    ResultShape,
    SheetShape,
    SpecimenShape,
    StopShape,
)
from gateway.web.shapes import LabCountsShape, NamedShape
from gateway.web.showing import show_known_person, show_person
from worklists.laboratory.dictionary import LabPanel
from worklists.laboratory.layout import Line
from worklists.laboratory.results import LabResult, RerunRequest
from worklists.laboratory.specimens import LabSpecimen


def show_sheet(sheet: ResultSheet) -> SheetShape:
    return SheetShape(
        examination_id=sheet.examination.id,
        specimen=_show_specimen(sheet.specimen, sheet.panels) if sheet.specimen else None,
        counts=LabCountsShape.model_validate(sheet.counts, from_attributes=True),
        items=[_show_item(line, place, sheet) for place, line in enumerate(sheet.lines)],
        attachments=[AttachmentShape.model_validate(one, from_attributes=True) for one in sheet.attachments],
        held=[HeldPartShape(id=one.id, reason=one.reason.value, detail=one.detail) for one in sheet.held],
    )


def show_result(one: LabResult) -> ResultShape:
    return ResultShape(
        id=one.id,
        run=one.run,
        version=one.version,
        status=one.status,
        value=one.value,
        number=one.number,
        comparator=one.comparator,
        unit=one.unit,
        range=RangeShape(low=one.range_low, high=one.range_high, text=one.range_text),
        abnormal=one.abnormal,
        critical=one.critical,
        delta=one.delta,
        instrument_flags=one.instrument_flags,
        comments=one.comments,
        dilution=one.dilution,
        method=one.method or one.item.method,
        operator=one.operator,
        device=NamedShape(id=one.device.id, name=one.device.name) if one.device else None,
        observed_at=one.observed_at,
        received_at=one.received_at,
        reported=one.reported,
        control_state=one.control_state,
        verification=one.verification,
        stops=[StopShape.model_validate(stop) for stop in one.stops],
        verified_at=one.verified_at,
        verified_by=show_person(one.verified_by),
        remark=one.remark,
        message_id=one.message_id,
    )


def _show_item(line: Line, place: int, sheet: ResultSheet) -> ItemShape:
    item, result = line.item, line.result
    return ItemShape(
        item_code=item.code,
        name=item.name,
        name_en=item.name_en,
        abbreviation=item.abbreviation,
        section=item.section,
        panel=line.panel.code if line.panel else None,
        unit=item.unit,
        position=place,
        ordered=line.ordered,
        result=show_result(result) if result else None,
        needs_word=result is not None and result.id in sheet.delicate,
        earlier=[show_result(one) for one in sheet.others.get(item.code, ())],
        history=_show_history(sheet.history.get(item.code, ())),
        rerun=_show_rerun(sheet.reruns.get(item.code)),
        mark=_show_mark(sheet.marks, result),
    )


def _show_history(history: Sequence[Earlier]) -> list[EarlierShape]:
    return [EarlierShape.model_validate(one, from_attributes=True) for one in history]


def _show_rerun(request: RerunRequest | None) -> RerunShape | None:
    if request is None:
        return None
    return RerunShape(
        reason=request.reason,
        new_specimen=request.new_specimen,
        asked_at=request.asked_at,
        asked_by=show_known_person(request.asked_by),
    )


def _show_mark(marks: Mapping[uuid.UUID, Mapping[str, Any]], result: LabResult | None) -> LabMarkShape | None:
    mark = marks.get(result.id) if result else None
    return (
        LabMarkShape.model_validate({name: mark[name] for name in LabMarkShape.model_fields})
        if mark
        else None
    )


def _show_specimen(specimen: LabSpecimen, panels: Sequence[LabPanel]) -> SpecimenShape:
    return SpecimenShape(
        id=specimen.id,
        barcode=specimen.barcode,
        kind=specimen.kind,
        state=specimen.state,
        collected_at=specimen.collected_at,
        received_at=specimen.received_at,
        panels=[CodedShape(code=one.code, name=one.name) for one in panels],
        priority=specimen.priority,
        requester=specimen.requester,
        clinical_information=specimen.clinical_information,
    )
