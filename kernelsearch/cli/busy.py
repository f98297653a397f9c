"""How busy a device was while evaluations waited, in words."""

from __future__ import annotations

from kernelsearch.workers.spool.letters import Worked


def busy(worked: Worked) -> str:
    """To be put behind a count; empty for a worker that never had a request.

    A device is held from when a job has it alone until it gives it back. What a worker with one request at a time builds and compares
    meanwhile is not done beside another's run: `--parallel` says how many there are at a time.
    """
    if worked.busy is None:
        return ""
    return f"; requests waited for {worked.waited_s:.1f} s, and for {100 * worked.busy:.0f} % of that the device was held"
