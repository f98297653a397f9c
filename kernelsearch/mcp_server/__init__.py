"""The same verbs as tools for a coding agent, over the Model Context Protocol on standard input and output.

Nothing is judged in the server's process. Work is done by our own command line in child processes, so what a tool did can be done again
in a shell, a request is cancelled by ending its process, and no GPU is held between requests. A search is detached: it outlives the
server, and is found again by its run folder. Paths that an agent names stay below one root (`root`).
"""

from kernelsearch.mcp_server.settings import Settings

__all__ = ["Settings"]
