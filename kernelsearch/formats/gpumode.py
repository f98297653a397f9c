"""GPU MODE's problems as tasks (`task.yml`, in Python), and the best kernel as a submission.

Tests are verified and benchmarks timed. Inputs come from `generate_input` with seeds of ours; outputs are held against `ref_kernel` by
our own comparison, and `check_implementation` is not asked. A problem in CUDA C++ has a reference that is C++ and shares a process with the
submission, so it cannot be judged here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from kernelsearch import catalog
from kernelsearch.errors import UsageError
from kernelsearch.formats import modules
from kernelsearch.formats.fields import checked, get, optional
from kernelsearch.formats.inline import launcher_module, value_of
from kernelsearch.formats.listed import Listed, plain
from kernelsearch.formats.programs import Spec, as_task
from kernelsearch.formats.yaml_text import mapping
from kernelsearch.model import Candidate, Form, Task

FORMAT = "gpumode"
FILES = ("task.yml", "task.yaml")
_SUBMISSION = "@SUBMISSION@"
_NO_REFERENCE = (
    "its reference is C++ that shares a process with the submission, so nothing outside could tell whether it is right; "
    "write a task file with a reference in NumPy, see `kernelsearch init`"
)


def is_problem(file: Path) -> bool:
    """Whether a YAML file has what a problem has: files with a place for the submission."""
    try:
        table = mapping(catalog.read(file), str(file))
    except UsageError:
        return False
    return "files" in table and ("tests" in table or "benchmarks" in table)


def listed(file: Path) -> tuple[Listed, ...]:
    """The one problem of a `task.yml`."""
    return (Listed(name=_name(file), suite=FORMAT, read=partial(load, file)),)


def load(file: Path, *, launcher: Path | None = None) -> Task:
    """The task of one problem. Raises as `programs.as_task` does, and where the format asks for what cannot be judged."""
    where = str(file)
    table = mapping(catalog.read(file), where)
    if (lang := optional(table, "lang", str, where, "py")) != "py":
        raise UsageError(f"{where}: lang {lang}: {_NO_REFERENCE}")
    if optional(table, "multi_gpu", bool, where, False):
        raise UsageError(f"{where}: multi_gpu: a candidate has one GPU here")
    files, cases = dict(_files(table, file, where)), read_cases(file)
    gpus = [str(gpu) for gpu in optional(table, "gpus", list, where, [])]
    program = {"format": FORMAT, "files": files, "cases": cases, "leaderboard": _name(file), "gpus": gpus}
    sizes = [{k: v for k, v in case["arguments"].items() if k != "seed" and isinstance(v, int) and v >= 1} for case in cases]
    common = set.intersection(*map(set, sizes)) if sizes else set()
    spec = Spec(
        name=_name(file),
        suite=FORMAT,
        where=where,
        program=program,
        module=partial(_module, files),
        sizes=[{k: v for k, v in row.items() if k in common} for row in sizes],
        notes=_description(table),
    )
    return as_task(spec, launcher)


def read_cases(file: Path) -> list[dict[str, Any]]:
    """Tests and benchmarks of a `task.yml`; without benchmarks the last test is timed. Raises `UsageError` with the place at fault."""
    where = str(file)
    table = mapping(catalog.read(file), where)
    cases = [*_cases(table, "tests", where, timed=False), *_cases(table, "benchmarks", where, timed=True)]
    if cases and not any(case["timed"] for case in cases):
        cases[-1]["timed"] = True
    return cases


def submission(task: Task, candidate: Candidate) -> str:
    """`candidate` as a file to submit: the header, the kernel, and a `custom_kernel` on the problem's data."""
    if task.reference is None or not task.reference.program or (program := json.loads(task.reference.source))["format"] != FORMAT:
        raise UsageError(f"task {task.name!r} is no problem of GPU MODE")
    structure = get(program, "structure", dict, task.name)
    head = [f"#!POPCORN leaderboard {program['leaderboard']}", *(f"#!POPCORN gpu {gpu}" for gpu in program["gpus"][:1])]
    places = dict(_places(structure["inputs"], "data"))
    if task.form is Form.TORCH:
        body, names = candidate.source, [item["arg"] for item in json.loads(task.torch.inputs)["list"]] if task.torch else []
        call = ["global _module", "_module = _module or ModelNew()", f"made = _module({', '.join(places[name] for name in names)})"]
        outputs = [arg.name for arg in task.outputs]
        results = {name: f"made[{i}]" if len(outputs) > 1 else "made" for i, name in enumerate(outputs)}
        call += [f"{places[name]}.copy_({results[name]})" for name in outputs if name in places]
        results |= {name: places[name] for name in outputs if name in places}
        body += "\n\n_module = None\n"
    else:
        body = "import torch\n" + launcher_module(candidate, task.entry or "solve")
        given = {**places, **{arg.name: arg.name for arg in task.outputs if arg.name not in places}}
        call = [f"{arg.name} = {_empty(task, arg.name, given)}" for arg in task.outputs if arg.name not in places]
        pointers = [f"{given[arg.name]}.data_ptr()" if arg.is_tensor else value_of(task, arg, given) for arg in task.args]
        call += [f"_launcher.run([{', '.join(pointers)}])"]
        results = {arg.name: given[arg.name] for arg in task.outputs}
    call.append(f"return {_returned(structure['outputs'], results)}")
    return "\n".join([*head, "", body, "", "def custom_kernel(data):", *(f"    {line}" for line in call)]) + "\n"


def _name(file: Path) -> str:
    return plain(file.resolve().parent.name)


def _description(table: Mapping[str, Any]) -> str:
    return str(table.get("description") or "").strip()


def _files(table: Mapping[str, Any], file: Path, where: str) -> Iterator[tuple[str, str]]:
    """The problem's own Python by name; the harness and the submission's place are left out."""
    for number, item in enumerate(get(table, "files", list, where)):
        place = f"{where}: files[{number}]"
        entry = checked(item, dict, place)
        name, source = get(entry, "name", str, place), get(entry, "source", str, place)
        if source != _SUBMISSION and name.endswith(".py") and Path(name).stem != "eval":
            if Path(name).name != name:
                raise UsageError(f"{place}: name {name!r} is a path, and files lie in one folder")
            yield name, catalog.read(file.parent / source)


def _cases(table: Mapping[str, Any], key: str, where: str, *, timed: bool) -> list[dict[str, Any]]:
    found = []
    for number, item in enumerate(optional(table, key, list, where, [])):
        place = f"{where}: {key}[{number}]"
        arguments = checked(item, dict, place)
        if odd := [name for name, value in arguments.items() if not isinstance(name, str) or not isinstance(value, int | float | str)]:
            raise UsageError(f"{place}: {odd[0]} is neither a number nor a text")
        found.append({"name": f"{key.rstrip('s')}-{number}", "timed": timed, "arguments": arguments})
    return found


def _module(files: Mapping[str, str], found: Mapping[str, Any], case: Mapping[str, Any]) -> str:
    local = [Path(name).stem for name in files]
    sources = [text for name, text in files.items() if name != "reference.py"] + [files.get("reference.py", "")]
    body = modules.shaken(sources, "ref_kernel", local=local)
    names = modules.read(found, case)
    outputs = [fact for fact in case["tensors"] if fact["role"] == "output"]
    inside = {name for name, _ in _places(found["structure"]["inputs"], "")}
    lines = [f"{fact['name']} = {modules.allocated(fact, modules.device(names))}" for fact in outputs if fact["name"] in inside]
    lines.append(f"result = ref_kernel({_returned(found['structure']['inputs'], {k: repr(v) for k, v in case['scalars'].items()})})")
    results = dict(_places(found["structure"]["outputs"] or {}, "result"))
    lines.append(f"return {', '.join(fact['name'] if fact['name'] in inside else results[fact['name']] for fact in outputs)}")
    return modules.module(body, lines, names)


def _places(node: Mapping[str, Any] | None, place: str) -> Iterator[tuple[str, str]]:
    """Where each name of a tree is found in a value."""
    if node and "arg" in node:
        yield node["arg"], place
    for i, item in enumerate((node or {}).get("list") or (node or {}).get("tuple") or ()):
        yield from _places(item, f"{place}[{i}]")


def _returned(node: Mapping[str, Any] | None, written: Mapping[str, str]) -> str:
    """A tree as a Python expression; a name is itself unless `written` has another way to say it."""
    if node is None:
        return "None"
    if "arg" in node:
        return written.get(node["arg"], str(node["arg"]))
    items = ", ".join(_returned(item, written) for item in node.get("list", node.get("tuple", ())))
    return f"[{items}]" if "list" in node else f"({items},)"


def _empty(task: Task, name: str, given: Mapping[str, str]) -> str:
    arg = task.arg(name)
    shape = ", ".join(value_of(task, extent, given) for extent in arg.shape)
    first = next(given[other.name] for other in task.inputs)
    return f"torch.empty(({shape},), dtype=torch.{modules.TYPES[arg.dtype.value]}, device={first}.device)"
