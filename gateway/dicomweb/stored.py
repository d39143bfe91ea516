"""What a store request is answered: the Store Instances Response Module (PS3.18 Annex I), as JSON or XML.

A file that does not say which instance it is stands under Other Failures: a reference without UIDs would be none.
"""

from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from pydicom.datadict import keyword_for_tag

from adapters.dicom.deposit import Outcome
from adapters.dicom.status import OUT_OF_RESOURCES

Json = dict[str, Any]

DICOM_XML = "application/dicom+xml"
RETRIEVE_URL = "00081190"
FAILURE_REASON, FAILED_SOP_SEQUENCE = "00081197", "00081198"
REFERENCED_SOP_SEQUENCE, OTHER_FAILURES_SEQUENCE = "00081199", "0008119A"
REFERENCED_SOP_CLASS_UID, REFERENCED_SOP_INSTANCE_UID = "00081150", "00081155"


def status_for(outcomes: Sequence[Outcome]) -> int:
    """The HTTP status that tells of them all (PS3.18 Table 10.5.3-1); 503 when there was room for none."""
    stored = sum(outcome.is_stored for outcome in outcomes)
    if stored == len(outcomes):
        return 200
    if stored:
        return 202
    return 503 if all(outcome.status.code == OUT_OF_RESOURCES for outcome in outcomes) else 409


def write_module(outcomes: Sequence[Outcome], base_url: str) -> Json:
    """The module as a DICOM JSON object."""
    stored = [outcome for outcome in outcomes if outcome.is_stored]
    failed = [outcome for outcome in outcomes if not outcome.is_stored]
    named = [outcome for outcome in failed if outcome.sop_class_uid and outcome.sop_instance_uid]
    others = [outcome for outcome in failed if not (outcome.sop_class_uid and outcome.sop_instance_uid)]
    sequences = {
        FAILED_SOP_SEQUENCE: [{**_reference(outcome), **_reason(outcome)} for outcome in named],
        REFERENCED_SOP_SEQUENCE: [
            {**_reference(outcome), RETRIEVE_URL: _url(_instance_url(outcome, base_url))}
            for outcome in stored
        ],
        OTHER_FAILURES_SEQUENCE: [_reason(outcome) for outcome in others],
    }
    return {
        RETRIEVE_URL: _url(_study_url(stored, base_url)),
        **{tag: {"vr": "SQ", "Value": items} for tag, items in sequences.items() if items},
    }


def write_xml(module: Json) -> bytes:
    """The same in the Native DICOM Model (PS3.19 A.1)."""
    body = "".join(_attributes(module))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM" xml:space="preserve">'
        f"{body}</NativeDicomModel>"
    ).encode()


def _attributes(data_set: Json) -> Sequence[str]:
    return [_attribute(tag, element) for tag, element in sorted(data_set.items())]


def _attribute(tag: str, element: Json) -> str:
    names = f"tag={quoteattr(tag)} vr={quoteattr(element['vr'])} keyword={quoteattr(keyword_for_tag(tag))}"
    values = []
    for number, value in enumerate(element.get("Value", []), start=1):
        if element["vr"] == "SQ":
            values.append(f'<Item number="{number}">{"".join(_attributes(value))}</Item>')
        else:
            values.append(f'<Value number="{number}">{escape(str(value))}</Value>')
    return f"<DicomAttribute {names}>{''.join(values)}</DicomAttribute>"


def _reference(outcome: Outcome) -> Json:
    """SOP Instance Reference Macro (PS3.3 Table 10-11)."""
    return {
        REFERENCED_SOP_CLASS_UID: {"vr": "UI", "Value": [outcome.sop_class_uid]},
        REFERENCED_SOP_INSTANCE_UID: {"vr": "UI", "Value": [outcome.sop_instance_uid]},
    }


def _reason(outcome: Outcome) -> Json:
    return {FAILURE_REASON: {"vr": "US", "Value": [outcome.status.code]}}


def _url(url: str) -> Json:
    return {"vr": "UR", "Value": [url]} if url else {"vr": "UR"}


def _study_url(stored: Sequence[Outcome], base_url: str) -> str:
    """Where the study is retrieved; empty (type 2) for instances of several, or of none that is named."""
    studies = {outcome.study_instance_uid for outcome in stored}
    uid = studies.pop() if len(studies) == 1 else ""
    return f"{base_url}/studies/{uid}" if uid else ""


def _instance_url(outcome: Outcome, base_url: str) -> str:
    """Empty for an instance that a person must place first, because its study or series has no name."""
    if not (outcome.study_instance_uid and outcome.series_instance_uid):
        return ""
    return (
        f"{base_url}/studies/{outcome.study_instance_uid}/series/{outcome.series_instance_uid}"
        f"/instances/{outcome.sop_instance_uid}"
    )
