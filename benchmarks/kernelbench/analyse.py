"""What KernelBench's own analysis says of suites that `kernelsearch bench` ran on its problems.

Writes them in KernelBench's form (`kernelsearch export --form kernelbench`), the times that torch took for the same problems in the
same sessions (`--yardstick eager`) as its baseline, and runs its `scripts/benchmark_eval_analysis.py` on them. Such a time is a median,
and stands where its files have a mean, as there is no other number for it.

    python benchmarks/kernelbench/analyse.py runs/level1 --checkout path/to/KernelBench --out results
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from kernelsearch import cli
from kernelsearch.suite import SuiteFolder

EAGER = "torch eager"
BASELINE = "baseline_time_torch"


def baselines(suites: Sequence[Path]) -> dict[str, dict[str, dict[str, object]]]:
    """By level and file, in milliseconds. The first search for a problem speaks for it."""
    found: dict[str, dict[str, dict[str, object]]] = {}
    for row in (row for suite in suites for row in SuiteFolder.open(suite).rows):
        if EAGER in row.yardsticks:
            stats = {"mean": row.yardsticks[EAGER] / 1e3, "hardware": row.device, "note": "a median, by kernelsearch"}
            found.setdefault(row.suite.removeprefix("kernelbench-"), {}).setdefault(f"{row.task}.py", stats)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", type=Path, nargs="+", help="folders of `kernelsearch bench`; the first one's name is the run's")
    parser.add_argument("--checkout", type=Path, required=True, help="KernelBench, with its scripts")
    parser.add_argument("--out", type=Path, required=True, help="folder for what is written")
    parser.add_argument("--baseline", type=Path, help="a file of baselines in its form, in place of the suites' own times")
    parser.add_argument("--level", default="1")
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has what its scripts import")
    given = parser.parse_args()
    if status := cli.run(cli.group, "kernelsearch", ["export", *map(str, given.suites), "--form", "kernelbench", "--out", str(given.out)]):
        return status
    file = given.baseline or given.out / f"{BASELINE}.json"
    if given.baseline is None:
        times = baselines(given.suites)
        if not times:
            print("no times of torch in there: bench on a GPU with --yardstick eager, or give --baseline", file=sys.stderr)
            return 1
        file.write_text(json.dumps(times, indent=4) + "\n", encoding="utf-8")
    wanted = {
        "run_name": given.suites[0].resolve().name,
        "level": given.level,
        "hardware": "here",  # its own folder of baselines, which is not asked
        "baseline": BASELINE,
        "baseline_file": file.resolve(),
        "eval_results_dir": (given.out / "runs").resolve(),
        "output_file": (given.out / "analysis.json").resolve(),
    }
    path = os.pathsep.join(filter(None, (str(given.checkout.resolve() / "src"), os.environ.get("PYTHONPATH"))))
    command = [given.python, "scripts/benchmark_eval_analysis.py", *(f"{name}={value}" for name, value in wanted.items())]
    return subprocess.run(command, cwd=given.checkout, env={**os.environ, "PYTHONPATH": path}).returncode


if __name__ == "__main__":
    sys.exit(main())
