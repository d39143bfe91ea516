"""Names and dates as HL7 writes them, out of the form in which they are kept here."""

from datetime import date


def name_components(name: str) -> tuple[str, ...]:
    """XPN: family, given, middle, suffix, prefix of the name that people read: the ideographic group if there is one."""
    groups = name.split("=")
    chosen = next(filter(None, (groups[1] if len(groups) > 1 else "", groups[0])), "")
    family, given, middle, prefix, suffix = (chosen.split("^") + [""] * 5)[:5]
    return family, given, middle, suffix, prefix


def display_name(name: str) -> str:
    """One line for a screen: 张三, John Smith."""
    family, given, middle, _, _ = name_components(name)
    if not (family + given).isascii():
        return family + given
    return " ".join(filter(None, (given, middle, family)))


def birth_date(day: date | None) -> str:
    """DT."""
    return f"{day:%Y%m%d}" if day else ""


def birth_time(day: date | None) -> str:
    """TS to the second, for analysers that read fourteen places."""
    return f"{day:%Y%m%d}000000" if day else ""
