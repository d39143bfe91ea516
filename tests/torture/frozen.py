"""Preloaded last by the fork server: what everybody forked from it would do first is done once.

Whoever has these rows configured, and need not look through all that is loaded for garbage, starts in a third of the time.
"""

import gc

from sqlalchemy.orm import configure_mappers

import gateway.rows  # noqa: F401 (every row belongs to the metadata)

configure_mappers()
gc.collect()
gc.freeze()
