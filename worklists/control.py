"""What quality control says of something that measures, at a moment: an analyser's item, an imaging device, an ECG cart.

Each kind of control has its own `Standing` that answers with it; what follows for a mark is decided once
(`worklists/recognition.py`).
"""

from enum import StrEnum


class ControlState(StrEnum):
    IN_CONTROL = "in_control"
    OUT_OF_CONTROL = "out_of_control"  # until a named person released it
    MISSING = "missing"  # due, and not done
    NOT_REQUIRED = "not_required"
