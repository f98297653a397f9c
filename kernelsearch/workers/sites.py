"""Where a run's candidates are judged, by the name in its specification: `local`, or `spool:DIR`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kernelsearch import catalog
from kernelsearch.errors import UsageError
from kernelsearch.lab import open_lab
from kernelsearch.model import RunSpec
from kernelsearch.model.run import LOCAL, SPOOL
from kernelsearch.workers.base import Site
from kernelsearch.workers.local import LabSite


def open_site(spec: RunSpec, say: Callable[[str], None], *, energy: bool = False) -> Site:
    """The site that `spec` names. `say` takes sentences for a person, from any thread. `energy`: power is measured as well.

    A spool needs no device and no compiler here. Which device there is, and in which walls, is its workers' to say: a specification
    that names these too is refused.
    """
    if spec.worker == LOCAL:
        lab = open_lab(
            device=spec.device,
            hardware=spec.hardware,
            metrics=spec.metrics,
            unsafe=spec.unsafe,
            secret=spec.secret,
            energy=energy,
        )
        return LabSite(lab)
    folder = spec.worker.removeprefix(SPOOL)
    if folder == spec.worker or not folder:
        raise UsageError(f"unknown worker {spec.worker!r}; local, or spool:DIR with the folder that `kernelsearch worker DIR` serves")
    if spec.device != "auto" or spec.hardware or spec.unsafe:
        raise UsageError(
            f"with {SPOOL}DIR the device is that of the worker: give --device, --hardware and --unsafe to `kernelsearch worker`"
        )
    from kernelsearch.workers.spool.site import SpoolSite

    return SpoolSite(Path(folder), secret=spec.secret, metrics=catalog.metric_set(spec.metrics), say=say, energy=energy)
