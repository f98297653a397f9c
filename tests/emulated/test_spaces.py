"""The templated kernels whose spaces are recorded: instances compute what the reference says, without a GPU, on smaller problems."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pytest
from emulation_library import Library, build_runtime, compile_candidate, gcc, readonly
from spaces import templated

# What stands in the source, and a smaller problem that every tile still divides; its inputs; its output; what divides the grid.
SMALLER = {
    "matmul": ("M = 2048, N = 2048, K = 512", "M = 128, N = 256, K = 64", [(128, 64), (64, 256)], (128, 256), (8, 16, 1)),
    "convolution": ("W = 4096, H = 4096", "W = 512, H = 128", [(134, 520), (7, 7)], (128, 512), (8, 32, 1)),
    "stencil": ("X = 512, Y = 256, Z = 256", "X = 512, Y = 16, Z = 64", [(66, 18, 520)], (64, 16, 512), (1, 16, 4)),
    "softmax": ("ROWS = 8192", "ROWS = 32", [(32, 4096)], (32, 4096), (256, 1, 1)),
    "transpose": ("ROWS = 8192, COLUMNS = 4096", "ROWS = 128, COLUMNS = 256", [(128, 256)], (256, 128), (1024, 1, 1)),
}
SAMPLE = 4


def built(name: str, points: list, folder: Path) -> Library:
    of = templated.space(name)
    old, new, *_ = SMALLER[name]
    body = (templated.FOLDER / of.source).read_text()
    assert old in body
    body = body.replace(old, new).replace(
        '#include "packet.cuh"', (templated.FOLDER / "packet.cuh").read_text().replace("#pragma once", "")
    )
    body = re.sub(r"extern __shared__ __align__\(16\) float (\w+)\[\];", r"KS_DYNAMIC_SHARED(float, \1);", body)
    wrappers = templated.source(of, points, caps=False).partition("\n")[2]
    exports = "\n".join(f"KS_EMU_EXPORT(p{i})" for i in range(len(points)))
    source, compiled, linked = (folder / f"{name}{end}" for end in (".cu", ".o", ".so"))
    source.write_text(f"{body}\n{wrappers}\n{exports}\n")
    result = compile_candidate(source, compiled)
    assert result.returncode == 0, result.stderr
    result = gcc(f"-shared -Wl,-Bsymbolic -o {linked}", compiled, build_runtime())
    assert result.returncode == 0, result.stderr
    return Library(linked)


@pytest.mark.parametrize("name", list(SMALLER))
def test_instances_agree_with_the_reference(name: str, tmp_path: Path):
    of, subject = templated.space(name), templated.SUBJECTS[name]
    points = random.Random(3).sample(list(of.configurations()), SAMPLE)
    library = built(name, points, tmp_path)
    _, _, shapes, shape, smaller = SMALLER[name]
    inputs = [readonly(np.random.default_rng(5).uniform(-1, 1, s).astype(np.float32)) for s in shapes]
    expected = subject.reference(*inputs)
    assert expected.shape == shape
    for number, point in enumerate(points):
        launch = of.launched(point)
        out = np.full(shape, np.nan, np.float32)
        grid = tuple(whole // part for whole, part in zip(launch.grid, smaller, strict=True))
        library.launch(f"p{number}", grid, launch.block, *inputs, out, shared=launch.shared, seed=number)
        assert library.error is None, (point, library.error)
        np.testing.assert_allclose(out, expected, rtol=templated.relative_tolerance(of), atol=subject.absolute, err_msg=str(point))
