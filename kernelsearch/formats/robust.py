"""robust-kbench's tasks: a folder with `func_forward.py` and `config_forward.json`, its many configurations as cases.

The configurations under `single_…` are timed; those under `multi_…` are verified. `func_backward.py` is not read: what it asks for is a
gradient's function, and its forward task says nothing of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from kernelsearch import catalog
from kernelsearch.errors import UsageError
from kernelsearch.formats import modules
from kernelsearch.formats.fields import checked, optional, parsed
from kernelsearch.formats.listed import Listed, distinct, plain
from kernelsearch.formats.programs import Spec, as_task
from kernelsearch.model import Task

FORMAT = "robust-kbench"
_MAIN, _CONFIG = "func_forward", "config_forward.json"
_MOST = 12  # configurations under `multi_…`: their product may be thousands


def is_task(folder: Path) -> bool:
    """Whether both files are there, and the Python has a module and its inputs."""
    file = folder / f"{_MAIN}.py"
    if not file.is_file() or not (folder / _CONFIG).is_file():
        return False
    return modules.defined(file.read_text(encoding="utf-8", errors="replace")) >= {"Model", "get_inputs"}


def folders(path: Path) -> list[Path]:
    """The tasks in `path`: itself, or folders below it."""
    return [folder for folder in (path, *sorted(path.glob("*/")), *sorted(path.glob("tasks/*/"))) if is_task(folder)]


def listed(found: list[Path], where: str) -> tuple[Listed, ...]:
    """These tasks by name."""
    return distinct((Listed(name=plain(folder.resolve().name), suite=FORMAT, read=partial(load, folder)) for folder in found), where)


def load(folder: Path, *, launcher: Path | None = None) -> Task:
    """The task of one folder. Raises as `programs.as_task` does, and where the configurations are not what they should be."""
    source = catalog.read(folder / f"{_MAIN}.py")
    where = str(folder / _CONFIG)
    cases = cases_of(checked(parsed(catalog.read(folder / _CONFIG), where), dict, where), where)
    program = {"format": FORMAT, "files": {f"{_MAIN}.py": source}, "main": _MAIN, "cases": cases}
    name = plain(folder.resolve().name)
    module = partial(_module, source, cases)
    return as_task(Spec(name=name, suite=FORMAT, where=str(folder), program=program, module=module), launcher)


def cases_of(table: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    """The configurations as cases. Raises `UsageError` with the place of what is none."""
    timed = list(_product(table, "single", where)) or [({}, {})]
    others = [pair for pair in itertools.islice(_product(table, "multi", where), _MOST) if pair not in timed]
    pairs = [*((pair, False) for pair in others), *((pair, True) for pair in timed)]
    return [{"name": f"config-{number}", "timed": is_timed, "init": i, "inputs": x} for number, ((i, x), is_timed) in enumerate(pairs)]


def _product(table: Mapping[str, Any], kind: str, where: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every choice of constructor and inputs; what is shared goes to both, last. Nothing where the file has no such configurations."""
    lists = [_configs(table, f"{kind}_{part}_configs", where) for part in ("init", "input", "shared")]
    if any(lists):
        for init, given, shared in itertools.product(*(found or [{}] for found in lists)):
            yield {**init, **shared}, {**given, **shared}


def _configs(table: Mapping[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    found = optional(table, key, list, where, [])
    for number, item in enumerate(found):
        for name in checked(item, dict, f"{where}: {key}[{number}]"):
            if not name.isidentifier():
                raise UsageError(f"{where}: {key}[{number}]: {name!r} is no name of an argument")
    return found


def _module(source: str, cases: list[dict[str, Any]], found: Mapping[str, Any], case: Mapping[str, Any]) -> str:
    body = modules.shaken([source], "Model")
    init = next(item["init"] for item in cases if item["name"] == case["name"])
    names = modules.read(found, case)
    given = [name if name in names else repr(case["scalars"][name]) for name in found["structure"]["order"]]
    made = f"super().__init__({', '.join(f'{name}={value!r}' for name, value in init.items())})"
    return modules.module(body, [f"return super().forward({', '.join(given)})"], names, base="Model", init=made)
