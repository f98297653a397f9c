"""Where untrusted code runs. `open_sandbox` gives the strongest box that this machine can make, or refuses."""

from __future__ import annotations

from kernelsearch.errors import ToolMissing
from kernelsearch.sandbox.bare import Bare
from kernelsearch.sandbox.base import Sandbox
from kernelsearch.sandbox.bubblewrap import open_bubblewrap
from kernelsearch.sandbox.delegation import find_groups

__all__ = ["open_sandbox"]


def open_sandbox(*, unsafe: bool = False, seccomp: bool = True) -> Sandbox:
    """Bubblewrap, proven usable by running a program in it.

    Where it does not work: raises `ToolMissing` with the remedy, or gives the box without walls when the user said `unsafe`.
    `seccomp` False leaves the system-call filter away.
    """
    try:
        return open_bubblewrap(with_seccomp=seccomp)
    except ToolMissing:
        if unsafe:
            return Bare(groups=find_groups())
        raise
