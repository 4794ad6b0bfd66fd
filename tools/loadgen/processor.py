"""What processes cost, as the kernel counts it."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

_SCHEDULER_CLOCK = 2
"""CPUCLOCK_SCHED of a process (linux/posix-timers.h): what /proc/PID/task/*/schedstat sums up, ended threads too."""


def cpu_seconds(pids: Iterable[int]) -> float:
    """Scheduler time of all threads that these processes have or had. ProcessLookupError when one is gone."""
    return sum(_cpu_seconds(pid) for pid in pids)


def _cpu_seconds(pid: int) -> float:
    try:
        return time.clock_gettime((~pid << 3) | _SCHEDULER_CLOCK)
    except OSError:
        raise ProcessLookupError(f"process {pid} is gone") from None


def resident_mb(pid: int) -> float:
    """Resident memory, in units of 1,000,000 bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
