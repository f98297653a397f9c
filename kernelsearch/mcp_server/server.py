"""The protocol: tools with their schemas, calls in threads, progress, cancellation, errors (the only door of the package `mcp`).

Standard output belongs to the protocol: the SDK moves it out of reach while it serves, and our children have pipes of their own. A
candidate that fails is a result; what is our own or the caller's failure is a tool error whose text has the remedy.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError

import kernelsearch
from kernelsearch import codec
from kernelsearch.errors import KernelSearchError
from kernelsearch.mcp_server import asked, text, told
from kernelsearch.mcp_server.desk import Desk
from kernelsearch.mcp_server.settings import Settings
from kernelsearch.mcp_server.work import Cancelled, Work

_INSTRUCTIONS = """\
Makes CUDA kernels faster under verification. Order of work: check_task on the kernel; evaluate it to learn its bottleneck;
look_up_playbook for what fits it; write a changed kernel to a NEW file and evaluate that with `task` set, so that it is held against the
old one; keep what passes and is faster: its whole interval above 1. Or start_search, and watch_search with wait_s. Times called modelled
were not measured. A verdict other than passed means that the kernel is not to be used, however fast it is; to make the task or its
tolerance easier is no improvement of the kernel."""
_FINISH_S = 10.0  # for a progress message to leave; longer, and nobody reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """`run` gets an object of `takes` and gives one of `gives`, of which `text` makes words. `reads`: it changes no file."""

    name: str
    title: str
    takes: type
    gives: type
    run: Callable[[Any, Work], Any]
    text: Callable[[Any], str]
    reads: bool = False

    def described(self) -> types.Tool:
        description = " ".join((self.takes.__doc__ or "").split())
        return types.Tool(
            name=self.name,
            title=self.title,
            description=description,
            input_schema={**codec.schema(self.takes), "description": description},
            output_schema=codec.schema(self.gives),
            annotations=types.ToolAnnotations(read_only_hint=self.reads, destructive_hint=False, open_world_hint=False),
        )


def tools(desk: Desk) -> tuple[Tool, ...]:
    """In the order in which they are used."""
    return (
        Tool(
            name="check_task",
            title="Check a task",
            takes=asked.CheckTask,
            gives=told.TaskChecked,
            run=desk.check_task,
            text=text.task_checked,
        ),
        Tool(name="evaluate", title="Judge a kernel", takes=asked.Evaluate, gives=told.Judged, run=desk.evaluate, text=text.judged),
        Tool(
            name="look_up_playbook",
            title="Look up ways to make a kernel faster",
            takes=asked.LookUp,
            gives=told.Found,
            run=desk.look_up,
            text=text.found,
            reads=True,
        ),
        Tool(
            name="start_search",
            title="Start a search",
            takes=asked.StartSearch,
            gives=told.SearchState,
            run=desk.start_search,
            text=text.search_state,
        ),
        Tool(
            name="watch_search",
            title="Watch a search",
            takes=asked.WatchSearch,
            gives=told.SearchState,
            run=desk.watch_search,
            text=text.search_state,
            reads=True,
        ),
        Tool(
            name="stop_search",
            title="Stop a search",
            takes=asked.StopSearch,
            gives=told.SearchState,
            run=desk.stop_search,
            text=text.search_state,
        ),
        Tool(
            name="read_node",
            title="Read the evidence of an attempt",
            takes=asked.ReadNode,
            gives=told.NodeEvidence,
            run=desk.read_node,
            text=text.node_evidence,
            reads=True,
        ),
    )


def serve(settings: Settings) -> None:
    """Serve one client on standard input and output until it goes. Relative paths are the root's from here on."""
    os.chdir(settings.root)
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    known = {tool.name: tool for tool in tools(Desk(settings))}

    async def list_tools(context: Any, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:  # noqa: ANN401
        return types.ListToolsResult(tools=[tool.described() for tool in known.values()])

    async def call_tool(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:  # noqa: ANN401
        if params.name not in known:
            raise MCPError(code=types.INVALID_PARAMS, message=f"no tool is called {params.name!r}; there are {', '.join(known)}")
        return await _call(known[params.name], params.arguments or {}, context.session.report_progress)

    server: Server[Any] = Server(
        "kernelsearch",
        version=kernelsearch.__version__,
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


async def _call(tool: Tool, arguments: dict[str, Any], report: Callable[..., Any]) -> types.CallToolResult:
    """In a thread, whose progress is sent from here. When the request is cancelled its work is ended, and the thread with it."""
    loop = asyncio.get_running_loop()

    def tell(done: float, total: float | None, words: str) -> None:
        asyncio.run_coroutine_threadsafe(report(done, total, words), loop).result(_FINISH_S)

    work = Work(tell)
    try:
        return await asyncio.to_thread(_result, tool, arguments, work)
    except asyncio.CancelledError:
        work.cancel()
        raise


def _result(tool: Tool, arguments: dict[str, Any], work: Work) -> types.CallToolResult:
    try:
        found = tool.run(codec.load_table(tool.takes, arguments), work)
    except (KernelSearchError, OSError, Cancelled) as error:
        sentence = str(error) or "cancelled"
        return types.CallToolResult(content=[types.TextContent(type="text", text=sentence)], is_error=True)
    content = [types.TextContent(type="text", text=tool.text(found))]
    return types.CallToolResult(content=list(content), structured_content=json.loads(codec.dump_json(found)))
