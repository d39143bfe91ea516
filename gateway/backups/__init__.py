"""Backup and restore: the database, the list of packs, what the journal alone holds, the keys, the settings.

A backup is consistent while everything runs: its rows point only to packs that exist and to segments that it holds.
What that means for what may be lost: docs/operations.md; why this shape: docs/decisions/0007-backups.md.
"""
