"""Problems of other benchmarks as tasks: recognised by content, run in the trusted process, judged, and refused with a place."""

import importlib.util
import json
from pathlib import Path

import foreign
import numpy as np
import pytest

from kernelsearch import cli, formats, oracle, workload
from kernelsearch.cli import inputs
from kernelsearch.errors import UsageError
from kernelsearch.formats.shapes import formula
from kernelsearch.model import ArgKind, DType, Form, Task
from kernelsearch.verify import reference

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="references in PyTorch need torch (pip install kernelsearch[torch])"
)
MAKERS = {
    "LeetGPU": foreign.leetgpu,
    "GPU MODE": foreign.gpumode,
    "FlashInfer Trace": foreign.flashinfer,
    "robust-kbench": foreign.robust,
    "ComputeEval": foreign.computeeval,
}


@pytest.fixture(scope="module", autouse=True)
def end_of_the_trusted_process():
    yield
    oracle.close()


@pytest.fixture
def launcher(tmp_path) -> Path:
    """A source that is never compiled: what is asked is the task."""
    file = tmp_path / "k.cu"
    file.write_text('extern "C" void solve() {}\n')
    return file


def told(task: Task) -> list[tuple[str, ArgKind, DType, str]]:
    return [(arg.name, arg.kind, arg.dtype, ", ".join(extent.text for extent in arg.shape)) for arg in task.args]


@pytest.mark.parametrize("name", MAKERS)
def test_a_problem_is_recognised_by_what_it_holds(tmp_path, name):
    found = formats.recognised(MAKERS[name](tmp_path))
    assert found.format == name
    assert [row.suite for row in found.listed()] == [{"FlashInfer Trace": "flashinfer", "GPU MODE": "gpumode"}.get(name, name.lower())]


def test_a_checkout_of_many_is_a_suite_and_no_task(tmp_path):
    foreign.leetgpu(tmp_path)
    other = tmp_path / "challenges" / "hard" / "2_other"
    other.mkdir(parents=True)
    (other / "challenge.py").write_text(foreign.CHALLENGE)
    assert [row.name for row in inputs.listed(str(tmp_path))] == ["scaled_sum", "other"]
    with pytest.raises(UsageError, match="holds many tasks"):
        inputs.task(str(tmp_path))


def test_files_of_these_names_with_other_contents_are_none(tmp_path):
    for name in ("challenge.py", "task.yml", "problem-spec.yaml", "definition.json", "func_forward.py", "config_forward.json"):
        (tmp_path / name).write_text("{}")
    assert formats.recognised(tmp_path) is None


@needs_torch
def test_a_challenge_keeps_its_signature_and_its_tests(tmp_path, launcher):
    task = inputs.task(str(foreign.leetgpu(tmp_path)), launcher=launcher)
    assert task.form is Form.LAUNCHER and task.entry == "solve"
    assert told(task) == [
        ("A", ArgKind.INPUT, DType.F32, "N"),
        ("B", ArgKind.INPUT, DType.F32, "N"),
        ("C", ArgKind.OUTPUT, DType.F32, "N"),
        ("N", ArgKind.SIZE, DType.U64, ""),
        ("alpha", ArgKind.SCALAR, DType.F32, ""),
    ]
    assert [(case.name, case.timed, case.sizes["N"]) for case in task.cases] == [
        ("test-0", False, 4),
        ("test-1", False, 33),
        ("performance", True, 256),
    ]


@needs_torch
def test_a_checkout_that_only_says_how_tensors_are_drawn_has_them_drawn(tmp_path, launcher):
    drawn = foreign.CHALLENGE.replace("import ChallengeBase", "import ChallengeBase, OutTensor, RandTensor")
    drawn = drawn.replace('"B": torch.randn(count, device="cuda")', '"B": RandTensor((count,), 3.0, 4.0)')
    drawn = drawn.replace("torch.empty_like(A)", "OutTensor((count,))")
    folder = foreign.leetgpu(tmp_path, drawn)
    core = tmp_path / "challenges" / "core"
    core.mkdir()
    (core / "challenge_base.py").write_text(foreign.BASE)
    task = inputs.task(str(folder), launcher=launcher)
    assert [arg.shape[0].text for arg in task.args[:3]] == ["N", "N", "N"]
    (call, *_) = workload.prepare(task, tmp_path / "s", "s").calls
    assert 3 <= call.inputs()["B"].min() <= call.inputs()["B"].max() < 4


@needs_torch
def test_a_gpu_mode_problem_takes_the_written_tensor_for_an_output(tmp_path, launcher):
    task = inputs.task(str(foreign.gpumode(tmp_path)), launcher=launcher)
    assert told(task) == [
        ("x0", ArgKind.INPUT, DType.F32, "batch, size"),
        ("x1", ArgKind.OUTPUT, DType.F32, "batch, size"),
        ("c2", ArgKind.SCALAR, DType.F32, ""),
        ("size", ArgKind.SIZE, DType.I32, ""),
        ("batch", ArgKind.SIZE, DType.I32, ""),
    ]
    assert [(case.name, case.timed) for case in task.cases] == [("test-0", False), ("benchmark-0", True)]


@needs_torch
def test_a_definition_has_its_axes_and_leaves_out_workloads_that_are_files(tmp_path, launcher):
    task = inputs.task(str(foreign.flashinfer(tmp_path)), launcher=launcher)
    assert told(task) == [
        ("x", ArgKind.INPUT, DType.BF16, "batch, 32"),
        ("w", ArgKind.INPUT, DType.BF16, "32"),
        ("y", ArgKind.OUTPUT, DType.BF16, "batch, 32"),
        ("eps", ArgKind.SCALAR, DType.F32, ""),
        ("batch", ArgKind.SIZE, DType.I32, ""),
    ]
    assert [case.sizes["batch"] for case in task.cases] == [3, 70]
    assert "1 workloads are left out" in task.notes


@needs_torch
def test_configurations_are_cases_and_parameters_are_inputs(tmp_path, launcher):
    task = inputs.task(str(foreign.robust(tmp_path)), launcher=launcher)
    assert told(task) == [
        ("x", ArgKind.INPUT, DType.F32, "x_0, x_1"),
        ("w_weight", ArgKind.INPUT, DType.F32, "w_weight_0, x_1"),
        ("y0", ArgKind.OUTPUT, DType.F32, "x_0, w_weight_0"),
        ("x_0", ArgKind.SIZE, DType.I32, ""),
        ("x_1", ArgKind.SIZE, DType.I32, ""),
        ("w_weight_0", ArgKind.SIZE, DType.I32, ""),
    ]
    assert [case.timed for case in task.cases] == [False, False, True]
    module = inputs.task(str(foreign.robust(tmp_path / "again")))
    assert module.torch.parameters == {"w_weight": "weight"}
    assert "super().__init__(out=8, width=32)" in module.baseline and "get_inputs" not in module.baseline


def test_a_program_whose_verdict_is_its_own_is_refused_with_a_way_out(tmp_path):
    with pytest.raises(UsageError, match=r"problem-spec.yaml: .* cannot be judged soundly.*kernelsearch init"):
        inputs.task(str(foreign.computeeval(tmp_path)))


@needs_torch
@pytest.mark.parametrize("make", [foreign.leetgpu, foreign.gpumode, foreign.flashinfer, foreign.robust], ids=lambda make: make.__name__)
def test_inputs_are_the_generators_own_and_outputs_exact(tmp_path, launcher, make):
    task = inputs.task(str(make(tmp_path / "p")), launcher=launcher)
    first, second = (workload.prepare(task, tmp_path / secret, secret).calls[0] for secret in "ab")
    contents = first.inputs()
    assert not np.array_equal(*(next(iter(call.inputs().values())) for call in (first, second)))
    assert reference.evaluate(task, first, contents).keys() == {arg.name for arg in task.outputs}
    right = by_hand(make.__name__, contents, first.call.values)
    for name, expected in right.items():
        exact = reference.evaluate(task, first, contents)[name]
        np.testing.assert_allclose(exact, expected, rtol=1e-12)  # casts of the reference's own to a narrower type round nothing


def by_hand(name: str, given: dict, values: dict) -> dict[str, np.ndarray]:
    wide = {key: array.astype(np.float64) for key, array in given.items()}
    if name == "leetgpu":
        return {"C": wide["A"] + values["alpha"] * wide["B"]}
    if name == "gpumode":
        powers = np.exp(wide["x0"] * values["c2"])
        return {"x1": powers / powers.sum(-1, keepdims=True)}
    if name == "flashinfer":
        x = wide["x"]
        return {"y": x / np.sqrt((x**2).mean(-1, keepdims=True) + 0.001) * wide["w"]}
    return {"y0": wide["x"] @ wide["w_weight"].T}


@needs_torch
def test_a_kernel_for_a_challenge_is_judged_on_the_emulated_device(tmp_path, capsys):
    folder = foreign.leetgpu(tmp_path)
    for source, code in ((foreign.ADD, 0), (foreign.ADD.replace("alpha * B[i]", "B[i]"), 1)):
        (tmp_path / "add.cu").write_text(source)
        words = [
            "evaluate",
            str(tmp_path / "add.cu"),
            "--task",
            str(folder),
            "--device",
            "emulated",
            "--metrics",
            "none",
            "--until",
            "verify",
        ]
        assert cli.run(cli.group, "kernelsearch", words) == code
    assert "wrong" in capsys.readouterr().out


@needs_torch
@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (('"N": count, "alpha"', '"N": self, "alpha"'), "argument N of a test is of type Challenge"),
        (('"C": (pointer, "out")', '"C": (pointer, "back")'), "get_solve_signature: C is 'back'"),
        (("num_gpus=1", "num_gpus=2"), "it needs 2 GPUs"),
        (("out=C)", "out=A)"), "writes its input A"),
        (("torch.add(A, B, alpha=alpha, out=C)", "A.nonsense()"), "challenge.py, line 14: AttributeError"),
        (("torch.add(A, B, alpha=alpha, out=C)", "C.uniform_()"), "another at the second call"),
    ],
)
def test_a_challenge_that_cannot_be_judged_is_refused_with_the_reason(tmp_path, launcher, change, complaint):
    source = foreign.CHALLENGE.replace(*change)
    folder = foreign.leetgpu(tmp_path, source)
    with pytest.raises(UsageError, match="challenge.py: ") as raised:
        inputs.task(str(folder), launcher=launcher)
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("lang: cu\nfiles: []\ntests: []\n", "lang cu: its reference is C++"),
        ("multi_gpu: true\nfiles: []\ntests: []\n", "multi_gpu: a candidate has one GPU here"),
        ("files: 3\ntests: []\n", "files: '3' is not a list"),
        ("files: [{name: a.py}]\ntests: []\n", r"files\[0\]: no 'source' in it"),
        ("files: [{name: a.py, source: absent.py}]\ntests: []\n", "absent.py: no such file"),
        ("files: []\ntests: [{size: [1]}]\n", r"tests\[0\]: size is neither a number nor a text"),
    ],
)
def test_a_task_yml_that_cannot_be_expressed_is_refused_with_the_place(tmp_path, text, complaint):
    with pytest.raises(UsageError, match=complaint):
        inputs.task(str(foreign.gpumode(tmp_path, text)))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"axes": {"batch": {"type": "odd"}}}, "axes.batch: type 'odd'"),
        ({"axes": {"hidden": {"type": "const", "value": 32}}}, "inputs.x: shape names the axis 'batch'"),
        ({"outputs": {"y": {"shape": None, "dtype": "float8_e4m3fn"}}}, "outputs.y: dtype float8_e4m3fn cannot be judged"),
        ({"inputs": {}}, "inputs is empty"),
        ({"name": "absent"}, "no workloads; looked for"),
    ],
)
def test_a_definition_that_cannot_be_expressed_is_refused_with_the_place(tmp_path, change, complaint):
    with pytest.raises(UsageError, match=complaint):
        inputs.task(str(foreign.flashinfer(tmp_path, {**foreign.DEFINITION, **change})))


def test_workloads_and_configurations_are_refused_with_the_place(tmp_path):
    with pytest.raises(UsageError, match=r"rms.jsonl, line 2: axes.batch: 0 is no extent"):
        inputs.task(str(foreign.flashinfer(tmp_path / "a", rows=[foreign.workload("a", 2), foreign.workload("b", 0)])))
    with pytest.raises(UsageError, match="every workload has contents in files"):
        inputs.task(str(foreign.flashinfer(tmp_path / "b", rows=[foreign.workload("a", 2, "safetensors")])))
    with pytest.raises(UsageError, match=r"config_forward.json: multi_input_configs\[0\]: '3' is not an object"):
        inputs.task(str(foreign.robust(tmp_path / "c", {"multi_input_configs": [3]})))


def test_extents_become_formulas_over_sizes():
    sizes = {"n": [2, 3, 5], "m": [4, 4, 7]}
    assert formula([2, 3, 5], sizes) == "n"
    assert formula([9, 9, 9], sizes) == "9"
    assert formula([8, 12, 35], sizes) == "n * m"
    assert formula([3, 4, 6], sizes) == "n + 1"
    assert formula([6, 9, 15], sizes) == "3 * n"
    assert formula([6, 9, 16], sizes) is None


def test_json_of_a_program_survives_a_run_folder(tmp_path):
    from kernelsearch import codec
    from kernelsearch.model import Reference

    kept = Reference(source=json.dumps({"format": "leetgpu"}), function="reference", inputs="inputs", program=True)
    assert codec.load_json(Reference, codec.dump_json(kept)) == kept
