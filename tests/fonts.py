"""Where the fonts for reports are, when the viewer has been built."""

import os
from pathlib import Path

import pytest


def fonts_dir() -> Path:
    """The folder of fonts that the viewer's build leaves; skips the test, saying so, when there is none."""
    folder = Path(os.environ.get("GATEWAY_FONTS", Path(__file__).parents[1] / "viewer" / "dist" / "fonts"))
    if not list(folder.glob("*.ttf")):
        pytest.skip(f"no fonts at {folder}: build the viewer first")
    return folder
