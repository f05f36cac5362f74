"""How much memory this process has."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path


def resident() -> int:
    """Bytes now; where the system does not say, the most it ever had."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
