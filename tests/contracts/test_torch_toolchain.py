"""TorchToolchain in real walls: the source's check, extensions built ahead and only loaded where they run, the limits of their flags."""

import zipfile
from dataclasses import asdict

import numpy as np
import pytest
import torch_problems as problems

from kernelsearch import digest, oracle
from kernelsearch.errors import ToolMissing
from kernelsearch.formats import kernelbench
from kernelsearch.model import Candidate, Origin, Verdict
from kernelsearch.sandbox import open_sandbox
from kernelsearch.toolchain.locate import find_nvcc
from kernelsearch.toolchain.torch import TorchToolchain

torch = pytest.importorskip("torch", reason="building a PyTorch candidate needs torch (pip install kernelsearch[torch])")

# An extension in plain C, which compiles in a second: torch's own headers take half a minute.
EXTENSION = '''
import tempfile
import torch
import torch.nn as nn
from pathlib import Path
from torch.utils.cpp_extension import load

SOURCE = r"""
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <cmath>
static PyObject* softmax(PyObject*, PyObject* args) {
  unsigned long long from, to; int rows, cols;
  if (!PyArg_ParseTuple(args, "KKii", &from, &to, &rows, &cols)) return nullptr;
  const float* x = (const float*)from; float* y = (float*)to;
  for (int r = 0; r < rows; ++r, x += cols, y += cols) {
    double sum = 0;
    for (int c = 0; c < cols; ++c) sum += std::exp((double)x[c]);
    for (int c = 0; c < cols; ++c) y[c] = std::exp((double)x[c]) / sum;
  }
  Py_RETURN_NONE;
}
static PyMethodDef methods[] = {{"softmax", softmax, METH_VARARGS, ""}, {nullptr, nullptr, 0, nullptr}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "m", "", -1, methods};
#define INIT_(name) PyInit_##name
#define INIT(name) INIT_(name)
extern "C" PyObject* INIT(TORCH_EXTENSION_NAME)() { return PyModule_Create(&module); }
"""
file = Path(tempfile.mkdtemp()) / "rows.cpp"
file.write_text(SOURCE)
rows = load(name="rows", sources=[str(file)], extra_cflags=["-O2"])


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        rows.softmax(x.data_ptr(), y.data_ptr(), *x.shape)
        return y
'''


@pytest.fixture(scope="module")
def nvcc():
    found = find_nvcc()
    if found is None:
        pytest.skip("no nvcc on this machine; pip install 'kernelsearch[nvcc]'")
    return found


@pytest.fixture(scope="module")
def make(nvcc, tmp_path_factory):
    """A toolchain in walls, by whether it has an nvcc."""
    try:
        sandbox = open_sandbox()
    except ToolMissing as error:
        pytest.skip(f"no namespaces here: {error}")
    cache = tmp_path_factory.mktemp("cache")
    return lambda with_nvcc: TorchToolchain(sandbox=sandbox, cache=cache, nvcc=nvcc if with_nvcc else None, arch="sm_90")


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    file = tmp_path_factory.mktemp("problem") / "softmax.py"
    file.write_text(problems.SOFTMAX)
    yield kernelbench.load(file)
    oracle.close()


def candidate(task, source):
    return Candidate(task=digest.task(task), source=source, flags=(), origin=Origin(proposer="test"))


def test_a_module_without_extensions_is_its_source_and_needs_no_compiler(make, task):
    build = make(False).build(candidate(task, task.baseline), task)
    assert (build.ok, build.failure, build.log) == (True, None, "")
    with zipfile.ZipFile(build.artifact) as archive:
        assert archive.namelist() == ["candidate.py"]
        assert archive.read("candidate.py").decode() == task.baseline
    assert make(False).build(candidate(task, task.baseline), task).cached


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("class ModelNew(:\n", "line 1: SyntaxError: invalid syntax"),
        ("class Model:\n    pass\n", "there is no class ModelNew"),
        ("from torch.utils import cpp_extension\nclass ModelNew:\n    pass\nraise ValueError('no')\n", "line 4: ValueError: no"),
        (EXTENSION.replace("-O2", "-fplugin=/tmp/evil.so"), "'-fplugin=/tmp/evil.so' is not a flag that a candidate may give"),
        (EXTENSION.replace('extra_cflags=["-O2"]', 'extra_ldflags=["-lcublas"]'), "'-lcublas' is not a library that the task allows"),
        (EXTENSION.replace("Py_RETURN_NONE", "nonsense"), "rows.cpp:14:3: error: "),
    ],
)
def test_what_cannot_be_built_is_told_with_the_reason(make, task, source, complaint):
    build = make(True).build(candidate(task, source), task)
    assert build.failure is Verdict.BUILD_FAILED
    assert complaint in build.log


def test_an_extension_without_a_compiler_names_what_is_missing(make, task):
    build = make(False).build(candidate(task, EXTENSION), task)
    assert build.failure is Verdict.BUILD_FAILED
    assert "nvcc" in build.log


def test_an_extension_is_built_ahead_and_only_loaded_where_it_runs(make, task, tmp_path):
    build = make(True).build(candidate(task, EXTENSION), task)
    assert build.ok, build.log
    with zipfile.ZipFile(build.artifact) as archive:
        source, library = archive.namelist()
    assert (source, library.split("/")[0], library[-8:]) == ("candidate.py", "extensions", "-rows.so")
    contents = np.random.default_rng(1).standard_normal((6, 32)).astype(np.float32)
    with problems.torch_runner() as runner:
        bench = problems.Bench(runner, build.artifact, asdict(task.torch), "ModelNew", tmp_path)
        call = bench.prepared("a", {"x0": contents}, [("x0", "f32", (6, 32)), ("y0", "f32", (6, 32))])
        call.launch()
        found = np.empty_like(contents)
        bench.gpu.download(call.tensor("y0").buffer.pointer, found)
    np.testing.assert_allclose(found, oracle.compute(task, {"x0": contents})["y0"], rtol=1e-6)
