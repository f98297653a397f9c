"""A look at source, flags and binary before anything runs. A tripwire, not a wall: names can be hidden, so nothing relies on it alone.

What is forbidden outright rejects a candidate. All else is suspicion: `suspicious` findings ask for stricter checks, and neither pass
nor fail anything.
"""

from __future__ import annotations

from kernelsearch.guard.binary import inspect
from kernelsearch.guard.check import check, check_python, suspicious
from kernelsearch.guard.code import code_digest

__all__ = ["check", "check_python", "code_digest", "inspect", "suspicious"]
