"""What the fonts in a folder can print."""

import pytest

from adapters.errors import Unavailable
from adapters.reports.fonts import Fonts
from tests.fonts import fonts_dir


def test_an_empty_or_missing_folder_is_a_clear_error(tmp_path):
    for folders in ([], [tmp_path], [tmp_path / "away"]):
        with pytest.raises(Unavailable, match="no Chinese font"):
            Fonts(folders)


def test_a_broken_font_among_good_ones_does_not_stop_reports(tmp_path):
    (tmp_path / "broken.ttf").write_bytes(b"\x00\x01\x00\x00 not a font")

    assert Fonts([tmp_path, fonts_dir()]).missing(["检查"]) == ()


def test_missing_characters_are_named_once_in_order(fonts):
    assert fonts.missing(["检😀查", "\n\ue000😀"]) == ("😀", "\ue000")


def test_the_reports_own_family_comes_first(fonts):
    assert fonts.families[0] == "Noto Sans SC"
