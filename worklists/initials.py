"""Initials of Chinese words, by which people find them at a keyboard."""


def initials_of(text: str) -> str:
    """First letters of the pinyin, with Latin letters and digits as they are: `ST-T改变` is `sttgb`."""
    from pypinyin import Style, pinyin  # noqa: PLC0415 (its tables are 55 MB: only who edits words needs them)

    def keep(others: str) -> str:
        return "".join(one.lower() for one in others if one.isascii() and one.isalnum())

    found = pinyin(text, style=Style.FIRST_LETTER, errors=keep)
    return "".join(choices[0] for choices in found)
