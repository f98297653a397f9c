"""The command line: `kernelsearch COMMAND`, and `optimize KERNEL` on its own.

One file a command in `commands/`, imported when it is used, so that `--help` answers at once. This file owns the border: every error
becomes one sentence on standard error and an exit code, never a traceback.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence

import click

import kernelsearch
from kernelsearch.errors import KernelSearchError
from kernelsearch.report.words import clean

# in the order of use
COMMANDS = (
    *("init", "synthesize", "prompt", "optimize", "resume", "hint", "add", "worker", "spool", "evaluate", "bench"),
    *("compare", "watch"),
    *("report", "explain", "rescore", "roles", "export", "playbook", "tasks", "calibrate", "doctor", "mcp"),
)
INTERRUPTED = 130  # as a shell says it of a process ended by Ctrl-C


class _Commands(click.Group):
    """Finds a command in `commands/` by its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"kernelsearch.cli.commands.{cmd_name}").command
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(kernelsearch.__version__, prog_name="kernelsearch")
def group() -> None:
    """Make CUDA kernels faster: a search under verification, explained by hardware evidence.

    Begin with `kernelsearch optimize kernel.cu`. Without a GPU kernels run on an emulated one, and times are modelled; without a
    model the edits come from rules. `kernelsearch doctor` says what this machine can do.
    """


def main(args: Sequence[str] | None = None) -> None:
    """The console script `kernelsearch`."""
    sys.exit(run(group, "kernelsearch", args))


def optimize(args: Sequence[str] | None = None) -> None:
    """The console script `optimize`."""
    command: click.Command = importlib.import_module("kernelsearch.cli.commands.optimize").command
    sys.exit(run(command, "optimize", args))


def run(command: click.Command, name: str, args: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 done with a bad outcome, 2 the user's input, 3 the machine, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without µ still gets its table
    try:
        code = command.main(args=None if args is None else list(args), prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except KernelSearchError as error:
        return _complain(str(error), error.exit_code)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _complain("interrupted", INTERRUPTED)
    except BrokenPipeError:
        _abandon_output()  # the reader left; nothing is wrong with us
        return 1
    except OSError as error:
        _abandon_output()
        name = error.filename2 or error.filename  # of a copy: where to
        full = "; make room" if error.errno == errno.ENOSPC else ""
        return _complain(f"{f'{name}: ' if name else ''}{error.strerror or error}{full}", 3)
    return code if isinstance(code, int) else 0


def _abandon_output() -> None:
    """Let what is still buffered for standard output go nowhere, so that the interpreter's own last flush cannot fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(sentence: str, code: int) -> int:
    print(f"kernelsearch: {clean(sentence)}", file=sys.stderr)
    return code
