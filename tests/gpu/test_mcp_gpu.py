"""The MCP server on a real GPU: times that were measured, with their interval."""

import pytest

mcp = pytest.importorskip("mcp", reason="the MCP server needs the SDK (pip install kernelsearch[mcp])")
from mcp_agent import KERNEL, lay_out, serving  # noqa: E402 - it needs the SDK

pytestmark = pytest.mark.gpu


@pytest.fixture
def root(tmp_path):
    lay_out(tmp_path, 1 << 24)
    (tmp_path / "small_blocks.cu").write_text(KERNEL.replace("64", "32"))
    return tmp_path


def test_an_agent_is_told_measured_times_with_their_interval(gpu, root):
    with serving(root, "--device", "cuda") as agent:
        told = agent.result("evaluate", kernel="small_blocks.cu", task="scale.task.toml")
        assert told["verdict"] == "passed" and told["time_kind"] == "measured", told
        low, high = told["interval"]
        assert low <= told["speedup"] <= high
        assert agent.result("look_up_playbook", kernel="small_blocks.cu", task="scale.task.toml")["profiled"] is True
        state = agent.result("start_search", subject="scale.cu", name="gpu", candidates=3)
        state = agent.result("watch_search", run=state["run"], wait_s=300)
        assert state["state"] == "ended" and state["candidates"] == 3 and state["time_kind"] == "measured", state
