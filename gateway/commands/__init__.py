"""The parts of the `gateway` command."""
