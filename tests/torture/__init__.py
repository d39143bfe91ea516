"""Ingest is killed, starved and damaged in every way that is known, and must have lost nothing afterwards."""
