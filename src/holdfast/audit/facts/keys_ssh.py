"""Keys as SSH programs keep them: OpenSSH, Dropbear and PuTTY."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from holdfast.audit.facts.der import MOST_NUMBER_BITS
from holdfast.audit.facts.keys_public import (
    UNKNOWN,
    Public,
    dsa_public,
    ec_public,
    raw_public,
    rsa_public,
)
from holdfast.audit.facts.keys_text import comment_of, decoded
from holdfast.audit.facts.shapes import KeyFact

OPENSSH_MAGIC: Final = b"openssh-key-v1\0"
_CURVES: Final[Mapping[bytes, bytes]] = {
    b"nistp256": bytes.fromhex("2a8648ce3d030107"),
    b"nistp384": bytes.fromhex("2b81040022"),
    b"nistp521": bytes.fromhex("2b81040023"),
}
_MOST_STRINGS: Final = 16
_MOST_DROPBEAR: Final = 16 * 1024
_LINE_STARTS: Final = (b"AAAAB3NzaC1", b"AAAAC3NzaC1lZDI1NTE5", b"AAAAE2VjZHNhLXNoYTIt")
_LINE: Final = re.compile(rb"([0-9A-Za-z+/]{40,16000}={0,2})(?:[ \t]+([^\r\n\0]{1,100}))?")
_TYPE_BEFORE: Final = re.compile(rb"(?:ssh-|ecdsa-|sk-)[a-z0-9@.-]{3,50}[ \t]+\Z")
_PUTTY: Final = re.compile(
    rb"PuTTY-User-Key-File-[123]: [a-z0-9-]{3,40}\r?\n"
    rb"Encryption: ([a-z0-9-]{3,20})\r?\n"
    rb"Comment: ([^\r\n]{0,200})\r?\n"
    rb"Public-Lines: [0-9]{1,3}\r?\n"
    rb"((?:[0-9A-Za-z+/=]{1,80}\r?\n){1,300})"
)


def strings(blob: bytes) -> list[bytes]:
    """Split SSH's length-prefixed strings; [] if they do not fill the blob exactly."""
    found: list[bytes] = []
    at = 0
    while at < len(blob):
        size = int.from_bytes(blob[at : at + 4])
        if at + 4 + size > len(blob) or len(found) == _MOST_STRINGS:
            return []
        found.append(blob[at + 4 : at + 4 + size])
        at += 4 + size
    return found


def _number(raw: bytes) -> int:
    if len(raw) > MOST_NUMBER_BITS // 8 + 1:
        return 0
    return max(int.from_bytes(raw, signed=True), 0)


def public_of(blob: bytes) -> Public:
    """Read the blob of a public key; unknown if it is of a kind that we cannot read."""
    match strings(blob):
        case [b"ssh-rsa", e, n]:
            return rsa_public(_number(n), _number(e))
        case [b"ssh-dss", p, q, g, y]:
            return dsa_public(_number(p), _number(q), _number(g), _number(y))
        case [name, curve, point, *_] if name.startswith((b"ecdsa-sha2-", b"sk-ecdsa-sha2-")):
            return ec_public(_CURVES[curve], point) if curve in _CURVES else UNKNOWN
        case [b"ssh-ed25519" | b"sk-ssh-ed25519@openssh.com", key, *_]:
            return raw_public("ed25519", key)
    return UNKNOWN


def openssh_private(body: bytes, at: int) -> KeyFact | None:
    """Read what stands inside `BEGIN OPENSSH PRIVATE KEY`, by its public half."""
    if not body.startswith(OPENSSH_MAGIC):
        return None
    rest, texts = body[len(OPENSSH_MAGIC) :], []
    for _ in range(3):  # cipher, key derivation and its options
        size = int.from_bytes(rest[:4])
        texts.append(rest[4 : 4 + size])
        rest = rest[4 + size :]
    size = int.from_bytes(rest[4:8])  # after the number of keys
    public = public_of(rest[8 : 8 + size])
    kind = "ssh-private-key" if texts[0] == b"none" else "encrypted-private-key"
    return KeyFact(kind=kind, offset=at, **public._asdict())


def dropbear_key(content: bytes) -> KeyFact | None:
    """Recognise a host key of Dropbear, a binary file of its own."""
    if len(content) > _MOST_DROPBEAR or not content.startswith(b"\0\0\0"):
        return None
    public = UNKNOWN
    match strings(content.rstrip(b"\n")) or strings(content):
        case [b"ssh-rsa", e, n, _, *factors]:
            if all(_number(n) % (_number(p) or 2) == 0 for p in factors[:1]):
                public = rsa_public(_number(n), _number(e))
        case [b"ssh-dss", p, q, g, y, _]:
            public = dsa_public(_number(p), _number(q), _number(g), _number(y))
        case [name, curve, point, _] if name.startswith(b"ecdsa-sha2-") and curve in _CURVES:
            public = ec_public(_CURVES[curve], point)
        case [b"ssh-ed25519", both] if len(both) == 64:  # noqa: PLR2004 - private, then public
            public = raw_public("ed25519", both[32:])
    if public is UNKNOWN:
        return None
    return KeyFact(kind="dropbear-host-key", offset=0, **public._asdict())


def putty_keys(content: bytes, most: int) -> Iterator[tuple[KeyFact, int]]:
    """Give PuTTY's private keys with the places where their public halves end."""
    at = content.find(b"PuTTY-User-Key-File-")
    while at >= 0 and most:
        most -= 1
        match = _PUTTY.match(content, at)
        if match is not None:
            public = public_of(decoded(match[3]) or b"")
            kind = "ssh-private-key" if match[1] == b"none" else "encrypted-private-key"
            subject = comment_of(match[2])
            yield KeyFact(kind=kind, offset=at, subject=subject, **public._asdict()), match.end()
        at = content.find(b"PuTTY-User-Key-File-", at + 1)


def public_lines(content: bytes, most: int) -> Iterator[tuple[KeyFact, int]]:
    """Give the keys of `authorized_keys`, `known_hosts` and `*.pub`, with their ends."""
    for start in _LINE_STARTS:
        at, tries = content.find(start), most
        while at >= 0 and tries:
            tries -= 1
            match = _LINE.match(content, at)
            public = public_of(decoded(match[1]) or b"") if match is not None else UNKNOWN
            if match is not None and public is not UNKNOWN:
                before = _TYPE_BEFORE.search(content, max(at - 60, 0), at)
                yield (
                    KeyFact(
                        kind="ssh-public-key",
                        offset=before.start() if before else at,
                        subject=comment_of(match[2] or b""),
                        **public._asdict(),
                    ),
                    match.end(1),
                )
            at = content.find(start, match.end(1) if match is not None else at + 1)
