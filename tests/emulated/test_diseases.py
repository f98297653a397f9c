"""Kernels with one disease each: their references hold, and where the emulated device's own counts show a disease it is named."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from disease_files import Disease, diseases
from numpy_lab import lab

from kernelsearch import catalog, digest
from kernelsearch.device.emulated import EmulatedDevice
from kernelsearch.evaluate import evaluate
from kernelsearch.lab import Lab
from kernelsearch.model import Resource
from kernelsearch.sandbox import open_sandbox
from kernelsearch.toolchain.emulated import EmulatedToolchain

ALL = diseases()
SEEN_HERE = [disease for disease in ALL if disease.device == "any"]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    sandbox, scratch = open_sandbox(unsafe=True), tmp_path_factory.mktemp("lab")
    toolchain = EmulatedToolchain(sandbox=sandbox, cache=tmp_path_factory.getbasetemp() / "emulated", nvcc=None)
    made = lab(scratch, EmulatedDevice(sandbox=sandbox, scratch=scratch, hardware=catalog.hardware("h100")), toolchain)
    return dataclasses.replace(made, metric_set=catalog.metric_set("quick"))


def test_every_limit_that_a_kernel_can_have_has_a_kernel_that_has_it() -> None:
    assert {disease.resource for disease in ALL} == set(Resource)
    assert len({disease.name for disease in ALL}) == len(ALL) >= 14
    assert all(disease.task().timed_cases for disease in ALL)


@pytest.mark.parametrize("disease", SEEN_HERE, ids=lambda disease: disease.name)
def test_a_disease_is_named_from_what_the_emulated_device_counts(disease: Disease, opened: Lab) -> None:
    task = disease.task(small=True)
    found = evaluate(digest.baseline(task), task, opened)
    assert found.passed, found.detail
    assert found.profile.bottleneck is not None, found.profile
    assert found.profile.bottleneck.resource is disease.resource, found.profile.bottleneck.evidence
    assert found.profile.metric_set == "quick"
