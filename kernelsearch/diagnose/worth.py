"""Which candidates are worth a profile: seconds of the GPU that a few more candidates could have had. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from kernelsearch.model import Measurement, TimeKind

# Times as fast as the incumbent. A candidate within a fifth of it may be a step on the way; what limits it is what the next edit needs.
_PROMISING = 0.8
# Times as fast as the baseline. Edits are made because something speaks for them; one that undoes a fifth of the speed contradicts that,
# and counters say how.
_SURPRISING = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """`reason` says in a few words why it is, or why it is not."""

    profiled: bool
    reason: str


def worth(measurement: Measurement, incumbent: Measurement | None) -> Worth:
    """Whether to profile a candidate that passed, `incumbent` being the best so far; None for the baseline, which is always profiled.

    A modelled time was made from counters, so that a profile costs nothing there.
    """
    if measurement.kind is TimeKind.MODELLED:
        return Worth(profiled=True, reason="counters are at hand")
    if incumbent is None:
        return Worth(profiled=True, reason="nothing to compare with yet")
    pace = incumbent.time_us / measurement.time_us
    if pace >= 1.0:
        return Worth(profiled=True, reason="as fast as the best")
    if pace >= _PROMISING:
        return Worth(profiled=True, reason="near the best")
    if measurement.speedup is not None and measurement.speedup < _SURPRISING:
        return Worth(profiled=True, reason="slower than the baseline, which nobody expected of the edit")
    return Worth(profiled=False, reason=f"not profiled: {pace:.2f} times as fast as the best so far")


SOURCE_SET = "source"  # the set of counters for which every profile has a report


def reported(incumbent: Measurement | None, *, best: bool, metric_set: str) -> bool:
    """Whether the profiler's report, which has samples by line, is worth the passes that it takes more: of what edits will start from."""
    return incumbent is None or best or metric_set == SOURCE_SET
