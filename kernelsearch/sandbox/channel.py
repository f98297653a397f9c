"""The channel of a box: a pair of connected sockets, of which the box inherits one end and nothing else.

SOCK_SEQPACKET keeps the borders of messages and gives an empty one at the other side's end. Nobody outside the pair can write into
it, and it is no descriptor that a program finds by habit as it does 1 and 2. Read ours with `recv`, never for ancillary data: the kernel
then throws away descriptors that the box tries to hand over.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, replace

from kernelsearch.sandbox.base import CHANNEL_VARIABLE, Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Both ends. `theirs` is closed as soon as the box has it, so that `ours` sees the end when the box dies."""

    ours: socket.socket
    theirs: socket.socket

    def tell(self, box: Box) -> Box:
        """`box`, told in its environment which descriptor its end is."""
        return replace(box, env={**box.env, CHANNEL_VARIABLE: str(self.theirs.fileno())})


def open_channel(box: Box) -> Channel | None:
    """A channel for `box` if it wants one."""
    if not box.channel:
        return None
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Channel(ours=ours, theirs=theirs)


def close_end(end: socket.socket | None) -> None:
    """Close our end, and wake a thread that still reads from it. Idempotent."""
    if end is not None:
        with contextlib.suppress(OSError):  # closed, or the other side is
            end.shutdown(socket.SHUT_RDWR)
        end.close()


def ours_of(end: socket.socket | None) -> socket.socket:
    """`end`, which the caller says is there."""
    if end is None:
        raise ValueError("this box has no channel; ask for one with Box(channel=True)")
    return end
