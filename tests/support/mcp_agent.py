"""An agent for tests: the SDK's own client, with our server as the process that it starts; and a kernel to work on."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mcp
from anyio.from_thread import start_blocking_portal

KERNEL = """__global__ void scale(const float* x, float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = 2.0f * x[i];
}

extern "C" void solve(const float* x, float* y, int n) {
    scale<<<(n + 63) / 64, 64>>>(x, y, n);
}
"""
TASK = """name = "scale"
source = "scale.cu"
args = [
  { name = "x", kind = "input", dtype = "f32", shape = ["n"] },
  { name = "y", kind = "output", dtype = "f32", shape = ["n"] },
  { name = "n", kind = "size", dtype = "i32" },
]
cases = [{ sizes = { n = SIZE }, timed = true }, { sizes = { n = 1000 } }]
inputs = { distributions = ["normal"] }
reference = { python = "reference.py:scale" }
"""


def lay_out(root: Path, size: int) -> None:
    """A kernel, its task and its reference."""
    (root / "scale.cu").write_text(KERNEL)
    (root / "scale.task.toml").write_text(TASK.replace("SIZE", str(size)))
    (root / "reference.py").write_text("def scale(x, n):\n    return 2.0 * x\n")


class Agent:
    """A client with its server. Each test calls tools by name; progress is kept."""

    def __init__(self, portal, client, root: Path) -> None:
        self._portal, self._client, self.root = portal, client, root
        self.progress: list[tuple[float, float | None, str]] = []

    def tools(self):
        return self._portal.call(self._client.list_tools).tools

    def call(self, tool: str, **arguments):
        return self._portal.call(self._call, tool, arguments)

    def later(self, tool: str, **arguments):
        """The same, as a future; to cancel that cancels the request."""
        return self._portal.start_task_soon(self._call, tool, arguments)

    async def _call(self, tool, arguments):
        self.progress.clear()
        return await self._client.call_tool(tool, arguments, progress_callback=self._heard)

    async def _heard(self, done, total, message) -> None:
        self.progress.append((done, total, message))

    def result(self, tool: str, **arguments) -> dict:
        found = self.call(tool, **arguments)
        assert not found.is_error, found.content[0].text
        return found.structured_content

    def error(self, tool: str, **arguments) -> str:
        found = self.call(tool, **arguments)
        assert found.is_error and found.structured_content is None
        return found.content[0].text


@contextmanager
def serving(root: Path, *options: str) -> Iterator[Agent]:
    command = ["-c", "from kernelsearch.cli import main; main()", "mcp", "--root", str(root), *options]
    passed_on = ("PYTHONPATH", "KERNELSEARCH_CACHE", "XDG_CACHE_HOME", "CUDA_HOME", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")
    env = {name: os.environ[name] for name in passed_on if name in os.environ}
    server = mcp.StdioServerParameters(command=sys.executable, args=command, env=env)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(mcp.Client(server)) as client:
        yield Agent(portal, client, root)
