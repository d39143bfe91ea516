"""The stacks that are tortured; what `python -m tests.torture` runs beside each other, and alone because it judges rates."""

import pytest

STACKS = ("files+sqlite", "seaweedfs+postgresql")
ALONE = "alone"
TOGETHER = ("files", "servers")
_JUDGE_RATES = ("test_floods", "test_stores")
_ON_SERVERS = ("test_at_once", "test_server_disks")


def lane_of(item: pytest.Item) -> str:
    """Tests that are of neither stack by their parameters go with the files."""
    module = item.path.stem
    if module in _JUDGE_RATES:
        return ALONE
    of_servers = module in _ON_SERVERS or STACKS[1] in item.name
    return TOGETHER[of_servers]
