"""What Linux knows: a process's CPU time and memory, which processors there are, what machine this is."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory in MiB."""

    now: float
    peak: float


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads, to a hundredth of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory(pid: int) -> Memory:
    """VmRSS and VmHWM of a process."""
    lines = (line.split(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("Vm"))
    sizes = {key: int(value.split()[0]) / 1024 for key, value in lines}
    return Memory(sizes["VmRSS"], sizes["VmHWM"])


def busy_seconds() -> float:
    """CPU time that all processes of the machine have used, all processors together."""
    user, nice, system, _idle, _wait, irq, soft_irq, steal = (
        int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + soft_irq + steal) / _TICKS


def processors() -> tuple[int, int]:
    """One processor for the server, another for the load; the same if there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


@contextmanager
def pinned(processor: int) -> Iterator[None]:
    """Processes that are started meanwhile run on this processor alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {processor})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def describe() -> dict[str, str]:
    """The machine in general words; no names."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    total = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    return {
        "processor": model,
        "processors": str(os.cpu_count()),
        "memory_gib": f"{int(total.split()[1]) / 1024**2:.0f}",
        "kernel": ".".join(platform.release().split("-")[0].split(".")[:2]),
        "python": platform.python_version(),
    }
