"""Best kernels and results in the formats of other benchmarks, from runs made of model objects; and parsers that no text makes crash."""

import ast
import json
from dataclasses import replace
from pathlib import Path

import foreign
import nodes
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelsearch import cli, digest
from kernelsearch.errors import UsageError
from kernelsearch.formats import computeeval, exports, fields, flashinfer, gpumode, modules, robust, yaml_text
from kernelsearch.model import (
    Arg,
    ArgKind,
    Candidate,
    Case,
    CaseTiming,
    Check,
    DType,
    Environment,
    Expression,
    Form,
    Measurement,
    Origin,
    Proposal,
    Reference,
    RunSpec,
    Task,
    TimeKind,
    TorchCall,
    Verdict,
)
from kernelsearch.store.rundir import Header, RunFolder

SOURCE = 'extern "C" void solve(const float* x0, float* x1, int size, int batch) {}\n'
DOUBLE = "class ModelNew:\n    def __call__(self, x): return [2 * x]\n"
TREES = {"inputs": {"tuple": [{"arg": "x0"}, {"arg": "x1"}]}, "outputs": {"arg": "x1"}}


def read_from(program: dict, *, form: Form = Form.LAUNCHER, names: tuple[str, str] = ("x0", "x1"), case: str = "benchmark-0") -> Task:
    """A task as a reader would make it, of a tensor in and one out, [batch, size]."""
    shape = (Expression("batch"), Expression("size"))
    tensors = [Arg(name=n, kind=k, dtype=DType.F32, shape=shape) for n, k in zip(names, (ArgKind.INPUT, ArgKind.OUTPUT), strict=True)]
    sizes = [Arg(name=name, kind=ArgKind.SIZE, dtype=DType.I32) for name in ("size", "batch")] if form is Form.LAUNCHER else []
    tree = json.dumps({"list": [{"arg": names[0]}]})
    call = TorchCall(init='{"list": []}', inputs=tree, outputs=json.dumps({"arg": names[1]}), parameters={}, shapes={})
    return Task(
        name="softmax",
        suite=program["format"],
        form=form,
        entry="solve" if form is Form.LAUNCHER else "ModelNew",
        args=(*tensors, *sizes),
        cases=(Case(name=case, sizes={"size": 64, "batch": 8}, timed=True),),
        baseline=SOURCE,
        reference=Reference(source=json.dumps(program), function="reference", inputs="inputs", program=True),
        torch=call if form is Form.TORCH else None,
    )


def kernel(source: str = SOURCE) -> Candidate:
    return Candidate(task="t", source=source, flags=("-O3",), origin=Origin(proposer="user"))


def recorded(folder: Path, task: Task, *, kind: TimeKind = TimeKind.MEASURED, verdict: Verdict = Verdict.PASSED) -> Path:
    """A run whose baseline took 4 ms and whose best kernel 2 ms on every case."""
    environment = Environment(device="NVIDIA H100 80GB HBM3", time_kind=kind.value, sandbox="full", facts={"driver": "1"})
    header = Header(version="1", started="2026-01-01T00:00:00", spec=RunSpec(task=digest.task(task), task_name=task.name), task=task,
                    environment=environment)  # fmt: skip
    run = RunFolder.create(folder, header)
    checks = tuple(Check(case=case.name, distribution="normal", verdict=verdict, relative_error=1e-6) for case in task.cases)
    for number, (microseconds, against) in enumerate([(4000.0, ""), (2000.0, "first")][: 2 if verdict is Verdict.PASSED else 1]):
        timings = tuple(CaseTiming(case=case.name, samples_us=(microseconds,) * 4) for case in task.cases)
        passing = nodes.passing(microseconds, "first" if number == 0 else "second", against=against)
        judged = {"verdict": verdict, "measurement": None, "detail": "as told"}
        if verdict is Verdict.PASSED:
            judged = {"measurement": Measurement(kind=kind, timings=timings)}
        found = replace(passing, checks=checks, **judged)
        proposal = Proposal(ticket=number, parent=0, seed=0) if number else None
        attempt = replace(nodes.passed(number, proposal, microseconds).attempt, candidate=kernel(), evaluation=found)
        run.journal.append(attempt, None, float(number))
    run.close()
    return folder


def export(folder: Path, form: str, out: Path, *more: object) -> int:
    return cli.run(cli.group, "kernelsearch", ["export", str(folder), "--form", form, "--out", str(out), *map(str, more)])


def test_a_submission_has_its_header_and_calls_the_launcher_on_the_data(tmp_path):
    program = {"format": "gpumode", "leaderboard": "softmax", "gpus": ["H100", "B200"], "structure": TREES}
    assert export(recorded(tmp_path / "run", read_from(program)), "gpumode", tmp_path / "submission.py") == 0
    text = (tmp_path / "submission.py").read_text()
    assert text.splitlines()[:2] == ["#!POPCORN leaderboard softmax", "#!POPCORN gpu H100"]
    (function,) = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == "custom_kernel"]
    assert ast.unparse(function).splitlines()[1:] == [
        "    _launcher.run([data[0].data_ptr(), data[1].data_ptr(), data[0].shape[1], data[0].shape[0]])",
        "    return data[1]",
    ]


def test_a_submission_of_a_module_fills_the_tensor_that_the_data_has(tmp_path):
    program = {"format": "gpumode", "leaderboard": "softmax", "gpus": [], "structure": TREES}
    text = gpumode.submission(read_from(program, form=Form.TORCH), kernel(DOUBLE))
    space: dict = {}
    exec(text.replace(".copy_(made)", ".extend(made)"), space)
    held: list = []
    assert space["custom_kernel"]((3, held)) is held and held == [6]


def test_an_output_that_the_data_lacks_is_made_from_shapes_that_it_has():
    trees = {"inputs": {"arg": "x0"}, "outputs": {"tuple": [{"arg": "y0"}]}}
    program = {"format": "gpumode", "leaderboard": "l", "gpus": [], "structure": trees}
    text = gpumode.submission(read_from(program, names=("x0", "y0")), kernel())
    assert "y0 = torch.empty((data.shape[0], data.shape[1],), dtype=torch.float32, device=data.device)" in text
    assert text.rstrip().endswith("return (y0,)")


def test_a_solution_and_its_traces_have_the_status_and_the_times(tmp_path):
    definition = {
        "name": "soft", "op_type": "act", "axes": {},
        "inputs": {"x0": {"shape": ["batch", "size"], "dtype": "float32"}},
        "outputs": {"x1": {"shape": ["batch", "size"], "dtype": "float32"}},
    }  # fmt: skip
    workloads = [{"name": name, "uuid": name, "axes": {"batch": 8}, "inputs": {}} for name in ("timed", "only-verified")]
    program = {"format": "flashinfer", "definition": definition, "workloads": workloads}
    assert export(recorded(tmp_path / "run", read_from(program, case="timed")), "flashinfer", tmp_path / "out") == 0
    solution = json.loads(next((tmp_path / "out" / "solutions" / "act" / "soft").iterdir()).read_text())
    assert solution["spec"] | {"target_hardware": None} == {
        "language": "cuda", "entry_point": "kernel.cu::run", "destination_passing_style": True, "binding": "torch",
        "target_hardware": None, "dependencies": [],
    }  # fmt: skip
    assert "static void run(torch::Tensor x0, torch::Tensor x1) { solve(" in solution["sources"][0]["content"]
    assert "ks_any(x0.size(1)), ks_any(x0.size(0)))" in solution["sources"][0]["content"]
    (line,) = (tmp_path / "out" / "traces" / "kernelsearch" / "act" / "soft.jsonl").read_text().splitlines()
    trace = json.loads(line)
    assert (trace["definition"], trace["solution"], trace["workload"]["uuid"]) == ("soft", solution["name"], "timed")
    assert trace["evaluation"]["status"] == "PASSED"
    assert trace["evaluation"]["performance"] == {"latency_ms": 2.0}  # a launcher's baseline is no reference


@pytest.mark.parametrize(
    ("verdict", "status", "has"), [(Verdict.WRONG, "INCORRECT_NUMERICAL", True), (Verdict.BUILD_FAILED, "COMPILE_ERROR", False)]
)
def test_a_failure_has_the_blocks_that_its_status_asks_for(tmp_path, verdict, status, has):
    definition = {"name": "s", "op_type": "", "axes": {}, "inputs": {}, "outputs": {}}
    program = {"format": "flashinfer", "definition": definition, "workloads": [{"name": "w", "uuid": "w", "axes": {}, "inputs": {}}]}
    task = read_from(program, form=Form.TORCH, case="w")
    texts = exports.flashinfer(exports.outcome(recorded(tmp_path / "run", task, verdict=verdict)))
    evaluation = json.loads(texts["traces/kernelsearch/op/s.jsonl"])["evaluation"]
    assert (evaluation["status"], evaluation["performance"], evaluation["log"]) == (status, None, "as told")
    assert (evaluation["correctness"] is not None) is has


def test_results_of_robust_kbench_are_milliseconds_by_configuration(tmp_path):
    task = read_from({"format": "robust-kbench"}, form=Form.TORCH)
    assert export(recorded(tmp_path / "run", task), "robust-kbench", tmp_path) == 0
    folder = tmp_path / "eval_results"
    assert json.loads((folder / "test_results.json").read_text()) == {"correct": True, "num_correct": 1, "total_correct_trials": 1}
    ours, own = (json.loads((folder / name).read_text()) for name in ("time_results.json", "forward/torch_native_results.json"))
    assert ours["eval_settings"] == {"benchmark-0": {"mean_time": 2.0, "median_time": 2.0, "iqr_time": 0.0}}
    assert own["summary"]["avg_median_time"] == 4.0


def test_modelled_times_and_runs_of_other_tasks_are_refused(tmp_path, capsys):
    modelled = recorded(tmp_path / "modelled", read_from({"format": "robust-kbench"}), kind=TimeKind.MODELLED)
    assert export(modelled, "robust-kbench", tmp_path / "out") == 2
    assert "modelled by the emulated device" in capsys.readouterr().err
    assert export(modelled, "flashinfer", tmp_path / "out") == 2
    assert "was not read from FlashInfer Trace" in capsys.readouterr().err
    assert export(modelled, "computeeval", tmp_path / "out") == 2
    assert "--problem" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_solution_of_computeeval_has_the_name_of_its_own_file(tmp_path):
    problem = foreign.computeeval(tmp_path) / "problem-spec.yaml"
    run = recorded(tmp_path / "run", read_from({"format": "other"}))
    assert export(run, "computeeval", tmp_path / "solution.jsonl", "--problem", problem) == 0
    found = json.loads((tmp_path / "solution.jsonl").read_text())
    assert (found["type"], found["task_id"], found["files"]) == ("file", "CUDA/7", [{"path": "answer.cu", "content": SOURCE}])


def test_only_what_a_name_hangs_on_is_kept():
    source = "import math\nimport os\nK = 2\ndef other(): return os\ndef half(x): return x / K\ndef root(x): return math.sqrt(half(x))\n"
    kept = modules.shaken([source], "root")
    space: dict = {}
    exec(kept, space)
    assert space["root"](8) == 2 and "os" not in kept and "other" not in kept


@pytest.fixture(scope="module")
def scratch(tmp_path_factory) -> Path:
    """One folder for all examples."""
    return tmp_path_factory.mktemp("examples")


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 1 << 70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def changed(base: dict) -> st.SearchStrategy[dict]:
    """`base` with one of its values, at any depth of two, replaced by anything."""

    @st.composite
    def strategy(draw) -> dict:
        table = json.loads(json.dumps(base))
        key = draw(st.sampled_from(sorted(table)))
        inner = table[key]
        if isinstance(inner, dict) and inner and draw(st.booleans()):
            inner[draw(st.sampled_from(sorted(inner)))] = draw(PLAIN)
        else:
            table[key] = draw(PLAIN)
        return table

    return strategy()


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=80) | changed({"files": [], "tests": [{"size": 1}], "lang": "py", "gpus": []}).map(json.dumps))
def test_no_yaml_makes_a_reader_crash(scratch, text):
    file = scratch / "task.yml"
    file.write_text(text, encoding="utf-8", errors="replace")
    for call in (lambda: yaml_text.mapping(text, "a.yml"), lambda: gpumode.read_cases(file)):
        try:
            call()
        except UsageError as error:
            assert str(error).startswith(("a.yml", str(file)))
    gpumode.is_problem(file)
    computeeval.is_problem(file)


@settings(max_examples=60, deadline=None)
@given(definition=changed(foreign.DEFINITION), row=changed(foreign.workload("a", 2)))
def test_no_definition_or_workload_makes_a_reader_crash(definition, row):
    try:
        found = flashinfer.definition_of(definition, "d.json")
        flashinfer.workload_of(row, found, "w.jsonl, line 1")
    except UsageError as error:
        assert str(error).startswith(("d.json: ", "w.jsonl, line 1: "))


@settings(max_examples=60, deadline=None)
@given(config=changed(foreign.CONFIG))
def test_no_configuration_makes_a_reader_crash(config):
    try:
        cases = robust.cases_of(config, "c.json")
        assert any(case["timed"] for case in cases)
    except UsageError as error:
        assert str(error).startswith("c.json: ")


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=60))
def test_no_text_makes_the_json_or_python_reader_crash(text):
    for call in (lambda: fields.parsed(text, "a.json"), lambda: modules.parsed(text, "a.py")):
        try:
            call()
        except UsageError as error:
            assert str(error).startswith(("a.json", "a.py"))
