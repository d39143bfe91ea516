"""Analysers at the gateway: their listeners, what becomes of their messages, and what waits for a person."""
