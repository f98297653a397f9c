"""Subprocesses that cannot get away: own session, deadline, capped output, no shell, no inherited descriptors.

Used for trusted tools (`run`) and, by `sandbox/`, for boxes (`start`); `detach` is for what goes on when we end.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kernelsearch.errors import ToolMissing
from kernelsearch.process.affinity import elsewhere, keep_free, stay_off
from kernelsearch.process.running import Finished, Running

__all__ = ["Finished", "Running", "detach", "keep_free", "run", "start", "stay_off"]

# A box dies with the *thread* that started it (PR_SET_PDEATHSIG), so those that outlive a call are started by one lasting thread.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


def start(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pass_fds: tuple[int, ...] = (),
    output_bytes: int = 1 << 20,
    stdin: bool = False,
) -> Running:
    """Start `command` as leader of its own session. `env` None inherits ours; `stdin` asks for a pipe to `send` to.

    Raises `ToolMissing` when the program is not there or may not be executed.
    """

    def spawn() -> subprocess.Popen[bytes]:
        with elsewhere():
            return subprocess.Popen(
                list(command),
                env=None if env is None else dict(env),
                cwd=cwd,
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                close_fds=True,
                pass_fds=pass_fds,
                start_new_session=True,
            )

    try:
        popen = _spawner.submit(spawn).result() if stdin else spawn()
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        raise ToolMissing(f"cannot start {command[0]}: {error.strerror}: {error.filename}") from error
    if popen.stdout is None or popen.stderr is None:
        raise AssertionError("both pipes were asked for")
    return Running(popen, popen.stdout, popen.stderr, output_bytes)


def run(
    command: Sequence[str],
    *,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pass_fds: tuple[int, ...] = (),
    output_bytes: int = 1 << 20,
) -> Finished:
    """Run `command` with an empty standard input to its end or to its deadline. Raises as `start` does."""
    return start(command, env=env, cwd=cwd, pass_fds=pass_fds, output_bytes=output_bytes).wait(timeout_s)


def detach(command: Sequence[str], *, cwd: Path, log: Path) -> int:
    """Start `command` in a session of its own, to go on when we end; what it prints is appended to `log`. Returns its number.

    Raises `ToolMissing` as `start` does, `OSError` when `log` cannot be written.
    """
    with log.open("ab") as output:
        try:
            popen = subprocess.Popen(
                list(command), cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output, close_fds=True, start_new_session=True
            )
        except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
            raise ToolMissing(f"cannot start {command[0]}: {error.strerror}: {error.filename}") from error
    threading.Thread(target=popen.wait, daemon=True).start()  # or it would stay in the process table after its end
    return popen.pid
