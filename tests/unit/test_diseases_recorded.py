"""Every disease is named right from the counters of a real GPU, as `benchmarks/diseases.py --json` recorded them: with all counters, and
with everyday's alone."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from disease_files import Disease, diseases

from kernelsearch import catalog, codec, diagnose
from kernelsearch.model import Build, Hardware, Measurement, Profile

RECORD = json.loads((Path(__file__).parents[2] / "benchmarks" / "data" / "diseases-h100.json").read_text())
QUICK = catalog.metric_set("quick").metrics


def read(disease: Disease, metrics: str) -> Profile:
    record = RECORD["records"][disease.name]
    profile = codec.load_json(Profile, json.dumps(record["profile"]))
    if metrics == "quick":
        kept = {name: metric for name, metric in profile.metrics.items() if name in QUICK or name.startswith("derived__")}
        profile = dataclasses.replace(profile, metrics=kept)
    build, measurement = (
        codec.load_json(kind, json.dumps(record[name])) for kind, name in ((Build, "build"), (Measurement, "measurement"))
    )
    return diagnose.again(profile, build, disease.task(), measurement, codec.load_json(Hardware, json.dumps(RECORD["hardware"])))


@pytest.mark.parametrize("metrics", ["all", "quick"])
@pytest.mark.parametrize("disease", diseases(), ids=lambda disease: disease.name)
def test_a_disease_is_named_from_what_an_h100_counted(disease: Disease, metrics: str) -> None:
    found = read(disease, metrics)
    assert found.bottleneck is not None
    assert found.bottleneck.resource is disease.resource, found.bottleneck.evidence


def test_the_record_has_every_disease() -> None:
    assert RECORD["records"].keys() == {disease.name for disease in diseases()}
    assert all(RECORD["records"][disease.name]["failure"] == "" for disease in diseases())
