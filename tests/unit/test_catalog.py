"""Finding tasks and profiles by name."""

import tomllib
from pathlib import Path

import pytest

from kernelsearch import catalog, paths
from kernelsearch.errors import UsageError

TASK = """
name = "{name}"
source = "k.cu"
args = [{{ name = "y", kind = "output", dtype = "f32", shape = ["n"] }}, {{ name = "n", kind = "size", dtype = "i32" }}]
cases = [{{ sizes = {{ n = 4 }}, timed = true }}]
"""


def write_task(folder: Path, name: str, file: str = "task.toml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "k.cu").write_text("// kernel")
    (folder / file).write_text(TASK.format(name=name))
    return folder / file


def test_a_catalogue_task_has_several_names() -> None:
    by_name, by_full_name = catalog.task("transpose"), catalog.task("core/transpose")
    assert by_name == by_full_name
    assert (by_name.suite, by_name.name) == ("core", "transpose")
    assert "coalesced" in catalog.task("gemv").notes


def test_a_task_is_found_by_file_and_folder(tmp_path: Path) -> None:
    file = write_task(tmp_path / "suite" / "one", "one")
    assert catalog.task(str(file)) == catalog.task(str(file.parent))
    assert catalog.task(str(file)).suite == "user"
    drafted = write_task(tmp_path / "drafts", "two", "two.task.toml")
    assert catalog.task(str(drafted.parent)).name == "two"
    (tmp_path / "suite" / "suite.toml").write_text('description = "d"')
    assert catalog.task(str(file)).suite == "suite"


def test_a_folder_gives_its_tasks_by_name(tmp_path: Path) -> None:
    write_task(tmp_path / "b", "b")
    write_task(tmp_path / "a", "a")
    write_task(tmp_path, "c", "c.task.toml")
    assert [task.name for task in catalog.tasks(str(tmp_path))] == ["a", "b", "c"]
    assert [task.name for task in catalog.tasks(str(tmp_path / "a"))] == ["a"]
    write_task(tmp_path / "again", "a")
    with pytest.raises(UsageError, match="more than one task is called user/a"):
        catalog.tasks(str(tmp_path))


def test_a_suite_by_name() -> None:
    assert len(catalog.tasks("core")) == len([name for name in catalog.names() if name.startswith("core/")]) >= 10
    assert "core" in catalog.suites()


@pytest.mark.parametrize(
    ("ref", "complaint"),
    [
        ("transpoze", "no task is called 'transpoze'; did you mean core/transpose"),
        ("algebra/matrix_mull", "did you mean algebra/matrix_mul or"),
        ("qqq", "no file or folder 'qqq'.*suites: .*core, .*`kernelsearch tasks` lists"),
        ("algebra", "algebra is a suite of 42 tasks: name one of them"),
        ("gelu", "task 'gelu' is in more than one suite: say algebra/gelu or core/gelu"),
        ("gone.task.toml", "gone.task.toml: no such task file"),
    ],
)
def test_an_unknown_task_is_answered_with_the_known(ref: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        catalog.task(ref)


def test_a_missing_source_and_an_empty_folder_are_said(tmp_path: Path) -> None:
    file = write_task(tmp_path / "one", "one")
    (tmp_path / "one" / "k.cu").unlink()
    with pytest.raises(UsageError, match="task.toml: source: .*k.cu: no such file"):
        catalog.task(str(file))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="not a task folder"):
        catalog.task(str(tmp_path / "empty"))
    with pytest.raises(UsageError, match="no task in it"):
        catalog.tasks(str(tmp_path / "empty"))


def test_every_profile_loads() -> None:
    for name in catalog.profile_names("hardware"):
        assert catalog.hardware(name).sm_count > 0
    for name in catalog.profile_names("metrics"):
        assert catalog.metric_set(name).metrics
    for name in catalog.profile_names("rewards"):
        assert catalog.reward_profile(name).weights
    assert all(catalog.profile_names(folder) for folder in ("hardware", "metrics", "rewards"))


def test_unknown_profiles_are_answered_with_the_known() -> None:
    with pytest.raises(UsageError, match="no hardware profile is called 'h1000'; did you mean h100"):
        catalog.hardware("h1000")
    with pytest.raises(UsageError, match="no metric set is called 'qqq'; known: none"):
        catalog.metric_set("qqq")
    with pytest.raises(UsageError, match="no reward profile is called 'qqq'"):
        catalog.reward_profile("qqq")
    assert catalog.metric_set("none") is None


@pytest.mark.parametrize("name", catalog.profile_names("hardware"))
def test_every_number_of_a_gpu_has_its_source(name: str) -> None:
    table = tomllib.loads((paths.data("profiles") / "hardware" / f"{name}.toml").read_text())
    limits = {"shared_bytes_per_sm", "shared_bytes_per_block", "registers_per_sm", "threads_per_sm", "blocks_per_sm"}  # one source for all
    assert table.keys() - limits - {"name", "arch", "sources"} <= table["sources"].keys()
    assert "limits" in table["sources"]


@pytest.mark.parametrize("name", catalog.profile_names("hardware"))
def test_the_numbers_of_a_gpu_fit_each_other(name: str) -> None:
    gpu = catalog.hardware(name)
    lanes = {"sm_80": 64}.get(gpu.arch, 128)  # float32 multiply-adds a cycle and multiprocessor (CUDA C++ Programming Guide)
    assert gpu.fp32_flops == pytest.approx(2 * lanes * gpu.sm_count * gpu.clock_hz, rel=0.01)
    assert gpu.shared_bytes_per_block == gpu.shared_bytes_per_sm - 1024
    assert gpu.tensor_flops["tf32"] <= gpu.tensor_flops["bf16"] <= gpu.tensor_flops["fp8" if "fp8" in gpu.tensor_flops else "i8"]


@pytest.mark.parametrize(
    ("device", "named", "profile"),
    [
        ("NVIDIA H100 80GB HBM3", "", "h100"),
        ("NVIDIA H200", "", "h200"),
        ("NVIDIA H100 80GB HBM3", "a100", "a100"),
        (f"emulated {catalog.hardware('l40s').name}", "", "l40s"),
    ],
)
def test_a_recorded_device_has_the_profile_of_its_gpu(device, named, profile):
    assert catalog.hardware_of(device, named) == catalog.hardware(profile)


def test_a_device_of_no_known_gpu_has_none():
    assert catalog.hardware_of("NVIDIA GeForce GTX 980") is None
