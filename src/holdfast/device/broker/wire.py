"""One JSON object per packet over a unix socket: what all processes of the device speak.

A request is `{"v": 1, "id": ..., "verb": ..., "args": {...}}`, its answer `{"id": ..., "ok":
{...}}` or `{"id": ..., "error": {"code", "message", "hint"}}`. Standard library only.
"""

import json
import os
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from holdfast.core.errors import HoldfastError
from holdfast.hardening.errors import MalformedCallError

LONGEST_PACKET_BYTES = 4096
LISTEN_FD = 3  # where a process that is started with its socket finds it
_LONGEST_NAME = 64
_LONGEST_SOCKET_NAME = 100
_LONGEST_MESSAGE = 1000
_LONGEST_PROOF = 256
_CREDENTIALS = struct.Struct("3i")

Answer = dict[str, Any]


class UnreachableError(HoldfastError):
    """Nobody answers on the other side of a socket."""

    code = "wire-unreachable"
    http_status = 503
    hint = "Look whether the device is running: holdfast device status."


class AnsweredError(HoldfastError):
    """The other side refused; carries the code and the hint that it gave."""

    http_status = 409

    def __init__(self, *, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.__dict__["code"] = code  # the class's own code is only for refusals made here
        self.hint = hint


class Peer(NamedTuple):
    """Who is on the other side of a connection, as the kernel says.

    Attributes:
        uid: User id at the moment of connecting.
        pid: Process id at that moment; only for the journal, it can be used again.
        names: Callers that the uid stands for; more than one where all share a uid.
        by: Account name of who confirmed this call with a proof; empty for nobody.
    """

    uid: int
    pid: int
    names: frozenset[str]
    by: str = ""


class Request(NamedTuple):
    """A packet that has the shape of a call; whether it is allowed is not yet said."""

    id: str
    verb: str
    args: dict[str, Any]
    proof: str = ""


def peer_of(connection: socket.socket, names: Mapping[int, frozenset[str]]) -> Peer:
    """Ask the kernel who connected."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(raw)
    return Peer(uid=uid, pid=pid, names=names.get(uid, frozenset()))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    whole = dict(pairs)
    if len(whole) != len(pairs):
        raise MalformedCallError("a key stands twice in the packet")
    return whole


def _no_constant(word: str) -> None:
    raise MalformedCallError(f"{word} is no JSON number")


def read_object(packet: bytes) -> dict[str, Any]:
    """Read one JSON object, strictly.

    Raises:
        MalformedCallError: It is too long, not JSON, not an object, or has a key twice.
    """
    if len(packet) > LONGEST_PACKET_BYTES:
        raise MalformedCallError(f"the packet has more than {LONGEST_PACKET_BYTES} bytes")
    try:
        whole = json.loads(packet.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedCallError("the packet is not JSON") from error
    if not isinstance(whole, dict):
        raise MalformedCallError("the packet is not a JSON object")
    return whole


def read_request(packet: bytes) -> Request:
    """Read a call.

    Raises:
        MalformedCallError: The packet has another shape.
    """
    whole = read_object(packet)
    if set(whole) - {"proof"} != {"v", "id", "verb", "args"}:
        raise MalformedCallError("a call has the keys v, id, verb and args, and proof if need be")
    if whole["v"] != 1 or isinstance(whole["v"], bool | float):
        raise MalformedCallError("only version 1 of the protocol is spoken here")
    for name in ("id", "verb"):
        value = whole[name]
        if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME:
            raise MalformedCallError(f"{name} must be a text of 1 to {_LONGEST_NAME} characters")
        if not value.isascii() or not value.isprintable():
            raise MalformedCallError(f"{name} must be printable ASCII")
    if not isinstance(whole["args"], dict):
        raise MalformedCallError("args must be an object")
    proof = whole.get("proof", "")
    if not isinstance(proof, str) or len(proof) > _LONGEST_PROOF:
        raise MalformedCallError(f"proof must be a text of {_LONGEST_PROOF} characters at most")
    return Request(id=whole["id"], verb=whole["verb"], args=whole["args"], proof=proof)


def _packed(whole: Answer) -> bytes:
    try:
        # Two passwords of 256 characters of any script fit a packet in this form, and in no other.
        packet = json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a character
        packet = json.dumps(whole, separators=(",", ":")).encode()
    if len(packet) > LONGEST_PACKET_BYTES:
        raise MalformedCallError(f"the packet has more than {LONGEST_PACKET_BYTES} bytes")
    return packet


def request_packet(call_id: str, verb: str, args: Mapping[str, Any], proof: str = "") -> bytes:
    """Write a call.

    Raises:
        MalformedCallError: It would be longer than a packet may be.
    """
    proven = {"proof": proof} if proof else {}
    return _packed({"v": 1, "id": call_id, "verb": verb, "args": dict(args), **proven})


def answer_packet(call_id: str, result: Answer) -> bytes:
    """Write the answer to a call that went well; one that is too long becomes an error."""
    try:
        return _packed({"id": call_id, "ok": result})
    except MalformedCallError as error:
        return error_packet(call_id, error)


def error_packet(call_id: str, error: HoldfastError) -> bytes:
    """Write a refusal."""
    told = {
        "code": error.code,
        "message": str(error)[:_LONGEST_MESSAGE],
        "hint": error.hint[:_LONGEST_MESSAGE],
    }
    try:
        return _packed({"id": call_id, "error": told})
    except MalformedCallError:  # escapes made it longer than it has characters
        told["message"], told["hint"] = ascii(str(error))[:_LONGEST_MESSAGE], ""
        return _packed({"id": call_id, "error": told})


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Name a socket in fewer than the 108 bytes that the kernel allows."""
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_NAME:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def listen(path: Path, *, mode: int = 0o600) -> socket.socket:
    """Make a listening socket in the file system, in place of an old one.

    Args:
        path: Name of the socket; the folder must exist.
        mode: Permissions, given before anybody can connect.
    """
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    with _short(fresh) as name:
        listener.bind(name)
    fresh.chmod(mode)
    listener.listen(64)
    fresh.replace(path)
    return listener


def inherited(fd: int = LISTEN_FD) -> socket.socket:
    """Take over the listening socket with which this process was started."""
    os.set_inheritable(fd, False)  # noqa: FBT003 - the standard library's own
    return socket.socket(fileno=fd)


def call(
    path: Path, verb: str, args: Mapping[str, Any], timeout_s: float = 5.0, *, proof: str = ""
) -> Answer:
    """Ask another process of the device for one thing and wait for its answer.

    Args:
        path: Its socket.
        verb: Name in its table.
        args: Arguments.
        timeout_s: Seconds to wait for connecting and again for the answer.
        proof: The owner's proof where the verb demands one of this caller.

    Raises:
        UnreachableError: Nobody listens, or no answer came in time.
        AnsweredError: It refused; `code`, message and `hint` are its own.
        MalformedCallError: The call is too long, or the answer has another shape.
    """
    call_id = os.urandom(8).hex()
    packet = request_packet(call_id, verb, args, proof)
    try:
        with socket.socket(
            socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC
        ) as connection:
            connection.settimeout(timeout_s)
            with _short(path) as name:
                connection.connect(name)
            connection.send(packet)
            reply = connection.recv(LONGEST_PACKET_BYTES + 1)
    except TimeoutError as error:
        raise UnreachableError(f"{path.name} gave no answer in {timeout_s:g} seconds") from error
    except OSError as error:
        raise UnreachableError(f"{path.name} does not answer: {error.strerror}") from error
    if not reply:
        raise UnreachableError(f"{path.name} closed the connection without an answer")
    return _opened(reply, call_id)


def _opened(reply: bytes, call_id: str) -> Answer:
    whole = read_object(reply)
    result, error = whole.get("ok"), whole.get("error")
    if isinstance(error, dict):
        raise AnsweredError(
            code=str(error.get("code", "unknown")),
            message=str(error.get("message", "")),
            hint=str(error.get("hint", "")),
        )
    if whole.get("id") != call_id or not isinstance(result, dict):
        raise MalformedCallError("the answer does not belong to the call")
    return result
