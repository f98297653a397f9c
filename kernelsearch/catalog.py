"""What there is to choose from by name: tasks, hardware, metric sets, reward profiles, the playbook; and what was measured of a GPU.

A task is named by its path, or by `suite/task` in the shipped catalogue, or by `task` alone where only one suite has it. Unknown
names are a `UsageError` that lists the known ones.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
import tomllib
from functools import lru_cache
from pathlib import Path

from kernelsearch import codec, paths
from kernelsearch.codec import playbook
from kernelsearch.errors import UsageError
from kernelsearch.model import BanditSettings, Calibration, Directive, Hardware, MetricSet, RewardProfile, Task, Thresholds

TASK_FILE = "task.toml"
_SUITE_FILE = "suite.toml"

# GPU names as the driver gives them, to profiles/hardware; the first match counts.
_GPUS = (
    (r"\bG?B200\b", "b200"),
    (r"\bG?H200\b", "h200"),
    (r"\bH100\b", "h100"),
    (r"\bA100\b", "a100"),
    (r"\bL40S\b", "l40s"),
    (r"\bL4\b", "l4"),
    (r"\bRTX 5090\b", "rtx5090"),
    (r"\bRTX 4090\b", "rtx4090"),
)


def task(ref: str) -> Task:
    """The task called `ref`: a task file, a folder with a `task.toml`, or a catalogue name."""
    path = Path(ref)
    if path.is_dir():
        return _load(_task_file_in(path))
    if path.is_file():
        return _load(path)
    if path.suffix == ".toml":
        raise UsageError(f"{ref}: no such task file")
    matching = [name for name in names() if ref in (name, name.partition("/")[2])]
    if len(matching) > 1:
        raise UsageError(f"task {ref!r} is in more than one suite: say {' or '.join(matching)}")
    if not matching:
        raise UsageError(_no_task(ref))
    return _load(paths.data("tasks") / matching[0] / TASK_FILE)


def tasks(ref: str) -> tuple[Task, ...]:
    """All tasks of a suite, or of a folder of task folders and `*.task.toml` files, by name; a single task counts as a suite of one.

    Raises `UsageError` when there is none, or when two have one name.
    """
    files = task_files(ref)
    if files is None:
        return (task(ref),)
    found = tuple(sorted((_load(file) for file in files), key=lambda t: (t.suite, t.name)))
    labels = [f"{t.suite}/{t.name}" for t in found]
    if doubled := sorted({label for label in labels if labels.count(label) > 1}):
        raise UsageError(f"{ref}: more than one task is called {doubled[0]}")
    return found


def _no_task(ref: str) -> str:
    """What to say where no task is called `ref`. There are too many to name them all."""
    every, of_suites = names(), ", ".join(suites())
    if ref in suites():
        count = sum(name.startswith(f"{ref}/") for name in every)
        return f"{ref} is a suite of {count} tasks: name one of them, as `kernelsearch tasks {ref}` lists them"
    called = {name: name if "/" in ref else name.partition("/")[2] for name in every}
    close = difflib.get_close_matches(ref, sorted(set(called.values())), n=2, cutoff=0.6)
    meant = [name for word in close for name in every if called[name] == word] or [name for name in every if ref in name][:3]
    hint = f"did you mean {' or '.join(meant)}? " if meant else ""
    return f"no file or folder {ref!r}, and no task is called {ref!r}; {hint}suites: {of_suites}; `kernelsearch tasks` lists their tasks"


def task_files(ref: str) -> tuple[Path, ...] | None:
    """The task files of a suite or folder, unread; None for what is a single task, or no task. Raises `UsageError` when there is none."""
    folder = Path(ref) if Path(ref).is_dir() else paths.data("tasks") / ref
    if not folder.is_dir() or (folder / TASK_FILE).is_file():
        return None
    files = sorted([*folder.glob(f"*/{TASK_FILE}"), *folder.glob(f"*/*/{TASK_FILE}"), *folder.glob("*.task.toml")])
    if not files:
        raise UsageError(f"{folder}: no task in it; a task is a folder with a {TASK_FILE}, or a file *.task.toml{_remedy(folder)}")
    return tuple(files)


def _remedy(folder: Path) -> str:
    """How a folder of bare kernels becomes one of tasks."""
    bare = min(folder.glob("*.cu"), default=None)
    return "" if bare is None else f", which `kernelsearch init {bare}` drafts"


def names() -> tuple[str, ...]:
    """The catalogue: `suite/task` for every shipped task."""
    root = paths.data("tasks")
    return tuple(sorted(f"{file.parent.parent.name}/{file.parent.name}" for file in root.glob(f"*/*/{TASK_FILE}")))


def suites() -> dict[str, str]:
    """Every shipped suite with its one-sentence description."""
    files = sorted(paths.data("tasks").glob(f"*/{_SUITE_FILE}"))
    return {file.parent.name: codec.description_from_toml(read(file), where=str(file)) for file in files}


def hardware(name: str) -> Hardware:
    """The hardware profile `profiles/hardware/NAME.toml`."""
    file = _profile("hardware", name)
    return codec.hardware_from_toml(read(file), where=str(file))


def profile_name(gpu: str) -> str | None:
    """The hardware profile for a GPU of this name, as drivers spell it; None when we have none."""
    return next((profile for pattern, profile in _GPUS if re.search(pattern, gpu)), None)


def hardware_of(device: str, named: str = "") -> Hardware | None:
    """The profile behind a recorded device: the one that was named then, else that of the GPU in the device's name, if there is one.

    An emulated device bears the name of the profile that it models, a real one that which its driver gives it.
    """
    if named:
        return hardware(named)
    if (known := profile_name(device)) is not None:
        return hardware(known)
    return next((found for name in profile_names("hardware") if (found := hardware(name)).name in device), None)


def calibration_file(uuid: str, driver: str) -> Path:
    """Where the calibration of one GPU with one driver is kept: another driver may launch, clock and schedule otherwise."""
    return paths.cache() / "calibration" / (re.sub(r"[^\w.-]", "_", f"{uuid}_{driver}") + ".toml")


def calibration(uuid: str, driver: str) -> Calibration | None:
    """What `kernelsearch calibrate` measured on this GPU with this driver; None when it did not run yet."""
    file = calibration_file(uuid, driver)
    if not file.is_file():
        return None
    try:
        return codec.load_json(Calibration, json.dumps(tomllib.loads(read(file))))
    except (UsageError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file}: not a calibration: {error}; remove it, or run `kernelsearch calibrate` again") from error


def calibrated(profile: Hardware, uuid: str, driver: str) -> Hardware:
    """`profile` with what was measured on this GPU, if anything was."""
    found = calibration(uuid, driver)
    if found is None:
        return profile
    source = f"kernelsearch calibrate, {found.date}, driver {found.driver}"
    measured = {name: peak.best for name, peak in found.peaks.items()}
    return dataclasses.replace(profile, measured=measured, sources={**profile.sources, "measured": source})


def metric_set(name: str) -> MetricSet | None:
    """The metric set `profiles/metrics/NAME.toml`; None for "none", which switches profiling off."""
    if name == "none":
        return None
    file = _profile("metrics", name, extra=("none",))
    return codec.metric_set_from_toml(read(file), name, where=str(file))


@lru_cache(maxsize=1)
def thresholds() -> Thresholds:
    """Where a figure becomes a limit, from profiles/diagnosis/thresholds.toml."""
    file = paths.data("profiles") / "diagnosis" / "thresholds.toml"
    return codec.thresholds_from_toml(read(file), where=str(file))


def reward_profile(name: str) -> RewardProfile:
    """The reward profile `profiles/rewards/NAME.toml`, or the file that `name` is the path of: what ends in .toml or has a folder."""
    own = Path(name)
    file = own if own.suffix == ".toml" or len(own.parts) > 1 else _profile("rewards", name)
    return codec.reward_profile_from_toml(read(file), file.stem, where=str(file))


def directives() -> dict[str, tuple[Directive, ...]]:
    """The playbook in `profiles/playbook/`, by file."""
    files = sorted((paths.data("profiles") / "playbook").glob("*.toml"))
    return {str(file): playbook.directives_from_toml(read(file), where=str(file)) for file in files}


def bandit_settings(name: str = "default") -> BanditSettings:
    """How directives are chosen: `profiles/bandit/NAME.toml`."""
    file = _profile("bandit", name)
    return playbook.bandit_settings_from_toml(read(file), where=str(file))


def profile_names(folder: str) -> tuple[str, ...]:
    """The names of what lies in `profiles/FOLDER`."""
    return tuple(sorted(file.stem for file in (paths.data("profiles") / folder).glob("*.toml")))


def _profile(folder: str, name: str, extra: tuple[str, ...] = ()) -> Path:
    known = profile_names(folder)
    if name not in known:
        kind = {"hardware": "hardware profile", "metrics": "metric set", "rewards": "reward profile", "bandit": "bandit"}[folder]
        raise UsageError(_unknown(kind, name, (*extra, *known)))
    return paths.data("profiles") / folder / f"{name}.toml"


def _unknown(kind: str, name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or [k for k in known if name in k]
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return f"no {kind} is called {name!r}; {hint}known: {', '.join(known) or 'none'}"


def _task_file_in(folder: Path) -> Path:
    if (folder / TASK_FILE).is_file():
        return folder / TASK_FILE
    drafted = sorted(folder.glob("*.task.toml"))
    if len(drafted) != 1:
        raise UsageError(f"{folder}: not a task folder: it has no {TASK_FILE}" + (f", and {len(drafted)} *.task.toml" if drafted else ""))
    return drafted[0]


def _load(file: Path) -> Task:
    """The task in `file`. It takes its suite from the folder above where that has a `suite.toml`, and its notes from `notes.md`."""
    loaded = codec.task_from_toml(read(file), where=str(file), read=lambda name: read(file.parent / name))
    above = file.resolve().parent.parent
    suite = above.name if (above / _SUITE_FILE).is_file() else loaded.suite
    notes = file.parent / "notes.md"
    text = read(notes) if not loaded.notes and file.name == TASK_FILE and notes.is_file() else loaded.notes
    return dataclasses.replace(loaded, suite=suite, notes=text)


def read(file: Path) -> str:
    """The text of a user's file. Raises `UsageError` when it can not be had."""
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"{file}: no such file") from error
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: not UTF-8 text: {error.reason} at byte {error.start}; save it as UTF-8") from error
