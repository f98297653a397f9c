"""What holds a kernel back: counters of a timed call, and one named limit with the evidence for it."""

from kernelsearch.diagnose.bottleneck import bottleneck, estimated
from kernelsearch.diagnose.evidence import Evidence
from kernelsearch.diagnose.facts import facts, shares
from kernelsearch.diagnose.roofline import SPEED_OF_LIGHT, Roofline, roofline
from kernelsearch.diagnose.run import again, run
from kernelsearch.diagnose.worth import Worth, worth

__all__ = [
    "SPEED_OF_LIGHT",
    "Evidence",
    "Roofline",
    "Worth",
    "again",
    "bottleneck",
    "estimated",
    "facts",
    "roofline",
    "run",
    "shares",
    "worth",
]
