"""Where compute-sanitizer is known to be wrong, or right about what its authors meant: kernels are not refused for that alone.

Known and not told apart here: synccheck reports warp-specialised kernels whose roles meet at one named barrier from several places in
the code. PTX does forbid that for `bar.sync` (it allows it for `barrier.sync`), so the report stands although such kernels usually work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from kernelsearch.model import Hazard
from kernelsearch.sanitizer.records import Record

_OVERFLOW = "Detected overflow of tracked cuda::barrier structures"  # "Results might be incorrect", says the tool itself
# The files whose loads are meant: a look-back reads flag and value at once, before the value is there (NVIDIA/cub issue 98).
_CUB = ("thread_load.cuh", "single_pass_scan_operators.cuh")
_BULK_COPY = "UBLKCP"  # SASS of cp.async.bulk without a tensor map


def of_record(record: Record, tool: str, raw: str) -> str:
    """Why `record` may be wrong, from the report it stands in; "" when nothing speaks against it."""
    if tool in ("racecheck", "synccheck") and _OVERFLOW in raw:
        return "the tool lost track of the barriers: the kernel uses more than the compiler told it of"
    if tool == "initcheck" and any(frame.file in _CUB for frame in record.frames):
        return "CUB reads memory that it has not written and drops the value; that is by its design"
    return ""


def doubted(hazards: Iterable[Hazard], instructions: Mapping[str, int]) -> tuple[Hazard, ...]:
    """`hazards` with the doubt that the machine code (opcode to count) of the build casts on them."""
    bulk = any(opcode.startswith(_BULK_COPY) for opcode in instructions)
    reason = "the kernel copies in bulk, and racecheck does not always see that such a copy was waited for"
    return tuple(
        replace(hazard, doubt=reason) if bulk and hazard.tool == "racecheck" and not hazard.doubt else hazard for hazard in hazards
    )
