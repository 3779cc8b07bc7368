"""Bodies of TACACS+ packets: requests are written, replies are read, exactly.

Source:
    RFC 8907 5 (authentication), 6 (authorisation), 7 (accounting).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from holdfast.accounts.directories.tacacs.packets import PacketError

MOST_OCTETS = 255
"""Longest name, password (PAP) or argument: their lengths are one octet."""
_PORT = b"https"
_LOGIN, _LOGIN_SERVICE, _USER_LEVEL, _BY_TACACS = 1, 1, 1, 6
_ABORT = 1
_GARBLED = "sends an answer whose fields do not add up"


class Way(IntEnum):
    """How the password travels (authen_type)."""

    ASCII = 1
    PAP = 2

    @property
    def minor(self) -> int:
        """Give the minor version that goes with it (RFC 8907 5.4.1)."""
        return 1 if self is Way.PAP else 0


class Status(IntEnum):
    """What the server says of a login (RFC 8907 5.2)."""

    PASS = 1
    FAIL = 2
    GETDATA = 3
    GETUSER = 4
    GETPASS = 5
    RESTART = 6
    ERROR = 7
    FOLLOW = 0x21


class Permission(IntEnum):
    """What the server says of an authorisation (RFC 8907 6.2)."""

    PASS_ADD = 1
    PASS_REPL = 2
    FAIL = 0x10
    ERROR = 0x11
    FOLLOW = 0x21


class Noted(IntEnum):
    """What the server says of an accounting record (RFC 8907 7.2)."""

    SUCCESS = 1
    ERROR = 2
    FOLLOW = 0x21


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something for the server's accounting.

    Attributes:
        kind: `start` for somebody who came in, `stop` for somebody who left.
        name: Who.
        source: Address of the browser; may be empty.
        task: The same for the start and the stop of one session; printable ASCII, no secret.
        at_s: Seconds since 1970.
        lasted_s: For a stop: length of the session.
    """

    kind: Literal["start", "stop"]
    name: str
    task: str
    at_s: int
    source: str = ""
    lasted_s: int = 0

    @property
    def arguments(self) -> tuple[bytes, ...]:
        """Give what the record says, as attributes and values (RFC 8907 8.3)."""
        moment = "start_time" if self.kind == "start" else "stop_time"
        words = [f"task_id={self.task}", "service=shell", f"{moment}={self.at_s}"]
        if self.kind == "stop":
            words.append(f"elapsed_time={self.lasted_s}")
        return tuple(word.encode() for word in words)


def start(way: Way, name: bytes, source: bytes, password: bytes = b"") -> bytes:
    """Write what begins a login; the password goes along with PAP only."""
    fixed = (_LOGIN, _USER_LEVEL, way, _LOGIN_SERVICE)
    return bytes((*fixed, *map(len, (name, _PORT, source, password)))) + b"".join(
        (name, _PORT, source, password)
    )


def going_on(told: bytes) -> bytes:
    """Write what answers a question of the server."""
    return struct.pack("!HHB", len(told), 0, 0) + told


def abort() -> bytes:
    """Write that the login is given up."""
    return struct.pack("!HHB", 0, 0, _ABORT)


def authorisation(way: Way, name: bytes, source: bytes, arguments: Sequence[bytes]) -> bytes:
    """Write the question what somebody may."""
    return _with_arguments(way, name, source, arguments)


def accounting(event: Event, name: bytes, source: bytes) -> bytes:
    """Write a record of somebody who came or left."""
    flags = {"start": 2, "stop": 4}[event.kind]
    return bytes((flags,)) + _with_arguments(Way.PAP, name, source, event.arguments)


def _with_arguments(way: Way, name: bytes, source: bytes, arguments: Sequence[bytes]) -> bytes:
    fixed = (_BY_TACACS, _USER_LEVEL, way, _LOGIN_SERVICE)
    lengths = (*map(len, (name, _PORT, source)), len(arguments), *map(len, arguments))
    return bytes((*fixed, *lengths)) + b"".join((name, _PORT, source, *arguments))


def login_reply(body: bytes) -> Status:
    """Read an answer to a login; its texts are for a terminal, and left alone.

    Raises:
        PacketError: `garbled`.
    """
    code, _flags, message, more = _unpacked("!BBHH", body)
    _must_be(len(body) == struct.calcsize("!BBHH") + message + more)
    return Status(_known(code, Status))


def permission_reply(body: bytes) -> tuple[Permission, tuple[bytes, ...]]:
    """Read an answer to an authorisation, with its arguments.

    Raises:
        PacketError: `garbled`.
    """
    code, count, message, more = _unpacked("!BBHH", body)
    fixed = struct.calcsize("!BBHH")
    lengths = body[fixed : fixed + count]  # fewer than `count` do not pass what follows
    at = fixed + count + message + more
    _must_be(len(body) == at + sum(lengths))
    arguments = []
    for length in lengths:
        arguments.append(body[at : at + length])
        at += length
    return Permission(_known(code, Permission)), tuple(arguments)


def noted_reply(body: bytes) -> Noted:
    """Read an answer to an accounting record.

    Raises:
        PacketError: `garbled`.
    """
    message, more, code = _unpacked("!HHB", body)
    _must_be(len(body) == struct.calcsize("!HHB") + message + more)
    return Noted(_known(code, Noted))


def _unpacked(form: str, body: bytes) -> tuple[int, ...]:
    _must_be(len(body) >= struct.calcsize(form))
    return struct.unpack_from(form, body)


def _must_be(right: bool) -> None:  # noqa: FBT001 - the one thing it is asked
    if not right:
        raise PacketError("garbled", _GARBLED)


def _known(code: int, words: type[IntEnum]) -> int:
    if code not in words._value2member_map_:
        raise PacketError("garbled", "sends an answer that means nothing")
    return code
