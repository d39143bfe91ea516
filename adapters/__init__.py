"""Wires and formats: bytes of a standard in, values out, and back. Knows nothing else of ours."""

from adapters.gdcm_later import load_gdcm_later

load_gdcm_later()
