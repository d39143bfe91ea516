"""The fonts a report is set in, and which characters they can show.

PDF/A has no empty boxes: a character that no font has would stop the report. So we know beforehand what
there is, and print 〓 (U+3013, the geta mark that typesetters put for a missing sort) for the rest, with a list.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

import typst
from fontTools.ttLib import TTFont, TTLibError  # type: ignore[import-untyped]

from adapters.errors import Unavailable

MISSING = "〓"
NUMBERS = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳"  # tell several missing characters apart
NEEDED = f"检查所见诊断意见互认{MISSING}{NUMBERS}"
# Control, direction, surrogate and private characters say nothing on paper, whatever a font draws for them.
MEANINGLESS = ("Cc", "Cf", "Cs", "Co")
PREFERRED_FAMILIES = ("Noto Sans SC", "Noto Sans CJK SC", "Noto Sans JP", "Noto Sans HK")


class Fonts:
    """The fonts in some folders: loaded once, then shared by all reports and threads."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.typst = typst.Fonts(
            include_system_fonts=False,
            include_embedded_fonts=False,
            font_paths=[str(folder) for folder in folders],
        )
        covered: dict[str, frozenset[int]] = {}
        for face in self.typst.fonts():
            characters = _read_characters(Path(face.path or ""), face.index)
            # Regular and bold are one family: what counts is what both have.
            covered[face.family] = covered.get(face.family, characters) & characters
        preferred = [family for family in PREFERRED_FAMILIES if family in covered]
        self.families = (*preferred, *sorted(set(covered) - set(preferred)))
        self._covered = frozenset().union(*covered.values())
        if missing := self.missing([NEEDED]):
            where = ", ".join(str(folder) for folder in folders) or "no folder"
            raise Unavailable(f"no Chinese font for reports in {where}: cannot print {''.join(missing)}")

    def missing(self, texts: Iterable[str]) -> tuple[str, ...]:
        """The characters that no font has, each once, in the order in which they appear."""
        return tuple(
            dict.fromkeys(character for text in texts for character in text if not self._shows(character))
        )

    def _shows(self, character: str) -> bool:
        if character == "\n":
            return True
        return ord(character) in self._covered and unicodedata.category(character) not in MEANINGLESS


def _read_characters(path: Path, index: int) -> frozenset[int]:
    try:
        with TTFont(path, fontNumber=index, lazy=True) as font:
            return frozenset(font.getBestCmap() or ())
    except (OSError, TTLibError) as error:
        raise Unavailable(f"the font {path.name} cannot be read") from error
