"""What a process takes: processor seconds, its children's too, and peak memory.

`ru_maxrss` is no peak of a child: on Linux it survives exec, so a child would report what its parent held. Imports
nothing large, which would count as the measured process's.
"""

from __future__ import annotations

import resource
from pathlib import Path


def processor_s() -> float:
    """Processor seconds so far of this process, all its threads, and of its children that have ended."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def resident(field: str) -> int:
    """Memory of this process in bytes: "VmRSS" is now, "VmHWM" the peak since `forget_peak` (Linux).

    Raises:
        RuntimeError: the kernel does not tell that field.
    """
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status holds no {field}; expected a Linux kernel; run this there")


def forget_peak() -> int:
    """Starts a new peak; returns the size now, in bytes."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    return resident("VmRSS")
