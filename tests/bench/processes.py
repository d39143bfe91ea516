"""What each process of a gateway took: the most memory since a moment, and the processor time since then.

Resident memory as the kernel counts it, with what processes share: the sum over all is more than the machine gives.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from gateway.presence import read_processes
from gateway.runtime import utc_now
from tests.journeys.gateways import Gateway

OTHER = "supervisors, health"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The largest process of a role, and what all of that role worked."""

    peak_mb: float
    cpu_s: float


@dataclass(slots=True)
class Watch:
    """The processes that run on an installation, from now on."""

    gateway: Gateway
    _cpu_s: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for process in self.gateway.processes():
            with suppress(FileNotFoundError, ProcessLookupError):
                Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # the peak begins anew: proc(5)
            self._cpu_s[process.pid] = cpu_s(process)

    def taken(self) -> dict[str, Taken]:
        """By role: listener, drain, web, worker, beat, and what stands over them."""
        roles = self._roles()
        found: dict[str, Taken] = {}
        for process in self.gateway.processes():
            with suppress(psutil.NoSuchProcess):
                role = roles.get(process.pid) or roles.get(process.ppid(), OTHER)
                so_far = found.get(role, Taken(peak_mb=0, cpu_s=0))
                worked = cpu_s(process) - self._cpu_s.get(process.pid, 0.0)
                found[role] = Taken(
                    peak_mb=max(so_far.peak_mb, peak_bytes(process) / 1e6), cpu_s=so_far.cpu_s + worked
                )
        return dict(sorted(found.items()))

    def resident_mb(self) -> dict[str, float]:
        """By role, all its processes together as they are now."""
        roles, found = self._roles(), dict[str, float]()
        for process in self.gateway.processes():
            with suppress(psutil.NoSuchProcess):
                role = roles.get(process.pid) or roles.get(process.ppid(), OTHER)
                found[role] = found.get(role, 0.0) + process.memory_info().rss / 1e6
        return dict(sorted(found.items()))

    def _roles(self) -> dict[int, str]:
        settings = self.gateway.settings
        said = read_processes(settings.data_dir / "run", node=settings.node, now=utc_now())
        return {one.pid: {"ingest": "listener"}.get(one.role, one.role) for one in said if one.pid}


def peak_bytes(process: psutil.Process) -> int:
    """The most that was resident at once, since its start or since it was set back; nothing of one that ended."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def cpu_s(process: psutil.Process) -> float:
    """What it has worked so far. Of a peer that forks for each association the one that just ended counts for nothing."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)
