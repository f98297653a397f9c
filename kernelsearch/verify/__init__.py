"""Whether a candidate's outputs are right: expected values, tolerances and comparison, all outside the box."""

from kernelsearch.verify.expected import forget
from kernelsearch.verify.judge import Verification, check, run
from kernelsearch.verify.sanitise import sanitise

__all__ = ["Verification", "check", "forget", "run", "sanitise"]
