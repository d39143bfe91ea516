"""What an ECG report carries besides its words: the measurements and statements as signed, and the tracing.

The tracing is that of a recording the report was signed over: its manifest names it. While its original is away the
report waits; a report is never made without a tracing that there is.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from adapters.ecg.measurement_words import NAMES, say_measurements
from adapters.ecg.paper import LAYOUTS, LayoutName, Paper, count_sheets, draw_sheets
from adapters.ecg.paper_words import Language
from adapters.ecg.recording import EcgMeasurements, EcgRecording
from adapters.errors import Malformed
from adapters.reports.document import KeyFact, Tracing
from gateway.ecg.recordings import Found, Recordings, recordings_of
from gateway.runtime import Runtime
from worklists.base import COUNTY_TIME
from worklists.reports import Report

# Whose a measurement is; what a person typed is the signer's own.
SOURCES: Mapping[str, Mapping[Language, str]] = {
    "cart": {"zh": "设备测量", "en": "by the device"},
    "computed": {"zh": "软件计算", "en": "computed"},
    "caliper": {"zh": "医师量取", "en": "by the reader's calipers"},
    "typed": {"zh": "", "en": ""},
}
USUAL_LAYOUT: LayoutName = "3x4"
NO_WAVEFORM = "本份心电图以文档形式送达（{kind}），没有波形数据，故不附描记图；请查看原件。"
NOT_READABLE = "本份心电图的原件无法解读为波形，故不附描记图；请查看原件。"
NONE_FOUND = "签发时本检查没有心电记录，故不附描记图。"
KINDS = {"application/pdf": "PDF", "image/jpeg": "JPEG", "image/png": "PNG"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedEcg:
    """The recordings that a report was signed over, the newest first, and how its reader had them on paper."""

    recordings: tuple[Found, ...]
    layout: LayoutName


def find_signed_ecg(session: Session, report: Report) -> SignedEcg:
    signed = {original["sop_instance_uid"] for original in json.loads(report.manifest)["originals"]}
    found = recordings_of(session, report.examination_id)
    layout = (report.content or {}).get("layout", USUAL_LAYOUT)
    return SignedEcg(
        recordings=tuple(one for one in found if one.sop_instance_uid in signed),
        layout=layout if layout in LAYOUTS else USUAL_LAYOUT,
    )


def draw_tracing(runtime: Runtime, ecg: SignedEcg) -> Tracing:
    """The newest recording that has samples, as one sheet; else why there is none. Raises Unavailable."""
    recordings = Recordings(runtime)
    note = NONE_FOUND
    for found in ecg.recordings:
        try:
            recording = recordings.open(found)
        except Malformed:
            note = NOT_READABLE
            continue
        if recording.document is None and recording.leads:
            return _drawn(recording, ecg)
        note = NO_WAVEFORM.format(kind=_kind(recording))
    return Tracing(note=note)


def _drawn(recording: EcgRecording, ecg: SignedEcg) -> Tracing:
    paper = Paper(layout=ecg.layout)
    device = f"{recording.device.manufacturer} {recording.device.model}".strip()
    parts = [device] if device else []
    if recording.started_at is not None:
        parts.insert(0, f"记录时间 {recording.started_at.astimezone(COUNTY_TIME):%Y-%m-%d %H:%M:%S}")
    if count_sheets(recording, paper) > 1:
        parts.append("长程记录仅附开头一页")
    if len(ecg.recordings) > 1:
        parts.append(f"本检查共 {len(ecg.recordings)} 份记录")
    return Tracing(sheets=draw_sheets(recording, paper), caption="  ".join(parts))


def _kind(recording: EcgRecording) -> str:
    media_type = recording.document.media_type if recording.document is not None else ""
    return KINDS.get(media_type, "文档")


def key_facts_of(content: Mapping[str, Any] | None, language: Language = "zh") -> tuple[KeyFact, ...]:
    """The measurements as they were signed, each with its source where it is not the signer's own."""
    stated = dict((content or {}).get("measurements", {}))
    sources = stated.pop("source", {})
    formula = stated.pop("qtc_formula", "")
    facts = []
    for field in (field for field in NAMES if field in stated):
        [(name, shown)] = say_measurements(
            EcgMeasurements(**{field: stated[field]}, qtc_formula=formula), language
        )
        facts.append(
            KeyFact(
                name=name, value=shown, source=SOURCES[sources.get(field, "typed")][language],
                code=field,
                number=stated[field], formula=formula if field == "qtc_ms" else "",
            )
        )  # fmt: skip
    return tuple(facts)


def statements_of(content: Mapping[str, Any] | None, *, texts: str) -> tuple[str, ...]:
    """The statements in the words that they had when it was signed, in the order of practice.

    Those alone that `texts` do not say already: the page composes findings and impression of them.
    """
    wording = (content or {}).get("wording", [])
    return tuple(one["text"] for one in wording if one["text"] not in texts)


def english_statements_of(content: Mapping[str, Any] | None) -> tuple[str, ...]:
    """All of them, for whoever cannot read the words of the report; one without an English name stays as it is."""
    return tuple(one.get("text_en") or one["text"] for one in (content or {}).get("wording", []))
