"""Which devices of the directory are analysers."""

from collections.abc import Mapping
from typing import Any

MODALITY = "LAB"


def is_analyser(device: Mapping[str, Any]) -> bool:
    """Of a device as `directory.json` has it."""
    return device.get("modality") == MODALITY or bool(device.get("sender") or device.get("profile"))
