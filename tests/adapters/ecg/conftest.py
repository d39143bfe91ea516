"""The fonts of printed tracings, read once."""

import pytest

from adapters.reports.fonts import Fonts
from tests.fonts import fonts_dir


@pytest.fixture(scope="session")
def fonts() -> Fonts:
    return Fonts([fonts_dir()])
