"""What was recorded as files, and as a table."""

from __future__ import annotations

import datetime
import io
import json
import lzma
import platform
import statistics
import subprocess
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

from kernelsearch.formats.kerneltuner import Invalidity, Recording, Trial, cache_as_text, t4_as_text

LARGEST = 2_000_000  # bytes a file
_ASKED = "name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,power.draw,power.limit,temperature.gpu,clocks_event_reasons.active"
_UNITS = {"registers": "registers/thread", "local_bytes": "B/thread", "shared_bytes": "B/block", "occupancy": ""}


def facts_of_machine() -> dict[str, str]:
    """The moment, the software, and the GPU's state as nvidia-smi has it."""
    found = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "operating_system": platform.platform(),
        "python": platform.python_version(),
        "nvcc": (_said("nvcc", "--version") or "unknown").splitlines()[-1],
    }
    values = _said("nvidia-smi", f"--query-gpu={_ASKED}", "--format=csv,noheader")
    if values:
        found |= dict(zip(_ASKED.split(","), (v.strip() for v in values.splitlines()[0].split(",")), strict=False))
    return found


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def recording(progress: Any, metadata: dict[str, Any]) -> Recording:
    """The recorded points of one space, in the space's own order."""
    date = metadata["before"]["date"]
    trials = {progress.space.key(progress.points[i]): _trial(progress.points[i], r, date) for i, r in progress.results.items()}
    ordered = [trials[key] for point in progress.space.configurations() if (key := progress.space.key(point)) in trials]
    errors = Counter(f"{r['invalidity']}: {r['error']}" for r in progress.results.values() if "error" in r)
    said = {
        **metadata,
        "admitted_points": sum(1 for _ in progress.space.configurations()),
        "complete": len(progress.results) == len(progress.points),
        "default": progress.space.default,
        "conditions": list(progress.space.conditions),
        "canary_ms": [round(value, 6) for value in progress.drift],
        "errors": dict(errors.most_common(40)),
        "samples": "CUDA events around one launch, L2 overwritten before each, fills queued ahead; the time is their median",
    }
    return Recording(
        kernel=progress.space.kernel,
        device=str(metadata.get("gpu", "unknown")),
        problem=progress.space.problem,
        parameters={parameter.name: parameter.values for parameter in progress.space.parameters},
        trials=tuple(ordered),
        metadata=said,
    )


def _trial(point: dict[str, Any], result: dict[str, Any], date: str) -> Trial:
    return Trial(
        configuration=point,
        invalidity=Invalidity(result["invalidity"]),
        runtimes=tuple(result.get("times", ())),
        time=result.get("time"),
        compilation=result.get("compile_ms", 0.0),
        validation=result.get("validation_ms", 0.0),
        benchmark=result.get("benchmark_ms", 0.0),
        timestamp=date,
        measurements={name: (result[name], unit) for name, unit in _UNITS.items() if name in result},
    )


def write(all_progress: list[Any], metadata: dict[str, Any], out: Path) -> None:
    """`spaces.tar` with both forms of every space."""
    with tarfile.open(out / "spaces.tar", "w") as tar:
        for progress in all_progress:
            found = recording(progress, metadata)
            for form, text in (("t4", t4_as_text(found)), ("cache", cache_as_text(found))):
                packed = lzma.compress(text.encode(), preset=6)
                if len(packed) > LARGEST:
                    print(f"{progress.space.name}.{form}.json.xz has {len(packed)} bytes, more than {LARGEST}")
                entry = tarfile.TarInfo(f"{progress.space.name}.{form}.json.xz")
                entry.size = len(packed)
                tar.addfile(entry, io.BytesIO(packed))


def summary(all_progress: list[Any], metadata: dict[str, Any], out: Path) -> str:
    """A line a space; also as `summary.json`."""
    rows = []
    for progress in all_progress:
        kinds = Counter(result["invalidity"] for result in progress.results.values())
        times = [result["time"] * 1e3 for result in progress.results.values() if result["invalidity"] == "correct"]
        rows.append(
            {
                "space": progress.space.name,
                "points": len(progress.points),
                "recorded": len(progress.results),
                **{kind.value: kinds[kind.value] for kind in Invalidity},
                "best_us": round(min(times), 2) if times else None,
                "median_us": round(statistics.median(times), 2) if times else None,
                "default_us": round(progress.results.get(0, {}).get("time", 0.0) * 1e3, 2) or None,
                "within_5_percent": sum(t <= min(times) / 0.95 for t in times) if times else 0,
                "canary_spread": round(max(progress.drift) / min(progress.drift), 4) if progress.drift else None,
            }
        )
    (out / "summary.json").write_text(json.dumps({"metadata": metadata, "spaces": rows}, indent=1))
    shown = [key for key in rows[0] if key != "constraints"]
    table = ["  ".join(f"{key[:16]:>16}" for key in shown)]
    table += ["  ".join(f"{'-' if row[key] is None else row[key]!s:>16}" for key in shown) for row in rows]
    return "\n".join(
        [*table, f"{metadata.get('gpu', 'no GPU')}, {metadata['seconds']} s in all, {metadata['processes_lost']} processes lost"]
    )
