"""What one GPU can do, measured on it: the peaks that floors are drawn from."""

from kernelsearch.calibrate.probes import PROBES, Probe
from kernelsearch.calibrate.record import keep, to_toml
from kernelsearch.calibrate.run import NOT_HERE, run

__all__ = ["NOT_HERE", "PROBES", "Probe", "keep", "run", "to_toml"]
