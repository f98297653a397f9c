"""What holds a kernel back: counters of a timed call, and one named limit with the evidence for it."""

from kernelsearch.diagnose.bottleneck import Evidence, bottleneck
from kernelsearch.diagnose.roofline import SPEED_OF_LIGHT, Roofline, roofline
from kernelsearch.diagnose.run import run

__all__ = ["SPEED_OF_LIGHT", "Evidence", "Roofline", "bottleneck", "roofline", "run"]
