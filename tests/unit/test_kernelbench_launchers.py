"""Our launchers for KernelBench: their names and entries, and that sizes are read from the text of a problem."""

import re
from types import SimpleNamespace

import pytest
from kernelbench import analyse, fit

from kernelsearch import source
from kernelsearch.model import Row

LAUNCHERS = sorted(fit.HERE.glob("*.cu"))
PROBLEM = """
M = 256 * 8  # 2048
K = M
side = (4 * 3,)
ratio = 0.5
both = (2, 3)
unknown = K + other
def get_inputs():
    M = 5
"""


def test_there_are_enough_for_a_showing():
    numbers = [file.stem.partition("_")[0] for file in LAUNCHERS]
    assert len(set(numbers)) == len(numbers) >= 24


@pytest.mark.parametrize("file", LAUNCHERS, ids=lambda file: file.stem)
def test_a_launcher_is_called_as_its_problem_and_entered_by_solve(file):
    text = file.read_text(encoding="utf-8")
    assert re.fullmatch(r"\d+_\w+", file.stem)
    (entry,) = [function for function in source.functions(text) if function.extern_c]
    assert entry.name == "solve" and all(parameter.pointer for parameter in entry.parameters)
    assert [parameter.name for parameter in entry.parameters if not parameter.const] == [entry.parameters[-1].name]
    assert {site.function for site in source.launches(text)} == {"solve"}


def test_sizes_stand_where_they_are_looked_for():
    for file in LAUNCHERS:
        text = file.read_text(encoding="utf-8")
        known = {name: int(value) for name, value in re.findall(r"^constexpr int (\w+) = (\d+);$", text.split("\n\n", 2)[1], re.MULTILINE)}
        assert known, file
        changed = fit.fitted(text, dict.fromkeys(known, 7))
        assert changed != text and fit.fitted(changed, known) == text


def test_numbers_of_a_problem_are_read_without_running_it():
    assert fit.sizes(PROBLEM) == {"M": 2048, "K": 2048, "side": 12}


def test_a_size_that_the_problem_does_not_name_is_told():
    with pytest.raises(KeyError, match="N"):
        fit.fitted("// x\n#include <a>\n\nconstexpr int N = 4;\n\nrest", {"M": 1})


def test_times_of_torch_become_a_baseline_in_milliseconds(tmp_path, monkeypatch):
    shared = {"suite": "kernelbench-level1", "seed": 0, "setting": "", "folder": "", "digest": "", "device": "a GPU"}
    rows = [
        Row(task="19_ReLU", yardsticks={"torch eager": 2500.0, "torch compile": 1.0}, **shared),
        Row(task="19_ReLU", yardsticks={"torch eager": 9.0}, **shared),
        Row(task="20_LeakyReLU", **shared),
    ]
    monkeypatch.setattr(analyse.SuiteFolder, "open", lambda path: SimpleNamespace(rows=rows))
    assert analyse.baselines([tmp_path]) == {
        "level1": {"19_ReLU.py": {"mean": 2.5, "hardware": "a GPU", "note": "a median, by kernelsearch"}}
    }
