"""Wires and formats: bytes of a standard in, values out, and back. Knows nothing else of ours."""
