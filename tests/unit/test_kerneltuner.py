"""Kernel Tuner's formats: tuning spaces in, results and caches in and out."""

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelsearch.errors import UsageError
from kernelsearch.formats import kerneltuner
from kernelsearch.formats.kerneltuner import Invalidity, Recording, Trial
from kernelsearch.formats.kerneltuner.condition import compiled

SPACES = sorted((Path(__file__).parents[2] / "benchmarks" / "spaces").glob("*.t1.json"))
T1 = {
    "General": {"BenchmarkName": "toy", "OutputFormat": "JSON"},
    "ConfigurationSpace": {
        "TuningParameters": [
            {"Name": "A", "Type": "int", "Values": "[1, 2, 4]", "Default": 2},
            {"Name": "B", "Type": "int", "Values": "list(range(0, 3))", "Default": "1"},
            {"Name": "MODE", "Type": "string", "Values": "['x', 'y']", "Default": "x"},
        ],
        "Conditions": [
            {"Parameters": ["A", "B"], "Expression": "A * B <= 4 and (A != 1 or B)"},
            {"Parameters": ["MODE", "A"], "Expression": "MODE == 'x' or 1 < A < 4"},
        ],
    },
    "KernelSpecification": {
        "Language": "CUDA",
        "KernelName": "k",
        "KernelFile": "k.cu",
        "GlobalSize": {"X": "64 // A", "Y": 2},
        "LocalSize": {"X": "A * 32"},
        "SharedMemory": "4 * A * (B > 0)",
        "ProblemSize": [64, 2],
    },
}


def written(folder: Path, **changes: object) -> Path:
    path = folder / "toy.t1.json"
    path.write_text(json.dumps(T1 | changes))
    return path


def test_a_space_has_exactly_the_points_that_its_conditions_admit(tmp_path):
    space = kerneltuner.read_t1(written(tmp_path))
    expected = [
        {"A": a, "B": b, "MODE": mode}
        for a, b, mode in itertools.product((1, 2, 4), (0, 1, 2), "xy")
        if a * b <= 4 and (a != 1 or b) and (mode == "x" or 1 < a < 4)
    ]
    assert list(space.configurations()) == expected
    assert (space.size, space.default) == (18, {"A": 2, "B": 1, "MODE": "x"})
    assert all(space.admits(point) for point in expected)
    assert not space.admits({"A": 4, "B": 2, "MODE": "x"})
    assert not space.admits({"A": 3, "B": 0, "MODE": "x"})
    assert space.key(expected[0]) == "1,1,x"


def test_a_launch_is_what_the_expressions_give(tmp_path):
    space = kerneltuner.read_t1(written(tmp_path))
    launch = space.launched({"A": 4, "B": 1, "MODE": "x"})
    assert (launch.grid, launch.block, launch.shared) == ((16, 2, 1), (128, 1, 1), 16)


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_each_of_our_spaces_is_of_the_promised_size_and_launches_within_limits(path):
    space = kerneltuner.read_t1(path)
    points = list(space.configurations())
    assert 1_000 <= len(points) <= 5_000
    assert space.admits(space.default)
    for point in points:
        launch = space.launched(point)
        x, y, z = launch.block
        assert 1 <= x * y * z <= 1024
        assert min(launch.grid) >= 1
        assert 0 <= launch.shared <= 227 * 1024


@pytest.mark.parametrize(
    "text",
    ["__import__('os')", "A.real", "[x for x in (1,)]", "A if B else 1", "f(A)", "A **", "lambda: A", "A[0]", "2 ** A ** A", "f'{A}'"],
)
def test_a_condition_that_is_no_arithmetic_is_refused(text):
    with pytest.raises(UsageError, match="not a condition"):
        compiled(text)


operands = st.sampled_from(["A", "B", "3", "(A + B)", "A * 2", "-B", "min(A, B, 5)", "A // 2", "B % 3"])
comparisons = st.tuples(operands, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), operands).map(" ".join)
conditions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"), inner.map(lambda t: f"(not {t})")
    ),
    max_leaves=4,
)


@settings(max_examples=60, deadline=None)
@given(conditions, st.integers(-8, 8), st.integers(-8, 8))
def test_conditions_mean_what_python_means(text, a, b):
    term, names = compiled(text)
    assert bool(term({"A": a, "B": b})) == bool(eval(text, {"min": min}, {"A": a, "B": b}))
    assert names <= {"A", "B"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ConfigurationSpace": {"TuningParameters": [{"Name": "A", "Type": "int", "Values": "open('x')"}]}}, "constants or a range"),
        ({"ConfigurationSpace": {"TuningParameters": [{"Name": "A", "Type": "int", "Values": "[1, 1]"}]}}, "distinct"),
        ({"ConfigurationSpace": {"TuningParameters": [{"Name": "A", "Type": "int", "Values": "[1]", "Default": 2}]}}, "default"),
        ({"ConfigurationSpace": {"TuningParameters": []}}, "no tuning parameter"),
        ({"KernelSpecification": {}}, "KernelName"),
    ],
)
def test_a_space_that_cannot_be_used_is_refused_with_its_file(tmp_path, change, words):
    with pytest.raises(UsageError, match=words) as caught:
        kerneltuner.read_t1(written(tmp_path, **change))
    assert "toy.t1.json" in str(caught.value)


def trial(a: int, b: int, invalidity: Invalidity, **more: object) -> Trial:
    return Trial(
        configuration={"A": a, "B": b}, invalidity=invalidity, compilation=12.5, timestamp="2026-11-24T20:00:00+00:00", **more
    )  # fmt: skip


RECORDING = Recording(
    kernel="k",
    device="NVIDIA H100",
    problem=(64, 2),
    parameters={"A": (1, 2), "B": (0, 1, 2)},
    trials=(
        trial(1, 0, Invalidity.CORRECT, time=0.5, runtimes=(0.5, 0.4, 0.6), measurements={"registers": (40, "registers/thread")}),
        trial(1, 1, Invalidity.COMPILE),
        trial(1, 2, Invalidity.RUNTIME),
        trial(2, 0, Invalidity.CORRECTNESS, validation=2.0),
        trial(2, 1, Invalidity.TIMEOUT),
    ),
    metadata={"driver": "580"},
)


def test_t4_comes_back_as_it_was():
    text = kerneltuner.t4_as_text(RECORDING)
    assert kerneltuner.read_t4(text) == RECORDING
    raw = json.loads(text)
    assert raw["schema_version"] == "1.0.0"
    assert raw["metadata"]["timeunit"] == "milliseconds"
    first = raw["results"][0]
    assert first["times"]["compilation"] == first["times"]["compilation_time"] == 12.5
    assert first["measurements"][0] == {"name": "time", "value": 0.5, "unit": "ms"}
    assert [r["invalidity"] for r in raw["results"]] == ["correct", "compile", "runtime", "correctness", "timeout"]
    assert [r["correctness"] for r in raw["results"]] == [1, 0, 0, 0, 0]


def test_a_cache_keeps_times_and_the_three_kinds_of_failure():
    text = kerneltuner.cache_as_text(RECORDING)
    raw = json.loads(text)
    assert raw["tune_params_keys"] == ["A", "B"]
    assert raw["cache"]["1,0"] | {"time": 0.5, "times": [0.5, 0.4, 0.6], "compile_time": 12.5, "A": 1} == raw["cache"]["1,0"]
    assert raw["cache"]["1,1"]["time"] == "CompilationFailedConfig"
    back = kerneltuner.read_cache(text)
    assert (back.kernel, back.device, back.problem, back.parameters) == ("k", "NVIDIA H100", (64, 2), RECORDING.parameters)
    assert [t.invalidity for t in back.trials] == [Invalidity.CORRECT, Invalidity.COMPILE, *[Invalidity.RUNTIME] * 3]
    assert back.trials[0].runtimes == (0.5, 0.4, 0.6)
    assert kerneltuner.cache_as_text(back) == kerneltuner.cache_as_text(kerneltuner.read_cache(kerneltuner.cache_as_text(back)))


@pytest.mark.parametrize("cut", [4, 3, 30])
def test_a_cache_that_was_being_written_is_read_as_far_as_it_goes(cut):
    text = kerneltuner.cache_as_text(RECORDING)
    found = kerneltuner.read_cache(text[:-cut])
    assert len(found.trials) == (4 if cut == 30 else 5)


def test_an_error_may_stand_under_a_key_of_its_own():
    text = kerneltuner.cache_as_text(RECORDING).replace('"time": "RuntimeFailedConfig"', '"__error__": "InvalidConfig"')
    assert kerneltuner.read_cache(text).trials[2].invalidity is Invalidity.CONSTRAINTS


@pytest.mark.parametrize("text", ["", "[]", '{"results": [{}]}', '{"cache": 1}', '{"results": 3}'])
@pytest.mark.parametrize("read", [kerneltuner.read_t4, kerneltuner.read_cache])
def test_what_is_neither_is_refused_with_its_name(read, text):
    with pytest.raises(UsageError, match="some file"):
        read(text, where="some file")


def test_a_failure_has_no_time():
    with pytest.raises(UsageError, match="if and only if"):
        trial(1, 0, Invalidity.RUNTIME, time=1.0)
