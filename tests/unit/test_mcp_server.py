"""The MCP server as an agent has it: the real process, spoken to by the SDK's own client over stdio, on the emulated device."""

import json
import time
from pathlib import Path

import pytest

import runs
from kernelsearch.cli import group, run

mcp = pytest.importorskip("mcp", reason="the MCP server needs the SDK (pip install kernelsearch[mcp])")
from mcp_agent import KERNEL, lay_out, serving  # noqa: E402 - it needs the SDK

TOOLS = ["check_task", "evaluate", "look_up_playbook", "start_search", "watch_search", "stop_search", "read_node"]
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    lay_out(root, 4096)
    (root / "reader.cu").write_text('#include "/etc/passwd"\n' + KERNEL)
    (root / "wrong.cu").write_text(KERNEL.replace("2.0f", "3.0f"))
    (root / "endless.cu").write_text(KERNEL.replace("if (i < n)", "while (x[0] == x[0]) { __syncthreads(); }\n    if (i < n)"))
    (root / "asks.cu").write_text("__global__ void f(float* y, void* what) { y[threadIdx.x] = 1; }\n")
    runs.write(root / "runs" / "recorded")
    with serving(root, "--device", "emulated") as found:
        yield found


def test_every_tool_says_what_it_takes_and_gives(agent):
    tools = agent.tools()
    assert [tool.name for tool in tools] == TOOLS
    for tool in tools:
        assert len(tool.description) > 60
        assert tool.input_schema["additionalProperties"] is False
        assert all(field.get("description") for field in tool.input_schema["properties"].values()), tool.name
        assert tool.output_schema["type"] == "object" and tool.output_schema["required"]
    evaluate = next(tool for tool in tools if tool.name == "evaluate")
    assert evaluate.input_schema["properties"]["until"]["enum"] == ["build", "verify", "measure", "profile"]


def test_a_task_that_can_judge_is_admitted(agent):
    found = agent.result("check_task", subject="scale.task.toml", run_baseline=False)
    assert found["admitted"] is True and found["faults"] == [] and found["tried"] > 5
    assert found["file"] == "scale.task.toml"


def test_a_draft_says_what_it_must_be_told(agent):
    found = agent.result("check_task", subject="asks.cu")
    assert found["drafted"] is True and found["admitted"] is None
    assert any("what" in question for question in found["questions"])
    assert (agent.root / found["file"]).is_file()


def test_a_kernel_that_passes_comes_with_time_and_diagnosis_and_tells_its_stages(agent):
    found = agent.call("evaluate", kernel="scale.cu")
    told = found.structured_content
    assert told["verdict"] == "passed" and told["passed"] is True and told["time_kind"] == "modelled"
    assert told["time_us"] > 0 and told["checks_failed"] == [] and told["checks_passed"] == 2
    assert told["bottleneck"] and told["evidence"] and told["figures"]
    assert found.content[0].text.startswith("passed.") and "modelled µs" in found.content[0].text
    assert [message for _, _, message in agent.progress] == ["build", "verify", "measure", "profile"]
    assert [done for done, _, _ in agent.progress] == [1.0, 2.0, 3.0, 4.0]
    found = agent.result("look_up_playbook", kernel="scale.cu")  # what was just learnt of it is not forgotten
    assert found["profiled"] is True and found["bottleneck"] == told["bottleneck"]
    assert all(told["bottleneck"] in way["relieves"] for way in found["ways"])


@pytest.mark.parametrize(("kernel", "verdict", "said"), [("reader.cu", "rejected", "/etc/passwd"), ("wrong.cu", "wrong", "y[")])
def test_a_candidate_that_fails_is_a_result(agent, kernel, verdict, said):
    told = agent.result("evaluate", kernel=kernel, task="scale.task.toml", until="verify")
    assert told["verdict"] == verdict and said in told["detail"]
    assert bool(told["checks_failed"]) is (verdict == "wrong")


@pytest.mark.parametrize(
    ("tool", "arguments", "remedy"),
    [
        ("evaluate", {"kernl": "scale.cu"}, "kernl"),
        ("evaluate", {"kernel": "scale.cu", "until": "yesterday"}, "until"),
        ("evaluate", {"kernel": "../scale.cu"}, "--root"),
        ("evaluate", {"kernel": "nowhere.cu"}, "no such file"),
        ("evaluate", {"kernel": "scale.task.toml"}, "a kernel is"),
        ("evaluate", {}, "name a kernel"),
        ("check_task", {"subject": "/etc/passwd"}, "outside the root"),
        ("start_search", {"subject": "scale.cu", "llm": "mailbox:../letters"}, "outside the root"),
        ("start_search", {"subject": "scale.cu", "llm": "anthropic:some-model"}, "usd"),
        ("start_search", {"subject": "scale.cu", "candidates": None}, "limit"),
        ("start_search", {"subject": "scale.cu", "name": "../x"}, "letters"),
        ("watch_search", {"run": "no-such"}, "no run.json"),
        ("watch_search", {"run": "recorded", "wait_s": 1e9}, "600"),
        ("stop_search", {"run": "recorded"}, "Ctrl-C"),
        ("read_node", {"run": "recorded", "node": 99}, "no node 99"),
        ("look_up_playbook", {"name": "magic"}, "there are"),
        ("look_up_playbook", {"name": "x", "run": "y"}, "one of"),
        ("look_up_playbook", {"run": "recorded", "node": 99}, "no node 99"),
    ],
)
def test_what_is_not_the_candidates_fault_is_an_error_with_its_remedy(agent, tool, arguments, remedy):
    assert remedy in agent.error(tool, **arguments)


def test_a_command_that_refuses_gives_its_own_sentence(agent):
    found = agent.result("start_search", subject="scale.cu", strategy="astrology", name="stars")
    assert found["state"] == "failed" and "astrology" in found["said"]


def test_the_playbook_is_looked_up_by_name_by_source_and_by_attempt(agent):
    everything = agent.result("look_up_playbook")
    assert len(everything["ways"]) > 20 and everything["unfit"] == {}
    name = everything["ways"][0]["name"]
    one = agent.result("look_up_playbook", name=name)
    assert [way["name"] for way in one["ways"]] == [name] and one["example"] and one["mind"]
    source = agent.call("look_up_playbook", kernel="wrong.cu", task="core/gelu")
    assert source.structured_content["profiled"] is False and "until profile" in source.content[0].text
    node = agent.result("look_up_playbook", run="recorded", node=0)
    assert node["profiled"] is True and node["bottleneck"] and node["ways"] and node["ways"][0]["reason"]


def test_an_unknown_tool_is_an_error_of_the_protocol(agent):
    with pytest.raises(mcp.MCPError, match="there are check_task"):
        agent.call("compile")


def test_a_recorded_run_is_read_with_its_evidence(agent):
    state = agent.result("watch_search", run="recorded", last=3)
    assert state["state"] == "recorded" and len(state["nodes"]) == 3 and state["best"] is not None
    best = agent.result("read_node", run="recorded")
    assert best["number"] == state["best"] and best["judged"]["passed"] is True
    assert best["reward"] is not None and best["difference"].startswith("@@") and best["source"] is None
    first = agent.result("read_node", run="recorded", node=0, source=True)
    assert first["source"] == runs.SOURCE and first["difference"] == ""
    json.dumps(best, allow_nan=False)
    verdicts = set()
    for number in range(len(runs.nodes())):
        told = agent.result("read_node", run="recorded", node=number)["judged"]
        verdicts.add(None if told is None else told["verdict"])
    assert {"passed", "wrong", "build failed"} <= verdicts


def test_a_search_is_started_watched_and_stopped(agent):
    started = agent.result("start_search", subject="scale.cu", name="letters", llm="mailbox:box", candidates=9)
    assert started["state"] == "running" and started["run"] == "runs/letters"
    assert "already" in agent.error("start_search", subject="scale.cu", name="letters")
    watched = agent.later("watch_search", run="letters", wait_s=PATIENCE_S)
    until(lambda: any("baseline: passed" in message for _, _, message in agent.progress))
    assert agent.progress[-1][:2] == (1.0, 10.0)
    watched.cancel()
    state = agent.result("watch_search", run="letters")
    assert state["state"] == "running" and state["best"] == 0 and state["nodes"][0]["status"] == "passed"
    letters = agent.root / "box"
    until((letters / "0001.prompt.md").exists)
    stopped = agent.later("stop_search", run="letters")
    until(lambda: any("stopping" in message for _, _, message in agent.progress))
    until(lambda: answered(letters) and stopped.done())  # what is under way may end, and each bad answer is asked for again
    state = stopped.result().structured_content
    assert state["state"] == "ended" and state["report"] == "runs/letters/report.html"
    assert state["said"] == "stopped by the user" and state["nodes"][-1]["status"] == "unusable"
    assert agent.result("stop_search", run="letters")["state"] == "ended"  # nothing more to stop


def test_a_cancelled_evaluation_ends_its_process_and_lets_the_next_one_begin(agent):
    future = agent.later("evaluate", kernel="endless.cu", task="scale.task.toml")
    until(lambda: any(message == "verify" for _, _, message in agent.progress))
    assert processes_about(agent.root / "endless.cu")
    future.cancel()
    until(lambda: not processes_about(agent.root / "endless.cu"))
    told = agent.result("evaluate", kernel="scale.cu", until="build")
    assert told["verdict"] is None and told["passed"] is False and told["stage"] == "build"  # built is no verdict
    assert told["kernels"] == [] or told["kernels"][0]["registers"] > 0  # without nvcc nothing is known of them
    assert told["time_us"] is None and told["checks_passed"] == 0


def test_the_skill_knows_every_tool_and_can_be_printed(capsys):
    assert run(group, "kernelsearch", ["mcp", "--skill"]) == 0
    said = capsys.readouterr().out
    assert [tool for tool in TOOLS if f"`{tool}`" not in said] == []


def until(true, patience_s: float = PATIENCE_S) -> None:
    end = time.monotonic() + patience_s
    while not true():
        if time.monotonic() > end:
            raise AssertionError("it did not come to that")
        time.sleep(0.05)


def answered(letters: Path) -> bool:
    for prompt in letters.glob("*.prompt.md"):
        answer = prompt.with_name(prompt.name.replace("prompt", "answer"))
        if not answer.exists():
            answer.write_text("I have no idea.")
    return True


def processes_about(file: Path) -> list[str]:
    """Command lines that name a file."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = line.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(file) in text:
            found.append(text)
    return found
