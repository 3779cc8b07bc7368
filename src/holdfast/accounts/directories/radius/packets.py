"""RADIUS packets: what is sent is signed first, what comes is believed only if it is signed.

MD5 stands here because RADIUS knows nothing else. What protects a reply over UDP is the keyed
Message-Authenticator, not the older Response Authenticator, which can be forged (CVE-2024-3596).

Source:
    RFC 2865 (packets, hidden passwords, Response Authenticator), RFC 3579 3.2
    (Message-Authenticator), RFC 5997 (Status-Server), RFC 6614 (over TLS).
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

from holdfast.accounts.errors import RadiusReplyError

Attribute = tuple[int, bytes]

MOST_BYTES = 4096
HEADER_BYTES = 20
MOST_VALUE_BYTES = 253
MOST_PASSWORD_BYTES = 128
_BLOCK = 16
_VENDOR_BYTES = 4

USER_NAME, USER_PASSWORD = 1, 2
VENDOR_SPECIFIC = 26
MESSAGE_AUTHENTICATOR = 80


class Code(IntEnum):
    """What a packet is."""

    ACCESS_REQUEST = 1
    ACCESS_ACCEPT = 2
    ACCESS_REJECT = 3
    ACCESS_CHALLENGE = 11
    STATUS_SERVER = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A question, ready to be sent, and sent again unchanged.

    Attributes:
        identifier: 0 to 255.
        authenticator: 16 random bytes that the reply must be made for.
        content: The whole packet.
    """

    identifier: int
    authenticator: bytes
    content: bytes

    def __repr__(self) -> str:
        """Show nothing of the content: a hidden password is in it."""
        return f"Request(identifier={self.identifier})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer that was believed.

    Attributes:
        code: What it says; not always one of `Code`.
        attributes: Type and value of each, in their order.
    """

    code: int
    attributes: tuple[Attribute, ...]


def access_request(
    name: bytes, password: bytes, secret: bytes, more: Iterable[Attribute] = ()
) -> Request:
    """Ask whether name and password belong together.

    Args:
        name: At most 253 bytes.
        password: 1 to 128 bytes, without NUL.
        secret: Shared with the server.
        more: Further attributes.
    """
    authenticator = secrets.token_bytes(_BLOCK)
    hidden = _hidden(password, secret, authenticator)
    attributes = ((USER_NAME, name), (USER_PASSWORD, hidden), *more)
    return _signed(Code.ACCESS_REQUEST, authenticator, secret, attributes)


def status_request(secret: bytes, more: Iterable[Attribute] = ()) -> Request:
    """Ask whether the server is there; no login takes place (RFC 5997)."""
    return _signed(Code.STATUS_SERVER, secrets.token_bytes(_BLOCK), secret, more)


def _signed(
    code: Code, authenticator: bytes, secret: bytes, attributes: Iterable[Attribute]
) -> Request:
    # The Message-Authenticator comes first, so that nothing that a stranger can choose stands
    # before it (CVE-2024-3596).
    body = b"".join(map(_encoded, attributes))
    mark = _encoded((MESSAGE_AUTHENTICATOR, bytes(_BLOCK)))
    identifier = secrets.randbelow(256)
    size = HEADER_BYTES + len(mark) + len(body)
    head = bytes((code, identifier)) + size.to_bytes(2, "big") + authenticator
    signature = hmac.digest(secret, head + mark + body, "md5")
    content = head + _encoded((MESSAGE_AUTHENTICATOR, signature)) + body
    return Request(identifier=identifier, authenticator=authenticator, content=content)


def _encoded(attribute: Attribute) -> bytes:
    kind, value = attribute
    return bytes((kind, len(value) + 2)) + value


def _hidden(password: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """Hide a password as RFC 2865 5.2 says: each block depends on the hidden one before."""
    padded = password + bytes(-len(password) % _BLOCK)
    hidden = last = b""
    for start in range(0, len(padded), _BLOCK):
        mask = _md5(secret + (last or authenticator))
        block = padded[start : start + _BLOCK]
        last = bytes(one ^ other for one, other in zip(block, mask, strict=True))
        hidden += last
    return hidden


def _md5(content: bytes) -> bytes:
    return hashlib.md5(content, usedforsecurity=False).digest()  # noqa: TID251 - RFC 2865 asks for it


def reply_of(content: bytes, request: Request, secret: bytes, *, must_be_signed: bool) -> Reply:
    """Read a reply.

    Args:
        content: As it came, with whatever stands behind its end.
        request: What it must answer.
        secret: Shared with the server.
        must_be_signed: Whether a reply without Message-Authenticator is refused; one that is wrong
            always is.

    Raises:
        RadiusReplyError: It is not to be believed.
    """
    content = _cut(content)
    attributes = tuple(_attributes(content))
    if content[1] != request.identifier:
        raise RadiusReplyError("foreign", "it answers another question")
    asked = content[:4] + request.authenticator + content[HEADER_BYTES:]
    if not hmac.compare_digest(_md5(asked + secret), content[4:HEADER_BYTES]):
        raise RadiusReplyError("signature", "it is signed with another secret, or was changed")
    marks = [value for kind, value in attributes if kind == MESSAGE_AUTHENTICATOR]
    if not marks and must_be_signed:
        raise RadiusReplyError("unsigned", "it carries no Message-Authenticator")
    if marks and (len(marks) > 1 or not hmac.compare_digest(_mark_of(asked, secret), marks[0])):
        raise RadiusReplyError("signature", "its Message-Authenticator is wrong")
    return Reply(code=content[0], attributes=attributes)


def _cut(content: bytes) -> bytes:
    """Leave what the length says; what stands behind it is padding (RFC 2865 3)."""
    size = int.from_bytes(content[2:4], "big")
    if not HEADER_BYTES <= size <= min(len(content), MOST_BYTES):
        raise RadiusReplyError("malformed", "its length is wrong")
    return content[:size]


def _attributes(content: bytes) -> Iterator[Attribute]:
    """Take a packet apart; every attribute must end where the next begins."""
    for start, end in pairwise(_borders(content, HEADER_BYTES)):
        yield content[start], content[start + 2 : end]


def _borders(content: bytes, at: int) -> Iterator[int]:
    yield at
    while at < len(content):
        # A slice, since the length itself may be missing.
        size = int.from_bytes(content[at + 1 : at + 2], "big")
        at += size
        if size < 2 or at > len(content):  # noqa: PLR2004 - type and length themselves
            raise RadiusReplyError("malformed", "an attribute has a wrong length")
        yield at


def _mark_of(asked: bytes, secret: bytes) -> bytes:
    """Compute what the Message-Authenticator should be, with its own place empty."""
    blank = bytearray(asked)
    for start in _borders(asked, HEADER_BYTES):
        if start < len(asked) and asked[start] == MESSAGE_AUTHENTICATOR:
            blank[start + 2 : start + asked[start + 1]] = bytes(asked[start + 1] - 2)
    return hmac.digest(secret, bytes(blank), "md5")


def vendor_attributes(value: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Take a Vendor-Specific attribute apart: vendor, type and value of each.

    Nothing comes of one that is written in a way of the vendor's own, which is allowed.
    """
    vendor = int.from_bytes(value[:_VENDOR_BYTES], "big")
    try:
        borders = list(_borders(value, _VENDOR_BYTES)) if len(value) > _VENDOR_BYTES else []
    except RadiusReplyError:
        return
    for start, end in pairwise(borders):
        yield vendor, value[start], value[start + 2 : end]
