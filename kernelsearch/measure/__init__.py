"""How fast a candidate is: samples from the device in pairs, how sure that is, and the physical floor they are held against."""

from kernelsearch.measure.floor import floor_us, implausible, quarantine
from kernelsearch.measure.rule import ahead, holds, over
from kernelsearch.measure.run import TIMING, Timed, run

__all__ = ["TIMING", "Timed", "ahead", "floor_us", "holds", "implausible", "over", "quarantine", "run"]
