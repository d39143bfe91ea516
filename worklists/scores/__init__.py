"""Structured scores: published schemes as tables, each a pure function from what a reader saw to a category.

The schemes are their colleges' (American College of Radiology, Fleischner Society, Chinese Medical Association); the words
are ours. What a score says is a proposal in the impression, which the reader signs or changes.
"""

from collections.abc import Mapping
from typing import Final

from worklists.scores import bi_rads, c_ti_rads, fleischner, li_rads, lung_rads, pi_rads, ti_rads
from worklists.scores.values import Scheme

SCHEMES: Final[Mapping[str, Scheme]] = {
    scheme.code: scheme
    for scheme in (
        bi_rads.MAMMOGRAPHY,
        bi_rads.ULTRASOUND,
        c_ti_rads.SCHEME,
        ti_rads.SCHEME,
        lung_rads.SCHEME,
        fleischner.SCHEME,
        li_rads.SCHEME,
        pi_rads.SCHEME,
    )
}
