"""Seats on a Ray cluster: an actor for each GPU, which has it alone. Ray's only door in this package.

Who tries what again is decided in one place. Ray restarts actors, on another node where theirs is gone (`max_restarts`), and calls `open`
on them until they are there (`max_task_retries`); requests it never repeats, since `dispatch` does, which gives them to whoever is free
and counts what they broke. Where the cluster has nodes without GPU, candidates are compiled there, as tasks that want a CPU, and what
was built travels to the actor.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from kernelsearch import codec
from kernelsearch.device import ON_GPU
from kernelsearch.errors import ToolMissing, UsageError
from kernelsearch.model import Hardware
from kernelsearch.workers.crew.base import Answered, Event, Grown, Inbox, Lost, Ready
from kernelsearch.workers.crew.seat import Broken, Judging, Opening, Seat, answer, broken, built, take_in
from kernelsearch.workers.local import in_thread
from kernelsearch.workers.spool.letters import Served, pack, unpack

_FINAL = (ToolMissing.__name__, UsageError.__name__)
_KNOCK_S = 10.0
_LOOK_S = 10.0  # how often the cluster is asked whether it has grown
_FOR_EVER = -1


class _Hands:
    """What an actor is. Its answers are pairs of a failure in JSON, empty where there is none, and what was asked for."""

    def __init__(self, opening: Opening, open_seat: Callable[[Opening], Judging]) -> None:
        self._opening, self._open_seat = opening, open_seat
        self._seat: Judging | None = None

    def open(self) -> tuple[str, bytes, str]:
        """What it says of itself, and on which node it is."""
        node = _ray().get_runtime_context().get_node_id()
        opened = in_thread(self._open_seat, replace(self._opening, name=f"{self._opening.name} on {os.uname().nodename}"))
        if (error := opened.exception()) is not None:
            return codec.dump_json(broken(error)), b"", node
        self._seat = opened.result()
        return "", pack(self._seat.served()), node

    def answer(self, data: bytes, bundle: bytes) -> tuple[str, bytes]:
        """The packed answer to a packed request, of which the candidate may have been built already."""
        if self._seat is None:
            raise RuntimeError("it was asked before it was opened")
        take_in(bundle)
        answered = in_thread(answer, self._seat, data)
        if (error := answered.exception()) is not None:
            return codec.dump_json(broken(error)), b""
        return "", answered.result()


@dataclass(slots=True)
class _Life:
    """An actor between two losses."""

    seat: int
    actor: Any
    node: str = ""
    told: bool = False  # that it is lost
    died: bool = False  # by itself


class RayCrew(Inbox):
    """See `base.Crew`. Raises `ToolMissing` without the library or where the cluster has no GPU, `UsageError` where there is no cluster.

    `address` is empty for a cluster of our own on this machine, whose size `local` says where it is not that of the machine.
    """

    def __init__(
        self,
        address: str,
        opening: Opening,
        *,
        room: int,
        local: Mapping[str, int] | None = None,
        open_seat: Callable[[Opening], Judging] = Seat,
        compiles: Callable[..., bytes] | None = built,
    ) -> None:
        super().__init__()
        self._opening, self._room, self._open_seat, self._compiles = opening, room, open_seat, compiles
        self._where = f"the Ray cluster at {address}" if address else "a Ray cluster on this machine"
        self._ray = _joined(address, dict(local or {}))
        self._on_gpu = opening.device in ("auto", *ON_GPU)
        self._lives: dict[int, _Life] = {}
        self._hardware: Hardware | None = None
        self._mutex = threading.Lock()  # of `told`
        self._seats = self._size()
        self._compiling = compiles is not None and self._apart()
        if not self._seats:
            self.close()
            raise ToolMissing(f"{self._where} has no GPU; add a node that has one, or judge with modelled times by --device emulated")

    @property
    def seats(self) -> int:
        return self._seats

    def start(self) -> None:
        for seat in range(self._seats):
            self._engage(seat)

    def begin(self, seat: int, turn: int, number: int, data: bytes) -> None:
        life = self._lives[seat]
        try:
            asked = life.actor.answer.options(max_task_retries=0).remote(data, self._built(data))
        except self._ray.exceptions.RayError as error:
            self._lost(life, Lost(seat=seat, why=_first_line(error), error="DeviceLost"))
            return
        self._then(asked, life, lambda found: self._answered(life, turn, number, *found))

    def renew(self, seat: int) -> None:
        if (life := self._lives[seat]).died:
            self._open(seat, life.actor)  # as soon as Ray has started it again, where there is room
        else:
            self.retire(seat)
            self._engage(seat)

    def retire(self, seat: int) -> None:
        if (life := self._lives.pop(seat, None)) is not None:
            self._first_word(life)
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.kill(life.actor)

    def wait(self, timeout_s: float | None) -> Sequence[Event]:
        found = super().wait(_LOOK_S if timeout_s is None else min(timeout_s, _LOOK_S))
        if found or self._size() <= self._seats:
            return found
        new = tuple(range(self._seats, self._size()))
        self._seats += len(new)
        for seat in new:
            self._engage(seat)
        return [Grown(seats=new)]

    def close(self) -> None:
        for seat in list(self._lives):
            self.retire(seat)
        self._ray.shutdown()

    def _size(self) -> int:
        """How many actors the cluster has room for: one a GPU; without GPUs on every other CPU, so that there is where to compile."""
        there = self._ray.cluster_resources()
        return int(there.get("GPU", 0)) if self._on_gpu else max(1, int(there.get("CPU", 0)) // 2)

    def _apart(self) -> bool:
        """Whether there is where to compile beside the actors: a node without GPU."""
        return any(node["Alive"] and node["Resources"].get("CPU") and not node["Resources"].get("GPU") for node in self._ray.nodes())

    def _engage(self, seat: int) -> None:
        opening = replace(self._opening, name=f"{'GPU' if self._on_gpu else 'actor'} {seat}")
        wants = {"num_gpus": 1, "num_cpus": 0} if self._on_gpu else {"num_cpus": 1}
        actor = self._ray.remote(_Hands).options(**wants, max_restarts=_FOR_EVER, max_task_retries=0, max_concurrency=self._room + 1)
        self._open(seat, actor.remote(opening, self._open_seat))

    def _open(self, seat: int, actor: Any) -> None:  # noqa: ANN401 - Ray's handles have no type
        life = self._lives[seat] = _Life(seat, actor)
        self._then(actor.open.options(max_task_retries=_FOR_EVER).remote(), life, lambda found: self._opened(life, *found))

    def _opened(self, life: _Life, failure: str, data: bytes, node: str) -> None:
        life.node = node
        if failure:
            why = codec.load_json(Broken, failure)
            self._lost(life, Lost(seat=life.seat, why=why.why, error=why.error, final=why.error in _FINAL))
            return
        served = unpack(Served, data)
        self._hardware = self._hardware or served.hardware
        self.tell(Ready(seat=life.seat, served=served))

    def _answered(self, life: _Life, turn: int, number: int, failure: str, data: bytes) -> None:
        if not failure:
            self.tell(Answered(turn=turn, number=number, data=data))
            return
        why = codec.load_json(Broken, failure)
        self._lost(life, Lost(seat=life.seat, why=why.why, error=why.error))

    def _built(self, data: bytes) -> Any:  # noqa: ANN401 - bytes, or the promise of them
        """The bundle of a request's candidate; empty where the actor is to compile it."""
        if not self._compiling or self._hardware is None:
            return b""
        device = self._opening.device if self._opening.device != "auto" else ON_GPU[0]
        task = self._ray.remote(self._compiles).options(num_cpus=1, num_gpus=0, max_retries=_FOR_EVER)
        return task.remote(data, device, self._hardware, unsafe=self._opening.unsafe)

    def _then(self, asked: Any, life: _Life, take: Callable[[Any], None]) -> None:  # noqa: ANN401
        """Have `take` called with what comes of `asked`, or the loss told."""

        def came(future: Future[Any]) -> None:
            error = future.exception()
            if error is None:
                take(future.result())
            else:
                life.died = True
                self._lost(life, Lost(seat=life.seat, why=_first_line(error), error="DeviceLost", blamed=not self._moved(life, error)))

        asked.future().add_done_callback(came)

    def _moved(self, life: _Life, error: BaseException) -> bool:
        """Whether the node was taken away, which is no request's doing."""
        if getattr(error, "preempted", False):
            return True
        nodes = {node["NodeID"]: node["Alive"] for node in self._ray.nodes()}
        return bool(life.node) and not nodes.get(life.node, False)

    def _lost(self, life: _Life, event: Lost) -> None:
        if self._first_word(life):
            self.tell(event)

    def _first_word(self, life: _Life) -> bool:
        with self._mutex:
            first, life.told = not life.told, True
        return first


def check() -> None:
    """Raise `ToolMissing` where Ray is not installed."""
    _ray()


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__).strip()


def _ray() -> Any:  # noqa: ANN401
    try:
        import ray
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "ray":
            raise
        raise ToolMissing("--worker ray needs Ray: pip install 'kernelsearch[ray]'") from error
    return ray


def _joined(address: str, local: dict[str, int]) -> Any:  # noqa: ANN401
    """The library, connected to a cluster."""
    ray = _ray()
    _hush(ray)
    quiet = {"log_to_driver": False, "configure_logging": False}
    try:
        with _our_signals(), _cluster_like_us():
            if address:
                _knock(address)
                ray.init(address=address, **quiet)
            else:
                ray.init(address="local", include_dashboard=False, **quiet, **local)
    except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        where = f"no Ray cluster answers at {address}" if address else "no Ray cluster could be started on this machine"
        remedy = "start one with `ray start --head` there, or leave the address out" if address else "name a running one as ray:ADDRESS"
        raise UsageError(f"{where} ({_first_line(error)}); {remedy}") from error
    return ray


def _knock(address: str) -> None:
    """Raise `OSError` where nobody listens, which Ray takes minutes to say."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_S).close()


def _hush(ray: Any) -> None:  # noqa: ANN401
    """What befalls actors we say ourselves; Ray would print it among our results, log_to_driver or not."""
    logging.getLogger("ray").setLevel(logging.ERROR)
    if hasattr(ray._private.worker, "print_to_stdstream"):
        ray._private.worker.print_to_stdstream = lambda *_, **__: None


@contextlib.contextmanager
def _cluster_like_us() -> Iterator[None]:
    """A cluster that is started within finds the modules that we find, and sends nothing anywhere."""
    ours = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "RAY_USAGE_STATS_ENABLED": "0"}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _our_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself, which is for the search to hear."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
