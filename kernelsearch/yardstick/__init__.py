"""What libraries take for a task: the same call on the same device in the same session, by a trusted process of its own.

A library's outputs are judged as a candidate's are, and what is wrong is named and not used: a yardstick that computes something else
is a fault of ours. Times are taken as the device takes them (L2 flushed, between two events, the median over calls), but not in pairs,
since no candidate may run beside a process that is not walled in; so they carry no interval.
"""

from kernelsearch.yardstick.timing import WAYS, Measured, inapplicable, measure

__all__ = ["WAYS", "Measured", "inapplicable", "measure"]
