"""Which character set a data set was probably written in, when the declared one makes no sense of its text.

A proposal, never a repair: `charset.decode` goes on reading what is declared until a person has confirmed it.

All text of a data set is judged together, because a name alone has four bytes. Only what reaches a Chinese county
is considered: GB18030 (with GBK and GB2312 inside), UTF-8, and text that was read wrongly and written again as
UTF-8. General detectors (charset-normalizer is in our lock) weigh dozens of sets by statistics that need a
paragraph; on names of two characters they answer Big5, EUC-KR or Cyrillic as readily.

A reading is believed when it is Chinese, is no Latin word with accents, and its characters are commoner than those
of the declared reading; commonness is the place in GB 2312: its first level are the 3,755 common characters.
"""

import re
from collections.abc import Sequence

from adapters.dicom.charset import CUT, GB18030, REWRITTEN, UTF_8, codec_of, read_as

_TERMS = {UTF_8: "ISO_IR 192", GB18030: "GB18030"}
_CHINESE = re.compile(r"[\u00b7\u2010-\u203b\u2103\u2160-\u217b\u2460-\u249b\u3000-\u303f\u3400-\u9fff\uf900-\ufaff"
                      r"\uff00-\uffef\ufffd\U00020000-\U0003ffff]+")  # fmt: skip
_HIGH = re.compile(r"[^\x00-\x7f]+")
_LETTER = re.compile(r"[A-Za-z]")
_CUT_COSTS = 0.2


def propose_character_set(values: Sequence[bytes], declared: str = "", *, override: str | None = None) -> str:
    """The term that probably reads these values of one data set; "" when what is declared makes sense.

    The term is one of DICOM's or of `charset.REWRITTEN`; either can be a device's override.
    """
    raws = [raw.rstrip(b"\0 ") for raw in values]
    raws = [raw for raw in raws if not raw.isascii()]  # escape sequences of seven bits are read as declared
    current = declared if override is None else override
    raws = [raw for raw in raws if b"\x1b" not in raw or read_as(raw, current) is None]
    if not raws or not any(_is_doubtful(raw, current) for raw in raws):
        return ""
    declared_reads = all(read_as(raw, current) is not None for raw in raws)
    best, believed = _commonness(raws, current), ""
    for term in _candidates(declared, current, declared_reads):
        if _is_plausible(raws, term, declared_reads=declared_reads):
            found = _commonness(raws, term)
            if found > best:
                best, believed = found, term
    return believed


def _candidates(declared: str, current: str, current_reads: bool) -> list[str]:
    """Every term but those that read as the current one does."""
    known = codec_of(current) if current not in REWRITTEN else None
    # Bytes that are valid UTF-8 are UTF-8, if not once more: GB18030 is so by chance only.
    found = (
        [] if known == UTF_8 and current_reads else [term for codec, term in _TERMS.items() if codec != known]
    )
    found += [term for term in REWRITTEN if term != current]
    # An override that no longer fits: what is declared may be right by now.
    return [declared, *found] if declared != current and codec_of(declared) not in (None, *_TERMS) else found


def _is_doubtful(raw: bytes, term: str) -> bool:
    """Whether a reading by the set in force asks for a second look."""
    reading = read_as(raw, term)
    if reading is None:
        return True
    if term in REWRITTEN:
        return False
    codec = codec_of(term)
    if codec in _TERMS:  # the other one, read so, gives rare characters, which GB 2312 has not
        return not _is_gb2312(reading.text)
    return codec == "latin_1"  # declared by habit


def _is_gb2312(text: str) -> bool:
    try:
        text.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def _is_plausible(raws: Sequence[bytes], term: str, *, declared_reads: bool) -> bool:
    """Whether a reading is believed, against a declaration that cannot be right or only may be wrong."""
    readings = [read_as(raw, term) for raw in raws]
    if any(reading is None or "\x1b" in reading.text for reading in readings):
        return False
    texts = [reading.text for reading in readings if reading is not None]
    if term == _TERMS[UTF_8]:  # little else is valid UTF-8 by chance
        return not declared_reads or all(
            _CHINESE.fullmatch(run) for text in texts for run in _HIGH.findall(text)
        )
    return all(_is_chinese(text, run) for text in texts for run in _HIGH.finditer(text))


def _is_chinese(text: str, run: re.Match[str]) -> bool:
    """Chinese, and not a Latin word with accents: there a high byte stands between letters, or swallows one."""
    if not _CHINESE.fullmatch(run[0]):
        return False
    before = _LETTER.match(text[run.start() - 1 : run.start()]) if run.start() else None
    after = _LETTER.match(text[run.end() : run.end() + 1])
    if min(run[0].encode(GB18030)) < 0x80:
        return not before and not after
    return len(run[0]) > 1 or not (before and after)


def _commonness(raws: Sequence[bytes], term: str) -> float:
    """How common the characters of a reading are, between 0 and 1 on average; below 0 when there is none."""
    readings = [read_as(raw, term) for raw in raws]
    found = [reading for reading in readings if reading is not None]
    characters = [character for reading in found for character in reading.text if character > "\x7f"]
    if len(found) < len(readings) or not characters:
        return -1.0
    cut = any(reading.problem == CUT for reading in found)
    return sum(map(_weight, characters)) / len(characters) - (_CUT_COSTS if cut else 0)


def _weight(character: str) -> float:
    if character == "\ufffd":
        return 0.0
    try:
        row = character.encode("gb2312")[0]
    except UnicodeEncodeError:  # a rare character, or none of Chinese text
        return 0.2 if _CHINESE.fullmatch(character) else 0.0
    if row < 0xA4:
        return 0.4  # punctuation and full-width forms
    if row < 0xB0:
        return 0.0  # kana, Greek, Cyrillic
    return 1.0 if row < 0xD8 else 0.5  # level 1, level 2
