"""Replies as a RADIUS server makes them, good and bad, for tests that need no server."""

import hashlib
import hmac
from collections.abc import Sequence

from holdfast.accounts.directories.radius.packets import Attribute, Request

MARK = 80


def encoded(attributes: Sequence[Attribute]) -> bytes:
    return b"".join(bytes((kind, len(value) + 2)) + value for kind, value in attributes)


def reply_to(
    request: Request,
    secret: bytes,
    *,
    code: int = 2,
    attributes: Sequence[Attribute] = (),
    signed: bool = True,
) -> bytes:
    """Answer as RFC 2865 3 and RFC 3579 3.2 say, written from them and not from our client."""
    body = encoded(attributes)
    if signed:
        body += encoded([(MARK, bytes(16))])
    head = bytes((code, request.identifier)) + (20 + len(body)).to_bytes(2, "big")
    if signed:
        mark = hmac.digest(secret, head + request.authenticator + body, "md5")
        body = body[:-16] + mark
    return head + response_authenticator(head, request, body, secret) + body


def response_authenticator(head: bytes, request: Request, body: bytes, secret: bytes) -> bytes:
    content = head + request.authenticator + body + secret
    return hashlib.md5(content, usedforsecurity=False).digest()  # noqa: TID251 - RFC 2865


def resealed(content: bytes, request: Request, secret: bytes) -> bytes:
    """Renew the Response Authenticator alone, as who finds a collision in MD5 can."""
    head, body = content[:4], content[20:]
    return head + response_authenticator(head, request, body, secret) + body
