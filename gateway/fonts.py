"""The fonts that documents and labels are printed with."""

from functools import cache
from pathlib import Path

from adapters.reports.fonts import Fonts
from gateway.runtime import Runtime

RARE_CHARACTERS = Path("/usr/share/fonts/truetype/hanazono")  # Debian's fonts-hanazono, where it is installed


def fonts_of(runtime: Runtime) -> Fonts:
    """The fonts of everything printed. Raises Unavailable."""
    return _fonts(runtime.settings.viewer_dir / "fonts")


@cache
def _fonts(built: Path) -> Fonts:
    """Loaded once per process."""
    return Fonts([folder for folder in (built, RARE_CHARACTERS) if folder.is_dir()])
