"""Keeps expected values: computed once for a call, then mapped from files that no box is given.

They are the one thing that must not reach a candidate, so their folder is private to this user and is never listed in a `Box`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kernelsearch import digest
from kernelsearch.lab import Lab
from kernelsearch.model import Task
from kernelsearch.store.files import write_once
from kernelsearch.verify import baseline, reference
from kernelsearch.verify.compare import Expected
from kernelsearch.workload import Planned


def ensure(task: Task, planned: Sequence[Planned], lab: Lab) -> None:
    """Compute what is not there yet; with the baseline as reference, all of it in one job."""
    missing = [p for p in planned if not all(file.exists() for pair in _files(task, p, lab).values() for file in pair)]
    if task.reference is None:
        computed = baseline.compute(task, missing, lab) if missing else {}
        for p in missing:
            _keep(_files(task, p, lab), computed[p.call.label])
    else:
        for p in missing:
            _keep(_files(task, p, lab), reference.compute(task, p))


def load(task: Task, planned: Planned, lab: Lab) -> dict[str, Expected]:
    """Expected values of one call, which `ensure` has computed, by output."""
    pairs = _files(task, planned, lab).items()
    return {name: Expected(values=_mapped(values), spread=_mapped(spread)) for name, (values, spread) in pairs}


def forget(task: Task, planned: Sequence[Planned], lab: Lab) -> None:
    """Remove what was kept of calls whose contents never come again: the folder may lie in memory."""
    for p in planned:
        for pair in _files(task, p, lab).values():
            for file in pair:
                file.unlink(missing_ok=True)


def _files(task: Task, planned: Planned, lab: Lab) -> dict[str, tuple[Path, Path]]:
    folder = lab.scratch / "expected"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = digest.of_text(digest.task(task), planned.call.label, planned.distribution.value, str(planned.key))
    return {arg.name: (folder / f"{key}.{arg.name}.values", folder / f"{key}.{arg.name}.spread") for arg in task.outputs}


def _keep(files: Mapping[str, tuple[Path, Path]], computed: Mapping[str, Expected]) -> None:
    for name, (values, spread) in files.items():
        write_once(spread, _packed(computed[name].spread))
        write_once(values, _packed(computed[name].values))


def _packed(values: np.typing.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(values), allow_pickle=False)
    return buffer.getvalue()


def _mapped(file: Path) -> np.typing.NDArray[Any]:
    mapped: np.typing.NDArray[Any] = np.load(file, mmap_mode="r" if file.stat().st_size > _MAPPED_BYTES else None, allow_pickle=False)
    return mapped


_MAPPED_BYTES = 1 << 20  # below this a copy is cheaper than a mapping
