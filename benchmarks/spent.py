"""What this process and its children that have ended took."""

from __future__ import annotations

import resource


def cpu_seconds() -> float:
    """Seconds of the processor, of user and system."""
    return sum(each.ru_utime + each.ru_stime for each in _usages())


def peak_gb() -> float:
    """The most memory that one of them has had."""
    return max(each.ru_maxrss for each in _usages()) / 1e6


def _usages() -> list[resource.struct_rusage]:
    return [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
