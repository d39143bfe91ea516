"""Where the collection of real sample inputs is, when it stands beside the checkout."""

import os
from pathlib import Path

import pytest


def samples_dir() -> Path:
    """The folder of samples; skips the test, saying so, when there is none."""
    folder = Path(os.environ.get("GATEWAY_SAMPLES", Path(__file__).parents[2] / "shared" / "samples"))
    if not folder.is_dir():
        pytest.skip(f"the sample collection is not at {folder}")
    return folder
