"""Task files: what they mean, and how faults in them are named."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from kernelsearch import catalog, codec, digest, paths
from kernelsearch.errors import UsageError
from kernelsearch.model import ArgKind, Distribution, DType, Form, Task, Yardstick

GOOD = """
name = "scale"
source = "k.cu"
args = [
  { name = "x", kind = "input", dtype = "f32", shape = ["rows", "2 * cols", 3] },
  { name = "i", kind = "input", dtype = "i32", shape = [4], low = 0, high = "rows" },
  { name = "y", kind = "output", dtype = "f32", shape = ["rows", "cols"] },
  { name = "rows", kind = "size", dtype = "i32" },
  { name = "cols", kind = "size", dtype = "i32" },
  { name = "a", kind = "scalar", dtype = "f32", value = 0.5 },
]
[[cases]]
sizes = { rows = 8, cols = 4 }
timed = true
[[cases]]
name = "ragged"
sizes = { rows = 7, cols = 3 }
scalars = { a = 2 }
"""
MORE = """
[reference]
python = "reference.py:f"
[inputs]
distributions = ["spikes"]
python = "reference.py:g"
[cost]
bytes = "4*rows"
"""
FILES = {"k.cu": "// source", "reference.py": "def f(): ..."}


def read(name: str) -> str:
    if name not in FILES:
        raise UsageError(f"{name}: no such file")
    return FILES[name]


def load(text: str) -> Task:
    return codec.task_from_toml(text, where="t.toml", read=read)


def test_a_task_file_becomes_a_task() -> None:
    task = load(GOOD + MORE)
    assert (task.form, task.entry, task.baseline, task.flags) == (Form.LAUNCHER, "solve", "// source", ("-O3",))
    assert task.shape(task.arg("x"), task.cases[0]) == (8, 8, 3)
    assert (task.arg("i").kind, task.arg("i").dtype, task.arg("i").high.text) == (ArgKind.INPUT, DType.I32, "rows")
    assert [case.name for case in task.cases] == ["8x4", "ragged"]
    assert (task.values(task.cases[0])["a"], task.values(task.cases[1])["a"]) == (0.5, 2)
    assert task.distributions == (Distribution.SPIKES,)
    assert (task.reference.source, task.reference.function, task.reference.inputs) == (FILES["reference.py"], "f", "g")
    assert task.cost.bytes.text == "4*rows"


def test_cases_of_equal_sizes_are_called_by_their_place() -> None:
    task = load(GOOD.replace('name = "ragged"\n', "").replace("rows = 7, cols = 3", "rows = 8, cols = 4"))
    assert [case.name for case in task.cases] == ["c0", "c1"]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('shape = ["rows", "cols"]', 'shape = ["rows", "cols("]', r"t.toml: args\[2\]: not an expression"),
        ('shape = ["rows", "cols"]', 'shape = ["rows", ["cols"]]', r"t.toml: args\[2\].shape\[1\]"),
        (
            'shape = ["rows", "cols"]',
            'shape = ["rows", "colz"]',
            r"t.toml: args\[2\].shape\[1\]: unknown name 'colz' in 'colz'; known: a, cols, rows",
        ),
        ('dtype = "f32", value', 'dtype = "float", value', r"t.toml: args\[5\].dtype: input should be 'f64'"),
        ("timed = true", "timed = true\nsize = 3", r"t.toml: cases\[0\].size: unknown key"),
        ("rows = 7", "rows = 0", r"t.toml: cases\[1\]: case 'ragged': size rows = 0"),
        ("rows = 7, ", "", r"t.toml: cases\[1\].sizes: no value for 'rows'"),
        ('source = "k.cu"', 'source = "gone.cu"', "t.toml: source: gone.cu: no such file"),
        ('source = "k.cu"', "", "t.toml: source: field required"),
        ('source = "k.cu"', 'source = "k.cu"\nform = "torch"', "the torch form is read from a KernelBench file"),
        ('source = "k.cu"', 'source = "k.cu"\nform = "kernels"\nentry = "solve"', "t.toml: task 'scale': `entry` belongs"),
        ("timed = true", "", "t.toml: task 'scale': no case is timed"),
        ('name = "scale"', 'name = "scale', "t.toml: not valid TOML: .*line 2"),
        ("[[cases]]\nname", "[tolerance]\nrtol = -1\n[[cases]]\nname", "t.toml: tolerance.rtol: "),
        (
            "[[cases]]\nname",
            '[reference]\npython = "reference.py"\n[[cases]]\nname',
            "t.toml: reference.python: 'reference.py' is not of the form",
        ),
        ("[[cases]]\nname", '[inputs]\npython = "reference.py:g"\n[[cases]]\nname', r"t.toml: inputs.python: needs a \[reference\]"),
    ],
)
def test_a_fault_is_named_by_file_and_path(old: str, new: str, complaint: str) -> None:
    assert old in GOOD
    with pytest.raises(UsageError, match=complaint):
        load(GOOD.replace(old, new, 1))


def test_inputs_and_reference_share_one_file() -> None:
    text = GOOD + '[reference]\npython = "reference.py:f"\n[inputs]\npython = "other.py:g"\n'
    with pytest.raises(UsageError, match="inputs.python: must be in reference.py"):
        load(text)


def test_json_round_trip_keeps_a_task() -> None:
    task = load(GOOD)
    assert codec.load_json(Task, codec.dump_json(task)) == task


def test_json_faults_name_their_path() -> None:
    with pytest.raises(UsageError, match=r"cases\[0\].sizes.rows: "):
        codec.load_json(Task, codec.dump_json(load(GOOD)).replace('"rows":8', '"rows":"many"'))


def test_profiles_refuse_unknown_and_missing_keys() -> None:
    with pytest.raises(UsageError, match="h.toml: sms: unknown key; known are name, arch"):
        codec.hardware_from_toml("sms = 3", where="h.toml")
    with pytest.raises(UsageError, match="h.toml: arch: "):
        codec.hardware_from_toml('name = "x"', where="h.toml")
    with pytest.raises(UsageError, match="r.toml: weights.speed: "):
        codec.reward_profile_from_toml('[weights]\nspeed = "much"', "r", where="r.toml")
    assert codec.metric_set_from_toml('[metrics]\na = "what a tells"', "m", where="m.toml").metrics == {"a": "what a tells"}


def test_a_yardstick_is_read_and_changes_no_identity(tmp_path: Path) -> None:
    task = catalog.task("core/row_softmax")
    with_it = dataclasses.replace(task, yardstick=Yardstick(library="torch", source="def f(torch, x): ...", function="f"))
    assert digest.task(with_it) == digest.task(task)
    file = _written(tmp_path, '[yardstick]\npython = "yard.py:softmax"\n')
    (tmp_path / "yard.py").write_text("def softmax(torch, x, **_): return torch.softmax(x, -1)\n")
    read = catalog.task(str(file)).yardstick
    assert read is not None
    assert (read.library, read.function) == ("torch", "softmax")


def test_a_yardstick_of_an_unknown_library_is_refused(tmp_path: Path) -> None:
    file = _written(tmp_path, '[yardstick]\nlibrary = "numpy"\npython = "yard.py:softmax"\n')
    (tmp_path / "yard.py").write_text("")
    with pytest.raises(UsageError, match="one of torch, cupy"):
        catalog.task(str(file))


def _written(folder: Path, more: str) -> Path:
    shutil.copytree(paths.data("tasks") / "core" / "row_softmax", folder, dirs_exist_ok=True)
    file = folder / "task.toml"
    file.write_text(file.read_text() + more)
    return file
