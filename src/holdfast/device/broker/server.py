"""Serves a closed table of verbs on a listening socket; one stuck client blocks nobody.

One thread looks after all connections and runs the quick verbs; a slow verb gets a thread of
its own and its answer is sent when it is ready. Used by the broker, the agent and auth.
"""

import os
import queue
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from holdfast.core.errors import BusyError, HoldfastError
from holdfast.device.broker import wire
from holdfast.device.broker.wire import Answer, Peer
from holdfast.hardening import proof as owners_proof
from holdfast.hardening.errors import MalformedCallError, ProofError, RateError
from holdfast.hardening.verbs import Verb, allow

Handler = Callable[[Peer, dict[str, Any]], Answer]
Journal = Callable[[Peer, str, Mapping[str, Any], str], None]
"""Told of every call: the peer, the verb, its arguments, and `ok` or the error's code.

Of a slow verb it is told twice: `begun`, and how it ended.
"""

Prove = Callable[[str, str, Mapping[str, Any]], str]
"""Judges a proof for a verb and its arguments, once, and gives the name of who confirmed."""

BEGUN = "begun"

_MALFORMED = "(malformed)"
_UNKNOWN = "(unknown)"


class Limits(NamedTuple):
    """Bounds that keep one client from using up what others need.

    Attributes:
        connections: Open connections altogether.
        per_uid: Open connections of one uid.
        silent_s: Seconds a connection may stay without a packet.
        slow: Slow verbs at the same time.
        idle_s: Seconds without any connection after which serving ends; None for never.
    """

    connections: int = 64
    per_uid: int = 16
    silent_s: float = 10.0
    slow: int = 4
    idle_s: float | None = None


class _Connection:
    def __init__(self, accepted: socket.socket, peer: Peer, deadline: float) -> None:
        self.socket = accepted
        self.peer = peer
        self.deadline = deadline
        self.waiting = False


class _Rates:
    """Times of the latest calls, by uid and verb."""

    def __init__(self) -> None:
        self.calls: dict[tuple[int, str], deque[float]] = {}

    def count(self, uid: int, verb: str, rule: Verb) -> None:
        """Count a call.

        Raises:
            RateError: There were too many.
        """
        now = time.monotonic()
        times = self.calls.setdefault((uid, verb), deque(maxlen=rule.calls))
        if len(times) == rule.calls and now - times[0] < rule.per_s:
            raise RateError(f"{verb} may be used {rule.calls} times in {rule.per_s} seconds")
        times.append(now)


class Server:
    """A listening socket, a table of verbs and what carries them out.

    Attributes:
        table: The closed table; a verb without a handler is refused as unknown.
        handlers: What carries each verb out: gets peer and checked arguments, gives the answer.
        names: Callers for whom a uid stands; a uid that is missing may use nothing.
        prove: Judges proofs; without it every verb that demands one is refused.
    """

    def __init__(
        self,
        listener: socket.socket,
        *,
        table: Mapping[str, Verb],
        handlers: Mapping[str, Handler],
        names: Mapping[int, frozenset[str]],
        journal: Journal | None = None,
        limits: Limits | None = None,
        prove: Prove | None = None,
    ) -> None:
        self.table = {verb: rule for verb, rule in table.items() if verb in handlers}
        self.handlers = handlers
        self.names = names
        self._listener = listener
        self._journal = journal or (lambda _peer, _verb, _args, _result: None)
        self._limits = limits or Limits()
        self._prove = prove
        self._rates = _Rates()
        self._open: dict[int, _Connection] = {}
        self._done: queue.SimpleQueue[tuple[_Connection, bytes]] = queue.SimpleQueue()
        self._slow = 0
        self._stopped = False
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._selector = selectors.DefaultSelector()
        listener.setblocking(False)  # noqa: FBT003 - the standard library's own
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(self._wake_read, selectors.EVENT_READ)

    def stop(self) -> None:
        """Let `serve` return soon; may be called from another thread or a signal handler."""
        self._stopped = True
        self._wake()

    def serve(self) -> None:
        """Answer calls until stopped, or until nobody has called for `idle_s` seconds."""
        last_used = time.monotonic()
        while not self._stopped:
            ready = self._selector.select(timeout=1.0)
            now = time.monotonic()
            for key, _ in ready:
                self._attend(key, now)
            for connection in list(self._open.values()):
                if now >= connection.deadline and not connection.waiting:
                    self._close(connection)
            if ready or self._open or self._slow:
                last_used = now
            idle_s = self._limits.idle_s
            if idle_s is not None and now - last_used >= idle_s:
                break
        for connection in list(self._open.values()):
            self._close(connection)
        self._selector.close()

    def _attend(self, key: selectors.SelectorKey, now: float) -> None:
        if key.fileobj is self._listener:
            self._accept(now)
        elif key.fd == self._wake_read:
            self._send_finished(now)
        elif (connection := self._open.get(key.fd)) is not None:
            self._receive(connection, now)

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # a full pipe wakes it as well
            os.write(self._wake_write, b"\0")

    def _accept(self, now: float) -> None:
        for _ in range(16):  # then let those that are connected have their turn
            try:
                accepted, _ = self._listener.accept()
            except OSError:  # nobody left, or gone again
                return
            accepted.setblocking(False)  # noqa: FBT003 - the standard library's own
            peer = wire.peer_of(accepted, self.names)
            of_uid = sum(each.peer.uid == peer.uid for each in self._open.values())
            if len(self._open) >= self._limits.connections or of_uid >= self._limits.per_uid:
                self._refuse(accepted, BusyError("too many connections are open"))
                accepted.close()
                continue
            connection = _Connection(accepted, peer, now + self._limits.silent_s)
            self._open[accepted.fileno()] = connection
            self._selector.register(accepted, selectors.EVENT_READ)

    def _refuse(self, accepted: socket.socket, error: HoldfastError) -> None:
        with suppress(OSError):
            accepted.send(wire.error_packet("", error), socket.MSG_NOSIGNAL)

    def _close(self, connection: _Connection) -> None:
        fd = connection.socket.fileno()
        if fd in self._open:
            del self._open[fd]
            self._selector.unregister(connection.socket)
        connection.socket.close()

    def _receive(self, connection: _Connection, now: float) -> None:
        if connection.waiting:  # a second packet before the answer to the first, or gone
            self._close(connection)
            return
        try:
            packet = connection.socket.recv(wire.LONGEST_PACKET_BYTES + 1)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._close(connection)
            return
        connection.deadline = now + self._limits.silent_s
        try:
            request = wire.read_request(packet)
        except MalformedCallError as error:
            self._journal(connection.peer, _MALFORMED, {}, error.code)
            self._send(connection, wire.error_packet("", error))
            self._close(connection)
            return
        self._handle(connection, request)

    def _handle(self, connection: _Connection, request: wire.Request) -> None:
        peer, verb = connection.peer, request.verb
        try:
            rule = allow(self.table, verb, request.args, peer.names)
            self._rates.count(peer.uid, verb, rule)
            if rule.slow and self._slow >= self._limits.slow:
                raise BusyError("too many slow calls are under way")
            peer = self._proven(peer, rule, request)
        except HoldfastError as error:
            self._journal(peer, verb if verb in self.table else _UNKNOWN, {}, error.code)
            self._send(connection, wire.error_packet(request.id, error))
            return
        except OSError as error:
            self._journal(peer, verb, {}, "os-error")
            failure = HoldfastError(f"the system refused: {error.strerror or error}")
            self._send(connection, wire.error_packet(request.id, failure))
            return
        if not rule.slow:
            self._send(connection, self._carry_out(peer, request))
            return
        self._slow += 1
        connection.waiting = True
        self._journal(peer, verb, request.args, BEGUN)  # the power may be cut before its end
        threading.Thread(
            target=self._carry_out_slowly, args=(connection, peer, request), daemon=True
        ).start()

    def _proven(self, peer: Peer, rule: Verb, request: wire.Request) -> Peer:
        """Judge the proof of a call that needs one, or that brings one all the same.

        Raises:
            ProofError: It is missing, or does not hold.
        """
        needed = bool(rule.proof_of) and owners_proof.is_needed(
            rule.proof_of, rule.callers, peer.names
        )
        if not needed and not request.proof:
            return peer
        if self._prove is None or not rule.proof_of or not request.proof:
            raise ProofError
        return peer._replace(by=self._prove(request.proof, request.verb, request.args))

    def _carry_out(self, peer: Peer, request: wire.Request) -> bytes:
        try:
            result = self.handlers[request.verb](peer, request.args)
            code, packet = "ok", wire.answer_packet(request.id, result)
        except HoldfastError as error:
            code, packet = error.code, wire.error_packet(request.id, error)
        except OSError as error:
            failure = HoldfastError(f"the system refused: {error.strerror or error}")
            code, packet = "os-error", wire.error_packet(request.id, failure)
        self._journal(peer, request.verb, request.args, code)
        return packet

    def _carry_out_slowly(self, connection: _Connection, peer: Peer, request: wire.Request) -> None:
        packet = wire.error_packet(request.id, HoldfastError("it broke off; see the log"))
        try:
            packet = self._carry_out(peer, request)
        finally:
            self._done.put((connection, packet))
            self._wake()

    def _send_finished(self, now: float) -> None:
        with suppress(BlockingIOError):
            os.read(self._wake_read, 4096)
        with suppress(queue.Empty):
            while True:
                connection, packet = self._done.get_nowait()
                self._slow -= 1
                connection.waiting = False
                connection.deadline = now + self._limits.silent_s
                self._send(connection, packet)

    def _send(self, connection: _Connection, packet: bytes) -> None:
        try:
            connection.socket.send(packet, socket.MSG_NOSIGNAL)
        except OSError:  # gone, or does not read its answers
            self._close(connection)
