"""QT corrected for the heart's rate, by the four formulas in use; milliseconds in and out.

Which one to use is the reader's choice: Bazett overcorrects above 90 a minute and undercorrects below 60, the linear
ones less (AHA/ACCF/HRS Recommendations, Part IV, Circulation 2009;119:e241). The worklists check typed reports with
a copy of the same four lines, because they may import nothing of this side.
"""

from collections.abc import Callable, Mapping
from math import isfinite, sqrt


def bazett(qt_ms: float, rr_ms: float) -> float:
    """QT / √RR, RR in seconds (Bazett, Heart 1920;7:353)."""
    return qt_ms / sqrt(rr_ms / 1000)


def fridericia(qt_ms: float, rr_ms: float) -> float:
    """QT / ∛RR (Fridericia, Acta Med Scand 1920;53:469)."""
    return float(qt_ms / (rr_ms / 1000) ** (1 / 3))


def framingham(qt_ms: float, rr_ms: float) -> float:
    """QT + 154 (1 − RR) (Sagie, Am J Cardiol 1992;70:797)."""
    return qt_ms + 154 * (1 - rr_ms / 1000)


def hodges(qt_ms: float, rr_ms: float) -> float:
    """QT + 1.75 (rate − 60) (Hodges, J Am Coll Cardiol 1983;1:694)."""
    return qt_ms + 1.75 * (60_000 / rr_ms - 60)


FORMULAS: Mapping[str, Callable[[float, float], float]] = {
    "bazett": bazett,
    "fridericia": fridericia,
    "framingham": framingham,
    "hodges": hodges,
}


def corrected(qt_ms: float | None, rr_ms: float | None) -> dict[str, float | None]:
    """By every formula, to the millisecond; None where QT or RR is missing or no time at all."""
    known = (
        qt_ms is not None and rr_ms is not None and isfinite(qt_ms) and isfinite(rr_ms) and qt_ms > 0 < rr_ms
    )
    if not known or qt_ms is None or rr_ms is None:
        return dict.fromkeys(FORMULAS)
    return {name: float(round(formula(qt_ms, rr_ms))) for name, formula in FORMULAS.items()}
