"""How fast a candidate is: samples from the device, and the physical floor they are held against."""

from kernelsearch.measure.floor import floor_us, implausible
from kernelsearch.measure.run import Timed, run

__all__ = ["Timed", "floor_us", "implausible", "run"]
