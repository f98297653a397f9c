"""Is every disease named right? Kernels with one disease each, judged with all counters, and what the diagnosis calls it.

    python benchmarks/diseases.py [--device cuda] [--only TEXT] [--metrics NAME] [--json FILE]
    python benchmarks/diseases.py --from FILE      the same diagnosis from recorded counters, with today's rules and thresholds; no GPU

The kernels lie in tests/diseases, each with the reason why a profiler must see just that. A line a kernel, with the sentence that the
diagnosis gives as its evidence and the figures that it had; ends with 1 when any is named wrong. Without `--metrics` the counters of all
sets are collected, so that thresholds can be set offline; `--metrics quick` says whether those of everyday use are enough.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from disease_files import Disease, diseases

from kernelsearch import catalog, codec, diagnose, digest
from kernelsearch.evaluate import evaluate
from kernelsearch.lab import Lab, open_lab
from kernelsearch.model import Build, Evaluation, Hardware, Measurement, MetricSet, Profile


@dataclass(frozen=True, kw_only=True)
class Record:
    """What was measured of one kernel: all that a diagnosis needs, and nothing that it made of it. `failure`: why there is nothing."""

    failure: str = ""
    profile: Profile | None = None
    build: Build | None = None
    measurement: Measurement | None = None
    seconds: float = 0.0  # of the profile


@dataclass(frozen=True, kw_only=True)
class Line:
    """One kernel and what it was called; a kernel without counters counts as named wrong."""

    disease: Disease
    profile: Profile | None
    us: float
    detail: str

    @property
    def named(self) -> str:
        return self.profile.bottleneck.resource.value if self.profile and self.profile.bottleneck else "nothing"

    @property
    def right(self) -> bool:
        return self.named == self.disease.resource.value and not self.detail

    @property
    def text(self) -> str:
        mark = "ok  " if self.right else "DIFF"
        head = f"{mark} {self.disease.name:20} {self.disease.resource.value:29} {self.named:29} {self.us:8.1f} µs"
        evidence = self.profile.bottleneck.evidence if self.profile and self.profile.bottleneck else ""
        figures = "; ".join(f"{name} {value}" for name, value in self.profile.facts.items()) if self.profile else ""
        return "\n".join([head, *(f"       {words}" for words in (self.detail, evidence, figures) if words)])


def everything() -> MetricSet:
    """The counters of all sets that the project ships, less CudaForge's, whose names are those of older GPUs in part."""
    names = [name for name in catalog.profile_names("metrics") if name not in ("cudaforge24", "source")]
    metrics = {counter: words for name in names for counter, words in catalog.metric_set(name).metrics.items()}
    return MetricSet(name="all", metrics=metrics)


def recorded(disease: Disease, lab: Lab) -> Record:
    task = disease.task(small=lab.device.time_kind.value == "modelled")
    found = evaluate(digest.baseline(task), task, lab)
    if not found.passed or found.profile is None or found.measurement is None or found.build is None:
        return Record(failure=f"{found.verdict.value}: {found.detail}")
    seconds = found.seconds.get("profile", 0.0)
    return Record(profile=found.profile, build=_lean(found.build), measurement=_median(found), seconds=round(seconds, 2))


def _lean(build: Build) -> Build:
    return Build(ok=True, toolchain=build.toolchain, artifact="-", resources=build.resources, instructions=build.instructions)


def _median(found: Evaluation) -> Measurement:
    timings = tuple(dataclasses.replace(t, samples_us=(t.median_us,), rival_us=()) for t in found.measurement.timings)
    return dataclasses.replace(found.measurement, timings=timings, conditions={})


def line(disease: Disease, record: Record, hardware: Hardware) -> Line:
    """What the rules of today say to the record."""
    if record.profile is None or record.build is None or record.measurement is None:
        return Line(disease=disease, profile=None, us=0.0, detail=record.failure)
    small = record.measurement.kind.value == "modelled"
    detail = "; ".join(record.profile.notes) if record.profile.metric_set == "proxies" else ""
    profile = (
        record.profile if detail else diagnose.again(record.profile, record.build, disease.task(small=small), record.measurement, hardware)
    )
    return Line(disease=disease, profile=profile, us=record.measurement.time_us, detail=detail)


def collected(chosen: list[Disease], options: argparse.Namespace) -> tuple[dict, Hardware, Iterator[tuple[Disease, Record]]]:
    lab = open_lab(device=options.device)
    metric_set = catalog.metric_set(options.metrics) if options.metrics else everything()
    lab = dataclasses.replace(lab, metric_set=metric_set)

    def records() -> Iterator[tuple[Disease, Record]]:
        try:
            with ThreadPoolExecutor(4) as pool:  # one builds while another is measured
                yield from zip(chosen, pool.map(lambda disease: recorded(disease, lab), chosen), strict=True)
        finally:
            lab.close()

    facts = {"device": lab.device.name, "metrics": metric_set.name, "facts": dict(lab.environment.facts)}
    return facts, lab.hardware, records()


def stored(chosen: list[Disease], file: Path) -> tuple[dict, Hardware, Iterator[tuple[Disease, Record]]]:
    data = json.loads(file.read_text())
    hardware = codec.load_json(Hardware, json.dumps(data["hardware"]))
    found = data["records"]
    pairs = ((d, codec.load_json(Record, json.dumps(found[d.name]))) for d in chosen if d.name in found)
    return {name: data[name] for name in ("device", "metrics", "facts")}, hardware, pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", default="", help="kernels whose name has this in it")
    parser.add_argument("--metrics", default="", help="one metric set in place of all")
    parser.add_argument("--from", dest="file", type=Path, help="counters recorded with --json")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    chosen = [d for d in diseases() if options.only in d.name and (options.device != "emulated" or d.device == "any")]
    about, hardware, pairs = stored(chosen, options.file) if options.file else collected(chosen, options)
    lines, records = [], {}
    print(f"{about['device']}, counters: {about['metrics']}")
    for disease, record in pairs:
        lines.append(line(disease, record, hardware))
        records[disease.name] = json.loads(codec.dump_json(record))
        print(lines[-1].text, flush=True)
    right = sum(each.right for each in lines)
    print(f"{right} of {len(lines)} diseases named right, {len({d.disease.resource for d in lines if d.right})} different ones")
    if options.json:
        data = {**about, "hardware": json.loads(codec.dump_json(hardware)), "records": records}
        options.json.write_text(json.dumps(data, indent=1) + "\n")
    if right < len(lines):
        sys.exit(1)


if __name__ == "__main__":
    main()
