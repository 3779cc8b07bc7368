"""Packets of TACACS+: the header, and the obfuscation of what follows it.

Source:
    RFC 8907 4; RFC 9887 4 (no obfuscation under TLS).
"""

import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Literal

from holdfast.accounts.errors import AccountsError

MOST_BYTES = 1 << 16
"""Longest body that is read (RFC 8907 4.1)."""
MOST_SEQUENCE = 255
"""The sequence number never wraps (RFC 8907 4.1)."""
_MAJOR = 0xC0
_HEADER = struct.Struct("!BBBBII")
HEADER_BYTES = _HEADER.size

Fault = Literal["foreign", "garbled", "flag", "error"]


class Kind(IntEnum):
    """What a session is for."""

    AUTHENTICATION = 1
    AUTHORISATION = 2
    ACCOUNTING = 3


class Flags(IntFlag):
    """Bits of the header; all others are ignored (RFC 8907 4.1)."""

    UNENCRYPTED = 1


class PacketError(AccountsError):
    """What came back is not an answer.

    Attributes:
        fault: `foreign`: not TACACS+, or not of this session; `garbled`: the fields of the body do
            not add up, as with another shared secret; `flag`: obfuscated where it must not be, or
            not where it must; `error`: the server says that it cannot even say what was wrong.
        reason: What was seen, to follow the server's address; nothing that the server chose.
    """

    code = "accounts-tacacs-packet"
    http_status = 503
    exit_code = 3

    def __init__(self, fault: Fault, reason: str) -> None:
        super().__init__(f"A TACACS+ server {reason}.")
        self.fault: Fault = fault
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What precedes every body.

    Attributes:
        kind: Of the session.
        minor: Minor version: 1 for PAP, else 0.
        sequence: Odd from us, even from the server, each one above the last.
        flags: See `Flags`.
        session: Random, the same in all packets of a session.
        length: Octets of the body.
    """

    kind: Kind
    minor: int
    sequence: int
    flags: Flags
    session: int
    length: int

    def pack(self) -> bytes:
        """Write the 12 octets."""
        version = _MAJOR | self.minor
        return _HEADER.pack(
            version, self.kind, self.sequence, self.flags, self.session, self.length
        )


def header_of(content: bytes, *, asked: Header) -> Header:
    """Read the header of a reply, and hold it against the request.

    Args:
        content: 12 octets.
        asked: Header of the packet that is answered.

    Raises:
        PacketError: It is no reply to that.
    """
    version, kind, sequence, flags, session, length = _HEADER.unpack(content)
    if version & 0xF0 != _MAJOR or kind != asked.kind:
        raise PacketError("foreign", "speaks something else than TACACS+")
    if session != asked.session or sequence != asked.sequence + 1:
        raise PacketError("foreign", "answers something that was not asked")
    if length > MOST_BYTES:
        raise PacketError(
            "foreign", f"announces {length} octets, and more than {MOST_BYTES} are not read"
        )
    if length == 0:  # RFC 8907 3.6: the type of the request could not be made out
        raise PacketError("error", "reports an error without saying which")
    return Header(
        kind=asked.kind,
        minor=version & 0x0F,
        sequence=sequence,
        flags=Flags(flags & Flags.UNENCRYPTED),
        session=session,
        length=length,
    )


def obfuscated(body: bytes, header: Header, secret: bytes) -> bytes:
    """Obfuscate a body, or undo it; this protects nothing against who can change packets.

    Source:
        RFC 8907 4.5, 10.1.
    """
    start = header.pack()
    seed = start[4:8] + secret + start[0:1] + start[2:3]
    pad, last = bytearray(), b""
    while len(pad) < len(body):
        # MD5 is what the protocol names; nobody may count on it, hence TLS (RFC 9887 3).
        last = hashlib.new("md5", seed + last, usedforsecurity=False).digest()
        pad += last
    return bytes(a ^ b for a, b in zip(body, pad, strict=False))
