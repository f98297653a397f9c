"""Boxes for tests of a conversation: a thread that answers orders over a socket as a runner would, or as one would not."""

import contextlib
import socket
import threading
import time

from kernelsearch import wire


class Player:
    """Answers CALL with `claimed_us` after `took_s`, and writes down every order. `answer(order)` may return bytes to send in place of
    that, or None to be silent; "gone" closes its end. `sleepy` ones are asked for an answer to WAKE too."""

    def __init__(self, *, claimed_us=100.0, took_s=0.0, answer=None, digest=None, export=None, ready=False, sleepy=False) -> None:
        self.ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._claimed_us, self._took_s, self._answer, self._export = claimed_us, took_s, answer, export
        self._sleepy = sleepy
        self._digest = digest or (lambda order: order.key)
        self.orders: list[wire.Order] = []  # but WAKE
        self.everything: list[wire.Op] = []
        self.met: list[int] = []  # when each order came, ns
        if ready:
            self._theirs.sendall(wire.Answer(wire.Op.READY).pack())
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()

    @property
    def rows(self) -> list[wire.Order]:
        return [order for order in self.orders if order.op is wire.Op.BATCH]

    @property
    def calls(self) -> list[wire.Order]:
        return [order for order in self.orders if order.op is wire.Op.CALL]

    def close(self) -> None:
        for end in (self.ours, self._theirs):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self.ours.close()
        self._theirs.close()

    def _play(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._theirs.recv(wire.ORDER_BYTES + 1):
                order = wire.read_order(data)
                self.everything.append(order.op)
                if order.op is not wire.Op.WAKE:
                    self.orders.append(order)
                    self.met.append(time.perf_counter_ns())
                said = self._said(order)
                if said == "gone":
                    self._theirs.shutdown(socket.SHUT_RDWR)
                    return
                if said is not None:
                    self._theirs.sendall(said)

    def _said(self, order: wire.Order):
        if order.op is wire.Op.WAKE and not self._sleepy:
            return wire.Answer(wire.Op.AWAKE, order.number, seal=order.seal).pack()
        if self._answer is not None and (said := self._answer(order)) is not PLAIN:
            return said
        if order.op is wire.Op.EXPORT:
            if self._export is not None:
                self._export(order)
            return wire.Answer(wire.Op.EXPORTED, order.number, seal=order.seal).pack()
        if order.op is wire.Op.BATCH:
            for index in range(order.calls):
                self._theirs.sendall(self._done(order._replace(key=(order.key + index) % 2**64)))
        return self._done(order) if order.op in (wire.Op.CALL, wire.Op.AGAIN) else None

    def _done(self, order: wire.Order) -> bytes:
        time.sleep(self._took_s)
        claimed = self._claimed_us(len(self.calls)) if callable(self._claimed_us) else self._claimed_us
        return wire.Answer(wire.Op.DONE, order.number, 0, 0, claimed, self._digest(order), order.seal).pack()


PLAIN = object()  # what `answer` gives where the player is to answer as usual
