"""Where a run's candidates are judged, by the name in its specification: `local`, `gpus`, `ray`, or `spool:DIR`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kernelsearch import catalog
from kernelsearch.errors import UsageError
from kernelsearch.lab import hardware_for, open_lab
from kernelsearch.model import RunSpec
from kernelsearch.model.run import GPUS, LOCAL, RAY, SPOOL
from kernelsearch.workers.base import Site
from kernelsearch.workers.local import LabSite

_KNOWN = (
    "local, gpus or gpus:0,1 for the GPUs of this machine, ray or ray:ADDRESS for those of a cluster, "
    "or spool:DIR with the folder that `kernelsearch worker DIR` serves"
)
Say = Callable[[str], None]


def open_site(spec: RunSpec, say: Say, *, energy: bool = False) -> Site:
    """The site that `spec` names. `say` takes sentences for a person, from any thread. `energy`: power is measured as well."""
    kind, colon, rest = spec.worker.partition(":")
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
    if kind in (GPUS, RAY) and bool(colon) == bool(rest):
        return _crew(spec, say, energy=energy)
    if spec.worker.startswith(SPOOL) and rest:
        return _spool(spec, Path(rest), say, energy=energy)
    raise UsageError(f"unknown worker {spec.worker!r}; {_KNOWN}")


def check(spec: RunSpec) -> None:
    """Raise what `open_site` would for what is unknown, does not fit or is not here, before anything is opened or made."""
    kind, colon, rest = spec.worker.partition(":")
    catalog.metric_set(spec.metrics)
    if spec.worker == LOCAL:
        if spec.device != "auto" or spec.hardware:
            hardware_for(spec.device, spec.hardware)
    elif kind == GPUS and bool(colon) == bool(rest):
        from kernelsearch.workers.places import devices

        devices(spec.worker, spec.device)
    elif kind == RAY and bool(colon) == bool(rest):
        from kernelsearch.workers.crew import on_ray

        on_ray.check()
    elif not (spec.worker.startswith(SPOOL) and rest):
        raise UsageError(f"unknown worker {spec.worker!r}; {_KNOWN}")
    else:
        _check_spool(spec)


def _crew(spec: RunSpec, say: Say, *, energy: bool) -> Site:
    """Several labs at once; each is kept busy by `spec.parallel` requests."""
    from kernelsearch.workers.crew.base import Crew
    from kernelsearch.workers.crew.dispatch import Terms
    from kernelsearch.workers.crew.seat import Opening
    from kernelsearch.workers.crew.site import CrewSite

    metrics = catalog.metric_set(spec.metrics)
    crew: Crew
    if spec.worker.startswith(GPUS):
        from kernelsearch.workers.crew.here import Processes
        from kernelsearch.workers.places import devices

        names = devices(spec.worker, spec.device)
        labs = [Opening(name=f"GPU {name.partition(':')[2]}", device=name, hardware=spec.hardware, unsafe=spec.unsafe) for name in names]
        crew = Processes(labs)
    else:
        from kernelsearch.workers.crew.on_ray import RayCrew

        if spec.device not in ("auto", "cuda", "pycuda", "emulated"):
            raise UsageError(f"with --worker ray each actor has one device: --device is auto, cuda, pycuda or emulated, not {spec.device}")
        lab = Opening(name=RAY, device=spec.device, hardware=spec.hardware, unsafe=spec.unsafe)
        crew = RayCrew(spec.worker.partition(":")[2], lab, room=spec.parallel)
    return CrewSite(crew, Terms(room=spec.parallel), secret=spec.secret, metrics=metrics, say=say, energy=energy)


def _spool(spec: RunSpec, folder: Path, say: Say, *, energy: bool) -> Site:
    """A spool needs no device and no compiler here. Which device there is, and in which walls, is its workers' to say: a specification
    that names these too is refused.
    """
    _check_spool(spec)
    from kernelsearch.workers.spool.site import SpoolSite

    return SpoolSite(folder, secret=spec.secret, metrics=catalog.metric_set(spec.metrics), say=say, energy=energy)


def _check_spool(spec: RunSpec) -> None:
    if spec.device != "auto" or spec.hardware or spec.unsafe:
        raise UsageError(
            f"with {SPOOL}DIR the device is that of the worker: give --device, --hardware and --unsafe to `kernelsearch worker`"
        )
