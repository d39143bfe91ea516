"""Signed reports on their way to other systems: each delivery a row, sent by a due row, shown to IT."""
