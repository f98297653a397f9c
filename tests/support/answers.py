"""What a model says that writes a small task well: row sums with a weight for each column."""

TOML = """
name   = "weighted_row_sum"
source = "baseline.cu"
entry  = "solve"
assumptions = ["row-major"]
args = [
  { name = "x", kind = "input",  dtype = "f32", shape = ["rows", "cols"] },
  { name = "w", kind = "input",  dtype = "f32", shape = ["cols"] },
  { name = "y", kind = "output", dtype = "f32", shape = ["rows"] },
  { name = "rows", kind = "size", dtype = "i32" },
  { name = "cols", kind = "size", dtype = "i32" },
]

[[cases]]
sizes = { rows = 512, cols = 64 }
timed = true
[[cases]]
sizes = { rows = 64, cols = 64 }
[[cases]]
sizes = { rows = 37, cols = 53 }
[[cases]]
sizes = { rows = 2, cols = 61 }

[inputs]
distributions = ["normal", "integers"]

[reference]
python = "reference.py:weighted"

[tolerance]
reduction = "cols"

[cost]
bytes = "(rows * cols + cols + rows) * 4"
flops = "2 * rows * cols"
"""
REFERENCE = """import numpy as np


def weighted(x, w, rows, cols):
    return x @ w
"""
BASELINE = """__global__ void weighted(const float* x, const float* w, float* y, int rows, int cols) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    float sum = 0.0f;
    for (int col = 0; col < cols; ++col) sum += x[row * cols + col] * w[col];
    y[row] = sum;
}

extern "C" void solve(const float* x, const float* w, float* y, int rows, int cols) {
    weighted<<<(rows + 63) / 64, 64>>>(x, w, y, rows, cols);
}
"""
WARP = """__global__ void weighted(const float* x, const float* w, float* y, int rows, int cols) {
    int row = blockIdx.x;
    float sum = 0.0f;
    for (int col = threadIdx.x; col < cols; col += 32) sum += x[row * cols + col] * w[col];
    for (int step = 16; step > 0; step /= 2) sum += __shfl_down_sync(0xffffffffu, sum, step);
    if (threadIdx.x == 0) y[row] = sum;
}

extern "C" void solve(const float* x, const float* w, float* y, int rows, int cols) {
    weighted<<<rows, 32>>>(x, w, y, rows, cols);
}
"""
THOUGHTS = """Two ways:

THOUGHT: a warp for each row
32 threads walk a row together, so loads are contiguous; shuffles add up.

**THOUGHT 2: weights in shared memory**
each block keeps w in shared memory.
"""


def task(toml: str = TOML, reference: str = REFERENCE, baseline: str = BASELINE) -> str:
    """The three files as an answer."""
    return (
        f"I read it as follows.\n\nFILE: task.toml\n\n```toml\n{toml}```\n\n"
        f"### FILE: `reference.py`\n```python\n{reference}```\n\n**FILE: baseline.cu**\n```cuda\n{baseline}```\nThat is all."
    )


def kernel(source: str) -> str:
    """A whole file as an edit."""
    return f"SUMMARY: another way\n```cuda\n{source}```\n"
